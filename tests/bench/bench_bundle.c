/*
 * bench_bundle: how fast one core turns objects into a bundle, in memory. bench_bundle.py makes the
 * objects, calls it and compares with Python's tarfile on the same objects.
 *
 *	bench_bundle FILE ROUNDS MODE...
 *
 * Reads the objects, one behind the other, from FILE and their sizes, one a line, from FILE.sizes,
 * then bundles them ROUNDS times in each MODE. Prints one line per mode: mode, objects, bytes in,
 * bytes out, median seconds of CPU. CPU time, because a benchmark of one core on a shared machine
 * must not measure its neighbours; no thread is used beside the main one.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "pack/pack.h"

#define MAX_ROUNDS 25
#define MAX_TOTAL_BYTES ((size_t)1 << 30)

struct input {
	struct buf bytes;
	size_t *sizes;
	size_t n_objects;
};

static size_t number(struct slice text, size_t min, size_t max)
{
	uint64_t value = 0;

	if (!slice_to_u64(text, &value) || value < min || value > max)
		die("'" SLICE_FMT "' is not a number from %zu to %zu", SLICE_ARG(text), min, max);
	return (size_t)value;
}

static void load(struct input *in, const char *path)
{
	struct buf sizes;
	struct err err;
	char name[4096];
	size_t total = 0, at = 0;

	snprintf(name, sizeof(name), "%s.sizes", path);
	buf_init(&in->bytes, MAX_TOTAL_BYTES);
	buf_init(&sizes, MAX_TOTAL_BYTES);
	if (file_read(path, &in->bytes, &err) != RC_OK || file_read(name, &sizes, &err) != RC_OK)
		die("%s", err.text);
	in->sizes = xcalloc(sizes.n + 1, sizeof(in->sizes[0]));
	while (at < sizes.n) {
		const unsigned char *end = memchr(sizes.p + at, '\n', sizes.n - at);
		size_t n = end ? (size_t)(end - sizes.p) - at : sizes.n - at;

		in->sizes[in->n_objects] = number(slice_of(sizes.p + at, n), 0, MAX_TOTAL_BYTES);
		total += in->sizes[in->n_objects++];
		at += n + 1;
	}
	if (total != in->bytes.n)
		die("'%s' has %zu bytes, its sizes say %zu", path, in->bytes.n, total);
	buf_release(&sizes);
}

/* As core keeps a part to upload: the bytes are copied, nothing else. */
static enum rc keep(void *arg, struct slice bytes, struct err *err)
{
	if (!buf_add_slice(arg, bytes))
		return err_set(err, RC_FATAL, "bundle does not fit");
	return RC_OK;
}

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(enum rc rc, const struct err *err)
{
	if (rc != RC_OK)
		die("%s", err->text);
}

static void bundle(const struct input *in, enum gzip_mode mode, struct buf *out)
{
	struct pack *p = pack_new(mode, NULL, NULL, keep, out);
	unsigned char sha[SHA256_BYTES];
	const unsigned char *at = in->bytes.p;
	uint64_t size;
	struct err err;
	char name[64];

	for (size_t i = 0; i < in->n_objects; i++) {
		int n = snprintf(
			name, sizeof(name), "data/telemetry/2026/11/23/reading-%08zu.json", i);

		must(pack_member_begin(p, slice_of(name, (size_t)n), in->sizes[i], &err), &err);
		must(pack_data(p, slice_of(at, in->sizes[i]), &err), &err);
		must(pack_member_end(p, &err), &err);
		at += in->sizes[i];
	}
	must(pack_finish(p, &size, sha, &err), &err);
	pack_free(p);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct input *in, enum gzip_mode mode, unsigned rounds, struct buf *out)
{
	double seconds[MAX_ROUNDS];

	for (unsigned i = 0; i < rounds; i++) {
		double start = cpu_seconds();

		buf_reset(out);
		bundle(in, mode, out);
		seconds[i] = cpu_seconds() - start;
	}
	qsort(seconds, rounds, sizeof(seconds[0]), by_value);
	printf("%s %zu %zu %zu %.6f\n", gzip_mode_name(mode), in->n_objects, in->bytes.n, out->n,
		seconds[rounds / 2]);
}

int main(int argc, char **argv)
{
	struct input in = {0};
	struct buf out;
	cpu_set_t one;
	unsigned rounds;

	if (argc < 4)
		die("usage: bench_bundle FILE ROUNDS MODE...");
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	load(&in, argv[1]);
	rounds = (unsigned)number(slice_str(argv[2]), 1, MAX_ROUNDS);
	buf_init(&out, MAX_TOTAL_BYTES);
	(void)buf_reserve(
		&out, in.bytes.n + in.bytes.n / 8); /* as it will be from the second round on */
	for (int i = 3; i < argc; i++) {
		enum gzip_mode mode;

		if (!gzip_mode_parse(slice_str(argv[i]), &mode))
			die("'%s' is no mode", argv[i]);
		measure(&in, mode, rounds, &out);
	}
	buf_release(&out);
	buf_release(&in.bytes);
	free(in.sizes);
	return 0;
}
