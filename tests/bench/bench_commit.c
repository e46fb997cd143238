/*
 * Durable 4 KiB puts per second through the local bucket store: one submitting thread, 64 in
 * flight, random keys under the notify rule, so that each put is a version, a body and an event.
 * Nothing of the network: this is what the disk side allows the gateway.
 *
 *   bench_commit [SECONDS [IN_FLIGHT [BODY_BYTES]]]
 */
#include <inttypes.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "adapter/local/local.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/prng.h"
#include "port/bucket_store.h"

#define LATENCIES_MAX 4000000

struct bench {
	sem_t room;
	uint64_t failed;
	uint32_t *latency_us;
	size_t n;
};

struct one {
	struct bench *b;
	struct timespec begun;
};

static uint64_t us_since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)((now.tv_sec - t->tv_sec) * 1000000 + (now.tv_nsec - t->tv_nsec) / 1000);
}

static void on_done(void *arg, const struct bs_result *result)
{
	struct one *one = arg;
	struct bench *b = one->b;

	if (result->rc != RC_OK)
		b->failed++;
	if (b->n < LATENCIES_MAX)
		b->latency_us[b->n++] = (uint32_t)us_since(&one->begun);
	free(one);
	sem_post(&b->room);
}

static void put(struct bucket_store *bs, struct bench *b, struct slice body, struct prng *random)
{
	struct bs_commit commit = {.headers = slice_str("content-type:application/json\n"),
		.etag = "5d41402abc4b2a76b9719d911017c592",
		.event_name = "ObjectCreated:Put"};
	struct one *one = xmalloc(sizeof(*one));
	struct bs_put *handle;
	struct err err;
	char key[64];

	one->b = b;
	clock_gettime(CLOCK_MONOTONIC, &one->begun);
	snprintf(key, sizeof(key), "data/%016" PRIx64 ".json", prng_u64(random));
	if (bs_call(bs, put_begin, slice_str("landing"), slice_str(key), &handle, &err) != RC_OK ||
		bs_put_write(handle, body, &err) != RC_OK)
		die("%s", err.text);
	bs_put_commit(handle, &commit, (struct bs_done){on_done, one});
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(struct local *local, struct bench *b, double seconds)
{
	struct local_stat stat = local_stat(local);
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	qsort(b->latency_us, b->n, sizeof(*b->latency_us), by_value);
	printf("%.0f puts/s, %.1f a commit, p50 %.2f ms, p99 %.2f ms, max %.0f ms, cpu %.2f cores, "
	       "rss %ld MiB, failed %" PRIu64 "\n",
		(double)b->n / seconds, (double)stat.operations / (double)stat.commits,
		b->latency_us[b->n / 2] / 1e3, b->latency_us[b->n * 99 / 100] / 1e3,
		b->latency_us[b->n - 1] / 1e3,
		((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6) /
			seconds,
		usage.ru_maxrss / 1024, b->failed);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 5,
		 in_flight = argc > 2 ? (unsigned)atoi(argv[2]) : 64;
	size_t body_bytes = argc > 3 ? (size_t)atoi(argv[3]) : 4096;
	char folder[] = "bench-commit-XXXXXX";
	static const char *const prefixes[] = {"data/"};
	struct local_config cfg = {.clock = clock_system(),
		.region = "us-east-1",
		.notify = {"landing", prefixes, 1},
		.max_receives = 5};
	struct bench b = {.latency_us = xcalloc(LATENCIES_MAX, sizeof(uint32_t))};
	struct prng random = prng_seeded(1);
	unsigned char *bytes = xmalloc(body_bytes + 1);
	struct one *first = xcalloc(1, sizeof(*first));
	struct local *local;
	struct bucket_store *bs;
	struct timespec begun;
	struct err err;

	prng_bytes(&random, bytes, body_bytes);
	sem_init(&b.room, 0, 0);
	cfg.folder = mkdtemp(folder); /* on the disk one stands on, not on a tmpfs */
	if (!cfg.folder || local_open(&cfg, &local, &err) != RC_OK)
		die("%s", err.text);
	bs = local_bucket_store(local);
	first->b = &b;
	bs_call(bs, bucket_create, slice_str("landing"), BS_ENABLED,
		(struct bs_done){on_done, first});
	sem_wait(&b.room);
	b.n = 0;
	for (unsigned i = 0; i < in_flight; i++)
		sem_post(&b.room);
	clock_gettime(CLOCK_MONOTONIC, &begun);
	while (us_since(&begun) < (uint64_t)seconds * 1000000) {
		sem_wait(&b.room);
		put(bs, &b, slice_of(bytes, body_bytes), &random);
	}
	for (unsigned i = 0; i < in_flight; i++)
		sem_wait(&b.room);
	report(local, &b, (double)us_since(&begun) / 1e6);
	local_close(local);
	file_remove_tree(folder, &err);
	free(bytes);
	free(b.latency_us);
	return b.failed != 0;
}
