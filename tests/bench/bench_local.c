/*
 * bench_local: what the data folder can do, without HTTP: the calls the aggregator makes, in
 * batches of 1,000.
 *
 *	bench_local FOLDER [OBJECTS]
 *
 * FOLDER must not exist and is removed at the end; it should lie on the disk that matters. Prints
 * one line per measurement: name, objects (or MB) per second, and the median milliseconds of a
 * batch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "adapter/local/local.h"
#include "base/arena.h"
#include "base/file.h"
#include "port/bucket_store.h"
#include "port/event_queue.h"
#include "port/ledger.h"
#include "port/object_store.h"

#define BATCH 1000
#define BODY_BYTES 600 /* an S3 event of ours */
#define OBJECT_BYTES 4096
#define STAGE_BYTES (64u << 20)
#define BUCKET "bench-bucket"

struct bench {
	struct local *local;
	size_t n_batches;
	double *seconds; /* of each batch */
	struct err err;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(enum rc rc, const struct bench *b, const char *what)
{
	if (rc != RC_OK)
		die("%s: %s: %s", what, rc_name(rc), b->err.text);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(struct bench *b, const char *name, size_t batch)
{
	double sum = 0;

	for (size_t i = 0; i < b->n_batches; i++)
		sum += b->seconds[i];
	qsort(b->seconds, b->n_batches, sizeof(double), by_size);
	printf("%-16s %9.0f objects/s  %8.2f ms a batch of %zu\n", name,
		(double)(b->n_batches * batch) / sum, b->seconds[b->n_batches / 2] * 1e3, batch);
}

static void bench_send(struct bench *b)
{
	static struct slice bodies[BATCH];
	static enum rc results[BATCH];
	static char body[BODY_BYTES];

	memset(body, 'e', sizeof(body));
	for (size_t i = 0; i < BATCH; i++)
		bodies[i] = slice_of(body, sizeof(body));
	for (size_t i = 0; i < b->n_batches; i++) {
		double start = now();

		must(eq_send(local_event_queue(b->local), bodies, BATCH, results, &b->err), b,
			"send");
		b->seconds[i] = now() - start;
	}
	report(b, "send", BATCH);
}

/* One receive of 10,000, as the pipeline with a backlog does it; all are made visible again. */
static void bench_large_receive(struct bench *b)
{
	struct event_queue *q = local_event_queue(b->local);
	struct arena a = ARENA_INIT;
	struct eq_hide *hides;
	struct eq_message *m;
	enum rc *results;
	double start = now(), received, hidden;
	size_t n;

	must(eq_receive(q, &a, EQ_BATCH_MAX, 0, 60000, &m, &n, &b->err), b, "receive");
	received = now() - start;
	hides = arena_array(&a, n, sizeof(*hides));
	results = arena_array(&a, n, sizeof(*results));
	for (size_t i = 0; i < n; i++)
		hides[i] = (struct eq_hide){.receipt = m[i].receipt, .uncounted = true};
	start = now();
	must(eq_hide(q, hides, n, results, &b->err), b, "hide");
	hidden = now() - start;
	printf("%-16s %9.2f ms for %zu messages; hidden again in %.2f ms\n", "receive at once",
		received * 1e3, n, hidden * 1e3);
	arena_release(&a);
}

static void ack_all(
	struct bench *b, struct arena *a, const struct eq_message *m, size_t n, double *ret_seconds)
{
	struct slice *receipts = arena_array(a, n, sizeof(*receipts));
	enum rc *results = arena_array(a, n, sizeof(*results));
	double start;

	for (size_t i = 0; i < n; i++)
		receipts[i] = m[i].receipt;
	start = now();
	must(eq_ack(local_event_queue(b->local), receipts, n, results, &b->err), b, "ack");
	*ret_seconds = now() - start;
}

static void bench_receive_and_ack(struct bench *b)
{
	double *acks = xcalloc(b->n_batches, sizeof(*acks));

	for (size_t i = 0; i < b->n_batches; i++) {
		struct arena a = ARENA_INIT;
		struct eq_message *m;
		double start = now();
		size_t n;

		must(eq_receive(local_event_queue(b->local), &a, BATCH, 0, 600000, &m, &n, &b->err),
			b, "receive");
		b->seconds[i] = now() - start;
		if (n != BATCH)
			die("receive gave %zu messages", n);
		ack_all(b, &a, m, n, &acks[i]);
		arena_release(&a);
	}
	report(b, "receive", BATCH);
	memcpy(b->seconds, acks, b->n_batches * sizeof(*acks));
	report(b, "ack", BATCH);
	free(acks);
}

/* Versions as our own buckets make them: ascending; keys at random. Claims of another store's
 * bucket are found by their keys too. */
static void bench_claim(struct bench *b, const char *name, const char *bucket, unsigned char plan_number)
{
	struct lg_plan plan = {.id = {{plan_number}}, .state = PLAN_OPEN};
	struct lg_claim *claims = xcalloc(BATCH, sizeof(*claims));

	must(lg_plan_open(local_ledger(b->local), &plan, &b->err), b, "plan");
	for (size_t i = 0; i < b->n_batches; i++) {
		struct arena a = ARENA_INIT;
		double start;

		for (size_t j = 0; j < BATCH; j++) {
			size_t k = i * BATCH + j;

			claims[j].slot = (uint32_t)j;
			claims[j].object = (struct object_id){slice_str(bucket),
				slice_str(arena_printf(&a, "data/%016zx/file-%zu.json",
					k * 0x9e3779b97f4a7c15u, k)),
				slice_str(arena_printf(&a, "%032zx", k))};
		}
		start = now();
		must(lg_claim_many(local_ledger(b->local), &a, &plan.id, claims, BATCH, &b->err), b,
			"claim");
		b->seconds[i] = now() - start;
		arena_release(&a);
	}
	report(b, name, BATCH);
	free(claims);
}

struct waiting {
	_Atomic size_t n;
};

static void put_done(void *arg, const struct bs_result *result)
{
	if (result->rc != RC_OK)
		die("put: %s", result->err.text);
	((struct waiting *)arg)->n++;
}

/* Many at once, as the gateway has them. */
static void bench_put(struct bench *b)
{
	struct bucket_store *bs = local_bucket_store(b->local);
	struct bs_commit commit = {
		.etag = "00000000000000000000000000000000", .event_name = "ObjectCreated:Put"};
	static unsigned char body[OBJECT_BYTES];
	struct waiting w = {0};

	for (size_t i = 0; i < b->n_batches; i++) {
		double start = now();

		w.n = 0;
		for (size_t j = 0; j < BATCH; j++) {
			struct bs_put *put;
			char key[32];
			size_t n = (size_t)snprintf(key, sizeof(key), "k/%zu", i * BATCH + j);

			must(bs_call(bs, put_begin, slice_str(BUCKET), slice_of(key, n), &put,
				     &b->err),
				b, "put");
			must(bs_put_write(put, slice_of(body, sizeof(body)), &b->err), b, "put");
			bs_put_commit(put, &commit, ((struct bs_done){put_done, &w}));
		}
		while (w.n < BATCH)
			clock_sleep_ms(clock_system(), 1);
		b->seconds[i] = now() - start;
	}
	report(b, "put 4 KiB", BATCH);
}

static enum rc take_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg;
	(void)i;
	(void)info;
	(void)err;
	return RC_OK;
}

static enum rc take_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	(void)i;
	(void)err;
	*(uint64_t *)arg += bytes.n;
	return RC_OK;
}

static enum rc take_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	(void)arg;
	(void)i;
	(void)err;
	if (outcome != RC_OK)
		die("get: %s", why->text);
	return RC_OK;
}

static void bench_get(struct bench *b)
{
	struct object_id *ids = xcalloc(BATCH, sizeof(*ids));
	uint64_t bytes = 0;
	struct os_sink sink = {take_begin, take_data, take_end, &bytes};

	for (size_t i = 0; i < b->n_batches; i++) {
		struct arena a = ARENA_INIT;
		double start;

		for (size_t j = 0; j < BATCH; j++)
			ids[j] = (struct object_id){slice_str(BUCKET),
				slice_str(arena_printf(&a, "k/%zu", i * BATCH + j)), {0}};
		start = now();
		must(os_get_many(local_object_store(b->local), ids, BATCH, &sink, &b->err), b,
			"get");
		b->seconds[i] = now() - start;
		arena_release(&a);
	}
	if (bytes != b->n_batches * BATCH * OBJECT_BYTES)
		die("get: wrong bytes");
	report(b, "get 4 KiB", BATCH);
	free(ids);
}

/* A bundle of 64 MiB: staged (with its MD5), published, read back. */
static void bench_bundle(struct bench *b)
{
	struct object_store *os = local_object_store(b->local);
	struct object_id id = {slice_str(BUCKET), slice_str("bundle"), {0}};
	unsigned char *block = xcalloc(1, 1 << 20);
	uint64_t bytes = 0;
	struct os_sink sink = {take_begin, take_data, take_end, &bytes};
	struct os_stage *stage;
	struct buf record;
	double start = now(), staged, published, read;

	buf_init(&record, LG_STAGED_MAX);
	must(os_stage_begin(os, id.bucket, id.key, &stage, &b->err), b, "stage");
	for (size_t n = 0; n < STAGE_BYTES; n += 1 << 20)
		must(os_stage_write(stage, slice_of(block, 1 << 20), &b->err), b, "stage");
	must(os_stage_finish(stage, slice_str(""), &record, &b->err), b, "stage");
	os_stage_free(stage);
	staged = now();
	must(os_publish(os, id.bucket, id.key, buf_slice(&record), &b->err), b, "publish");
	published = now();
	must(os_get_many(os, &id, 1, &sink, &b->err), b, "get");
	read = now();
	printf("%-16s %9.0f MB/s; published in %.2f ms; read back at %.0f MB/s\n", "stage 64 MiB",
		STAGE_BYTES / 1e6 / (staged - start), (published - staged) * 1e3,
		STAGE_BYTES / 1e6 / (read - published));
	buf_release(&record);
	free(block);
}

int main(int argc, char **argv)
{
	static const char *const no_events[] = {"with-event/"};
	struct local_config cfg = {.clock = clock_system(),
		.region = "local",
		.notify = {BUCKET, no_events, 1},
		.max_receives = 5};
	struct bench b = {0};
	struct waiting w = {0};

	if (argc < 2)
		die("usage: bench_local FOLDER [OBJECTS]");
	cfg.folder = argv[1];
	b.n_batches = (argc > 2 ? strtoul(argv[2], NULL, 10) : 50000) / BATCH;
	if (b.n_batches == 0)
		die("at least %d objects", BATCH);
	b.seconds = xcalloc(b.n_batches, sizeof(double));
	must(local_open(&cfg, &b.local, &b.err), &b, "open");
	bs_call(local_bucket_store(b.local), bucket_create, slice_str(BUCKET), BS_ENABLED,
		((struct bs_done){put_done, &w}));
	while (w.n == 0)
		clock_sleep_ms(clock_system(), 1);
	bench_put(&b);
	bench_get(&b);
	bench_send(&b);
	bench_large_receive(&b);
	bench_receive_and_ack(&b);
	bench_claim(&b, "claim", BUCKET, 1);
	bench_claim(&b, "claim, foreign", "another-store", 2);
	bench_bundle(&b);
	local_close(b.local);
	free(b.seconds);
	must(file_remove_tree(cfg.folder, &b.err), &b, "remove");
	return 0;
}
