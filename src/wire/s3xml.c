/* The event layer over expat. */
#include "wire/s3xml.h"

#include <expat.h>
#include <limits.h>

struct reader {
	const struct s3xml_handler *handler;
	struct err *err;
	XML_Parser parser;
	enum rc rc;
	unsigned depth, n_elements;
	size_t path_ends[S3XML_MAX_DEPTH]; /* where the path ended before each level */
	size_t path_bytes;
	char path[S3XML_PATH_MAX_BYTES];
	/* Text of the open elements, one after the other: what belongs to the innermost starts
	 * at text_starts[depth-1]. */
	size_t text_starts[S3XML_MAX_DEPTH];
	struct buf text;
};

static void stop(struct reader *r, enum rc rc)
{
	r->rc = rc;
	XML_StopParser(r->parser, XML_FALSE);
}

static void malformed(struct reader *r, const char *why)
{
	stop(r, err_code(r->err, RC_REFUSED, "MalformedXML", "%s", why));
}

static const char *local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

static void on_start(void *data, const char *qualified, const char **attributes)
{
	struct reader *r = data;
	const char *name = local_name(qualified);
	size_t n = strlen(name);
	enum rc rc;

	(void)attributes;
	if (r->rc != RC_OK)
		return;
	if (r->depth == S3XML_MAX_DEPTH || n + 2 > sizeof(r->path) - r->path_bytes) {
		malformed(r, "nested too deeply");
		return;
	}
	if (++r->n_elements > S3XML_MAX_ELEMENTS) {
		malformed(r, "too many elements");
		return;
	}
	r->path_ends[r->depth] = r->path_bytes;
	r->text_starts[r->depth++] = r->text.n;
	if (r->path_bytes)
		r->path[r->path_bytes++] = '/';
	memcpy(r->path + r->path_bytes, name, n + 1);
	r->path_bytes += n;
	rc = r->handler->start ? r->handler->start(r->handler->arg, r->path, r->err) : RC_OK;
	if (rc != RC_OK)
		stop(r, rc);
}

static void on_end(void *data, const char *qualified)
{
	struct reader *r = data;
	size_t at;
	enum rc rc;

	(void)qualified;
	if (r->rc != RC_OK)
		return;
	at = r->text_starts[--r->depth];
	rc = r->handler->end(r->handler->arg, r->path,
		slice_of(r->text.p ? r->text.p + at : NULL, r->text.n - at), r->err);
	r->text.n = at;
	r->path_bytes = r->path_ends[r->depth];
	r->path[r->path_bytes] = '\0';
	if (rc != RC_OK)
		stop(r, rc);
}

static void on_text(void *data, const char *text, int n)
{
	struct reader *r = data;

	if (r->rc != RC_OK || r->depth == 0)
		return;
	if (r->text.n - r->text_starts[r->depth - 1] + (size_t)n > S3XML_TEXT_MAX_BYTES ||
		!buf_add(&r->text, text, (size_t)n))
		malformed(r, "a text that is too long");
}

static void on_doctype(
	void *data, const char *name, const char *system, const char *public, int has_subset)
{
	(void)name, (void)system, (void)public, (void)has_subset;
	malformed(data, "a document type is not allowed");
}

static struct slice skip_blanks(struct slice s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t' || s.p[0] == '\r' || s.p[0] == '\n')) {
		s.p++;
		s.n--;
	}
	return s;
}

enum rc s3xml_parse(struct slice document, const struct s3xml_handler *handler, struct err *err)
{
	struct slice s = skip_blanks(document);
	struct reader r = {.handler = handler, .err = err, .rc = RC_OK};

	if (s.n > INT_MAX)
		return err_code(err, RC_REFUSED, "MalformedXML", "a document of %zu bytes", s.n);
	r.parser = XML_ParserCreate("UTF-8");
	if (!r.parser)
		die("out of memory");
	buf_init(&r.text, S3XML_MAX_DEPTH * S3XML_TEXT_MAX_BYTES);
	XML_SetUserData(r.parser, &r);
	XML_SetElementHandler(r.parser, on_start, on_end);
	XML_SetCharacterDataHandler(r.parser, on_text);
	XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
	if (XML_Parse(r.parser, s.n ? (const char *)s.p : "", (int)s.n, 1) != XML_STATUS_OK &&
		r.rc == RC_OK) {
		bool no_memory = XML_GetErrorCode(r.parser) == XML_ERROR_NO_MEMORY;

		r.rc = err_code(err, no_memory ? RC_AGAIN : RC_REFUSED,
			no_memory ? "SlowDown" : "MalformedXML", "line %lu: %s",
			XML_GetCurrentLineNumber(r.parser),
			XML_ErrorString(XML_GetErrorCode(r.parser)));
	}
	XML_ParserFree(r.parser);
	buf_release(&r.text);
	return r.rc;
}
