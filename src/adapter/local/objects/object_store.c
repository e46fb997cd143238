/* Objects: the bucket store's calls, waited for. Stages: object_store_stage.c. */
#include "adapter/local/objects/object_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/completion.h"
#include "base/digest.h"

static struct bucket_store *buckets_of(struct object_store *os)
{
	return &store_of(os)->local->bucket_store;
}

/* Submits one write to the bucket store and waits for it. */
struct waiting {
	struct completion end;
	struct bs_result result;
	struct arena *a; /* result's slices are copied here; NULL: not wanted */
};

static void waiting_init(struct waiting *w, struct arena *a)
{
	*w = (struct waiting){.a = a};
	completion_init(&w->end);
}

static void waiting_done(void *arg, const struct bs_result *result)
{
	struct waiting *w = arg;

	w->result = *result;
	w->result.object.key = w->a ? arena_slice(w->a, result->object.key) : (struct slice){0};
	w->result.object.headers =
		w->a ? arena_slice(w->a, result->object.headers) : (struct slice){0};
	completion_signal(&w->end);
}

static enum rc waiting_end(struct waiting *w, struct err *err)
{
	completion_wait(&w->end);
	if (w->result.rc != RC_OK && err)
		*err = w->result.err;
	return w->result.rc;
}

/* Slices are o's own, version and etag too. */
static struct os_object object_of(const struct bs_object *o)
{
	return (struct os_object){
		.key = o->key,
		.version = slice_str(o->in_versioned ? o->version : ""),
		.etag = slice_str(o->etag),
		.headers = o->headers,
		.size = o->size,
		.modified_wall_ms = o->modified_wall_ms,
		.is_latest = o->is_latest,
		.is_delete_marker = o->is_delete_marker,
	};
}

static struct os_object object_copy(struct arena *a, const struct bs_object *o)
{
	struct os_object copy = object_of(o);

	copy.key = arena_slice(a, copy.key);
	copy.version = arena_slice(a, copy.version);
	copy.etag = arena_slice(a, copy.etag);
	copy.headers = arena_slice(a, copy.headers);
	return copy;
}

/* The version as the bucket store is asked for it. */
static struct slice exact_version(struct slice version)
{
	if (slice_eq_str(version, "null") || slice_has_prefix(version, slice_str("seq:")))
		return (struct slice){0};
	return version;
}

/* Exactly size bytes from the source to the put and through the MD5. */
static enum rc copy_body(struct bs_put *put, const struct os_source *body, uint64_t size,
	struct digest *md5, struct err *err)
{
	unsigned char *block = xmalloc(STORE_BLOCK_BYTES);
	enum rc rc = RC_OK;
	uint64_t left = size;
	size_t n = 1;

	while (rc == RC_OK && n > 0) {
		rc = body->read(body->arg, block, STORE_BLOCK_BYTES, &n, err);
		if (rc != RC_OK)
			break;
		if (n > left || (n == 0 && left > 0)) {
			rc = err_set(err, RC_REFUSED, "the body is %s than the %llu bytes declared",
				n > 0 ? "longer" : "shorter", (unsigned long long)size);
			break;
		}
		left -= n;
		digest_update(md5, slice_of(block, n));
		if (n > 0)
			rc = bs_put_write(put, slice_of(block, n), err);
	}
	free(block);
	return rc;
}

static enum rc put_as(struct object_store *os, struct slice bucket, struct slice key,
	struct slice headers, const char *event_name, uint64_t size, const struct os_source *body,
	struct arena *a, struct os_object *ret_info, struct err *err)
{
	struct bs_commit commit = {.headers = headers, .event_name = event_name};
	unsigned char hash[DIGEST_MAX_BYTES];
	char etag[2 * DIGEST_MAX_BYTES + 1];
	struct digest *md5;
	struct bs_put *put;
	struct waiting w;
	enum rc rc = bs_call(buckets_of(os), put_begin, bucket, key, &put, err);

	if (rc != RC_OK)
		return rc;
	md5 = digest_new(DIGEST_MD5);
	rc = copy_body(put, body, size, md5, err);
	hex_encode(hash, digest_final(md5, DIGEST_MD5, hash), etag);
	digest_free(md5);
	if (rc != RC_OK) {
		bs_put_abort(put);
		return rc;
	}
	commit.etag = etag;
	waiting_init(&w, a);
	bs_put_commit(put, &commit, ((struct bs_done){waiting_done, &w}));
	rc = waiting_end(&w, err);
	if (rc == RC_OK)
		*ret_info = object_copy(a, &w.result.object);
	return rc;
}

static enum rc store_put(struct object_store *os, struct slice bucket, struct slice key,
	struct slice headers, uint64_t size, const struct os_source *body, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	return put_as(os, bucket, key, headers, "ObjectCreated:Put", size, body, a, ret_info, err);
}

static enum rc open_reader(struct object_store *os, const struct object_id *object,
	struct bs_reader **ret_reader, struct err *err)
{
	enum rc rc = bs_call(buckets_of(os), open, object->bucket, object->key,
		exact_version(object->version), ret_reader, NULL, err);

	/* A delete marker asked for by its version: gone, as [OS-2] has it. */
	if (rc == RC_REFUSED && err_is(err, "MethodNotAllowed"))
		rc = RC_ABSENT;
	return rc;
}

/* *ret_sink: the sink's own answer, when it is what ended the reading. */
static enum rc give_bytes(struct bs_reader *r, size_t i, const struct os_sink *sink,
	unsigned char *block, enum rc *ret_sink, struct err *why, struct err *err)
{
	struct slice bytes = bs_reader_inline(r);
	uint64_t offset = 0;
	enum rc rc = RC_OK;
	size_t n = 1;

	*ret_sink = RC_OK;
	if (bytes.p) {
		*ret_sink = bytes.n ? sink->data(sink->arg, i, bytes, err) : RC_OK;
		return RC_OK;
	}
	while (*ret_sink == RC_OK) {
		rc = bs_reader_read(r, offset, block, STORE_BLOCK_BYTES, &n, why);
		if (rc != RC_OK || n == 0)
			return rc;
		offset += n;
		*ret_sink = sink->data(sink->arg, i, slice_of(block, n), err);
	}
	return rc;
}

static enum rc give_object(struct bs_reader *r, size_t i, const struct os_sink *sink,
	unsigned char *block, struct err *err)
{
	struct os_object info = object_of(bs_reader_info(r));
	struct err why = {0};
	enum rc outcome, rc = sink->begin(sink->arg, i, &info, err);

	if (rc != RC_OK)
		return rc;
	outcome = give_bytes(r, i, sink, block, &rc, &why, err);
	if (rc != RC_OK)
		return rc;
	if (outcome != RC_OK && outcome != RC_CORRUPT)
		outcome = RC_AGAIN;
	return sink->end(sink->arg, i, outcome, &why, err);
}

/*
 * Objects are read one after the other, each in a snapshot of its own. A long read transaction
 * would hold up the checkpoint, and the sink's work on an object (compressing it) takes longer than
 * finding it.
 */
static enum rc store_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	unsigned char *block = xmalloc(STORE_BLOCK_BYTES);
	enum rc rc = RC_OK;

	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		struct bs_reader *r;
		struct err why = {0};
		enum rc outcome = open_reader(os, &objects[i], &r, &why);

		if (outcome == RC_OK) {
			rc = give_object(r, i, sink, block, err);
			rc = rc == RC_SKIP ? RC_OK : rc;
			bs_reader_close(r);
		} else if (outcome == RC_FATAL) {
			*err = why;
			rc = outcome;
		} else {
			rc = sink->end(sink->arg, i, outcome, &why, err);
		}
	}
	free(block);
	return rc;
}

static bool store_keeps_evidence(struct object_store *os)
{
	(void)os;
	return true; /* the stage's row says that it was published */
}

static enum rc store_head(struct object_store *os, const struct object_id *object, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	struct bs_reader *r;
	struct err why = {0};
	enum rc rc = open_reader(os, object, &r, &why);

	if (rc != RC_OK) {
		if (err)
			*err = why;
		return rc;
	}
	*ret_info = object_copy(a, bs_reader_info(r));
	bs_reader_close(r);
	return RC_OK;
}

/* A token is "version/key" of the last entry; no version where only the latest are listed. */
static enum rc read_token(
	const struct os_list_query *query, struct bs_list_query *ret_query, struct err *err)
{
	const unsigned char *slash;

	if (query->token.n == 0)
		return RC_OK;
	slash = memchr(query->token.p, '/', query->token.n);
	if (!slash)
		return err_code(
			err, RC_REFUSED, "InvalidArgument", "the token is not one of a listing");
	ret_query->after_version = slice_of(query->token.p, (size_t)(slash - query->token.p));
	ret_query->after_key = slice_of(slash + 1, query->token.n - ret_query->after_version.n - 1);
	return RC_OK;
}

static struct slice write_token(struct arena *a, const struct bs_object *last, bool versions)
{
	const char *version = versions ? last->version : "";
	size_t n = strlen(version);
	unsigned char *text = arena_alloc(a, n + 1 + last->key.n);

	memcpy(text, version, n);
	text[n] = '/';
	memcpy(text + n + 1, last->key.p, last->key.n);
	return slice_of(text, n + 1 + last->key.n);
}

static enum rc store_list(struct object_store *os, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	struct bs_list_query q = {.bucket = query->bucket,
		.prefix = query->prefix,
		.max = query->max < OS_LIST_MAX ? query->max : OS_LIST_MAX,
		.versions = query->versions};
	struct bs_list_page page;
	enum rc rc = read_token(query, &q, err);

	if (rc == RC_OK)
		rc = bs_call(buckets_of(os), list, &q, a, &page, err);
	if (rc != RC_OK)
		return rc;
	*ret_page = (struct os_list_page){
		.objects = arena_array(a, page.n, sizeof(*ret_page->objects)), .n = page.n};
	for (size_t i = 0; i < page.n; i++)
		ret_page->objects[i] = object_of(&page.entries[i].object);
	if (page.truncated && page.n > 0)
		ret_page->next = write_token(a, &page.entries[page.n - 1].object, query->versions);
	return RC_OK;
}

struct reader_source {
	struct bs_reader *reader;
	uint64_t offset;
};

static enum rc reader_source_read(
	void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct reader_source *s = arg;
	enum rc rc = bs_reader_read(s->reader, s->offset, out, max, ret_n, err);

	if (rc == RC_OK)
		s->offset += *ret_n;
	return rc;
}

static enum rc store_copy(struct object_store *os, const struct object_id *from,
	struct slice bucket, struct slice key, struct arena *a, struct os_object *ret_info,
	struct err *err)
{
	struct reader_source source = {0};
	struct os_source body = {reader_source_read, &source, NULL};
	const struct bs_object *info;
	struct err why = {0};
	enum rc rc = open_reader(os, from, &source.reader, &why);

	if (rc != RC_OK) {
		if (err)
			*err = why;
		return rc;
	}
	info = bs_reader_info(source.reader);
	rc = put_as(os, bucket, key, info->headers, "ObjectCreated:Copy", info->size, &body, a,
		ret_info, err);
	bs_reader_close(source.reader);
	return rc;
}

static enum rc store_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	struct bs_deletion *deletions = xcalloc(n + 1, sizeof(*deletions));
	struct waiting w;
	enum rc rc;

	for (size_t i = 0; i < n; i++) {
		deletions[i].key = objects[i].key;
		/* "null" names a version here: the one a bucket has that was not versioned. */
		if (!slice_has_prefix(objects[i].version, slice_str("seq:")))
			deletions[i].version = objects[i].version;
	}
	waiting_init(&w, NULL);
	bs_call(buckets_of(os), delete_many, bucket, deletions, n,
		((struct bs_done){waiting_done, &w}));
	rc = waiting_end(&w, err);
	for (size_t i = 0; i < n; i++)
		results[i] = rc == RC_OK ? deletions[i].rc : rc;
	free(deletions);
	return rc;
}

static enum rc store_bucket_region(struct object_store *os, struct slice bucket,
	char ret_region[OS_REGION_MAX], struct err *err)
{
	struct bs_bucket info;
	enum rc rc = bs_call(buckets_of(os), bucket_get, bucket, &info, err);

	if (rc == RC_OK)
		snprintf(ret_region, OS_REGION_MAX, "%s", store_of(os)->local->region);
	return rc;
}

static void store_close(struct object_store *os)
{
	pthread_mutex_destroy(&store_of(os)->lock);
	free(os);
}

static const struct object_store_ops ops = {
	.put = store_put,
	.get_many = store_get_many,
	.head = store_head,
	.list = store_list,
	.delete_many = store_delete_many,
	.copy = store_copy,
	.bucket_region = store_bucket_region,
	.stage_begin = store_stage_begin,
	.stage_write = store_stage_write,
	.stage_finish = store_stage_finish,
	.stage_copy = store_stage_copy,
	.stage_room = store_stage_room,
	.stage_free = store_stage_free,
	.publish = store_publish,
	.discard = store_discard,
	.close = store_close,
	.keeps_evidence = store_keeps_evidence,
};

void local_store_open(struct local *local)
{
	struct local_store *s = xcalloc(1, sizeof(*s));

	s->base.ops = &ops;
	s->local = local;
	pthread_mutex_init(&s->lock, NULL);
	local->object_store = &s->base;
}

struct object_store *local_object_store(struct local *local)
{
	return local->object_store;
}
