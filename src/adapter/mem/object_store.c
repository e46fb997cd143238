#include "adapter/mem/object_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"

#define PIECE_BYTES 65536 /* of a body, as a sink gets it */

static struct mem_store *self(struct object_store *os)
{
	return (struct mem_store *)os;
}

void *mem_grown(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 8;
	return xrealloc(array, *cap * size);
}

static void blob_unref(struct blob *b)
{
	if (b && atomic_fetch_sub(&b->refs, 1) == 1) {
		buf_release(&b->bytes);
		free(b);
	}
}

static struct blob *blob_ref(struct blob *b)
{
	atomic_fetch_add(&b->refs, 1);
	return b;
}

struct blob *mem_blob_of(struct buf *b)
{
	struct blob *blob = xcalloc(1, sizeof(*blob));

	atomic_init(&blob->refs, 1);
	blob->bytes = *b;
	buf_init(b, BODY_MAX);
	return blob;
}

static void version_release(struct version *v)
{
	blob_unref(v->blob);
	free(v->headers);
}

struct bucket *mem_find_bucket(const struct mem_store *s, struct slice name)
{
	for (size_t i = 0; i < s->n_buckets; i++) {
		if (slice_eq_str(name, s->buckets[i]->name))
			return s->buckets[i];
	}
	return NULL;
}

struct key *mem_make_key(struct bucket *b, struct slice name)
{
	struct key *k = table_get(&b->by_name, name);

	if (k)
		return k;
	k = xcalloc(1, sizeof(*k));
	k->name = slice_of(slice_dup(name), name.n);
	b->keys = mem_grown(b->keys, b->n, &b->cap, sizeof(struct key *));
	b->keys[b->n++] = k;
	b->sorted = false;
	table_put(&b->by_name, k->name, k);
	return k;
}

struct version *mem_add_version_locked(struct mem_store *s, struct bucket *b, struct key *k,
	struct blob *blob, struct slice headers)
{
	unsigned char sum[16];
	struct version *v;

	if (!b->versioned) {
		for (size_t i = 0; i < k->n; i++)
			version_release(&k->versions[i]);
		k->n = 0;
	}
	k->versions = mem_grown(k->versions, k->n, &k->cap, sizeof(struct version));
	v = &k->versions[k->n++];
	*v = (struct version){.blob = blob,
		.headers = slice_dup(headers),
		.headers_n = headers.n,
		.modified_wall_ms = clock_wall_ms(s->clock)};
	if (b->versioned)
		snprintf(v->id, sizeof(v->id), "%016llx", (unsigned long long)++s->last_version);
	if (blob) {
		md5(buf_slice(&blob->bytes), sum);
		hex_encode(sum, sizeof(sum), v->etag);
	}
	return v;
}

static struct os_object describe(struct arena *a, const struct bucket *b, const struct key *k,
	const struct version *v, bool with_headers)
{
	return (struct os_object){.key = arena_slice(a, k->name),
		.version = b->versioned ? slice_str(arena_strdup(a, slice_str(v->id)))
					: (struct slice){0},
		.etag = slice_str(arena_strdup(a, slice_str(v->etag))),
		.headers = with_headers ? arena_slice(a, slice_of(v->headers, v->headers_n))
					: (struct slice){0},
		.size = v->blob ? v->blob->bytes.n : 0,
		.modified_wall_ms = v->modified_wall_ms,
		.is_latest = v == &k->versions[k->n - 1],
		.is_delete_marker = !v->blob};
}

static bool means_latest(struct slice version)
{
	return version.n == 0 || slice_eq_str(version, "null") ||
	       slice_has_prefix(version, slice_str("seq:"));
}

enum rc mem_absent(struct err *err, const char *code)
{
	return err_code(err, RC_ABSENT, code, "no such object or version");
}

/* Finds the requested version. RC_ABSENT also for a delete marker. */
static enum rc find_version_locked(struct mem_store *s, const struct object_id *id,
	struct bucket **ret_bucket, struct key **ret_key, struct version **ret_version,
	struct err *err)
{
	struct bucket *b = mem_find_bucket(s, id->bucket);
	struct key *k = b ? table_get(&b->by_name, id->key) : NULL;
	struct version *v = NULL;

	if (!b)
		return mem_absent(err, "NoSuchBucket");
	if (!k || k->n == 0)
		return mem_absent(err, "NoSuchKey");
	if (means_latest(id->version))
		v = &k->versions[k->n - 1];
	for (size_t i = 0; !v && i < k->n; i++) {
		if (slice_eq_str(id->version, k->versions[i].id))
			v = &k->versions[i];
	}
	if (!v)
		return mem_absent(err, "NoSuchVersion");
	if (!v->blob)
		return mem_absent(err, "NoSuchKey");
	*ret_bucket = b;
	*ret_key = k;
	*ret_version = v;
	return RC_OK;
}

static enum rc read_source(
	const struct os_source *source, uint64_t size, struct buf *ret_body, struct err *err)
{
	unsigned char piece[4096];
	size_t n;
	enum rc rc;

	do {
		rc = source->read(source->arg, piece, sizeof(piece), &n, err);
		if (rc != RC_OK)
			return rc;
		if (!buf_add(ret_body, piece, n))
			return err_set(err, RC_REFUSED, "a body above %zu bytes", BODY_MAX);
	} while (n > 0);
	if (ret_body->n != size)
		return err_set(err, RC_CORRUPT, "a body of %zu bytes, not the %llu declared",
			ret_body->n, (unsigned long long)size);
	return RC_OK;
}

static enum rc store_put(struct object_store *port, struct slice bucket, struct slice key,
	struct slice headers, uint64_t size, const struct os_source *source, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	struct mem_store *s = self(port);
	struct buf body;
	struct bucket *b;
	enum rc rc;

	buf_init(&body, BODY_MAX);
	rc = read_source(source, size, &body, err);
	if (rc != RC_OK) {
		buf_release(&body);
		return rc;
	}
	pthread_mutex_lock(&s->lock);
	b = mem_find_bucket(s, bucket);
	if (b) {
		struct key *k = mem_make_key(b, key);
		struct version *v = mem_add_version_locked(s, b, k, mem_blob_of(&body), headers);

		*ret_info = describe(a, b, k, v, true);
	} else {
		rc = mem_absent(err, "NoSuchBucket");
	}
	pthread_mutex_unlock(&s->lock);
	buf_release(&body);
	return rc;
}

static enum rc store_copy(struct object_store *port, const struct object_id *from,
	struct slice bucket, struct slice key, struct arena *a, struct os_object *ret_info,
	struct err *err)
{
	struct mem_store *s = self(port);
	struct bucket *b, *to;
	struct key *k;
	struct version *v;
	enum rc rc;

	pthread_mutex_lock(&s->lock);
	to = mem_find_bucket(s, bucket);
	rc = to ? find_version_locked(s, from, &b, &k, &v, err) : mem_absent(err, "NoSuchBucket");
	if (rc == RC_OK) {
		/* A put into the source's own key can move or remove v. */
		struct blob *blob = blob_ref(v->blob);
		char *headers = slice_dup(slice_of(v->headers, v->headers_n));
		size_t headers_n = v->headers_n;

		k = mem_make_key(to, key);
		v = mem_add_version_locked(s, to, k, blob, slice_of(headers, headers_n));
		*ret_info = describe(a, to, k, v, true);
		free(headers);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static enum rc deliver(const struct os_sink *sink, size_t i, const struct os_object *info,
	const struct blob *blob, struct err *err)
{
	enum rc rc = sink->begin(sink->arg, i, info, err);

	for (size_t at = 0; rc == RC_OK && at < blob->bytes.n; at += PIECE_BYTES) {
		size_t n = blob->bytes.n - at < PIECE_BYTES ? blob->bytes.n - at : PIECE_BYTES;

		rc = sink->data(sink->arg, i, slice_of(blob->bytes.p + at, n), err);
	}
	if (rc == RC_SKIP)
		return RC_OK;
	return rc == RC_OK ? sink->end(sink->arg, i, RC_OK, NULL, err) : rc;
}

static enum rc store_get_many(struct object_store *port, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct mem_store *s = self(port);
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct arena a = ARENA_INIT;
		struct os_object info = {0};
		struct blob *blob = NULL;
		struct bucket *b;
		struct key *k;
		struct version *v;
		struct err why = {0};
		enum rc found;

		pthread_mutex_lock(&s->lock);
		found = find_version_locked(s, &objects[i], &b, &k, &v, &why);
		if (found == RC_OK) {
			info = describe(&a, b, k, v, true);
			blob = blob_ref(v->blob);
		}
		pthread_mutex_unlock(&s->lock);
		rc = blob ? deliver(sink, i, &info, blob, err)
			  : sink->end(sink->arg, i, found, &why, err);
		blob_unref(blob);
		arena_release(&a);
	}
	return rc;
}

static bool store_keeps_evidence(struct object_store *port)
{
	(void)port;
	return true; /* a stage is never forgotten */
}

static enum rc store_head(struct object_store *port, const struct object_id *object,
	struct arena *a, struct os_object *ret_info, struct err *err)
{
	struct mem_store *s = self(port);
	struct bucket *b;
	struct key *k;
	struct version *v;
	enum rc rc;

	pthread_mutex_lock(&s->lock);
	rc = find_version_locked(s, object, &b, &k, &v, err);
	if (rc == RC_OK)
		*ret_info = describe(a, b, k, v, true);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int by_name(const void *x, const void *y)
{
	const struct key *const *a = x, *const *b = y;

	return slice_cmp((*a)->name, (*b)->name);
}

/* A token is the last key of the page, a NUL and, when the page ended inside a key, how many of
 * its versions are left. */
static size_t token_parse(struct slice token, struct slice *ret_key)
{
	size_t left = 0;

	*ret_key = (struct slice){0};
	if (token.n > sizeof(left)) {
		*ret_key = slice_of(token.p, token.n - sizeof(left));
		memcpy(&left, token.p + ret_key->n, sizeof(left));
	}
	return left;
}

static struct slice token_make(struct arena *a, struct slice key, size_t left)
{
	unsigned char *p = arena_alloc(a, key.n + sizeof(left));

	if (key.n)
		memcpy(p, key.p, key.n);
	memcpy(p + key.n, &left, sizeof(left));
	return slice_of(p, key.n + sizeof(left));
}

/* Gives versions of k to the page, newest first, beginning with the version that has `left` - 1
 * older ones. Returns how many are left. */
static size_t list_key(struct arena *a, const struct os_list_query *query, const struct bucket *b,
	const struct key *k, size_t left, struct os_list_page *page)
{
	if (!query->versions) {
		if (k->n && k->versions[k->n - 1].blob)
			page->objects[page->n++] = describe(a, b, k, &k->versions[k->n - 1], false);
		return 0;
	}
	for (; left && page->n < query->max; left--)
		page->objects[page->n++] = describe(a, b, k, &k->versions[left - 1], false);
	return left;
}

static void list_locked(struct bucket *b, const struct os_list_query *query, struct arena *a,
	struct os_list_page *page)
{
	struct slice after;
	size_t left = token_parse(query->token, &after);
	const struct key *last = NULL;

	if (b->n && !b->sorted)
		qsort(b->keys, b->n, sizeof(struct key *), by_name);
	b->sorted = true;
	for (size_t i = 0; i < b->n; i++) {
		const struct key *k = b->keys[i];
		int order = slice_cmp(k->name, after);
		bool resumed = after.n && order == 0;
		size_t todo = resumed ? left : k->n;

		if ((after.n && order < 0) || todo == 0 ||
			!slice_has_prefix(k->name, query->prefix))
			continue;
		if (page->n == query->max) {
			page->next = token_make(a, last->name, 0);
			return;
		}
		todo = list_key(a, query, b, k, todo < k->n ? todo : k->n, page);
		if (todo) {
			page->next = token_make(a, k->name, todo);
			return;
		}
		last = k;
	}
}

static enum rc store_list(struct object_store *port, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	struct mem_store *s = self(port);
	struct bucket *b;

	if (query->max < 1 || query->max > OS_LIST_MAX)
		return err_set(err, RC_REFUSED, "a page of %zu entries", query->max);
	pthread_mutex_lock(&s->lock);
	b = mem_find_bucket(s, query->bucket);
	if (b) {
		*ret_page = (struct os_list_page){
			.objects = arena_array(a, query->max, sizeof(struct os_object))};
		list_locked(b, query, a, ret_page);
	}
	pthread_mutex_unlock(&s->lock);
	return b ? RC_OK : mem_absent(err, "NoSuchBucket");
}

static void remove_version(struct key *k, struct slice id)
{
	for (size_t i = 0; i < k->n; i++) {
		if (!slice_eq_str(id, k->versions[i].id))
			continue;
		version_release(&k->versions[i]);
		memmove(&k->versions[i], &k->versions[i + 1],
			(k->n - i - 1) * sizeof(struct version));
		k->n--;
		return;
	}
}

static enum rc store_delete_many(struct object_store *port, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	struct mem_store *s = self(port);
	struct bucket *b;

	pthread_mutex_lock(&s->lock);
	b = mem_find_bucket(s, bucket);
	for (size_t i = 0; b && i < n; i++) {
		struct key *k = table_get(&b->by_name, objects[i].key);

		results[i] = RC_OK;
		if (b->versioned && objects[i].version.n) {
			if (k)
				remove_version(k, objects[i].version);
		} else if (b->versioned) {
			mem_add_version_locked(
				s, b, mem_make_key(b, objects[i].key), NULL, (struct slice){0});
		} else if (k && k->n) {
			version_release(&k->versions[0]);
			k->n = 0;
		}
	}
	pthread_mutex_unlock(&s->lock);
	return b ? RC_OK : mem_absent(err, "NoSuchBucket");
}

static enum rc store_bucket_region(struct object_store *port, struct slice bucket,
	char ret_region[OS_REGION_MAX], struct err *err)
{
	struct mem_store *s = self(port);
	const struct bucket *b;

	pthread_mutex_lock(&s->lock);
	b = mem_find_bucket(s, bucket);
	pthread_mutex_unlock(&s->lock);
	if (!b)
		return mem_absent(err, "NoSuchBucket");
	snprintf(ret_region, OS_REGION_MAX, "us-east-1");
	return RC_OK;
}

static void bucket_free(struct bucket *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct key *k = b->keys[i];

		for (size_t j = 0; j < k->n; j++)
			version_release(&k->versions[j]);
		free(k->versions);
		free((void *)(uintptr_t)k->name.p);
		free(k);
	}
	free(b->keys);
	free(b->name);
	table_release(&b->by_name);
	free(b);
}

static void store_close(struct object_store *port)
{
	struct mem_store *s = self(port);

	for (size_t i = 0; i < s->n_buckets; i++)
		bucket_free(s->buckets[i]);
	for (size_t i = 0; i < s->n_uploads; i++) {
		struct upload *u = s->uploads[i];

		buf_release(&u->bytes);
		free(u->bucket);
		free((void *)(uintptr_t)u->key.p);
		free(u->headers);
		free(u);
	}
	free(s->buckets);
	free(s->uploads);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void mem_object_store_add_bucket(struct object_store *port, const char *name, bool versioned)
{
	struct mem_store *s = self(port);
	struct bucket *b = xcalloc(1, sizeof(*b));

	b->name = xstrdup(name);
	b->versioned = versioned;
	pthread_mutex_lock(&s->lock);
	s->buckets = xrealloc(s->buckets, (s->n_buckets + 1) * sizeof(struct bucket *));
	s->buckets[s->n_buckets++] = b;
	pthread_mutex_unlock(&s->lock);
}

struct object_store *mem_object_store_new(struct clock *clock)
{
	static const struct object_store_ops ops = {store_put, store_get_many, store_head,
		store_list, store_delete_many, store_copy, store_bucket_region, mem_stage_begin,
		mem_stage_write, mem_stage_finish, mem_stage_copy, mem_stage_free,
		mem_publish, mem_discard,
		store_close, .keeps_evidence = store_keeps_evidence};
	struct mem_store *s = xcalloc(1, sizeof(*s));

	s->port.ops = &ops;
	s->clock = clock;
	pthread_mutex_init(&s->lock, NULL);
	return &s->port;
}
