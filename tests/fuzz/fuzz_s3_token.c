/* The token between two pages: what was made is read again; whatever is read stays within the
 * bytes; a listing never goes on for ever. */
#include "adapter/aws/s3/s3_token.h"
#include "fuzz.h"

static struct slice take(struct slice *left, size_t max)
{
	size_t n = left->n ? left->p[0] % (max + 1) : 0;
	struct slice s;

	if (left->n)
		*left = slice_of(left->p + 1, left->n - 1);
	n = n < left->n ? n : left->n;
	s = slice_of(left->p, n);
	*left = slice_of(left->p + n, left->n - n);
	return s;
}

/* Pages as a server may send them: each is refused, or the key goes forward, or the count of pages
 * that stand still does. */
static void walk(struct slice pages)
{
	struct s3_token token = {0};

	while (pages.n) {
		struct s3_token before = token;
		struct slice first = take(&pages, 3), last = take(&pages, 3);
		bool is_versions = pages.n % 2;

		if (s3_token_advance(&token, first, last, is_versions, NULL) != RC_OK)
			return;
		if (slice_cmp(token.last_key, before.last_key) > 0)
			MUST(token.n_still == 0);
		else
			MUST(token.n_still == before.n_still + 1);
		MUST(slice_cmp(token.last_key, before.last_key) >= 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	struct arena a = ARENA_INIT;
	struct s3_token token, again;

	if (s3_token_read(text, &token, NULL) == RC_OK && size) {
		MUST(token.last_key.n + token.of_server.n <= size);
		MUST(token.of_server.n == 0 || token.of_server.p + token.of_server.n == data + size);
		MUST(s3_token_read(s3_token_make(&token, &a), &again, NULL) == RC_OK);
		MUST(again.n_still == token.n_still && slice_eq(again.last_key, token.last_key) &&
			slice_eq(again.of_server, token.of_server));
	}
	walk(text);
	arena_release(&a);
	return 0;
}
