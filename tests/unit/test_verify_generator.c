/* The judge's files: the same bytes every time, whatever the read sizes. */
#include "check.h"

#include <libdeflate.h>

#include "verify/manifest.h"

static void read_in_pieces(
	enum generator_kind kind, const char *name, size_t size, size_t piece, unsigned char *out)
{
	struct generator g;
	size_t at = 0, n;

	generator_init(&g, kind, slice_str(name), size);
	while ((n = generator_read(&g, out + at, piece < size - at ? piece : size - at + 1)))
		at += n;
	assert_int_equal(at, size);
}

static void read_sizes_do_not_matter(void **state)
{
	static const size_t pieces[] = {1, 7, 4095, 4096, 4097, 65536};
	size_t size = 30001;
	unsigned char *whole = test_malloc(size + 1), *again = test_malloc(size + 1);

	(void)state;
	for (int kind = GENERATOR_RANDOM; kind <= GENERATOR_COMPRESSIBLE; kind++) {
		read_in_pieces((enum generator_kind)kind, "k", size, size, whole);
		for (size_t i = 0; i < 6; i++) {
			read_in_pieces((enum generator_kind)kind, "k", size, pieces[i], again);
			assert_memory_equal(whole, again, size);
		}
	}
	test_free(whole);
	test_free(again);
}

static void names_and_kinds_give_other_bytes(void **state)
{
	unsigned char a[SHA256_BYTES], b[SHA256_BYTES], c[SHA256_BYTES], again[SHA256_BYTES];

	(void)state;
	generator_sha256(GENERATOR_RANDOM, slice_str("a"), 10000, a);
	generator_sha256(GENERATOR_RANDOM, slice_str("b"), 10000, b);
	generator_sha256(GENERATOR_COMPRESSIBLE, slice_str("a"), 10000, c);
	generator_sha256(GENERATOR_RANDOM, slice_str("a"), 10000, again);
	assert_memory_equal(a, again, SHA256_BYTES);
	assert_memory_not_equal(a, b, SHA256_BYTES);
	assert_memory_not_equal(a, c, SHA256_BYTES);
}

/* Pinned, so that a manifest written by one release can be judged by another. */
static void the_bytes_are_pinned(void **state)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	(void)state;
	generator_sha256(GENERATOR_RANDOM, slice_str("data/x"), 1 << 20, hash);
	hex_encode(hash, sizeof(hash), hex);
	assert_string_equal(hex, "a075c8b986da899eba4bf81bb83e44e23e4205acda51e9247b9783d70ce4214a");
	generator_sha256(GENERATOR_COMPRESSIBLE, slice_str("data/x"), 1 << 20, hash);
	hex_encode(hash, sizeof(hash), hex);
	assert_string_equal(hex, "e9f348c7f9fdaea2aaaf2342faf856355e4e2b98106055f145d9403e360cb94f");
}

static size_t packed_size(enum generator_kind kind, size_t size)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(6);
	size_t max = libdeflate_deflate_compress_bound(c, size), packed;
	unsigned char *bytes = test_malloc(size + 1), *out = test_malloc(max);

	read_in_pieces(kind, "k", size, 65536, bytes);
	packed = libdeflate_deflate_compress(c, bytes, size, out, max);
	assert_true(packed > 0);
	libdeflate_free_compressor(c);
	test_free(bytes);
	test_free(out);
	return packed;
}

static void kinds_compress_as_they_say(void **state)
{
	size_t size = 1 << 20;

	(void)state;
	assert_true(packed_size(GENERATOR_COMPRESSIBLE, size) * 4 < size);
	assert_true(packed_size(GENERATOR_RANDOM, size) >= size);
}

/* contract.md: data/e2e-test-<8 hex>/source_file_0001.bin … */
static void the_manifest_names_its_files(void **state)
{
	struct manifest m, other;

	(void)state;
	manifest_init(&m, 12000, 5);
	manifest_init(&other, 1, 5);
	assert_int_equal(m.prefix.n, strlen("data/e2e-test-00000000/"));
	assert_true(slice_has_prefix(m.prefix, slice_str("data/e2e-test-")));
	assert_false(slice_eq(m.prefix, other.prefix));
	assert_slice_is(slice_of(other.entries[0].key.p + m.prefix.n, 20), "source_file_0001.bin");
	for (size_t i = 0; i < m.n; i++) {
		assert_true(i == 0 || slice_cmp(m.entries[i - 1].key, m.entries[i].key) < 0);
		assert_ptr_equal(manifest_find(&m, m.entries[i].key), &m.entries[i]);
	}
	assert_null(manifest_find(&m, slice_str("data/other")));
	assert_null(manifest_find(&m, m.prefix));
	manifest_release(&m);
	manifest_release(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read_sizes_do_not_matter),
		cmocka_unit_test(names_and_kinds_give_other_bytes),
		cmocka_unit_test(the_bytes_are_pinned),
		cmocka_unit_test(kinds_compress_as_they_say),
		cmocka_unit_test(the_manifest_names_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
