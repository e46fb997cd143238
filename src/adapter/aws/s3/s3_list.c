#include <stdio.h>

#include "adapter/aws/s3/s3_call.h"
#include "adapter/aws/s3/s3_token.h"

/* The server's part of the token of a page of versions is "<version-id-marker>\n<key-marker>". A
 * versionId contains no line break. */
static void add_version_markers(struct buf *query, struct slice token)
{
	const unsigned char *end = token.n ? memchr(token.p, '\n', token.n) : NULL;
	size_t n = end ? (size_t)(end - token.p) : 0;

	if (!end)
		return;
	s3_query_add(query, "key-marker", slice_of(end + 1, token.n - n - 1));
	if (n)
		s3_query_add(query, "version-id-marker", slice_of(token.p, n));
}

static void make_query(struct buf *query, const struct os_list_query *q, struct slice of_server)
{
	char max[24];

	buf_reset(query);
	s3_query_add(query, "encoding-type", slice_str("url"));
	if (q->versions)
		add_version_markers(query, of_server);
	else if (of_server.n)
		s3_query_add(query, "continuation-token", of_server);
	if (!q->versions)
		s3_query_add(query, "list-type", slice_str("2"));
	snprintf(max, sizeof(max), "%zu", q->max < OS_LIST_MAX ? q->max : OS_LIST_MAX);
	s3_query_add(query, "max-keys", slice_str(max));
	s3_query_add(query, "prefix", q->prefix);
	if (q->versions)
		s3_query_add(query, "versions", (struct slice){0});
}

static struct slice token_of_server(
	const struct os_list_query *q, const struct s3xml_listing *listing, struct arena *a)
{
	if (!q->versions)
		return listing->next_token;
	return slice_str(arena_printf(a, SLICE_FMT "\n" SLICE_FMT,
		SLICE_ARG(listing->next_version_id_marker), SLICE_ARG(listing->next_key_marker)));
}

/* The token of the next page; empty when this page is the last. */
static enum rc next_token(const struct os_list_query *q, const struct s3xml_listing *listing,
	struct s3_token *token, struct arena *a, struct os_list_page *page, struct err *err)
{
	const struct os_object *o = page->objects;
	struct slice none = {0};
	enum rc rc = s3_token_advance(token, page->n ? o[0].key : none,
		page->n ? o[page->n - 1].key : none, q->versions, err);

	if (rc != RC_OK || !listing->is_truncated)
		return rc;
	token->of_server = token_of_server(q, listing, a);
	if (token->of_server.n == 0)
		return err_set(err, RC_CORRUPT, "a listing is cut off without a token");
	page->next = s3_token_make(token, a);
	return RC_OK;
}

static void take_entries(const struct s3xml_listing *listing, bool versions, struct arena *a,
	struct os_list_page *page)
{
	page->n = listing->n_entries;
	page->objects = arena_array(a, page->n, sizeof(*page->objects));
	for (size_t i = 0; i < page->n; i++) {
		const struct s3xml_entry *e = &listing->entries[i];

		page->objects[i] = (struct os_object){
			.key = e->key,
			.version = e->version_id,
			.etag = e->etag,
			.size = e->size_bytes,
			.modified_wall_ms = e->modified_wall_ms,
			.is_latest = versions ? e->is_latest : true,
			.is_delete_marker = e->is_delete_marker,
		};
	}
}

/* Some servers list the delete markers of a page after its versions. Insertion sort is cheap
 * here because the page is mostly sorted. */
static void sort_entries(struct os_object *o, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct os_object moved = o[i];
		size_t j = i;

		for (; j > 0; j--) {
			int d = slice_cmp(moved.key, o[j - 1].key);

			if (d > 0 || (d == 0 && (o[j - 1].is_latest || !moved.is_latest)))
				break;
			o[j] = o[j - 1];
		}
		o[j] = moved;
	}
}

enum rc s3_list(struct object_store *os, const struct os_list_query *query, struct arena *a,
	struct os_list_page *ret_page, struct err *err)
{
	struct s3 *s3 = (struct s3 *)os;
	struct s3_call call = {.method = "GET", .bucket = query->bucket};
	struct s3xml_listing listing = {0};
	struct s3_token token;
	struct buf text;
	enum rc rc = s3_token_read(query->token, &token, err);

	if (rc != RC_OK)
		return rc;
	buf_init(&text, S3_URL_MAX);
	make_query(&text, query, token.of_server);
	call.query = buf_slice(&text);
	rc = s3_call_run(s3, &call, err);
	if (rc == RC_OK) {
		rc = s3xml_read_listing(buf_slice(&call.answer), a, &listing, err);
		if (rc != RC_OK)
			rc = s3_bad_document(&call, err);
	}
	if (rc == RC_OK) {
		*ret_page = (struct os_list_page){0};
		take_entries(&listing, query->versions, a, ret_page);
		sort_entries(ret_page->objects, ret_page->n);
		rc = next_token(query, &listing, &token, a, ret_page, err);
	}
	s3_call_release(&call);
	buf_release(&text);
	return rc;
}
