#include "adapter/aws/s3/s3_token.h"

#include <stdio.h>

static enum rc no_token(struct err *err)
{
	return err_set(err, RC_REFUSED, "not a token of an earlier page");
}

/* Takes "<number><end>" from the beginning of *text. */
static bool take_number(struct slice *text, char end, uint64_t *ret)
{
	const unsigned char *p = text->n ? memchr(text->p, end, text->n) : NULL;
	size_t n = p ? (size_t)(p - text->p) : 0;

	if (!p || !slice_to_u64(slice_of(text->p, n), ret))
		return false;
	*text = slice_of(p + 1, text->n - n - 1);
	return true;
}

enum rc s3_token_read(struct slice text, struct s3_token *ret_token, struct err *err)
{
	uint64_t n_still, key_bytes;

	if (text.n == 0) {
		*ret_token = (struct s3_token){0};
		return RC_OK;
	}
	if (!take_number(&text, ' ', &n_still) || !take_number(&text, '\n', &key_bytes) ||
		key_bytes > text.n)
		return no_token(err);
	*ret_token = (struct s3_token){n_still, slice_of(text.p, (size_t)key_bytes),
		slice_of(text.p + key_bytes, text.n - (size_t)key_bytes)};
	return RC_OK;
}

struct slice s3_token_make(const struct s3_token *token, struct arena *a)
{
	char head[48];
	int n = snprintf(head, sizeof(head), "%llu %zu\n", (unsigned long long)token->n_still,
		token->last_key.n);
	size_t head_bytes = (size_t)n, all = head_bytes + token->last_key.n + token->of_server.n;
	unsigned char *text = arena_alloc(a, all);

	memcpy(text, head, head_bytes);
	if (token->last_key.n)
		memcpy(text + head_bytes, token->last_key.p, token->last_key.n);
	if (token->of_server.n)
		memcpy(text + head_bytes + token->last_key.n, token->of_server.p,
			token->of_server.n);
	return slice_of(text, all);
}

enum rc s3_token_advance(struct s3_token *token, struct slice first_key, struct slice last_key,
	bool is_versions, struct err *err)
{
	int order = slice_cmp(first_key, token->last_key);
	bool goes_on = slice_cmp(last_key, token->last_key) > 0;

	if (first_key.n && token->last_key.n && (order < 0 || (order == 0 && !is_versions)))
		return err_set(err, RC_CORRUPT, "a page of the listing does not go on behind '" SLICE_FMT "'",
			SLICE_ARG(token->last_key));
	token->n_still = goes_on ? 0 : token->n_still + 1;
	if (token->n_still > S3_TOKEN_STILL_MAX)
		return err_set(err, RC_CORRUPT, "%u pages of the listing in a row bring no new key",
			S3_TOKEN_STILL_MAX);
	if (goes_on)
		token->last_key = last_key;
	return RC_OK;
}
