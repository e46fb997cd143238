/* S3's XML: what clients send, what servers answer, and what must be refused (security facts,
 * section 3, case 30). Every bad document is MalformedXML and leaves nothing behind. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/s3xml_client.h"

#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static struct arena arena;
static struct err err;

static int reset(void **state)
{
	(void)state;
	arena_release(&arena);
	arena = ARENA_INIT;
	memset(&err, 0, sizeof(err));
	return 0;
}

/* --- CompleteMultipartUpload --- */

static void complete_as_clients_write_it(void **state)
{
	static const char document[] =
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUpload" XMLNS ">\n"
		" <Part>\n  <PartNumber>1</PartNumber><ETag>\"aa\"</ETag>\n </Part>\n"
		"<Part><ETag>&quot;bb&quot;</ETag><PartNumber>2</PartNumber>"
		"<ChecksumCRC32>NSRBwg==</ChecksumCRC32></Part>"
		"<Part><PartNumber> 7 </PartNumber><ETag>&#34;cc&#34;</ETag></Part>"
		"<Part><PartNumber>10000</PartNumber><ETag>dd</ETag><Unknown>x</Unknown></Part>"
		"</CompleteMultipartUpload>";
	struct s3xml_complete c;

	(void)state;
	assert_int_equal(s3xml_read_complete(slice_str(document), &arena, &c, &err), RC_OK);
	assert_int_equal(c.n_parts, 4);
	assert_slice_is(c.parts[0].etag, "aa");
	assert_slice_is(c.parts[1].etag, "bb");
	assert_int_equal(c.parts[1].checksum.alg, DIGEST_CRC32);
	assert_int_equal(c.parts[0].checksum.alg, 0);
	assert_slice_is(c.parts[2].etag, "cc");
	assert_int_equal(c.parts[2].number, 7);
	assert_slice_is(c.parts[3].etag, "dd");
	assert_int_equal(c.parts[3].number, 10000);
}

static void expect_complete(const char *inside, const char *code)
{
	struct s3xml_complete c;
	char document[2000];

	memset(&err, 0, sizeof(err));
	snprintf(document, sizeof(document),
		"<CompleteMultipartUpload>%s</CompleteMultipartUpload>", inside);
	assert_int_equal(s3xml_read_complete(slice_str(document), &arena, &c, &err),
		code[0] ? RC_REFUSED : RC_OK);
	assert_string_equal(err.code, code);
}

#define PART(number, rest) "<Part><PartNumber>" number "</PartNumber>" rest "</Part>"
#define ETAG "<ETag>a</ETag>"

static void complete_is_checked(void **state)
{
	(void)state;
	expect_complete(PART("1", ETAG), "");
	expect_complete("", "MalformedXML"); /* an empty list */
	expect_complete(PART("1", ""), "MalformedXML");
	expect_complete("<Part>" ETAG "</Part>", "MalformedXML");
	expect_complete(PART("one", ETAG), "MalformedXML");
	expect_complete(PART("-1", ETAG), "MalformedXML");
	expect_complete(PART("0", ETAG), "InvalidArgument");
	expect_complete(PART("10001", ETAG), "InvalidArgument");
	expect_complete(PART("99999999999999999999", ETAG), "MalformedXML");
	expect_complete(PART("2", ETAG) PART("1", ETAG), "InvalidPartOrder");
	expect_complete(PART("2", ETAG) PART("2", ETAG), "InvalidPartOrder");
	expect_complete(PART("1", ETAG "<ChecksumSHA1>x</ChecksumSHA1>"), "InvalidRequest");
}

static void ten_thousand_parts(void **state)
{
	struct s3xml_complete c;
	struct buf b;

	(void)state;
	buf_init(&b, S3XML_BODY_MAX_BYTES);
	s3xml_open_root(&b, "CompleteMultipartUpload");
	for (unsigned i = 1; i <= 10000; i++)
		buf_addf(&b, "<Part><PartNumber>%u</PartNumber>" ETAG "</Part>", i);
	s3xml_close(&b, "CompleteMultipartUpload");
	assert_int_equal(s3xml_read_complete(buf_slice(&b), &arena, &c, &err), RC_OK);
	assert_int_equal(c.n_parts, 10000);
	assert_int_equal(c.parts[9999].number, 10000);
	buf_release(&b);
}

/* --- Delete --- */

static void delete_as_clients_write_it(void **state)
{
	static const char document[] =
		"<Delete" XMLNS "><Object><Key> a&amp;b/&lt;\xc3\xa9 </Key></Object>"
		"<Object><Key>c</Key><VersionId>v1</VersionId></Object>"
		"<Object><VersionId/><ETag>\"e\"</ETag><Key>d&#10;</Key></Object>"
		"<Quiet>true</Quiet></Delete>";
	struct s3xml_delete d;

	(void)state;
	assert_int_equal(s3xml_read_delete(slice_str(document), &arena, &d, &err), RC_OK);
	assert_int_equal(d.n_objects, 3);
	assert_true(d.quiet);
	assert_slice_is(d.objects[0].key, " a&b/<\xc3\xa9 "); /* blanks belong to keys */
	assert_null(d.objects[0].version_id.p);
	assert_slice_is(d.objects[1].version_id, "v1");
	assert_null(d.objects[2].version_id.p);
	assert_slice_is(d.objects[2].key, "d\n");
	assert_slice_is(d.objects[2].etag, "e");
	assert_int_equal(
		s3xml_read_delete(slice_str("<Delete><Object><Key>c</Key></Object></Delete>"),
			&arena, &d, &err),
		RC_OK);
	assert_false(d.quiet);
}

static enum rc delete_of(size_t n)
{
	struct s3xml_delete d;
	struct buf b;
	enum rc rc;

	buf_init(&b, 100000);
	s3xml_open_root(&b, "Delete");
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "<Object><Key>%zu</Key></Object>", i);
	s3xml_close(&b, "Delete");
	rc = s3xml_read_delete(buf_slice(&b), &arena, &d, &err);
	if (rc == RC_OK)
		assert_int_equal(d.n_objects, n);
	buf_release(&b);
	return rc;
}

static void delete_takes_a_thousand(void **state)
{
	(void)state;
	assert_int_equal(delete_of(1000), RC_OK);
	assert_int_equal(delete_of(1001), RC_REFUSED);
	assert_string_equal(err.code, "MalformedXML");
	assert_int_equal(delete_of(0), RC_REFUSED);
	assert_string_equal(err.code, "MalformedXML");
}

/* --- configurations --- */

static void expect_versioning(const char *inside, enum s3xml_versioning want, const char *code)
{
	enum s3xml_versioning got = S3XML_VERSIONING_NONE;
	char document[500];

	memset(&err, 0, sizeof(err));
	snprintf(document, sizeof(document),
		"<VersioningConfiguration" XMLNS ">%s</VersioningConfiguration>", inside);
	s3xml_read_versioning(slice_str(document), &got, &err);
	assert_string_equal(err.code, code);
	assert_int_equal(got, want);
}

static void configurations(void **state)
{
	struct slice region;

	(void)state;
	expect_versioning("<Status>Enabled</Status>", S3XML_VERSIONING_ENABLED, "");
	expect_versioning("<Status>Suspended</Status><MfaDelete>Disabled</MfaDelete>",
		S3XML_VERSIONING_SUSPENDED, "");
	expect_versioning("", S3XML_VERSIONING_NONE, "");
	expect_versioning("<Status>enabled</Status>", S3XML_VERSIONING_NONE, "MalformedXML");
	expect_versioning(
		"<MfaDelete>Enabled</MfaDelete>", S3XML_VERSIONING_NONE, "NotImplemented");
	assert_int_equal(s3xml_read_create_bucket(slice_str(" \n"), &arena, &region, &err), RC_OK);
	assert_int_equal(region.n, 0);
	assert_int_equal(s3xml_read_create_bucket(
				 slice_str("<CreateBucketConfiguration" XMLNS
					   "><LocationConstraint>eu-west-1</LocationConstraint>"
					   "</CreateBucketConfiguration>"),
				 &arena, &region, &err),
		RC_OK);
	assert_slice_is(region, "eu-west-1");
	assert_int_equal(
		s3xml_read_create_bucket(slice_str("<Other/>"), &arena, &region, &err), RC_REFUSED);
}

/* --- hostile documents --- */

static void expect_malformed(const char *document)
{
	struct s3xml_complete c;
	struct s3xml_delete d;

	memset(&err, 0, sizeof(err));
	assert_int_equal(s3xml_read_complete(slice_str(document), &arena, &c, &err), RC_REFUSED);
	assert_string_equal(err.code, "MalformedXML");
	assert_int_equal(s3xml_read_delete(slice_str(document), &arena, &d, &err), RC_REFUSED);
	assert_string_equal(err.code, "MalformedXML");
}

static void hostile_documents(void **state)
{
	(void)state;
	expect_malformed("");
	expect_malformed("   ");
	expect_malformed("not xml");
	expect_malformed("<Delete>");
	expect_malformed("<Delete></Other>");
	expect_malformed("<Delete/><Delete/>");
	expect_malformed("<Delete><Object><Key>\xff</Key></Object></Delete>");
	expect_malformed("<Delete><Object><Key>&#0;</Key></Object></Delete>");
	expect_malformed("<Delete><Object><Key>&undefined;</Key></Object></Delete>");
	expect_malformed("<!DOCTYPE Delete><Delete><Object><Key>a</Key></Object></Delete>");
	expect_malformed("<!DOCTYPE d [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>"
			 "<Delete><Object><Key>&b;</Key></Object></Delete>");
	expect_malformed("<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><Delete/>");
	expect_malformed("<Delete><Object><Key></Key></Object></Delete>");
	expect_malformed("<Delete><Quiet>perhaps</Quiet></Delete>");
	expect_malformed("<Wrapper><Delete><Object><Key>a</Key></Object></Delete></Wrapper>");
}

static void depth_is_bounded(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8 << 20);
	for (size_t i = 0; i < 1000000; i++)
		buf_add_str(&b, "<a>");
	expect_malformed(buf_cstr(&b));
	buf_release(&b);
}

static void texts_are_bounded(void **state)
{
	struct s3xml_delete d;
	struct buf b;

	(void)state;
	for (size_t n = S3XML_TEXT_MAX_BYTES; n <= S3XML_TEXT_MAX_BYTES + 1; n++) {
		buf_init(&b, 100000);
		buf_add_str(&b, "<Delete><Object><Key>");
		memset(buf_reserve(&b, n), 'k', n);
		b.n += n;
		buf_add_str(&b, "</Key></Object></Delete>");
		assert_int_equal(s3xml_read_delete(buf_slice(&b), &arena, &d, &err),
			n > S3XML_TEXT_MAX_BYTES ? RC_REFUSED : RC_OK);
		buf_release(&b);
	}
}

static void names_are_bounded(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	buf_add_char(&b, '<');
	memset(buf_reserve(&b, S3XML_PATH_MAX_BYTES), 'n', S3XML_PATH_MAX_BYTES);
	b.n += S3XML_PATH_MAX_BYTES;
	buf_add_str(&b, "/>");
	expect_malformed(buf_cstr(&b));
	buf_release(&b);
}

/* --- writing --- */

static void expect_text(struct slice text, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	s3xml_text(&b, "T", text);
	assert_string_equal(buf_cstr(&b), want);
	buf_release(&b);
}

static void texts_are_legal_xml(void **state)
{
	(void)state;
	expect_text(slice_str("a<b>&\"c'"), "<T>a&lt;b&gt;&amp;&quot;c'</T>");
	expect_text(slice_str("a\r\n\tb"), "<T>a&#13;&#10;&#9;b</T>");
	expect_text(slice_str("a\x01\x1f\x7f"), "<T>a\xef\xbf\xbd\xef\xbf\xbd\x7f</T>");
	expect_text(slice_of("\0", 1), "<T>\xef\xbf\xbd</T>");
	expect_text(slice_str("\xff\xc3"), "<T>\xef\xbf\xbd\xef\xbf\xbd</T>");
	expect_text(slice_str("\xef\xbf\xbf"), "<T>\xef\xbf\xbd</T>"); /* U+FFFF */
	expect_text(slice_str("\xed\xa0\x80"), "<T>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</T>");
	expect_text(slice_str("\xc3\xa9\xf0\x9f\x98\x80"), "<T>\xc3\xa9\xf0\x9f\x98\x80</T>");
	expect_text(slice_str(""), "<T></T>");
}

static void elements(void **state)
{
	struct checksum sum = {.alg = DIGEST_CRC32, .value = {0x5a, 0x00, 0xe1, 0x05}};
	struct buf b;

	(void)state;
	buf_init(&b, 2000);
	s3xml_begin(&b);
	s3xml_open_root(&b, "R");
	s3xml_u64(&b, "N", UINT64_MAX);
	s3xml_bool(&b, "B", true);
	s3xml_date(&b, "D", 1255369830000);
	s3xml_etag(&b, "E", slice_str("ab-2"));
	s3xml_key(&b, "K", slice_str("quux ab/+\x01"), true);
	s3xml_key(&b, "K", slice_str("quux ab/+"), false);
	s3xml_checksum(&b, &sum);
	s3xml_close(&b, "R");
	assert_string_equal(buf_cstr(&b), "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<R" XMLNS ">"
					  "<N>18446744073709551615</N><B>true</B>"
					  "<D>2009-10-12T17:50:30.000Z</D><E>&quot;ab-2&quot;</E>"
					  "<K>quux%20ab/%2B%01</K><K>quux ab/+</K>"
					  "<ChecksumCRC32>WgDhBQ==</ChecksumCRC32></R>");
	buf_release(&b);
}

static void error_documents_come_back(void **state)
{
	struct s3xml_extra extra = {"Key", slice_str("a<b")};
	struct s3xml_error_info info;
	struct buf b;

	(void)state;
	buf_init(&b, 2000);
	s3xml_error(&b, "NoSuchKey", "no & never", &extra, 1, "ID1", "ID2");
	assert_string_equal(buf_cstr(&b),
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code>"
		"<Message>no &amp; never</Message><Key>a&lt;b</Key>"
		"<RequestId>ID1</RequestId><HostId>ID2</HostId></Error>");
	assert_int_equal(s3xml_read_error(buf_slice(&b), &arena, &info, &err), RC_OK);
	assert_slice_is(info.code, "NoSuchKey");
	assert_slice_is(info.message, "no & never");
	assert_slice_is(info.key, "a<b");
	assert_slice_is(info.request_id, "ID1");
	assert_int_equal(s3xml_read_error(slice_str("<html/>"), &arena, &info, &err), RC_CORRUPT);
	assert_int_equal(s3xml_read_error(slice_str("<Errors/>"), &arena, &info, &err), RC_CORRUPT);
	buf_release(&b);
}

static void a_full_buffer_says_so(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 20);
	s3xml_text(&b, "T", slice_str("a long text that does not fit <>"));
	assert_true(b.overflow);
	buf_release(&b);
}

/* --- what a client reads --- */

static void listing_of_objects(void **state)
{
	static const char document[] =
		"<ListBucketResult" XMLNS "><Name>b</Name><Prefix>p</Prefix><KeyCount>2</KeyCount>"
		"<MaxKeys>2</MaxKeys><EncodingType>url</EncodingType><IsTruncated>true</"
		"IsTruncated>"
		"<Contents><Key>p/a%20b%2Bc+d</Key><LastModified>2009-10-12T17:50:30.000Z</"
		"LastModified>"
		"<ETag>&quot;e1&quot;</ETag><Size>42</Size><Owner><ID>o</ID></Owner></Contents>"
		"<Contents><Key>p/2</Key><Size>0</Size></Contents>"
		"<CommonPrefixes><Prefix>p/x%2Fy/</Prefix></CommonPrefixes>"
		"<NextContinuationToken>t%20t</NextContinuationToken></ListBucketResult>";
	struct s3xml_listing l;

	(void)state;
	assert_int_equal(s3xml_read_listing(slice_str(document), &arena, &l, &err), RC_OK);
	assert_int_equal(l.n_entries, 2);
	assert_slice_is(l.entries[0].key, "p/a b+c d");
	assert_slice_is(l.entries[0].etag, "e1");
	assert_int_equal(l.entries[0].size_bytes, 42);
	assert_int_equal(l.entries[0].modified_wall_ms, 1255369830000);
	assert_slice_is(l.entries[1].key, "p/2");
	assert_int_equal(l.entries[1].etag.n, 0);
	assert_int_equal(l.n_prefixes, 1);
	assert_slice_is(l.prefixes[0], "p/x/y/");
	assert_true(l.is_truncated);
	assert_slice_is(l.next_token, "t%20t"); /* opaque: not decoded */
}

static void listing_of_versions(void **state)
{
	static const char document[] =
		"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k+1</"
		"NextKeyMarker>"
		"<NextVersionIdMarker>v9</NextVersionIdMarker>"
		"<Version><Key>k+1</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest>"
		"<ETag>\"e\"</ETag><Size>3</Size></Version>"
		"<DeleteMarker><Key>k+1</Key><VersionId>null</VersionId><IsLatest>false</IsLatest>"
		"</DeleteMarker></ListVersionsResult>";
	struct s3xml_listing l;

	(void)state;
	assert_int_equal(s3xml_read_listing(slice_str(document), &arena, &l, &err), RC_OK);
	assert_int_equal(l.n_entries, 2);
	assert_true(l.entries[0].is_latest);
	assert_false(l.entries[0].is_delete_marker);
	assert_slice_is(l.entries[0].version_id, "v2");
	assert_slice_is(l.entries[0].key, "k+1"); /* no EncodingType: as it stands */
	assert_true(l.entries[1].is_delete_marker);
	assert_slice_is(l.entries[1].version_id, "null");
	assert_slice_is(l.next_key_marker, "k+1");
	assert_slice_is(l.next_version_id_marker, "v9");
}

static void multipart_answers(void **state)
{
	struct s3xml_uploads uploads;
	struct s3xml_stored stored;
	struct s3xml_parts parts;
	struct slice id;

	(void)state;
	assert_int_equal(s3xml_read_initiate(slice_str("<InitiateMultipartUploadResult" XMLNS
						       "><Bucket>b</Bucket><UploadId>u1</UploadId>"
						       "</InitiateMultipartUploadResult>"),
				 &arena, &id, &err),
		RC_OK);
	assert_slice_is(id, "u1");
	assert_int_equal(s3xml_read_stored(slice_str(" \n <CompleteMultipartUploadResult>"
						     "<ETag>&quot;e-2&quot;</ETag>"
						     "<ChecksumCRC32>Z+ry2Q==-3</ChecksumCRC32>"
						     "</CompleteMultipartUploadResult>"),
				 &arena, &stored, &err),
		RC_OK);
	assert_slice_is(stored.etag, "e-2");
	assert_int_equal(stored.checksum.n_parts, 3);
	assert_int_equal(
		s3xml_read_parts(slice_str("<ListPartsResult><IsTruncated>false</IsTruncated>"
					   "<NextPartNumberMarker>2</NextPartNumberMarker>"
					   "<Part><PartNumber>2</PartNumber><ETag>\"e\"</ETag>"
					   "<Size>5</Size></Part></ListPartsResult>"),
			&arena, &parts, &err),
		RC_OK);
	assert_int_equal(parts.n_parts, 1);
	assert_int_equal(parts.parts[0].number, 2);
	assert_int_equal(parts.parts[0].size_bytes, 5);
	assert_int_equal(parts.next_part_number_marker, 2);
	assert_int_equal(
		s3xml_read_uploads(slice_str("<ListMultipartUploadsResult><IsTruncated>true"
					     "</IsTruncated><NextKeyMarker>k</NextKeyMarker>"
					     "<NextUploadIdMarker>u</NextUploadIdMarker>"
					     "<Upload><Key>k</Key><UploadId>u</UploadId>"
					     "<Initiated>2009-10-12T17:50:30.000Z</Initiated>"
					     "</Upload></ListMultipartUploadsResult>"),
			&arena, &uploads, &err),
		RC_OK);
	assert_int_equal(uploads.n_uploads, 1);
	assert_slice_is(uploads.uploads[0].upload_id, "u");
	assert_int_equal(uploads.uploads[0].initiated_wall_ms, 1255369830000);
	assert_true(uploads.is_truncated);
}

static void errors_inside_a_200(void **state)
{
	struct s3xml_stored stored;
	struct s3xml_listing l;

	(void)state;
	assert_int_equal(s3xml_read_stored(slice_str("\n\n<?xml version=\"1.0\"?><Error>"
						     "<Code>InternalError</Code>"
						     "<Message>try again</Message></Error>"),
				 &arena, &stored, &err),
		RC_CORRUPT); /* a declaration after blanks is let pass */
	assert_string_equal(err.code, "InternalError");
	assert_non_null(strstr(err.text, "try again"));
	assert_int_equal(s3xml_read_stored(slice_str("<CompleteMultipartUploadResult><ETag>a"),
				 &arena, &stored, &err),
		RC_CORRUPT);
	assert_string_equal(err.code, "MalformedXML");
	assert_int_equal(s3xml_read_stored(slice_str(""), &arena, &stored, &err), RC_CORRUPT);
	assert_int_equal(
		s3xml_read_listing(slice_str("<html></html>"), &arena, &l, &err), RC_CORRUPT);
	assert_int_equal(s3xml_read_listing(slice_str("<ListBucketResult><Contents><Size>x</Size>"
						      "</Contents></ListBucketResult>"),
				 &arena, &l, &err),
		RC_CORRUPT);
	/* a size that no JSON integer and no column holds */
	assert_int_equal(s3xml_read_listing(slice_str("<ListBucketResult><Contents><Size>9223372036854775808</Size>"
						      "</Contents></ListBucketResult>"),
				 &arena, &l, &err),
		RC_CORRUPT);
}

static void deletes_locations_buckets(void **state)
{
	struct s3xml_delete_result d;
	struct s3xml_buckets buckets;
	struct slice region;

	(void)state;
	assert_int_equal(
		s3xml_read_delete_result(slice_str("<DeleteResult><Deleted><Key>a</"
						   "Key><VersionId>v</VersionId></Deleted>"
						   "<Error><Key>b</Key><Code>AccessDenied</"
						   "Code><Message>m</Message></Error>"
						   "</DeleteResult>"),
			&arena, &d, &err),
		RC_OK);
	assert_int_equal(d.n_items, 2);
	assert_int_equal(d.n_errors, 1);
	assert_int_equal(d.items[0].code.n, 0);
	assert_slice_is(d.items[1].code, "AccessDenied");
	assert_int_equal(s3xml_read_location(slice_str("<LocationConstraint" XMLNS "/>"), &arena,
				 &region, &err),
		RC_OK);
	assert_slice_is(region, "us-east-1");
	s3xml_read_location(
		slice_str("<LocationConstraint>EU</LocationConstraint>"), &arena, &region, &err);
	assert_slice_is(region, "eu-west-1");
	assert_int_equal(s3xml_read_buckets(
				 slice_str("<ListAllMyBucketsResult><Buckets><Bucket><Name>x</Name>"
					   "</Bucket><Bucket><Name>y</Name></Bucket></Buckets>"
					   "</ListAllMyBucketsResult>"),
				 &arena, &buckets, &err),
		RC_OK);
	assert_int_equal(buckets.n_names, 2);
	assert_slice_is(buckets.names[1], "y");
}

/* What our client writes, our server reads. */
static void requests_come_back(void **state)
{
	struct s3xml_delete_object objects[2] = {{.key = slice_str("a<\r\n>")},
		{.key = slice_str("b"), .version_id = slice_str("v")}};
	struct s3xml_part parts[2] = {{.number = 1, .etag = slice_str("e1")},
		{.number = 2, .etag = slice_str("e2"), .checksum = {.alg = DIGEST_CRC32}}};
	struct s3xml_delete d = {objects, 2, true}, d2;
	struct s3xml_complete c = {parts, 2}, c2;
	struct buf b;

	(void)state;
	buf_init(&b, 2000);
	s3xml_write_delete(&b, &d);
	assert_int_equal(s3xml_read_delete(buf_slice(&b), &arena, &d2, &err), RC_OK);
	assert_int_equal(d2.n_objects, 2);
	assert_slice_is(d2.objects[0].key, "a<\r\n>");
	assert_slice_is(d2.objects[1].version_id, "v");
	buf_reset(&b);
	s3xml_write_complete(&b, &c);
	assert_int_equal(s3xml_read_complete(buf_slice(&b), &arena, &c2, &err), RC_OK);
	assert_int_equal(c2.n_parts, 2);
	assert_slice_is(c2.parts[1].etag, "e2");
	assert_int_equal(c2.parts[1].checksum.alg, DIGEST_CRC32);
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(complete_as_clients_write_it, reset),
		cmocka_unit_test_teardown(complete_is_checked, reset),
		cmocka_unit_test_teardown(ten_thousand_parts, reset),
		cmocka_unit_test_teardown(delete_as_clients_write_it, reset),
		cmocka_unit_test_teardown(delete_takes_a_thousand, reset),
		cmocka_unit_test_teardown(configurations, reset),
		cmocka_unit_test_teardown(hostile_documents, reset),
		cmocka_unit_test_teardown(depth_is_bounded, reset),
		cmocka_unit_test_teardown(texts_are_bounded, reset),
		cmocka_unit_test_teardown(names_are_bounded, reset),
		cmocka_unit_test_teardown(texts_are_legal_xml, reset),
		cmocka_unit_test_teardown(elements, reset),
		cmocka_unit_test_teardown(error_documents_come_back, reset),
		cmocka_unit_test_teardown(a_full_buffer_says_so, reset),
		cmocka_unit_test_teardown(listing_of_objects, reset),
		cmocka_unit_test_teardown(listing_of_versions, reset),
		cmocka_unit_test_teardown(multipart_answers, reset),
		cmocka_unit_test_teardown(errors_inside_a_200, reset),
		cmocka_unit_test_teardown(deletes_locations_buckets, reset),
		cmocka_unit_test_teardown(requests_come_back, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
