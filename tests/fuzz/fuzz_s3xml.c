/* Any bytes to every reader: an answer within bounds, or a code. Any bytes as a text: legal XML,
 * which comes back unchanged when XML can hold it. */
#include "fuzz.h"
#include "wire/s3xml_client.h"
#include "wire/uri.h"

static void check(enum rc rc, const struct err *err)
{
	MUST(rc == RC_OK || rc == RC_REFUSED || rc == RC_CORRUPT);
	MUST(rc == RC_OK || err->code[0]);
}

static void read_as_server(struct slice document)
{
	struct arena arena = ARENA_INIT;
	struct s3xml_complete complete;
	struct s3xml_delete delete;
	enum s3xml_versioning versioning;
	struct slice region;
	struct err err = {0};
	enum rc rc = s3xml_read_complete(document, &arena, &complete, &err);

	check(rc, &err);
	for (size_t i = 0; rc == RC_OK && i < complete.n_parts; i++)
		MUST(complete.parts[i].number >= i + 1 &&
			complete.parts[i].number <= S3XML_MAX_PARTS);
	rc = s3xml_read_delete(document, &arena, &delete, &err);
	check(rc, &err);
	MUST(rc != RC_OK || (delete.n_objects >= 1 && delete.n_objects <= S3XML_MAX_DELETES));
	check(s3xml_read_versioning(document, &versioning, &err), &err);
	check(s3xml_read_create_bucket(document, &arena, &region, &err), &err);
	arena_release(&arena);
}

static void read_as_client(struct slice document)
{
	struct arena arena = ARENA_INIT;
	struct s3xml_listing listing;
	struct s3xml_stored stored;
	struct s3xml_parts parts;
	struct s3xml_uploads uploads;
	struct s3xml_delete_result deleted;
	struct s3xml_error_info info;
	struct s3xml_buckets buckets;
	struct slice text;
	struct err err = {0};

	check(s3xml_read_listing(document, &arena, &listing, &err), &err);
	check(s3xml_read_stored(document, &arena, &stored, &err), &err);
	check(s3xml_read_parts(document, &arena, &parts, &err), &err);
	check(s3xml_read_uploads(document, &arena, &uploads, &err), &err);
	check(s3xml_read_delete_result(document, &arena, &deleted, &err), &err);
	check(s3xml_read_error(document, &arena, &info, &err), &err);
	check(s3xml_read_buckets(document, &arena, &buckets, &err), &err);
	check(s3xml_read_initiate(document, &arena, &text, &err), &err);
	check(s3xml_read_location(document, &arena, &text, &err), &err);
	arena_release(&arena);
}

static enum rc compare(void *arg, const char *path, struct slice text, struct err *err)
{
	const struct slice *want = arg;

	(void)path;
	(void)err;
	MUST(want->p == NULL || slice_eq(*want, text));
	return RC_OK;
}

static void write_and_read(struct slice text)
{
	struct slice want = text;
	struct s3xml_handler handler = {NULL, compare, &want};
	struct buf b;

	if (text.n > S3XML_TEXT_MAX_BYTES / 3)
		return;
	for (size_t i = 0; i < text.n; i++)
		if ((text.p[i] < ' ' && text.p[i] != '\t' && text.p[i] != '\r' &&
			    text.p[i] != '\n') ||
			text.p[i] == 0xef)
			want.p = NULL; /* replaced, perhaps */
	if (!utf8_valid(text))
		want.p = NULL;
	buf_init(&b, 1 << 16);
	s3xml_text(&b, "T", text);
	MUST(!b.overflow);
	MUST(s3xml_parse(buf_slice(&b), &handler, NULL) == RC_OK);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = slice_of(data, size);

	read_as_server(bytes);
	read_as_client(bytes);
	write_and_read(bytes);
	return 0;
}
