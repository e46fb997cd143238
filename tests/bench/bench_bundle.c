/*
 * bench_bundle: how fast one core turns objects into a bundle, in memory. bench_bundle.py calls
 *it and compares with Python's tarfile on the same objects.
 *
 *	bench_bundle OBJECT_BYTES TOTAL_BYTES ROUNDS FILE
 *
 * Makes telemetry-like JSON objects from a fixed seed, writes them to FILE (and their sizes,
 *one a line, to FILE.sizes), then bundles them ROUNDS times in each mode. Prints one line per
 *mode: mode, objects, bytes in, bytes out, median seconds of CPU. CPU time, because a benchmark
 *of one core on a shared machine must not measure its neighbours; no thread is used beside the
 *main one.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "base/prng.h"
#include "pack/pack.h"

#define MAX_ROUNDS 25
#define READING_BYTES 260 /* about; one line of JSON */
#define N_DEVICES 500
#define MIN_OBJECT_BYTES 500
#define MAX_TOTAL_BYTES ((size_t)1 << 30)

struct input {
	struct buf bytes;
	size_t *sizes;
	size_t n_objects;
};

/* What a fleet's telemetry is like: fields that never change, fields that wander, fields that are noise. */
struct device {
	unsigned id, firmware_minor, firmware_patch;
	double latitude, longitude;
	double temperature, humidity, battery, rpm;
};

static unsigned upto(struct prng *r, unsigned limit)
{
	return (unsigned)prng_below(r, limit);
}

static void make_devices(struct device *d, struct prng *r)
{
	for (size_t i = 0; i < N_DEVICES; i++)
		d[i] = (struct device){
			.id = upto(r, 1 << 24),
			.latitude = 48 + upto(r, 600000) / 1e5,
			.longitude = 6 + upto(r, 800000) / 1e5,
			.firmware_minor = upto(r, 13),
			.firmware_patch = upto(r, 5),
			.temperature = 15 + upto(r, 100) / 10.0,
			.humidity = 30 + upto(r, 300) / 10.0,
			.battery = 3.5 + upto(r, 400) / 1000.0,
			.rpm = 1400 + upto(r, 160),
		};
}

/* A step of a random walk, about normal: the sum of four uniform ones. */
static double step(struct prng *r, double size)
{
	return (upto(r, 1000) + upto(r, 1000) + upto(r, 1000) + upto(r, 1000) - 1998.0) / 577.0 *
	       size;
}

static void add_reading(struct buf *out, struct prng *r, struct device *d, uint64_t ms)
{
	static const char *const status[] = {"ok", "ok", "ok", "ok", "ok", "ok", "ok", "degraded"};
	unsigned s = (unsigned)(ms / 1000 % 86400);

	d->temperature += step(r, 0.1);
	d->humidity += step(r, 0.3);
	d->battery += step(r, 0.005);
	d->rpm += step(r, 5);
	(void)buf_addf(out,
		"{\"device_id\":\"dev-%06x\",\"ts\":\"2026-11-23T%02u:%02u:%02u.%03uZ\","
		"\"metrics\":{"
		"\"temperature_c\":%.2f,\"humidity_pct\":%.1f,\"battery_v\":%.3f,\"rpm\":%.0f,"
		"\"rssi_dbm\":-%u},\"location\":{\"lat\":%.5f,\"lon\":%.5f},\"firmware\":\"4.%u.%"
		"u\","
		"\"status\":\"%s\",\"errors\":[]}\n",
		d->id, s / 3600, s / 60 % 60, s % 60, (unsigned)(ms % 1000), d->temperature,
		d->humidity, d->battery, d->rpm, 50 + upto(r, 45), d->latitude, d->longitude,
		d->firmware_minor, d->firmware_patch, status[upto(r, 8)]);
}

/* A fleet's stream: each reading is some other device's. */
static void generate(struct input *in, size_t object_bytes, size_t total_bytes)
{
	static struct device devices[N_DEVICES];
	struct prng r = prng_seeded(20261123);
	size_t least = object_bytes - READING_BYTES / 2; /* so that the mean is object_bytes */
	uint64_t ms = 0;

	make_devices(devices, &r);
	buf_init(&in->bytes, MAX_TOTAL_BYTES + object_bytes + 4096);
	in->sizes = xcalloc(total_bytes / least + 1, sizeof(in->sizes[0]));
	while (in->bytes.n + object_bytes <= total_bytes) {
		size_t start = in->bytes.n;

		while (in->bytes.n - start < least) {
			ms += upto(&r, 20);
			add_reading(&in->bytes, &r, &devices[upto(&r, N_DEVICES)], ms);
		}
		in->sizes[in->n_objects++] = in->bytes.n - start;
	}
}

static void save(const struct input *in, const char *path)
{
	struct err err;
	struct buf sizes;
	char name[4096];

	buf_init(&sizes, in->n_objects * 24);
	for (size_t i = 0; i < in->n_objects; i++)
		(void)buf_addf(&sizes, "%zu\n", in->sizes[i]);
	snprintf(name, sizeof(name), "%s.sizes", path);
	if (file_replace(path, buf_slice(&in->bytes), 0600, &err) != RC_OK ||
		file_replace(name, buf_slice(&sizes), 0600, &err) != RC_OK)
		die("%s", err.text);
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
	struct pack *p = pack_new(mode, NULL, keep, out);
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

static size_t number(const char *text, size_t min, size_t max)
{
	uint64_t value = 0;

	if (!slice_to_u64(slice_str(text), &value) || value < min || value > max)
		die("'%s' is not a number from %zu to %zu", text, min, max);
	return (size_t)value;
}

int main(int argc, char **argv)
{
	struct input in = {0};
	struct buf out;
	cpu_set_t one;
	unsigned rounds;

	if (argc != 5)
		die("usage: bench_bundle OBJECT_BYTES TOTAL_BYTES ROUNDS FILE");
	CPU_ZERO(&one);
	CPU_SET((size_t)sched_getcpu(), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
	rounds = (unsigned)number(argv[3], 1, MAX_ROUNDS);
	generate(&in, number(argv[1], MIN_OBJECT_BYTES, 1 << 24),
		number(argv[2], 1 << 16, MAX_TOTAL_BYTES));
	save(&in, argv[4]);
	buf_init(&out, MAX_TOTAL_BYTES);
	(void)buf_reserve(&out, in.bytes.n / 2); /* as it will be from the second round on */
	measure(&in, GZIP_BALANCED, rounds, &out);
	measure(&in, GZIP_FAST, rounds, &out);
	buf_release(&out);
	buf_release(&in.bytes);
	free(in.sizes);
	return 0;
}
