/* Parts that the client's readers share: the root, errors inside a 200, values. */
#include "wire/s3xml_internal.h"

#include <stdio.h>

#include "base/date.h"
#include "wire/uri.h"

enum rc s3xml_corrupt(struct err *err, const char *why)
{
	return err_code(err, RC_CORRUPT, "MalformedXML", "%s", why);
}

/* The rest of a path after the root's name. */
const char *s3xml_below_root(const char *path)
{
	const char *slash = strchr(path, '/');

	return slash ? slash + 1 : "";
}

static bool is_root(const struct s3xml_frame *f, const char *name)
{
	for (const char *const *root = f->roots; *root; root++)
		if (strcmp(*root, name) == 0)
			return true;
	return false;
}

static enum rc frame_start(void *arg, const char *path, struct err *err)
{
	struct s3xml_frame *f = arg;

	if (!strchr(path, '/')) {
		f->is_error = strcmp(path, "Error") == 0;
		f->is_root_seen = is_root(f, path);
		if (!f->is_error && !f->is_root_seen)
			return err_code(
				err, RC_CORRUPT, "MalformedXML", "the answer is a '%s'", path);
	}
	return f->is_root_seen && f->start ? f->start(f->arg, s3xml_below_root(path)) : RC_OK;
}

static enum rc frame_end(void *arg, const char *path, struct slice text, struct err *err)
{
	struct s3xml_frame *f = arg;

	if (f->is_root_seen)
		return f->end(f->arg, s3xml_below_root(path), text, err);
	if (strcmp(path, "Error/Code") == 0)
		snprintf(f->code, sizeof(f->code), SLICE_FMT, SLICE_ARG(s3xml_trim(text)));
	else if (strcmp(path, "Error/Message") == 0)
		snprintf(f->message, sizeof(f->message), SLICE_FMT, SLICE_ARG(text));
	return RC_OK;
}

enum rc s3xml_frame_read(struct slice document, struct s3xml_frame *f, struct err *err)
{
	struct s3xml_handler handler = {frame_start, frame_end, f};
	enum rc rc = s3xml_parse(document, &handler, err);

	if (rc == RC_REFUSED) /* a peer's fault, not a request's */
		return RC_CORRUPT;
	if (rc != RC_OK)
		return rc;
	if (f->is_error)
		return err_code(err, RC_CORRUPT, f->code[0] ? f->code : "InternalError", "%s",
			f->message[0] ? f->message : "the answer is an error");
	return RC_OK;
}

struct slice s3xml_keep(struct arena *arena, struct slice text)
{
	return text.n ? arena_slice(arena, text) : slice_of(NULL, 0);
}

struct slice s3xml_keep_etag(struct arena *arena, struct slice text)
{
	return s3xml_keep(arena, etag_unquote(s3xml_trim(text)));
}

enum rc s3xml_to_u64(struct slice text, uint64_t *ret, struct err *err)
{
	if (!slice_to_u64(s3xml_trim(text), ret))
		return s3xml_corrupt(err, "a number is none");
	/* Sizes go on into JSON and into databases, whose integers are signed. */
	return *ret <= INT64_MAX ? RC_OK : s3xml_corrupt(err, "a number is too large");
}

enum rc s3xml_need_bool(struct slice text, bool *ret, struct err *err)
{
	return s3xml_to_bool(text, ret) ? RC_OK : s3xml_corrupt(err, "neither true nor false");
}

enum rc s3xml_to_wall_ms(struct slice text, uint64_t *ret, struct err *err)
{
	return date_iso_parse(s3xml_trim(text), ret) ? RC_OK
							 : s3xml_corrupt(err, "a date is none");
}

/* encoding-type=url: percent-encoded; some servers write '+' for a space, a plus is always %2B. */
enum rc s3xml_url_decode(struct arena *arena, struct slice *text, struct err *err)
{
	struct buf out;
	enum rc rc;

	if (!text->n)
		return RC_OK;
	buf_init(&out, text->n);
	rc = uri_decode_form(&out, *text, err);
	if (rc == RC_OK)
		*text = arena_slice(arena, buf_slice(&out));
	buf_release(&out);
	return rc == RC_OK ? RC_OK : s3xml_corrupt(err, "a key is not percent-encoded as promised");
}
