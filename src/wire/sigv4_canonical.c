#include "wire/sigv4_internal.h"

#include "wire/uri.h"

#define QUERY_MAX_BYTES (32 * 1024)

/* --- lists of header names --- */

bool sigv4_names_each(
	const char *signed_headers, bool (*visit)(void *arg, struct slice name), void *arg)
{
	const char *at = signed_headers;

	for (;;) {
		size_t n = strcspn(at, ";");

		if (!visit(arg, slice_of(at, n)))
			return false;
		if (at[n] == '\0')
			return true;
		at += n + 1;
	}
}

static bool differs(void *arg, struct slice name)
{
	const struct slice *wanted = arg;

	return name.n != wanted->n || !slice_eq_nocase(name, *wanted);
}

bool sigv4_names_have(const char *signed_headers, struct slice name)
{
	return !sigv4_names_each(signed_headers, differs, &name);
}

/* --- the query --- */

struct param {
	struct slice name, value; /* canonical */
};

static int param_cmp(const struct param *a, const struct param *b)
{
	int c = slice_cmp(a->name, b->name);

	return c ? c : slice_cmp(a->value, b->value);
}

/* Encoded in any way, to AWS's strict way; '+' is a space. The result has at most three times
 * the bytes. */
static enum rc recode(struct slice raw, unsigned char *to, struct slice *ret, struct err *err)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < raw.n; i++) {
		unsigned char c = raw.p[i];

		if (c == '+')
			c = ' ';
		if (c == '%') {
			if (raw.n - i < 3 || !hex_decode(slice_of(raw.p + i + 1, 2), &c, 1))
				return err_code(err, RC_REFUSED, "InvalidURI",
					"a '%%' without two hex digits in the query");
			i += 2;
		}
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_' || c == '~') {
			to[n++] = c;
			continue;
		}
		to[n++] = '%';
		to[n++] = (unsigned char)hex[c >> 4];
		to[n++] = (unsigned char)hex[c & 15];
	}
	*ret = slice_of(to, n);
	return RC_OK;
}

/* Insertion: clients send them sorted, or nearly. */
static void insert_param(struct param *params, size_t n, struct param p)
{
	while (n > 0 && param_cmp(&p, &params[n - 1]) < 0) {
		params[n] = params[n - 1];
		n--;
	}
	params[n] = p;
}

static enum rc sorted_params(struct slice query, bool is_presigned, unsigned char *scratch,
	struct param params[SIGV4_MAX_PARAMS], size_t *ret_n, struct err *err)
{
	struct uri_param raw;
	size_t n = 0;

	while (uri_query_next(&query, &raw)) {
		struct param p;
		enum rc rc = recode(raw.name, scratch, &p.name, err);

		if (rc == RC_OK)
			rc = recode(raw.value, scratch + p.name.n, &p.value, err);
		if (rc != RC_OK)
			return rc;
		scratch += p.name.n + p.value.n;
		if (is_presigned && slice_eq_nocase(p.name, slice_str("X-Amz-Signature")))
			continue;
		if (n == SIGV4_MAX_PARAMS)
			return err_code(err, RC_REFUSED, "InvalidRequest",
				"more than %d parameters", SIGV4_MAX_PARAMS);
		insert_param(params, n++, p);
	}
	*ret_n = n;
	return RC_OK;
}

static enum rc add_query(struct buf *out, struct slice query, bool is_presigned, struct err *err)
{
	struct param params[SIGV4_MAX_PARAMS];
	unsigned char *scratch;
	size_t n = 0;
	struct buf b;
	enum rc rc;

	if (query.n == 0)
		return RC_OK;
	if (query.n > QUERY_MAX_BYTES)
		return err_code(err, RC_REFUSED, "InvalidURI", "a query of %zu bytes", query.n);
	buf_init(&b, 3 * QUERY_MAX_BYTES);
	scratch = buf_reserve(&b, 3 * query.n);
	rc = sorted_params(query, is_presigned, scratch, params, &n, err);
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		if (i)
			buf_add_char(out, '&');
		buf_add_slice(out, params[i].name);
		buf_add_char(out, '=');
		buf_add_slice(out, params[i].value);
	}
	buf_release(&b);
	return rc;
}

/* --- the headers --- */

/* Trims the blanks at both ends, and makes one space of each run of blanks inside. */
static void add_value(struct buf *out, struct slice value)
{
	unsigned char *to;
	size_t n = 0;

	value = header_trim(value);
	to = buf_reserve(out, value.n);
	if (!to)
		return;
	for (size_t i = 0; i < value.n; i++) {
		bool is_blank = value.p[i] == ' ' || value.p[i] == '\t';

		if (is_blank && n && to[n - 1] == ' ')
			continue;
		to[n++] = is_blank ? ' ' : value.p[i];
	}
	out->n += n;
}

struct header_walk {
	struct buf *out;
	const struct sigv4_request *req;
};

/* A signed header that did not arrive has an empty value here, and the signature will not fit.
 */
static bool add_header(void *arg, struct slice name)
{
	struct header_walk *w = arg;
	bool is_first = true;

	buf_add_slice(w->out, name);
	buf_add_char(w->out, ':');
	for (size_t i = 0; i < w->req->n_headers; i++) {
		const struct header *h = &w->req->headers[i];

		if (h->name.n != name.n || !slice_eq_nocase(h->name, name))
			continue;
		if (!is_first)
			buf_add_char(w->out, ',');
		add_value(w->out, h->value);
		is_first = false;
	}
	return buf_add_char(w->out, '\n');
}

enum rc sigv4_canonical_request(struct buf *out, const struct sigv4_request *req,
	bool path_encoded_once, const char *signed_headers, const char *payload_text,
	bool is_presigned, struct err *err)
{
	struct header_walk walk = {out, req};
	enum rc rc;

	buf_add_slice(out, req->method);
	buf_add_char(out, '\n');
	if (req->path.n == 0)
		buf_add_char(out, '/');
	else if (path_encoded_once)
		buf_add_slice(out, req->path);
	else
		uri_encode(out, req->path, true);
	buf_add_char(out, '\n');
	rc = add_query(out, req->query, is_presigned, err);
	if (rc != RC_OK)
		return rc;
	buf_add_char(out, '\n');
	sigv4_names_each(signed_headers, add_header, &walk);
	buf_add_char(out, '\n');
	buf_add_str(out, signed_headers);
	buf_add_char(out, '\n');
	buf_add_str(out, payload_text);
	if (out->overflow)
		return err_code(
			err, RC_REFUSED, "InvalidRequest", "the request is too long to be signed");
	return RC_OK;
}
