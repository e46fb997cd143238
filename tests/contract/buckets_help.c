#include "buckets.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"

#define RESULTS_MAX 20000

struct pending {
	pthread_mutex_t lock;
	pthread_cond_t end;
	unsigned calls; /* under lock */
	struct written *result;
};

static const struct bucket_factory *factory;
static struct written *results[RESULTS_MAX]; /* freed by teardown */
static size_t n_results;

int contract_buckets_use(const struct bucket_factory *f)
{
	factory = f;
	return 0;
}

int buckets_setup(void **state)
{
	struct bucket_world *w = xcalloc(1, sizeof(*w));

	factory->open(w);
	assert_rc(make_bucket(w, LANDING, BS_ENABLED), RC_OK);
	assert_rc(make_bucket(w, PLAIN, BS_UNVERSIONED), RC_OK);
	*state = w;
	return 0;
}

int buckets_teardown(void **state)
{
	factory->close(*state);
	free(*state);
	while (n_results) {
		arena_release(&results[--n_results]->arena);
		free(results[n_results]);
	}
	return 0;
}

struct pending *pending_new(void)
{
	struct pending *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->end, NULL);
	p->result = xcalloc(1, sizeof(*p->result));
	return p;
}

static void on_done(void *arg, const struct bs_result *result)
{
	struct pending *p = arg;
	struct written *w = p->result;

	pthread_mutex_lock(&p->lock);
	w->rc = result->rc;
	w->err = result->err;
	w->object = result->object;
	w->object.key = arena_slice(&w->arena, result->object.key);
	w->object.headers = arena_slice(&w->arena, result->object.headers);
	p->calls++;
	pthread_cond_signal(&p->end);
	pthread_mutex_unlock(&p->lock);
}

struct bs_done pending_done(struct pending *p)
{
	return (struct bs_done){on_done, p};
}

struct written *pending_wait(struct pending *p)
{
	struct written *w = p->result;

	pthread_mutex_lock(&p->lock);
	while (!p->calls)
		pthread_cond_wait(&p->end, &p->lock);
	assert_int_equal(p->calls, 1);
	pthread_mutex_unlock(&p->lock);
	pthread_cond_destroy(&p->end);
	pthread_mutex_destroy(&p->lock);
	free(p);
	assert_true(n_results < RESULTS_MAX);
	results[n_results++] = w;
	return w;
}

unsigned char *pattern(size_t n, unsigned kind)
{
	unsigned char *p = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 31 + i / 257 + kind * 7);
	return p;
}

void etag_of(struct slice body, char out[BS_ETAG_MAX])
{
	unsigned char sum[16];

	md5(body, sum);
	hex_encode(sum, sizeof(sum), out);
}

struct written *make_bucket(struct bucket_world *w, const char *name, enum bs_versioning versioning)
{
	struct pending *p = pending_new();

	bs_call(w->bs, bucket_create, slice_str(name), versioning, pending_done(p));
	return pending_wait(p);
}

struct written *set_versioning(
	struct bucket_world *w, const char *name, enum bs_versioning versioning)
{
	struct pending *p = pending_new();

	bs_call(w->bs, bucket_versioning, slice_str(name), versioning, pending_done(p));
	return pending_wait(p);
}

/* In pieces that do not divide anything, so that every border inside the store is crossed. */
static enum rc write_pieces(struct bs_put *put_handle, struct slice body, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t at = 0; at < body.n && rc == RC_OK; at += 99991) {
		size_t n = body.n - at < 99991 ? body.n - at : 99991;

		rc = bs_put_write(put_handle, slice_of(body.p + at, n), err);
	}
	return rc;
}

struct written *put_if(struct bucket_world *w, const char *bucket, const char *key,
	struct slice body, struct bs_condition condition)
{
	struct pending *p = pending_new();
	char etag[BS_ETAG_MAX];
	struct bs_commit commit = {.headers = slice_str("content-type:text/plain\n"),
		.etag = etag,
		.event_name = "ObjectCreated:Put",
		.condition = condition};
	struct bs_put *handle = NULL;
	struct bs_result failed = {0};

	etag_of(body, etag);
	failed.rc =
		bs_call(w->bs, put_begin, slice_str(bucket), slice_str(key), &handle, &failed.err);
	if (failed.rc == RC_OK)
		failed.rc = write_pieces(handle, body, &failed.err);
	if (failed.rc == RC_OK) {
		bs_put_commit(handle, &commit, pending_done(p));
	} else {
		if (handle)
			bs_put_abort(handle);
		on_done(p, &failed);
	}
	return pending_wait(p);
}

struct written *put(struct bucket_world *w, const char *bucket, const char *key, const char *body)
{
	return put_if(w, bucket, key, slice_str(body), (struct bs_condition){0});
}

struct written *put_bytes(
	struct bucket_world *w, const char *bucket, const char *key, size_t n, unsigned kind)
{
	unsigned char *bytes = pattern(n, kind);
	struct written *result =
		put_if(w, bucket, key, slice_of(bytes, n), (struct bs_condition){0});

	free(bytes);
	return result;
}

struct written *delete_one(struct bucket_world *w, const char *bucket, const char *key,
	const char *version, struct bs_deletion *ret_deletion)
{
	struct bs_deletion deletion = {.key = slice_str(key), .version = slice_str(version)};
	struct pending *p = pending_new();
	struct written *result;

	bs_call(w->bs, delete_many, slice_str(bucket), &deletion, 1, pending_done(p));
	result = pending_wait(p);
	assert_true(result->rc != RC_OK || deletion.rc == RC_OK);
	if (ret_deletion)
		*ret_deletion = deletion;
	return result;
}

struct bs_reader *open_reader(
	struct bucket_world *w, const char *bucket, const char *key, const char *version)
{
	struct bs_reader *r = NULL;
	struct err err = {0};

	if (bs_call(w->bs, open, slice_str(bucket), slice_str(key), slice_str(version), &r, NULL,
		    &err) != RC_OK)
		fail_msg("open '%s' '%s': %s", key, version ? version : "", err.text);
	return r;
}

void reader_gives(struct bs_reader *r, struct slice body)
{
	unsigned char *got = xmalloc(body.n + 1);
	uint64_t at = 0;
	struct err err;
	size_t n;

	assert_int_equal(bs_reader_info(r)->size, body.n);
	do {
		size_t want = body.n - at < 70001 ? body.n - at : 70001;

		assert_int_equal(bs_reader_read(r, at, got + at, want ? want : 1, &n, &err), RC_OK);
		at += n;
	} while (n);
	assert_int_equal(at, body.n);
	if (body.n)
		assert_memory_equal(got, body.p, body.n);
	free(got);
}

void reads_bytes(struct bucket_world *w, const char *bucket, const char *key, const char *version,
	struct slice body)
{
	struct bs_reader *r = open_reader(w, bucket, key, version);
	char etag[BS_ETAG_MAX];

	reader_gives(r, body);
	etag_of(body, etag);
	assert_string_equal(bs_reader_info(r)->etag, etag);
	bs_reader_close(r);
}

void reads_as(struct bucket_world *w, const char *bucket, const char *key, const char *version,
	const char *body)
{
	reads_bytes(w, bucket, key, version, slice_str(body));
}

void fails_as(struct bucket_world *w, const char *bucket, const char *key, const char *version,
	enum rc rc, const char *code)
{
	struct bs_reader *r = NULL;
	struct err err = {0};

	assert_int_equal(bs_call(w->bs, open, slice_str(bucket), slice_str(key), slice_str(version),
				 &r, NULL, &err),
		rc);
	assert_string_equal(err.code, code);
	assert_null(r);
}

size_t events(struct bucket_world *w, struct arena *a, struct eq_message **ret_messages)
{
	struct err err;
	size_t n = 0;

	assert_int_equal(eq_receive(w->queue, a, 1000, 0, 60000, ret_messages, &n, &err), RC_OK);
	return n;
}
