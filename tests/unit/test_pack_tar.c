/* The tar writer's bytes: each field of a header, where pax records begin, what is refused. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "pack/tar.h"

#define GIB ((uint64_t)1 << 30)

static struct buf header_of(struct slice name, uint64_t size)
{
	struct buf out;
	struct err err = {0};

	buf_init(&out, TAR_HEADER_MAX_BYTES);
	if (tar_member_header(&out, name, size, &err) != RC_OK)
		fail_msg("'" SLICE_FMT "' was refused: %s", SLICE_ARG(name), err.text);
	assert_int_equal(out.n % TAR_BLOCK_BYTES, 0);
	return out;
}

/* n bytes, in components of at most 99 bytes when split. */
static struct slice long_name(char out[TAR_NAME_MAX_BYTES + 1], size_t n, bool split)
{
	for (size_t i = 0; i < n; i++)
		out[i] = split && i % 100 == 99 && i != n - 1 ? '/' : (char)('a' + i % 26);
	out[n] = '\0';
	return slice_of(out, n);
}

static void every_field_of_a_plain_header_is_fixed(void **state)
{
	struct buf h = header_of(slice_str("data/a.json"), 1234);
	char want[TAR_BLOCK_BYTES] = {0};

	(void)state;
	memcpy(want, "data/a.json", 11);
	memcpy(want + 100, "0000644", 7);      /* mode */
	memcpy(want + 108, "0000000", 7);      /* uid */
	memcpy(want + 116, "0000000", 7);      /* gid */
	memcpy(want + 124, "00000002322", 11); /* size, octal */
	memcpy(want + 136, "00000000000", 11); /* mtime */
	memcpy(want + 148, "013040\0 ", 8);    /* checksum: the sum of the rest and of 8 spaces */
	want[156] = '0';
	memcpy(want + 257,
		"ustar\0"
		"00",
		8);
	memcpy(want + 265, "root", 4);
	memcpy(want + 297, "root", 4);
	memcpy(want + 329, "0000000", 7); /* devmajor */
	memcpy(want + 337, "0000000", 7); /* devminor */
	assert_int_equal(h.n, TAR_BLOCK_BYTES);
	assert_memory_equal(h.p, want, TAR_BLOCK_BYTES);
	buf_release(&h);
}

static void header_is(size_t name_bytes, bool split, size_t want_bytes)
{
	char name[TAR_NAME_MAX_BYTES + 1];
	struct buf h = header_of(long_name(name, name_bytes, split), 1);

	if (h.n != want_bytes)
		fail_msg("a name of %zu bytes took %zu bytes of header", name_bytes, h.n);
	buf_release(&h);
}

static void a_name_that_fits_ustar_takes_one_block(void **state)
{
	(void)state;
	header_is(1, false, 512);
	header_is(100, false, 512);
	header_is(101, false, 3 * 512); /* nowhere to split */
	header_is(101, true, 512);
	header_is(200, true, 512);
	header_is(255, true,
		/* slashes at 99 and 199: 155 behind the first, 199 in front of the second */
		3 * 512);
}

static void the_split_uses_all_of_155_and_100_bytes(void **state)
{
	char name[258];
	struct buf h;

	(void)state;
	memset(name, 'p', 256);
	name[155] = '/';
	h = header_of(slice_of(name, 256), 1);
	assert_int_equal(h.n, 512);
	assert_memory_equal(h.p, name + 156, 100);
	assert_memory_equal(h.p + 345, name, 155);
	buf_release(&h);
	name[155] = 'p';
	name[156] = '/'; /* one too many in front */
	h = header_of(slice_of(name, 256), 1);
	assert_int_equal(h.n, 3 * 512);
	buf_release(&h);
}

/* Finds "LENGTH key=value\n" in the pax block; checks that LENGTHs add up. */
static struct slice pax_value(const struct buf *h, const char *key)
{
	const char *p = (const char *)h->p + 512, *end;
	struct slice found = {0};

	assert_int_equal(h->p[156], 'x');
	end = p + strtoul((const char *)h->p + 124, NULL, 8);
	while (p < end) {
		char *text;
		size_t length = strtoul(p, &text, 10);
		const char *value = strchr(text, '=') + 1;

		assert_true(length > 0 && length <= (size_t)(end - p));
		assert_int_equal(p[length - 1], '\n');
		assert_int_equal(*text, ' ');
		if (strncmp(text + 1, key, strlen(key)) == 0)
			found = slice_of(value, (size_t)(p + length - 1 - value));
		p += length;
	}
	assert_ptr_equal(p, end);
	return found;
}

static void a_pax_path_of_every_length_reads_back(void **state)
{
	char text[TAR_NAME_MAX_BYTES + 1];

	(void)state;
	for (size_t n = 2; n <= TAR_NAME_MAX_BYTES; n++) {
		struct slice name = long_name(text, n, true);
		struct buf h;

		memcpy(text, "\xc3\xbc", 2); /* not ASCII: a record, whatever the length */
		h = header_of(name, 7);
		assert_true(slice_eq(pax_value(&h, "path"), name));
		assert_int_equal(h.p[h.n - 512 + 156], '0');
		buf_release(&h);
	}
}

static void a_size_from_8_gib_is_a_pax_record(void **state)
{
	struct buf h = header_of(slice_str("a"), 8 * GIB - 1);

	(void)state;
	assert_int_equal(h.n, 512);
	assert_string_equal((char *)h.p + 124, "77777777777");
	buf_release(&h);

	h = header_of(slice_str("a"), 8 * GIB);
	assert_int_equal(h.n, 3 * 512);
	assert_slice_is(pax_value(&h, "size"), "8589934592");
	assert_int_equal(pax_value(&h, "path").n, 0);
	assert_string_equal((char *)h.p + 1024, "a");
	buf_release(&h);
}

static void a_long_name_and_a_large_size_share_the_records(void **state)
{
	char text[TAR_NAME_MAX_BYTES + 1];
	struct slice name = long_name(text, TAR_NAME_MAX_BYTES, true);
	struct buf h = header_of(name, TAR_MEMBER_MAX_BYTES);

	(void)state;
	assert_int_equal(h.n, TAR_HEADER_MAX_BYTES);
	assert_true(slice_eq(pax_value(&h, "path"), name));
	assert_slice_is(pax_value(&h, "size"), "4611686018427387904");
	buf_release(&h);
}

static void refuses(struct slice name, uint64_t size)
{
	struct buf out;
	struct err err = {0};

	buf_init(&out, TAR_HEADER_MAX_BYTES);
	if (tar_member_header(&out, name, size, &err) != RC_REFUSED)
		fail_msg("'" SLICE_FMT "' was taken", SLICE_ARG(name));
	assert_int_equal(out.n, 0);
	assert_true(err.text[0] != '\0');
	buf_release(&out);
}

static void unsafe_names_are_refused(void **state)
{
	static const char *const names[] = {"", "/", "/abs", "a/", "a//b", "..", "../a", "a/..",
		"a/../b", ".", "./a", "a/.", "a/./b"};
	char text[TAR_NAME_MAX_BYTES + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		refuses(slice_str(names[i]), 0);
	refuses(slice_of("a\0b", 3), 0);
	memset(text, 'a', sizeof(text));
	refuses(slice_of(text, TAR_NAME_MAX_BYTES + 1), 0);
	refuses(slice_str("a"), TAR_MEMBER_MAX_BYTES + 1);
}

static void dots_that_are_not_components_are_fine(void **state)
{
	static const char *const names[] = {"...", "a..b", "..a", "a../b", ".hidden", "a/.b"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf h = header_of(slice_str(names[i]), 0);

		buf_release(&h);
	}
}

static void a_full_buffer_is_refused_whole(void **state)
{
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, TAR_HEADER_MAX_BYTES);
	assert_true(buf_add_char(&out, 'x'));
	assert_int_equal(tar_member_header(&out, slice_str("a"), 0, &err), RC_REFUSED);
	assert_int_equal(out.n, 1);
	buf_release(&out);
}

static void padding_reaches_the_next_block(void **state)
{
	(void)state;
	assert_int_equal(tar_pad_bytes(0), 0);
	assert_int_equal(tar_pad_bytes(1), 511);
	assert_int_equal(tar_pad_bytes(511), 1);
	assert_int_equal(tar_pad_bytes(512), 0);
	assert_int_equal(tar_pad_bytes(8 * GIB + 513), 511);
}

static void the_end_is_two_blocks_of_zeros(void **state)
{
	static const unsigned char zeros[TAR_END_BYTES];
	struct buf out;

	(void)state;
	buf_init(&out, TAR_END_BYTES + 100);
	assert_true(tar_end(&out));
	assert_int_equal(out.n, TAR_END_BYTES);
	assert_memory_equal(out.p, zeros, TAR_END_BYTES);
	assert_false(tar_end(&out));
	assert_false(tar_member_pad(&out, 1));
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_a_plain_header_is_fixed),
		cmocka_unit_test(a_name_that_fits_ustar_takes_one_block),
		cmocka_unit_test(the_split_uses_all_of_155_and_100_bytes),
		cmocka_unit_test(a_pax_path_of_every_length_reads_back),
		cmocka_unit_test(a_size_from_8_gib_is_a_pax_record),
		cmocka_unit_test(a_long_name_and_a_large_size_share_the_records),
		cmocka_unit_test(unsafe_names_are_refused),
		cmocka_unit_test(dots_that_are_not_components_are_fine),
		cmocka_unit_test(a_full_buffer_is_refused_whole),
		cmocka_unit_test(padding_reaches_the_next_block),
		cmocka_unit_test(the_end_is_two_blocks_of_zeros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
