/* The walk finds the last block where zlib finds it, in streams of every kind of block that zlib
 * and libdeflate make, and refuses what is damaged, as zlib does. */
#include "check.h"

#include <libdeflate.h>
#include <stdio.h>
#include <stdlib.h>

#include "../kit/inflate_oracle.h"
#include "base/prng.h"

#define MAX_BYTES ((size_t)700000) /* libdeflate ends blocks at 300,000 */

/* Inputs that lead to different blocks. */
enum shape { ZEROS, NOISE, TEXT, TWO_LETTERS, MIXED, SHAPES };

static void fill(enum shape shape, unsigned char *p, size_t n)
{
	struct prng r = prng_seeded(n * SHAPES + shape);
	char line[128];

	memset(p, 0, n);
	if (shape == NOISE || shape == MIXED)
		prng_bytes(&r, p, shape == MIXED ? n / 2 : n);
	for (size_t at = 0; shape == TWO_LETTERS && at < n; at++)
		p[at] = (unsigned char)('a' + prng_below(&r, 2));
	for (size_t at = shape == MIXED ? n / 2 : 0; at < n && (shape == TEXT || shape == MIXED);) {
		size_t k =
			(size_t)snprintf(line, sizeof(line), "{\"id\":%llu,\"state\":\"open\"}\n",
				(unsigned long long)prng_below(&r, 1000000));

		k = k < n - at ? k : n - at;
		memcpy(p + at, line, k);
		at += k;
	}
}

static const size_t sizes[] = {0, 1, 2, 100, 5000, 65534, 65535, 65536, 100000, MAX_BYTES};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void assert_finds_the_last_block(struct slice stream)
{
	struct deflate_last want = {0}, got = {0};

	assert_true(inflate_oracle(stream, &want));
	assert_true(deflate_walk(stream, &got));
	assert_int_equal(got.header_bit, want.header_bit);
	assert_int_equal(got.end_bit, want.end_bit);
	assert_int_equal((got.end_bit + 7) / 8, stream.n);
}

static size_t deflate_zlib(
	struct slice in, int level, int strategy, int flush_every, unsigned char *out)
{
	z_stream z = {.next_out = out, .avail_out = (unsigned)(2 * MAX_BYTES)};
	size_t step = flush_every ? (size_t)flush_every : in.n, n;

	assert_int_equal(deflateInit2(&z, level, Z_DEFLATED, -15, 8, strategy), Z_OK);
	for (size_t at = 0; at < in.n; at += n) {
		n = in.n - at < step ? in.n - at : step;
		z.next_in = (unsigned char *)(uintptr_t)(in.p + at);
		z.avail_in = (unsigned)n;
		assert_int_equal(deflate(&z, flush_every ? Z_FULL_FLUSH : Z_NO_FLUSH), Z_OK);
	}
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	n = z.total_out;
	deflateEnd(&z);
	return n;
}

static void the_last_block_of_what_zlib_makes(void **state)
{
	static const struct {
		int level, strategy, flush_every;
	} ways[] = {{0, Z_DEFAULT_STRATEGY, 0}, {1, Z_DEFAULT_STRATEGY, 0},
		{6, Z_DEFAULT_STRATEGY, 0}, {6, Z_DEFAULT_STRATEGY, 3000}, {6, Z_FIXED, 0},
		{6, Z_FIXED, 777}, {6, Z_HUFFMAN_ONLY, 0}, {6, Z_RLE, 0},
		{0, Z_DEFAULT_STRATEGY, 1000}};
	unsigned char *in = malloc(MAX_BYTES), *out = malloc(2 * MAX_BYTES);

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++)
		for (size_t i = 0; i < N_SIZES; i++) {
			fill((enum shape)shape, in, sizes[i]);
			for (size_t w = 0; w < sizeof(ways) / sizeof(ways[0]); w++) {
				size_t n = deflate_zlib(slice_of(in, sizes[i]), ways[w].level,
					ways[w].strategy, ways[w].flush_every, out);

				assert_finds_the_last_block(slice_of(out, n));
			}
		}
	free(in);
	free(out);
}

static void the_last_block_of_what_libdeflate_makes(void **state)
{
	unsigned char *in = malloc(MAX_BYTES), *out = malloc(2 * MAX_BYTES);

	(void)state;
	for (int level = 0; level <= 12; level += 3) {
		struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);

		for (int shape = 0; shape < SHAPES; shape++)
			for (size_t i = 0; i < N_SIZES - (level > 6); i++) {
				size_t n;

				fill((enum shape)shape, in, sizes[i]);
				n = libdeflate_deflate_compress(
					c, in, sizes[i], out, 2 * MAX_BYTES);
				assert_true(n > 0);
				assert_finds_the_last_block(slice_of(out, n));
			}
		libdeflate_free_compressor(c);
	}
	free(in);
	free(out);
}

static void a_known_block(void **state)
{
	static const unsigned char empty_fixed[] = {3, 0}, behind[] = {3, 0, 0xaa},
				   two[] = {0, 0, 0, 0xff, 0xff, 3, 0};
	struct deflate_last last;

	(void)state;
	assert_true(deflate_walk(slice_of(empty_fixed, 2), &last));
	assert_int_equal(last.header_bit, 0);
	assert_int_equal(last.end_bit, 10);
	assert_true(deflate_walk(slice_of(behind, 3), &last));
	assert_int_equal(last.end_bit, 10);
	assert_true(deflate_walk(slice_of(two, sizeof(two)), &last));
	assert_int_equal(last.header_bit, 40);
	assert_int_equal(last.end_bit, 50);
}

static void a_stream_cut_anywhere_is_refused(void **state)
{
	unsigned char in[5000], out[10000];
	struct deflate_last last = {7, 7};

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++) {
		size_t n;

		fill((enum shape)shape, in, sizeof(in));
		n = deflate_zlib(slice_of(in, sizeof(in)), 6, Z_DEFAULT_STRATEGY, 1500, out);
		for (size_t cut = 0; cut < n; cut++)
			assert_false(deflate_walk(slice_of(out, cut), &last));
	}
	assert_int_equal(last.header_bit, 7); /* written only on success */
}

/* One bit, anywhere: both take it or both refuse it, and mean the same block. */
static void a_flipped_bit_is_judged_as_zlib_does(void **state)
{
	unsigned char in[3000], out[6000];
	unsigned refused = 0;

	(void)state;
	for (int shape = 0; shape < SHAPES; shape++) {
		size_t n;

		fill((enum shape)shape, in, sizeof(in));
		n = deflate_zlib(slice_of(in, sizeof(in)), 6, Z_DEFAULT_STRATEGY, 1000, out);
		for (size_t bit = 0; bit<8 * n; bit += n> 1000 ? 37 : 1) {
			struct deflate_last want = {0}, got = {0};
			bool is;

			out[bit / 8] ^= (unsigned char)(1u << bit % 8);
			is = inflate_oracle(slice_of(out, n), &want);
			assert_int_equal(deflate_walk(slice_of(out, n), &got), is);
			assert_int_equal(got.header_bit, want.header_bit);
			assert_int_equal(got.end_bit, want.end_bit);
			refused += !is;
			out[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
	assert_true(refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_block_of_what_zlib_makes),
		cmocka_unit_test(the_last_block_of_what_libdeflate_makes),
		cmocka_unit_test(a_known_block),
		cmocka_unit_test(a_stream_cut_anywhere_is_refused),
		cmocka_unit_test(a_flipped_bit_is_judged_as_zlib_does),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
