/* The tokens that open /-/events and /-/metrics without a signature, as each sender can show
 * them: "Authorization: Bearer TOKEN", or as the password of HTTP's Basic authentication with
 * any user name, which is all that a URL with a user in it can do (SNS, Ceph). */
#include "gateway/admin/admin_token.h"

#include "base/digest.h"

#define BEARER "Bearer "
#define BASIC "Basic "
#define SHOWN_MAX 1024

static size_t count_headers(const struct request *r, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_headers; i++)
		n += slice_eq_nocase(r->headers[i].name, slice_str(name));
	return n;
}

static bool has_scheme(struct slice text, const char *scheme)
{
	size_t n = strlen(scheme);

	return text.n >= n && slice_eq_nocase(slice_of(text.p, n), slice_str(scheme));
}

/* The password of "user:password" in base64, into room; false: it is none. */
static bool read_basic(struct slice text, unsigned char room[SHOWN_MAX], struct slice *ret_shown)
{
	const unsigned char *colon;
	size_t n;

	if (!base64_decode(text, room, SHOWN_MAX, &n))
		return false;
	colon = memchr(room, ':', n);
	if (!colon)
		return false;
	*ret_shown = slice_of(colon + 1, n - (size_t)(colon + 1 - room));
	return true;
}

/* Hashes are compared, so that neither the text nor its length shows in the time it takes. */
static bool is_token(struct slice shown, const char *token)
{
	unsigned char given[SHA256_BYTES], expected[SHA256_BYTES];

	if (!token)
		return false;
	sha256(shown, given);
	sha256(slice_str(token), expected);
	return bytes_equal_ct(given, expected, sizeof(given));
}

enum admin_token admin_token_shown(const struct request *r, const char *token)
{
	struct slice text = request_header(r, "authorization"), shown = {0};
	bool is_bearer = has_scheme(text, BEARER), is_basic = has_scheme(text, BASIC);
	unsigned char room[SHOWN_MAX];
	bool is_right;

	if (!is_bearer && !is_basic)
		return text.n || uri_query_find(r->query, "X-Amz-Signature", NULL)
			       ? ADMIN_TOKEN_NONE
			       : ADMIN_TOKEN_NOTHING;
	if (count_headers(r, "authorization") != 1 ||
		uri_query_find(r->query, "X-Amz-Signature", NULL))
		return ADMIN_TOKEN_WRONG;
	if (is_bearer)
		shown = slice_of(text.p + sizeof(BEARER) - 1, text.n - (sizeof(BEARER) - 1));
	else if (!read_basic(slice_of(text.p + sizeof(BASIC) - 1, text.n - (sizeof(BASIC) - 1)),
			 room, &shown))
		return ADMIN_TOKEN_WRONG;
	is_right = is_token(shown, token);
	explicit_bzero(room, sizeof(room));
	return is_right ? ADMIN_TOKEN_RIGHT : ADMIN_TOKEN_WRONG;
}
