/* aws-chunked: AWS's published examples (sigv4-streaming, sigv4-streaming-trailers), fed in pieces
 * of every kind; then what must be refused (security facts, section 3, cases 18 to 22). */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/aws_chunked.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SEED "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
#define SEED_TRAILER "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
#define TRAILER_LINE "x-amz-checksum-crc32c:sOO8/Q=="
#define TRAILER_SIGNATURE "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
#define DATA_BYTES (65536 + 1024)

struct run {
	struct aws_chunked c;
	struct digest *sum; /* of what came out */
	uint64_t bytes;
};

static enum rc count(void *arg, struct slice bytes, struct err *err)
{
	struct run *r = arg;

	(void)err;
	assert_true(bytes.n > 0);
	digest_update(r->sum, bytes);
	r->bytes += bytes.n;
	return RC_OK;
}

static struct sigv4_seed seed_of(const char *signature)
{
	struct sigv4_seed seed = {
		.amz_date = "20130524T000000Z", .scope = "20130524/us-east-1/s3/aws4_request"};

	sigv4_key(NULL, slice_str(SECRET), "20130524", "us-east-1", "s3", seed.key);
	memcpy(seed.signature, signature, 65);
	return seed;
}

/* Feeds the body in pieces of this size; the code of the first failure, "" for success. */
static const char *decode(struct slice body, size_t piece, enum sigv4_payload form,
	uint64_t decoded_bytes, enum digest_alg trailer, struct run *run)
{
	static struct err err;
	struct sigv4_seed seed = seed_of(trailer ? SEED_TRAILER : SEED);
	struct aws_chunked_config config = {.form = form,
		.seed = &seed,
		.decoded_bytes = decoded_bytes,
		.trailer = trailer,
		.data = count,
		.arg = run};
	enum rc rc = RC_OK;

	memset(&err, 0, sizeof(err));
	run->bytes = 0;
	run->sum = digest_new(DIGEST_CRC32C);
	assert_int_equal(aws_chunked_init(&run->c, &config, &err), RC_OK);
	for (size_t at = 0; at < body.n && rc == RC_OK; at += piece) {
		size_t n = body.n - at < piece ? body.n - at : piece;
		unsigned char *copy = malloc(n); /* its end is watched by ASan */

		memcpy(copy, body.p + at, n);
		rc = aws_chunked_feed(&run->c, slice_of(copy, n), &err);
		free(copy);
	}
	if (rc == RC_OK)
		rc = aws_chunked_finish(&run->c, &err);
	else
		assert_int_equal(aws_chunked_finish(&run->c, NULL), rc); /* once bad, always bad */
	aws_chunked_release(&run->c);
	if (rc == RC_OK)
		assert_int_equal(err.code[0], 0);
	return err.code;
}

/* --- the published bodies --- */

static void add_chunk(struct buf *b, size_t n, const char *signature)
{
	buf_addf(b, "%zx;chunk-signature=%s\r\n", n, signature);
	memset(buf_reserve(b, n), 'a', n);
	b->n += n;
	if (n)
		buf_add_str(b, "\r\n");
}

static void signed_body(struct buf *b)
{
	buf_init(b, 100000);
	add_chunk(b, 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
	add_chunk(b, 1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
	add_chunk(b, 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
	buf_add_str(b, "\r\n");
}

static void signed_trailer_body(struct buf *b, const char *line_end)
{
	buf_init(b, 100000);
	add_chunk(b, 65536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2");
	add_chunk(b, 1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7");
	add_chunk(b, 0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992");
	buf_addf(b, TRAILER_LINE "%sx-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n",
		line_end);
}

static void unsigned_body(struct buf *b, const char *trailer)
{
	buf_init(b, 100000);
	aws_chunked_write_header(b, DATA_BYTES);
	memset(buf_reserve(b, DATA_BYTES), 'a', DATA_BYTES);
	b->n += DATA_BYTES;
	buf_addf(b, "\r\n0\r\n%s\r\n", trailer);
}

static const size_t pieces[] = {1, 2, 7, 85, 1000, 65536, 1000000};

static void expect_data(struct run *run)
{
	unsigned char sum[DIGEST_MAX_BYTES];
	static const unsigned char want[] = {0xb0, 0xe3, 0xbc, 0xfd}; /* sOO8/Q== */

	assert_int_equal(run->bytes, DATA_BYTES);
	assert_int_equal(digest_final(run->sum, DIGEST_CRC32C, sum), 4);
	assert_memory_equal(sum, want, 4);
	digest_free(run->sum);
}

static void published_signed_chunks(void **state)
{
	struct run run;
	struct buf b;

	(void)state;
	signed_body(&b);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_string_equal(decode(buf_slice(&b), pieces[i], SIGV4_PAYLOAD_STREAM_SIGNED,
					    DATA_BYTES, 0, &run),
			"");
		assert_null(aws_chunked_trailer(&run.c));
		expect_data(&run);
	}
	buf_release(&b);
}

static void published_signed_trailer(void **state)
{
	static const char *const ends[] = {"\r\n", "\n", "\n\r\n"};
	struct run run;
	struct buf b;

	(void)state;
	for (size_t e = 0; e < 3; e++) {
		signed_trailer_body(&b, ends[e]);
		for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
			assert_string_equal(decode(buf_slice(&b), pieces[i],
						    SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, DATA_BYTES,
						    DIGEST_CRC32C, &run),
				"");
			assert_int_equal(aws_chunked_trailer(&run.c)->alg, DIGEST_CRC32C);
			assert_int_equal(aws_chunked_trailer(&run.c)->value[0], 0xb0);
			expect_data(&run);
		}
		buf_release(&b);
	}
}

static void unsigned_trailer(void **state)
{
	struct run run;
	struct buf b;

	(void)state;
	unsigned_body(&b, TRAILER_LINE "\r\n");
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_string_equal(
			decode(buf_slice(&b), pieces[i], SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER,
				DATA_BYTES, DIGEST_CRC32C, &run),
			"");
		assert_int_equal(aws_chunked_trailer(&run.c)->value[3], 0xfd);
		expect_data(&run);
	}
	buf_release(&b);
	unsigned_body(&b, ""); /* no trailer announced, none sent */
	assert_string_equal(decode(buf_slice(&b), 1000, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER,
				    DATA_BYTES, 0, &run),
		"");
	expect_data(&run);
	buf_release(&b);
}

/* --- what must be refused --- */

static void expect_body(const char *body, enum sigv4_payload form, uint64_t decoded_bytes,
	enum digest_alg trailer, const char *code)
{
	struct run run;

	for (size_t piece = 1; piece < 6000; piece = piece * 3 + 1) {
		assert_string_equal(
			decode(slice_str(body), piece, form, decoded_bytes, trailer, &run), code);
		digest_free(run.sum);
	}
}

static void expect_unsigned(const char *body, uint64_t decoded_bytes, const char *code)
{
	expect_body(body, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, decoded_bytes, DIGEST_CRC32, code);
}

#define CRC32_OF_ABC "x-amz-checksum-crc32:NSRBwg==\r\n"

static void small_bodies(void **state)
{
	(void)state;
	expect_unsigned("3\r\nabc\r\n0\r\n" CRC32_OF_ABC "\r\n", 3, "");
	expect_unsigned("1\r\na\r\n02\r\nbc\r\n000\r\n" CRC32_OF_ABC "\r\n", 3, "");
	expect_unsigned("0\r\nX-Amz-Checksum-CRC32: AAAAAA== \r\n\r\n", 0, "");
	expect_unsigned("", 0, ""); /* minio-go sends nothing for nothing */
	expect_unsigned("", 1, "IncompleteBody");
}

static void sizes(void **state)
{
	(void)state;
	expect_unsigned("10000000000000000\r\nabc\r\n", 3, "InvalidRequest"); /* 2^64 */
	expect_unsigned("ffffffffffffffff\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("00000000000000003\r\nabc\r\n", 3, "InvalidRequest"); /* 17 digits */
	expect_unsigned("-3\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("+3\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned(" 3\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("0x3\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("g\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("3;a=b\r\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("3\nabc\r\n", 3, "InvalidRequest");
	expect_unsigned("2\r\nabc\r\n", 3, "InvalidRequest"); /* data beyond the size */
	expect_unsigned("4\r\nabc\r\n", 4, "InvalidRequest"); /* and fewer */
}

static void decoded_length_is_exact(void **state)
{
	(void)state;
	expect_unsigned("3\r\nabc\r\n0\r\n" CRC32_OF_ABC "\r\n", 2, "InvalidRequest");
	expect_unsigned("3\r\nabc\r\n0\r\n" CRC32_OF_ABC "\r\n", 4, "IncompleteBody");
}

/* Every proper prefix of a good body is incomplete, nothing else. */
static void every_truncation_is_incomplete(void **state)
{
	static const char body[] = "3\r\nabc\r\n0\r\n" CRC32_OF_ABC "\r\n";
	struct run run;

	(void)state;
	for (size_t n = 0; n < sizeof(body) - 1; n++) {
		assert_string_equal(
			decode(slice_of(body, n), 5, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, 3,
				DIGEST_CRC32, &run),
			"IncompleteBody");
		digest_free(run.sum);
	}
}

static void trailers(void **state)
{
	const char *bad = "MalformedTrailerError";

	(void)state;
	expect_unsigned("3\r\nabc\r\n0\r\n\r\n", 3, bad); /* announced, missing */
	expect_unsigned("3\r\nabc\r\n0\r\nx-amz-checksum-crc32c:AAAAAA==\r\n\r\n", 3, bad);
	expect_unsigned("3\r\nabc\r\n0\r\nx-amz-meta-a:b\r\n\r\n", 3, bad);
	expect_unsigned("3\r\nabc\r\n0\r\n" CRC32_OF_ABC CRC32_OF_ABC "\r\n", 3, bad);
	expect_unsigned("3\r\nabc\r\n0\r\nno colon\r\n\r\n", 3, bad);
	expect_unsigned("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==-2\r\n\r\n", 3, bad);
	expect_unsigned("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n", 3, "InvalidRequest");
	expect_unsigned("3\r\nabc\r\n0\r\n" CRC32_OF_ABC "\r\nmore", 3, "InvalidRequest");
	expect_unsigned("3\r\nabc\r\n0\r\nx-amz-checksum-crc32:A\x01\r\n\r\n", 3, "InvalidRequest");
	expect_body("3\r\nabc\r\n0\r\n" CRC32_OF_ABC "\r\n", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER,
		3, 0, bad); /* not announced */
}

static void lines_are_bounded(void **state)
{
	static char body[9000];

	(void)state;
	memset(body, '0', sizeof(body) - 1);
	expect_unsigned(body, 3, "InvalidRequest");
	memcpy(body, "3\r\nabc\r\n0\r\n", 11);
	expect_unsigned(body, 3, "InvalidRequest");
}

/* One wrong byte at these places of the published body. */
static void expect_flip(struct buf *b, const char *find, size_t offset, enum sigv4_payload form,
	enum digest_alg trailer)
{
	unsigned char *at = memmem(b->p, b->n, find, strlen(find));
	struct run run;

	assert_non_null(at);
	at += offset;
	*at ^= 1;
	assert_string_equal(decode(buf_slice(b), 4096, form, DATA_BYTES, trailer, &run),
		"SignatureDoesNotMatch");
	digest_free(run.sum);
	*at ^= 1;
}

static void every_signature_counts(void **state)
{
	struct buf b;

	(void)state;
	signed_body(&b);
	expect_flip(&b, "ad80c730", 2, SIGV4_PAYLOAD_STREAM_SIGNED, 0);    /* first */
	expect_flip(&b, "0055627c", 1, SIGV4_PAYLOAD_STREAM_SIGNED, 0);    /* middle */
	expect_flip(&b, "b6c6ea8a", 1, SIGV4_PAYLOAD_STREAM_SIGNED, 0);    /* final */
	expect_flip(&b, "ad80c730", 63, SIGV4_PAYLOAD_STREAM_SIGNED, 0);   /* its last digit */
	expect_flip(&b, "b6c6ea8a", 63, SIGV4_PAYLOAD_STREAM_SIGNED, 0);
	expect_flip(&b, "aaaaaaaa", 5000, SIGV4_PAYLOAD_STREAM_SIGNED, 0); /* data */
	buf_release(&b);
	signed_trailer_body(&b, "\r\n");
	expect_flip(&b, "d81f82fc", 1, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, DIGEST_CRC32C);
	expect_flip(&b, "d81f82fc", 63, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, DIGEST_CRC32C);
	expect_flip(&b, "sOO8/Q==", 0, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, DIGEST_CRC32C);
	buf_release(&b);
}

/* Chunks cannot be exchanged, left out, or end early: each signature continues from the one
 * before. */
static void the_chain_holds(void **state)
{
	const char *bad = "SignatureDoesNotMatch";
	struct run run;
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	add_chunk(&b, 65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
	add_chunk(&b, 0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
	buf_add_str(&b, "\r\n");
	assert_string_equal(
		decode(buf_slice(&b), 999, SIGV4_PAYLOAD_STREAM_SIGNED, 65536, 0, &run), bad);
	digest_free(run.sum);
	buf_release(&b);
}

static void signed_forms_need_signatures(void **state)
{
	struct run run;
	struct buf b;

	(void)state;
	expect_body("3\r\nabc\r\n0\r\n\r\n", SIGV4_PAYLOAD_STREAM_SIGNED, 3, 0, "InvalidRequest");
	expect_body("3;chunk-signature=00\r\nabc\r\n", SIGV4_PAYLOAD_STREAM_SIGNED, 3, 0,
		"InvalidRequest");
	/* a trailer without its signature */
	signed_trailer_body(&b, "\r\n");
	b.n -= strlen("x-amz-trailer-signature:" TRAILER_SIGNATURE "\r\n\r\n");
	buf_add_str(&b, "\r\n\r\n");
	assert_string_equal(decode(buf_slice(&b), 999, SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER,
				    DATA_BYTES, DIGEST_CRC32C, &run),
		"MalformedTrailerError");
	digest_free(run.sum);
	buf_release(&b);
}

static enum rc full(void *arg, struct slice bytes, struct err *err)
{
	(void)arg;
	(void)bytes;
	return err_code(err, RC_AGAIN, "ENOSPC", "no room");
}

static void sinks_failure_is_handed_on(void **state)
{
	struct aws_chunked_config config = {
		.form = SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER, .decoded_bytes = 3, .data = full};
	struct aws_chunked c;
	struct err err = {0};

	(void)state;
	assert_int_equal(aws_chunked_init(&c, &config, &err), RC_OK);
	assert_int_equal(aws_chunked_feed(&c, slice_str("3\r\nabc\r\n"), &err), RC_AGAIN);
	assert_string_equal(err.code, "ENOSPC");
	aws_chunked_release(&c);
	config.form = SIGV4_PAYLOAD_UNSIGNED;
	assert_int_equal(aws_chunked_init(&c, &config, &err), RC_REFUSED);
	aws_chunked_release(&c);
}

/* --- headers and writing --- */

static void trailer_header(void **state)
{
	enum digest_alg alg = 0;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		aws_chunked_trailer_parse(slice_str(" x-amz-checksum-SHA256 "), &alg, &err), RC_OK);
	assert_int_equal(alg, DIGEST_SHA256);
	assert_int_equal(
		aws_chunked_trailer_parse(slice_str("x-amz-meta-a"), &alg, &err), RC_REFUSED);
	assert_string_equal(err.code, "InvalidRequest");
	assert_int_equal(aws_chunked_trailer_parse(slice_str(""), &alg, &err), RC_REFUSED);
}

static void content_encoding_is_stripped(void **state)
{
	static const char *const rows[][2] = {{"aws-chunked", ""}, {"gzip, aws-chunked", "gzip"},
		{"aws-chunked, gzip", "gzip"}, {"aws-chunked,aws-chunked", ""}, {"gzip", "gzip"},
		{"gzip,AWS-Chunked", "gzip"}, {"br , aws-chunked , gzip", "br,gzip"}, {"", ""}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b;

		buf_init(&b, 100);
		assert_true(aws_chunked_strip_encoding(&b, slice_str(rows[i][0])));
		assert_string_equal(buf_cstr(&b), rows[i][1]);
		buf_release(&b);
	}
}

/* What the encoder writes, the decoder reads, and it has the length foretold. */
static void encoder_and_decoder_agree(void **state)
{
	struct checksum sum = {.alg = DIGEST_CRC32C, .value = {0xb0, 0xe3, 0xbc, 0xfd}};

	(void)state;
	for (size_t chunk = 1000; chunk <= 70000; chunk += 23000) {
		struct run run;
		struct buf b;

		buf_init(&b, 100000);
		for (size_t at = 0; at < DATA_BYTES; at += chunk) {
			size_t n = DATA_BYTES - at < chunk ? DATA_BYTES - at : chunk;

			assert_true(aws_chunked_write_header(&b, n));
			memset(buf_reserve(&b, n), 'a', n);
			b.n += n;
			buf_add_str(&b, "\r\n");
		}
		assert_true(aws_chunked_write_end(&b, &sum));
		assert_int_equal(b.n, aws_chunked_encoded_bytes(DATA_BYTES, chunk, DIGEST_CRC32C));
		assert_string_equal(
			decode(buf_slice(&b), 777, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER,
				DATA_BYTES, DIGEST_CRC32C, &run),
			"");
		assert_true(checksum_eq(aws_chunked_trailer(&run.c), &sum));
		expect_data(&run);
		buf_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_signed_chunks),
		cmocka_unit_test(published_signed_trailer),
		cmocka_unit_test(unsigned_trailer),
		cmocka_unit_test(small_bodies),
		cmocka_unit_test(sizes),
		cmocka_unit_test(decoded_length_is_exact),
		cmocka_unit_test(every_truncation_is_incomplete),
		cmocka_unit_test(trailers),
		cmocka_unit_test(lines_are_bounded),
		cmocka_unit_test(every_signature_counts),
		cmocka_unit_test(the_chain_holds),
		cmocka_unit_test(signed_forms_need_signatures),
		cmocka_unit_test(sinks_failure_is_handed_on),
		cmocka_unit_test(trailer_header),
		cmocka_unit_test(content_encoding_is_stripped),
		cmocka_unit_test(encoder_and_decoder_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
