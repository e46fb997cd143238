/* The compressing sink: every mode reads back, bytes depend on mode and input alone, memory is
 * bounded, a failed write ends the stream. Read back by gzip(1). */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/digest.h"
#include "base/prng.h"
#include "pack/gzip_encoder.h"

#define MIB ((size_t)1 << 20)

/* Half text that compresses, half noise that does not. */
static struct buf sample(size_t n)
{
	struct prng r = prng_seeded(n);
	struct buf b;

	buf_init(&b, n + 4096);
	while (b.n < n) {
		unsigned char noise[1024];

		prng_bytes(&r, noise, sizeof(noise));
		assert_true(buf_add(&b, noise, sizeof(noise)));
		for (int i = 0; i < 16; i++)
			assert_true(buf_addf(&b, "{\"seq\":%d,\"value\":%llu,\"unit\":\"kPa\"}\n",
				i, (unsigned long long)prng_below(&r, 100000)));
	}
	b.n = n;
	return b;
}

struct sink {
	struct buf bytes;
	unsigned calls;
	unsigned fail_at; /* the call that fails, from 1; 0: none */
};

static enum rc keep(void *arg, struct slice bytes, struct err *err)
{
	struct sink *s = arg;

	assert_true(bytes.n > 0);
	if (++s->calls == s->fail_at)
		return err_set(err, RC_AGAIN, "write number %u failed", s->calls);
	assert_true(s->fail_at == 0 || s->calls < s->fail_at);
	assert_true(buf_add_slice(&s->bytes, bytes));
	return RC_OK;
}

static struct buf gzip_within(struct budget *memory, enum gzip_mode mode, unsigned threads,
	struct slice in, size_t slice_bytes)
{
	struct work_pool *pool = threads ? work_pool_new(threads, "test") : NULL;
	struct sink s = {0};
	struct gzip *z;

	buf_init(&s.bytes, 64 * MIB);
	z = gzip_new(mode, pool, memory, keep, &s);
	for (size_t at = 0; at < in.n; at += slice_bytes) {
		size_t n = in.n - at < slice_bytes ? in.n - at : slice_bytes;

		assert_int_equal(gzip_write(z, slice_of(in.p + at, n), NULL), RC_OK);
	}
	assert_int_equal(gzip_finish(z, NULL), RC_OK);
	gzip_free(z);
	work_pool_free(pool);
	return s.bytes;
}

static struct buf gzip_of(
	enum gzip_mode mode, unsigned threads, struct slice in, size_t slice_bytes)
{
	return gzip_within(NULL, mode, threads, in, slice_bytes);
}

static void assert_reads_back(struct slice gz, struct slice want)
{
	char path[] = "/tmp/baler-test-gzip-XXXXXX", command[128];
	unsigned char *got = malloc(want.n + 1);
	int fd = mkstemp(path);
	FILE *pipe;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, gz.p, gz.n), gz.n);
	close(fd);
	snprintf(command, sizeof(command), "gzip -dc < %s", path);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fread(got, 1, want.n + 1, pipe), want.n);
	assert_int_equal(pclose(pipe), 0);
	if (want.n > 0)
		assert_memory_equal(got, want.p, want.n);
	unlink(path);
	free(got);
}

static void every_mode_and_size_reads_back(void **state)
{
	static const size_t sizes[] = {0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 7};

	(void)state;
	for (int mode = 0; mode < GZIP_MODES; mode++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct buf in = sample(sizes[i]);
			struct buf gz = gzip_of((enum gzip_mode)mode, 2, buf_slice(&in), 100000);

			assert_reads_back(buf_slice(&gz), buf_slice(&in));
			buf_release(&gz);
			buf_release(&in);
		}
}

/* Python's tarfile in mode "r|gz" reads the first gzip member and no other. */
static void it_is_one_member(void **state)
{
	struct buf in = sample(MIB + 7);
	unsigned char *got = malloc(in.n + 1);

	(void)state;
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		struct buf gz = gzip_of((enum gzip_mode)mode, 2, buf_slice(&in), MIB);
		z_stream z = {.next_in = gz.p,
			.avail_in = (unsigned)gz.n,
			.next_out = got,
			.avail_out = (unsigned)in.n + 1};

		assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
		assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
		assert_int_equal(z.avail_in, 0);
		assert_int_equal(z.total_out, in.n);
		assert_memory_equal(got, in.p, in.n);
		inflateEnd(&z);
		buf_release(&gz);
	}
	free(got);
	buf_release(&in);
}

static void the_trailer_is_crc32_and_size_modulo_4_gib(void **state)
{
	static const struct {
		uint64_t bytes;
		unsigned char isize[4];
	} cases[] = {{0, {0}}, {0x12345678, {0x78, 0x56, 0x34, 0x12}},
		{UINT32_MAX, {0xff, 0xff, 0xff, 0xff}}, {UINT64_C(1) << 32, {0}},
		{(UINT64_C(5) << 32) + 0x0102, {2, 1, 0, 0}}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const unsigned char end_and_crc[] = {3, 0, 0xef, 0xbe, 0xad, 0xde};
		unsigned char out[GZIP_TRAILER_BYTES];

		gzip_trailer(0xdeadbeef, cases[i].bytes, out);
		assert_memory_equal(out, end_and_crc, sizeof(end_and_crc));
		assert_memory_equal(out + 6, cases[i].isize, 4);
	}
}

/* Every place in a byte that the last block can end at. */
static void short_blocks_of_every_length_read_back(void **state)
{
	struct buf in = sample(4096);

	(void)state;
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		struct gzip_encoder *e = gzip_encoder_new((enum gzip_mode)mode);
		unsigned char *out = malloc(gzip_encoder_bound(in.n) + 2), got[4096];

		for (size_t n = 1; n <= in.n; n += n < 300 ? 1 : 97) {
			z_stream z = {.next_in = out, .next_out = got, .avail_out = sizeof(got)};
			size_t n_out = gzip_encoder_run(e, slice_of(in.p + in.n - n, n), out);

			assert_true(n_out <= gzip_encoder_bound(n));
			memcpy(out + n_out, "\3", 2);
			z.avail_in = (unsigned)n_out + 2;
			assert_int_equal(inflateInit2(&z, -15), Z_OK);
			assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
			assert_int_equal(z.avail_in, 0);
			assert_int_equal(z.total_out, n);
			assert_memory_equal(got, in.p + in.n - n, n);
			inflateEnd(&z);
		}
		free(out);
		gzip_encoder_free(e);
	}
	buf_release(&in);
}

static void noise_and_zeros_read_back(void **state)
{
	struct prng r = prng_seeded(1);
	unsigned char *noise = malloc(2 * MIB), *zeros = calloc(1, 2 * MIB);

	(void)state;
	prng_bytes(&r, noise, 2 * MIB);
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		struct buf gz = gzip_of((enum gzip_mode)mode, 0, slice_of(noise, 2 * MIB), MIB);

		assert_reads_back(buf_slice(&gz), slice_of(noise, 2 * MIB));
		assert_true(gz.n < 2 * MIB + 2 * MIB / 1000);
		buf_release(&gz);
		gz = gzip_of((enum gzip_mode)mode, 0, slice_of(zeros, 2 * MIB), MIB);
		assert_reads_back(buf_slice(&gz), slice_of(zeros, 2 * MIB));
		buf_release(&gz);
	}
	free(noise);
	free(zeros);
}

static void the_header_has_no_time_no_name_no_system(void **state)
{
	static const unsigned char start[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0};

	(void)state;
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		struct buf gz = gzip_of((enum gzip_mode)mode, 0, slice_str("some bytes"), 100);

		assert_true(gz.n > 18);
		assert_memory_equal(gz.p, start, sizeof(start));
		assert_int_equal(gz.p[9], 255);
		buf_release(&gz);
	}
}

static void assert_same(const struct buf *a, const struct buf *b)
{
	assert_int_equal(a->n, b->n);
	assert_memory_equal(a->p, b->p, a->n);
}

static void slicing_and_threads_do_not_matter(void **state)
{
	static const struct {
		unsigned threads;
		size_t slice_bytes;
	} ways[] = {{0, 1}, {1, 7}, {2, 4096}, {3, MIB + 1}, {5, 64 * MIB}};
	struct buf in = sample(6 * MIB + 12345);

	(void)state;
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		struct slice part = buf_slice(&in);
		struct buf want;

		if (mode == GZIP_BEST)
			part.n = 2 * MIB + 1; /* it is slow */
		want = gzip_of((enum gzip_mode)mode, 0, part, MIB);
		for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
			struct buf got = gzip_of(
				(enum gzip_mode)mode, ways[i].threads, part, ways[i].slice_bytes);

			assert_same(&got, &want);
			buf_release(&got);
		}
		buf_release(&want);
	}
	buf_release(&in);
}

/* An encoder that carried anything over would compress the second block differently after another
 * first. */
static void a_block_does_not_see_the_one_before(void **state)
{
	struct buf a = sample(MIB), b = sample(MIB - 1), both;

	(void)state;
	buf_init(&both, 2 * MIB);
	assert_true(buf_add_slice(&both, buf_slice(&a)) && buf_add_slice(&both, buf_slice(&b)));
	for (int mode = 0; mode < GZIP_MODES; mode++) {
		struct buf alone = gzip_of((enum gzip_mode)mode, 0, buf_slice(&b), MIB);
		struct buf after = gzip_of((enum gzip_mode)mode, 0, buf_slice(&both), MIB);

		struct slice want = slice_of(alone.p + GZIP_HEADER_BYTES,
			alone.n - GZIP_HEADER_BYTES - GZIP_TRAILER_BYTES);

		assert_true(after.n > alone.n);
		assert_memory_equal(
			after.p + after.n - GZIP_TRAILER_BYTES - want.n, want.p, want.n);
		buf_release(&alone);
		buf_release(&after);
	}
	buf_release(&a);
	buf_release(&b);
	buf_release(&both);
}

static void a_failed_write_ends_the_stream(void **state)
{
	struct buf in = sample(3 * MIB + 1); /* a header, four blocks, a trailer */

	(void)state;
	for (unsigned threads = 0; threads < 3; threads++)
		for (unsigned fail_at = 1; fail_at <= 6; fail_at++) {
			struct work_pool *pool = threads ? work_pool_new(threads, "test") : NULL;
			struct sink s = {.fail_at = fail_at};
			struct gzip *z = gzip_new(GZIP_FAST, pool, NULL, keep, &s);
			struct err err = {0};
			char want[64];

			buf_init(&s.bytes, 64 * MIB);
			(void)gzip_write(z, buf_slice(&in), NULL);
			assert_int_equal(gzip_finish(z, &err), RC_AGAIN);
			snprintf(want, sizeof(want), "write number %u failed", fail_at);
			assert_string_equal(err.text, want);
			assert_int_equal(s.calls, fail_at);
			gzip_free(z);
			work_pool_free(pool);
			buf_release(&s.bytes);
		}
	buf_release(&in);
}

static void a_write_after_a_failure_fails_the_same(void **state)
{
	struct buf in = sample(MIB);
	struct sink s = {.fail_at = 1};
	struct gzip *z = gzip_new(GZIP_FAST, NULL, NULL, keep, &s);
	struct err err = {0};

	(void)state;
	assert_int_equal(gzip_write(z, buf_slice(&in), NULL), RC_AGAIN);
	assert_int_equal(gzip_write(z, slice_str("x"), &err), RC_AGAIN);
	assert_string_equal(err.text, "write number 1 failed");
	assert_int_equal(s.calls, 1);
	gzip_free(z);
	buf_release(&in);
}

/* The promise is 2 blocks in flight a thread: what went in and did not come out is never more. */
static void blocks_in_flight_are_bounded(void **state)
{
	enum { THREADS = 3, BLOCKS = 40 };
	struct work_pool *pool = work_pool_new(THREADS, "test");
	struct buf in = sample(MIB);
	struct sink s = {0};
	struct gzip *z = gzip_new(GZIP_NONE, pool, NULL, keep, &s);

	(void)state;
	buf_init(&s.bytes, 64 * MIB);
	for (unsigned i = 1; i <= BLOCKS; i++) {
		assert_int_equal(gzip_write(z, buf_slice(&in), NULL), RC_OK);
		assert_true(i - s.calls <= 2 * THREADS);
	}
	assert_int_equal(gzip_finish(z, NULL), RC_OK);
	assert_int_equal(s.calls, BLOCKS + 2); /* header and trailer */
	gzip_free(z);
	work_pool_free(pool);
	buf_release(&in);
	buf_release(&s.bytes);
}

static void free_drops_what_is_in_flight(void **state)
{
	struct work_pool *pool = work_pool_new(2, "test");
	struct buf in = sample(3 * MIB + 1);
	struct sink s = {0};
	struct gzip *z = gzip_new(GZIP_BALANCED, pool, NULL, keep, &s);

	(void)state;
	buf_init(&s.bytes, 64 * MIB);
	assert_int_equal(gzip_write(z, buf_slice(&in), NULL), RC_OK);
	gzip_free(z);
	assert_int_equal(s.calls, 0);
	gzip_free(NULL);
	work_pool_free(pool);
	buf_release(&in);
	buf_release(&s.bytes);
}

static void mode_names_go_both_ways(void **state)
{
	static const char *const names[GZIP_MODES] = {"balanced", "fast", "best", "none"};
	enum gzip_mode mode = GZIP_MODES;

	(void)state;
	for (int i = 0; i < GZIP_MODES; i++) {
		assert_string_equal(gzip_mode_name((enum gzip_mode)i), names[i]);
		assert_true(gzip_mode_parse(slice_str(names[i]), &mode));
		assert_int_equal(mode, i);
	}
	assert_false(gzip_mode_parse(slice_str("Fast"), &mode));
	assert_false(gzip_mode_parse(slice_str("fas"), &mode));
	assert_false(gzip_mode_parse(slice_str(""), &mode));
	assert_int_equal(mode, GZIP_NONE); /* written only on success */
}

/* Fewer blocks, the same bytes: with room for one more block than the one that a stream always has,
 * and with none. */
static void little_memory_changes_no_byte(void **state)
{
	struct buf in = sample(11 * MIB + 7), want = gzip_of(GZIP_FAST, 3, buf_slice(&in), 100000);

	(void)state;
	for (uint64_t more = 0; more <= 3; more++) {
		struct budget memory;
		struct buf gz;

		budget_init(&memory, "bundles", more * gzip_thread_bytes(GZIP_FAST));
		gz = gzip_within(&memory, GZIP_FAST, 3, buf_slice(&in), 100000);
		assert_int_equal(gz.n, want.n);
		assert_memory_equal(gz.p, want.p, want.n);
		assert_int_equal(memory.used, 0);
		/* three encoders at most are beyond it, and the one block */
		assert_in_range(memory.peak, 1, memory.max + gzip_thread_bytes(GZIP_FAST) + 3 * MIB);
		buf_release(&gz);
	}
	buf_release(&want);
	buf_release(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mode_and_size_reads_back),
		cmocka_unit_test(the_trailer_is_crc32_and_size_modulo_4_gib),
		cmocka_unit_test(it_is_one_member),
		cmocka_unit_test(short_blocks_of_every_length_read_back),
		cmocka_unit_test(noise_and_zeros_read_back),
		cmocka_unit_test(the_header_has_no_time_no_name_no_system),
		cmocka_unit_test(slicing_and_threads_do_not_matter),
		cmocka_unit_test(a_block_does_not_see_the_one_before),
		cmocka_unit_test(a_failed_write_ends_the_stream),
		cmocka_unit_test(a_write_after_a_failure_fails_the_same),
		cmocka_unit_test(blocks_in_flight_are_bounded),
		cmocka_unit_test(free_drops_what_is_in_flight),
		cmocka_unit_test(little_memory_changes_no_byte),
		cmocka_unit_test(mode_names_go_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
