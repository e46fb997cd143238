/* Targets, queries, copy sources: decoded keys are UTF-8 within bounds, and encoding brings back
 * what was decoded. */
#include "fuzz.h"
#include "wire/uri.h"

static const char *const domains[] = {"localhost", NULL};

static void check_round_trip(struct slice bytes)
{
	struct buf encoded, decoded;

	buf_init(&encoded, 3 * bytes.n);
	buf_init(&decoded, bytes.n);
	MUST(uri_encode(&encoded, bytes, bytes.n % 2));
	MUST(uri_decode_path(&decoded, buf_slice(&encoded), NULL) == RC_OK);
	MUST(slice_eq(buf_slice(&decoded), bytes));
	buf_release(&encoded);
	buf_release(&decoded);
}

/* The same key, encoded our way, names the same object. */
static void check_target(const struct uri_target *t)
{
	struct slice key = slice_of(t->key, t->key_bytes);
	struct uri_target again;
	struct buf path;

	MUST(t->key_bytes <= URI_KEY_MAX_BYTES && strlen(t->key) == t->key_bytes);
	MUST(utf8_valid(key));
	MUST(t->bucket[0] == '\0' || uri_bucket_valid(slice_str(t->bucket)));
	if (t->bucket[0] == '\0')
		return;
	buf_init(&path, 4 * URI_KEY_MAX_BYTES);
	buf_addf(&path, "/%s/", t->bucket);
	uri_encode(&path, key, true);
	MUST(uri_target_parse(buf_slice(&path), slice_str("x"), NULL, &again, NULL) == RC_OK);
	MUST(strcmp(again.bucket, t->bucket) == 0 && strcmp(again.key, t->key) == 0);
	buf_release(&path);
}

static void check_query(struct slice query)
{
	struct uri_param param;
	struct buf value;
	size_t n = 0;

	buf_init(&value, query.n);
	if (uri_query_get(query, "prefix", &value, NULL) == RC_OK)
		MUST(uri_query_find(query, "prefix", NULL));
	while (uri_query_next(&query, &param))
		n += param.name.n + param.value.n;
	MUST(n <= value.max);
	buf_release(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t n = end ? (size_t)(end - data) : size;
	struct slice all = slice_of(data, size), path, query, version;
	struct slice host = end ? slice_of(end + 1, size - n - 1) : slice_str("localhost");
	struct uri_target t;
	struct err err;

	check_round_trip(all);
	uri_split(slice_of(data, n), &path, &query);
	check_query(query);
	if (uri_target_parse(path, host, domains, &t, &err) == RC_OK)
		check_target(&t);
	else
		MUST(err.code[0]);
	if (uri_copy_source_parse(all, &t, &version, &err) == RC_OK)
		check_target(&t);
	return 0;
}
