/* [BS-6]: multipart uploads. */
#include "buckets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/s3_event.h"

#define KEY EVENT_PREFIX "big"

struct upload {
	char id[BS_UPLOAD_ID_MAX];
	struct bs_part parts[8]; /* as given to complete */
	size_t n;
};

static struct upload begin(struct bucket_world *w)
{
	struct pending *p = pending_new();
	struct upload u = {0};
	struct written *made;

	bs_call(w->bs, upload_create, slice_str(LANDING), slice_str(KEY),
		slice_str("content-type:a/b\n"), pending_done(p));
	made = pending_wait(p);
	assert_rc(made, RC_OK);
	memcpy(u.id, made->object.version, sizeof(u.id));
	return u;
}

/* Notes the part for complete when it is new. */
static struct written *part(
	struct bucket_world *w, struct upload *u, uint32_t number, size_t size, unsigned kind)
{
	struct pending *p = pending_new();
	unsigned char *bytes = pattern(size, kind);
	struct bs_put *handle;
	char etag[BS_ETAG_MAX];
	struct err err;

	etag_of(slice_of(bytes, size), etag);
	assert_int_equal(
		bs_call(w->bs, put_begin, slice_str(LANDING), slice_str(KEY), &handle, &err),
		RC_OK);
	assert_int_equal(bs_put_write(handle, slice_of(bytes, size), &err), RC_OK);
	bs_part_commit(handle, slice_str(u->id), number, etag,
		slice_str("x-amz-checksum-crc32:AAAAAA==\n"), pending_done(p));
	free(bytes);
	if (!u->n || u->parts[u->n - 1].number < number)
		u->n++;
	u->parts[u->n - 1].number = number;
	memcpy(u->parts[u->n - 1].etag, etag, sizeof(etag));
	return pending_wait(p);
}

static struct written *complete(
	struct bucket_world *w, const struct upload *u, struct bs_condition condition)
{
	struct pending *p = pending_new();

	bs_call(w->bs, upload_complete, slice_str(LANDING), slice_str(KEY), slice_str(u->id),
		u->parts, u->n, "0123456789abcdef0123456789abcdef-3",
		slice_str("x-amz-checksum-crc32:AAAAAA==-3\n"), &condition, pending_done(p));
	return pending_wait(p);
}

static struct written *abort_upload(struct bucket_world *w, const struct upload *u)
{
	struct pending *p = pending_new();

	bs_call(w->bs, upload_abort, slice_str(LANDING), slice_str(KEY), slice_str(u->id),
		pending_done(p));
	return pending_wait(p);
}

static void expect_body(struct bucket_world *w, const char *version, const size_t *size,
	const unsigned *kind, size_t n)
{
	unsigned char *all, *bytes;
	struct bs_reader *r = open_reader(w, LANDING, KEY, version);
	uint64_t offset, length;
	struct err err;
	size_t total = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		total += size[i];
	all = xmalloc(total);
	for (size_t i = 0; i < n; at += size[i++]) {
		bytes = pattern(size[i], kind[i]);
		memcpy(all + at, bytes, size[i]);
		free(bytes);
		assert_int_equal(bs_reader_part(r, (uint32_t)i + 1, &offset, &length, &err), RC_OK);
		assert_int_equal(offset, at);
		assert_int_equal(length, size[i]);
	}
	assert_int_equal(bs_reader_part(r, (uint32_t)n + 1, &offset, &length, &err), RC_ABSENT);
	assert_int_equal(bs_reader_part(r, 0, &offset, &length, &err), RC_ABSENT);
	assert_int_equal(bs_reader_info(r)->n_parts, n);
	assert_true(slice_eq_str(
		bs_reader_info(r)->headers, "content-type:a/b\nx-amz-checksum-crc32:AAAAAA==-3\n"));
	reader_gives(r, slice_of(all, total));
	bs_reader_close(r);
	free(all);
}

static const size_t sizes[] = {PART_BYTES, PART_BYTES + 1, 1000};
static const unsigned kinds[] = {1, 2, 3};

static void put_parts(struct bucket_world *w, struct upload *u)
{
	for (uint32_t i = 0; i < 3; i++)
		assert_rc(part(w, u, 10 * i + 5, sizes[i], kinds[i]), RC_OK);
}

static void bs_6_an_upload_is_invisible_until_completed_and_then_one_object(void **state)
{
	struct bucket_world *w = *state;
	struct upload u = begin(w);
	struct eq_message *messages;
	struct arena a = ARENA_INIT;
	struct s3_event event;
	struct written *made;
	struct err err;

	put_parts(w, &u);
	fails_as(w, LANDING, KEY, NULL, RC_ABSENT, "NoSuchKey");
	assert_int_equal(events(w, &a, &messages), 0);
	w->reopen(w);
	made = complete(w, &u, (struct bs_condition){0});
	assert_rc(made, RC_OK);
	assert_int_equal(made->object.size, 2 * PART_BYTES + 1001);
	expect_body(w, made->object.version, sizes, kinds, 3);
	w->crash(w);
	expect_body(w, NULL, sizes, kinds, 3);
	assert_int_equal(events(w, &a, &messages), 1);
	assert_int_equal(s3_event_parse(&a, messages[0].body, &event, &err), RC_OK);
	assert_true(
		slice_eq_str(event.records[0].event_name, "ObjectCreated:CompleteMultipartUpload"));
	assert_true(slice_eq_str(event.records[0].object.version, made->object.version));
	assert_int_equal(event.records[0].size, 2 * PART_BYTES + 1001);
	assert_rc(delete_one(w, LANDING, KEY, made->object.version, NULL), RC_OK);
	assert_int_equal(w->files(w), 0);
	arena_release(&a);
}

static void bs_6_completing_again_gives_the_same_and_makes_nothing(void **state)
{
	struct bucket_world *w = *state;
	struct upload u = begin(w), other;
	struct written *first, *again;
	struct eq_message *messages;
	struct arena a = ARENA_INIT;

	put_parts(w, &u);
	first = complete(w, &u, (struct bs_condition){0});
	assert_rc(first, RC_OK);
	w->reopen(w);
	for (int i = 0; i < 2; i++) {
		again = complete(w, &u, (struct bs_condition){0});
		assert_rc(again, RC_OK);
		assert_string_equal(again->object.version, first->object.version);
		assert_string_equal(again->object.etag, first->object.etag);
		assert_int_equal(again->object.size, first->object.size);
		/* also when a consumer has taken it meanwhile */
		assert_rc(delete_one(w, LANDING, KEY, first->object.version, NULL), RC_OK);
	}
	fails_as(w, LANDING, KEY, NULL, RC_ABSENT, "NoSuchKey");
	assert_int_equal(events(w, &a, &messages), 1);
	other = u;
	other.n = 2;
	assert_fails(complete(w, &other, (struct bs_condition){0}), RC_ABSENT, "NoSuchUpload");
	assert_fails(part(w, &u, 50, 10, 1), RC_ABSENT, "NoSuchUpload");
	assert_fails(abort_upload(w, &u), RC_ABSENT, "NoSuchUpload");
	assert_int_equal(w->files(w), 0);
	arena_release(&a);
}

static void bs_6_an_aborted_upload_is_gone_with_its_bytes(void **state)
{
	struct bucket_world *w = *state;
	struct upload u = begin(w);
	struct bs_upload found;
	struct arena a = ARENA_INIT;
	struct err err;

	put_parts(w, &u);
	assert_int_equal(w->files(w), 2); /* the third is small */
	assert_int_equal(bs_call(w->bs, upload_get, slice_str(LANDING), slice_str(KEY),
				 slice_str(u.id), &a, &found, &err),
		RC_OK);
	assert_true(slice_eq_str(found.headers, "content-type:a/b\n"));
	assert_rc(abort_upload(w, &u), RC_OK);
	assert_int_equal(w->files(w), 0);
	assert_fails(abort_upload(w, &u), RC_ABSENT, "NoSuchUpload");
	assert_fails(complete(w, &u, (struct bs_condition){0}), RC_ABSENT, "NoSuchUpload");
	assert_fails(part(w, &u, 1, PART_BYTES, 1), RC_ABSENT, "NoSuchUpload");
	assert_int_equal(w->files(w), 0);
	assert_int_equal(bs_call(w->bs, upload_get, slice_str(LANDING), slice_str(KEY),
				 slice_str(u.id), &a, &found, &err),
		RC_ABSENT);
	assert_true(err_is(&err, "NoSuchUpload"));
	arena_release(&a);
}

static void bs_6_wrong_parts_are_refused_and_the_upload_stays(void **state)
{
	struct bucket_world *w = *state;
	struct upload u = begin(w), bad;

	put_parts(w, &u);
	bad = u;
	bad.parts[1].etag[0] ^= 1;
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_REFUSED, "InvalidPart");
	bad = u;
	bad.parts[1].number = 14;
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_REFUSED, "InvalidPart");
	bad = u;
	bad.parts[0] = u.parts[1];
	bad.parts[1] = u.parts[0];
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_REFUSED, "InvalidPartOrder");
	bad.parts[1] = bad.parts[0];
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_REFUSED, "InvalidPartOrder");
	bad.n = 0;
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_REFUSED, "InvalidPart");
	bad = u;
	memset(bad.id, '0', 32);
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_ABSENT, "NoSuchUpload");
	bad = u;
	assert_rc(part(w, &bad, 30, PART_BYTES, 5),
		RC_OK); /* part 25 of 1,000 bytes is no longer the last */
	assert_fails(complete(w, &bad, (struct bs_condition){0}), RC_REFUSED, "EntityTooSmall");
	assert_fails(part(w, &bad, 0, 10, 5), RC_REFUSED, "InvalidArgument");
	assert_fails(part(w, &bad, BS_PARTS_MAX + 1, 10, 5), RC_REFUSED, "InvalidArgument");
	assert_rc(complete(w, &u, (struct bs_condition){0}), RC_OK);
	expect_body(w, NULL, sizes, kinds, 3);
	assert_int_equal(w->files(w), 2); /* part 30, which was left out, is gone */
}

static void bs_6_a_part_sent_again_replaces_the_earlier(void **state)
{
	static const unsigned changed[] = {1, 8, 9};
	struct bucket_world *w = *state;
	struct upload u = begin(w);
	struct bs_part *parts;
	struct arena a = ARENA_INIT;
	bool truncated;
	struct err err;
	size_t n;

	assert_rc(part(w, &u, 1, sizes[0], 1), RC_OK);
	assert_rc(part(w, &u, 2, sizes[1], 2), RC_OK);
	assert_rc(part(w, &u, 2, sizes[1], 8), RC_OK);
	assert_rc(part(w, &u, 3, sizes[2], 3), RC_OK);
	assert_rc(part(w, &u, 3, sizes[2], 9), RC_OK);
	assert_int_equal(w->files(w), 2);
	assert_int_equal(bs_call(w->bs, upload_parts, slice_str(LANDING), slice_str(KEY),
				 slice_str(u.id), 0, 2, &a, &parts, &n, &truncated, &err),
		RC_OK);
	assert_int_equal(n, 2);
	assert_true(truncated);
	assert_int_equal(parts[1].number, 2);
	assert_string_equal(parts[1].etag, u.parts[1].etag);
	assert_int_equal(parts[1].size, sizes[1]);
	assert_true(slice_eq_str(parts[1].headers, "x-amz-checksum-crc32:AAAAAA==\n"));
	assert_int_equal(bs_call(w->bs, upload_parts, slice_str(LANDING), slice_str(KEY),
				 slice_str(u.id), 2, 2, &a, &parts, &n, &truncated, &err),
		RC_OK);
	assert_int_equal(n, 1);
	assert_false(truncated);
	assert_rc(complete(w, &u, (struct bs_condition){0}), RC_OK);
	expect_body(w, NULL, sizes, changed, 3);
	arena_release(&a);
}

static void bs_6_a_reader_keeps_every_part_of_a_deleted_object(void **state)
{
	struct bucket_world *w = *state;
	struct upload u = begin(w);
	struct bs_reader *r;
	unsigned char last[1000], *bytes = pattern(1000, 3), one;
	struct err err;
	size_t n;

	put_parts(w, &u);
	assert_rc(complete(w, &u, (struct bs_condition){0}), RC_OK);
	r = open_reader(w, LANDING, KEY, NULL);
	assert_rc(delete_one(w, LANDING, KEY, bs_reader_info(r)->version, NULL), RC_OK);
	assert_int_equal(bs_reader_read(r, PART_BYTES, &one, 1, &n, &err),
		RC_OK); /* part 2 was not open yet */
	assert_int_equal(n, 1);
	assert_int_equal(one, 2 * 7);
	assert_int_equal(bs_reader_read(r, 2 * PART_BYTES + 1, last, 1000, &n, &err), RC_OK);
	assert_int_equal(n, 1000);
	assert_memory_equal(last, bytes, 1000);
	bs_reader_close(r);
	assert_int_equal(w->files(w), 0);
	free(bytes);
}

static void bs_9_conditions_hold_for_completing_too(void **state)
{
	struct bucket_world *w = *state;
	struct upload u = begin(w);

	put_parts(w, &u);
	assert_rc(put(w, LANDING, KEY, "first"), RC_OK);
	assert_fails(complete(w, &u, (struct bs_condition){.if_none_match_any = true}), RC_CONFLICT,
		"PreconditionFailed");
	reads_as(w, LANDING, KEY, NULL, "first");
	assert_rc(complete(w, &u,
			  (struct bs_condition){
				  .if_match = slice_str("8b04d5e3775d298e78455efc5ca404d5")}),
		RC_OK);
}

static size_t list_ids(struct bucket_world *w, size_t max, char (*ids)[BS_UPLOAD_ID_MAX])
{
	struct bs_upload_query q = {.bucket = slice_str(LANDING), .max = max};
	struct bs_upload_page page;
	struct arena a = ARENA_INIT;
	struct err err;
	size_t n = 0;

	do {
		assert_int_equal(bs_call(w->bs, upload_list, &q, &a, &page, &err), RC_OK);
		assert_true(page.n <= max);
		for (size_t i = 0; i < page.n; i++) {
			memcpy(ids[n++], page.uploads[i].id, BS_UPLOAD_ID_MAX);
			q.after_key = page.uploads[i].key;
			q.after_id = slice_str(page.uploads[i].id);
		}
	} while (page.truncated);
	arena_release(&a);
	return n;
}

static void bs_8_uploads_are_listed_by_key_and_age(void **state)
{
	static const char *const keys[] = {"b", "a/1", "a/1", "a/2", "c"};
	struct bucket_world *w = *state;
	struct bs_upload_query q = {
		.bucket = slice_str(LANDING), .max = 100, .delimiter = slice_str("/")};
	char ids[5][BS_UPLOAD_ID_MAX], seen[6][BS_UPLOAD_ID_MAX];
	static const int order[] = {1, 2, 3, 0, 4};
	struct bs_upload_page page;
	struct arena a = ARENA_INIT;
	struct err err;

	for (int i = 0; i < 5; i++) {
		struct pending *p = pending_new();

		bs_call(w->bs, upload_create, slice_str(LANDING), slice_str(keys[i]), slice_str(""),
			pending_done(p));
		memcpy(ids[i], pending_wait(p)->object.version, BS_UPLOAD_ID_MAX);
	}
	for (size_t max = 1; max < 7; max++) {
		assert_int_equal(list_ids(w, max, seen), 5);
		for (int i = 0; i < 5; i++)
			assert_string_equal(seen[i], ids[order[i]]);
	}
	assert_int_equal(bs_call(w->bs, upload_list, &q, &a, &page, &err), RC_OK);
	assert_int_equal(page.n, 2);
	assert_int_equal(page.n_prefixes, 1);
	assert_true(slice_eq_str(page.prefixes[0], "a/"));
	q.after_key = page.prefixes[0]; /* a page that ended with the prefix goes on behind it */
	q.after_is_prefix = true;
	assert_int_equal(bs_call(w->bs, upload_list, &q, &a, &page, &err), RC_OK);
	assert_int_equal(page.n, 2);
	assert_int_equal(page.n_prefixes, 0);
	q.after_is_prefix = false;
	q.after_key = slice_str("");
	q.prefix = slice_str("a/");
	assert_int_equal(bs_call(w->bs, upload_list, &q, &a, &page, &err), RC_OK);
	assert_int_equal(page.n, 3);
	arena_release(&a);
}

int contract_buckets_multipart(void)
{
	const struct CMUnitTest tests[] = {
		BUCKETS_TEST(bs_6_an_upload_is_invisible_until_completed_and_then_one_object),
		BUCKETS_TEST(bs_6_completing_again_gives_the_same_and_makes_nothing),
		BUCKETS_TEST(bs_6_an_aborted_upload_is_gone_with_its_bytes),
		BUCKETS_TEST(bs_6_wrong_parts_are_refused_and_the_upload_stays),
		BUCKETS_TEST(bs_6_a_part_sent_again_replaces_the_earlier),
		BUCKETS_TEST(bs_6_a_reader_keeps_every_part_of_a_deleted_object),
		BUCKETS_TEST(bs_9_conditions_hold_for_completing_too),
		BUCKETS_TEST(bs_8_uploads_are_listed_by_key_and_age),
	};

	return cmocka_run_group_tests_name("buckets: multipart", tests, NULL, NULL);
}
