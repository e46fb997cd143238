/* Buckets, puts, versions, deletes. Listing and multipart uploads: buckets_list.c,
 * buckets_multipart.c. */
#include "buckets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/s3_event.h"

static void buckets_are_made_once_listed_by_name_and_deleted_when_empty(void **state)
{
	struct bucket_world *w = *state;
	struct arena a = ARENA_INIT;
	struct bs_bucket *list, one;
	struct pending *p;
	struct err err;
	size_t n;

	assert_rc(make_bucket(w, "another", BS_ENABLED), RC_OK);
	assert_fails(make_bucket(w, "another", BS_ENABLED), RC_CONFLICT, "BucketAlreadyOwnedByYou");
	assert_fails(make_bucket(w, "", BS_ENABLED), RC_REFUSED, "InvalidBucketName");
	assert_int_equal(bs_call(w->bs, bucket_list, &a, &list, &n, &err), RC_OK);
	assert_int_equal(n, 3);
	assert_string_equal(list[0].name, "another");
	assert_string_equal(list[1].name, LANDING);
	assert_string_equal(list[2].name, PLAIN);
	assert_int_equal(list[1].versioning, BS_ENABLED);
	assert_rc(put(w, "another", "k", "x"), RC_OK);
	p = pending_new();
	bs_call(w->bs, bucket_delete, slice_str("another"), pending_done(p));
	assert_fails(pending_wait(p), RC_CONFLICT, "BucketNotEmpty");
	assert_rc(delete_one(w, "another", "k", NULL, NULL), RC_OK);
	p = pending_new(); /* the marker and the version are still there */
	bs_call(w->bs, bucket_delete, slice_str("another"), pending_done(p));
	assert_fails(pending_wait(p), RC_CONFLICT, "BucketNotEmpty");
	p = pending_new();
	bs_call(w->bs, bucket_delete, slice_str("nowhere"), pending_done(p));
	assert_fails(pending_wait(p), RC_ABSENT, "NoSuchBucket");
	assert_int_equal(bs_call(w->bs, bucket_get, slice_str("nowhere"), &one, &err), RC_ABSENT);
	assert_true(err_is(&err, "NoSuchBucket"));
	arena_release(&a);
}

static void an_emptied_bucket_is_deleted_and_its_name_free(void **state)
{
	struct bucket_world *w = *state;
	struct pending *p;

	assert_rc(put(w, PLAIN, "k", "x"), RC_OK);
	assert_rc(delete_one(w, PLAIN, "k", NULL, NULL), RC_OK);
	p = pending_new();
	bs_call(w->bs, bucket_delete, slice_str(PLAIN), pending_done(p));
	assert_rc(pending_wait(p), RC_OK);
	assert_fails(put(w, PLAIN, "k", "x"), RC_ABSENT, "NoSuchBucket");
	assert_rc(make_bucket(w, PLAIN, BS_ENABLED), RC_OK);
	fails_as(w, PLAIN, "k", NULL, RC_ABSENT, "NoSuchKey");
}

/* Below, at and above every border: empty, inline, one byte more than inline, several pieces. */
static const size_t sizes[] = {
	0, 1, 4096, BS_INLINE_MAX - 1, BS_INLINE_MAX, BS_INLINE_MAX + 1, 3000000};

static void check_sizes(struct bucket_world *w)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		unsigned char *bytes = pattern(sizes[i], (unsigned)i);
		char key[32];

		snprintf(key, sizeof(key), "size-%zu", i);
		reads_bytes(w, LANDING, key, NULL, slice_of(bytes, sizes[i]));
		free(bytes);
	}
}

static void bs_1_what_was_answered_is_there_after_a_restart_and_after_a_crash(void **state)
{
	struct bucket_world *w = *state;
	char key[32];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		snprintf(key, sizeof(key), "size-%zu", i);
		assert_rc(put_bytes(w, LANDING, key, sizes[i], (unsigned)i), RC_OK);
	}
	check_sizes(w);
	w->crash(w);
	check_sizes(w);
	w->reopen(w);
	check_sizes(w);
}

static void bs_1_a_put_that_was_not_committed_leaves_nothing(void **state)
{
	struct bucket_world *w = *state;
	unsigned char *bytes = pattern(500000, 1);
	struct bs_put *handle;
	struct err err;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(bs_call(w->bs, put_begin, slice_str(LANDING), slice_str("k"),
					 &handle, &err),
			RC_OK);
		assert_int_equal(
			bs_put_write(handle, slice_of(bytes, i ? 500000 : 100), &err), RC_OK);
		fails_as(w, LANDING, "k", NULL, RC_ABSENT, "NoSuchKey");
		bs_put_abort(handle);
	}
	assert_int_equal(w->files(w), 0);
	fails_as(w, LANDING, "k", NULL, RC_ABSENT, "NoSuchKey");
	free(bytes);
}

static void bs_2_a_put_under_the_rule_makes_one_event_that_names_the_version(void **state)
{
	struct bucket_world *w = *state;
	struct eq_message *messages;
	struct arena a = ARENA_INIT;
	struct s3_event event;
	struct written *made = put(w, LANDING, EVENT_PREFIX "a b+\xc3\xa4", "hello");
	struct err err;

	assert_rc(made, RC_OK);
	w->crash(w);
	assert_int_equal(events(w, &a, &messages), 1);
	assert_int_equal(s3_event_parse(&a, messages[0].body, &event, &err), RC_OK);
	assert_int_equal(event.n_records, 1);
	assert_true(slice_eq_str(event.records[0].object.bucket, LANDING));
	assert_true(slice_eq_str(event.records[0].object.key, EVENT_PREFIX "a b+\xc3\xa4"));
	assert_true(slice_eq_str(event.records[0].object.version, made->object.version));
	assert_true(slice_eq_str(event.records[0].etag, "5d41402abc4b2a76b9719d911017c592"));
	assert_true(slice_eq_str(event.records[0].event_name, "ObjectCreated:Put"));
	assert_int_equal(event.records[0].size, 5);
	assert_true(event.records[0].sequencer.n > 0);
	arena_release(&a);
}

static void bs_2_no_event_for_other_keys_buckets_refused_puts_and_deletes(void **state)
{
	struct bucket_world *w = *state;
	struct eq_message *messages;
	struct arena a = ARENA_INIT;
	struct bs_condition only_new = {.if_none_match_any = true};

	assert_rc(put(w, LANDING, "datax", "1"), RC_OK);
	assert_rc(put(w, PLAIN, EVENT_PREFIX "k", "1"), RC_OK);
	assert_int_equal(events(w, &a, &messages), 0);
	assert_rc(put(w, LANDING, EVENT_PREFIX "k", "1"), RC_OK);
	assert_fails(put_if(w, LANDING, EVENT_PREFIX "k", slice_str("2"), only_new), RC_CONFLICT,
		"PreconditionFailed");
	assert_rc(delete_one(w, LANDING, EVENT_PREFIX "k", NULL, NULL), RC_OK);
	assert_int_equal(events(w, &a, &messages), 1);
	arena_release(&a);
}

static void bs_3_in_a_versioned_bucket_every_put_is_a_version(void **state)
{
	struct bucket_world *w = *state;
	struct written *v1 = put(w, LANDING, "k", "one"), *v2 = put(w, LANDING, "k", "two");

	assert_rc(v1, RC_OK);
	assert_rc(v2, RC_OK);
	assert_true(v1->object.in_versioned && v1->object.is_latest);
	assert_string_not_equal(v1->object.version, v2->object.version);
	reads_as(w, LANDING, "k", NULL, "two");
	reads_as(w, LANDING, "k", v1->object.version, "one");
	reads_as(w, LANDING, "k", v2->object.version, "two");
	fails_as(w, LANDING, "k", "null", RC_ABSENT, "NoSuchVersion");
	fails_as(w, LANDING, "k", "not-a-version", RC_ABSENT, "NoSuchVersion");
	fails_as(w, LANDING, "other", v1->object.version, RC_ABSENT, "NoSuchVersion");
}

static void bs_3_a_delete_makes_a_marker_that_can_be_removed(void **state)
{
	struct bucket_world *w = *state;
	struct written *v1 = put(w, LANDING, "k", "one");
	struct bs_object marker;
	struct bs_reader *r;
	struct bs_deletion d;
	struct err err;

	assert_rc(delete_one(w, LANDING, "k", NULL, &d), RC_OK);
	assert_true(d.is_delete_marker);
	fails_as(w, LANDING, "k", NULL, RC_ABSENT, "NoSuchKey");
	fails_as(w, LANDING, "k", d.marker_version, RC_REFUSED, "MethodNotAllowed");
	assert_int_equal(bs_call(w->bs, open, slice_str(LANDING), slice_str("k"), slice_str(NULL),
				 &r, &marker, &err),
		RC_ABSENT);
	assert_true(marker.is_delete_marker);
	assert_string_equal(marker.version, d.marker_version);
	reads_as(w, LANDING, "k", v1->object.version, "one");
	assert_rc(delete_one(w, LANDING, "k", marker.version, &d), RC_OK);
	assert_true(d.is_delete_marker);
	assert_string_equal(d.marker_version, marker.version);
	reads_as(w, LANDING, "k", NULL, "one");
}

static void bs_3_a_delete_with_a_version_removes_that_version(void **state)
{
	struct bucket_world *w = *state;
	struct written *v1 = put(w, LANDING, "k", "one"), *v2 = put(w, LANDING, "k", "two");
	struct bs_deletion d;

	assert_rc(delete_one(w, LANDING, "k", v2->object.version, &d), RC_OK);
	assert_false(d.is_delete_marker);
	assert_string_equal(d.marker_version, "");
	reads_as(w, LANDING, "k", NULL, "one");
	assert_rc(delete_one(w, LANDING, "k", v2->object.version, NULL), RC_OK); /* again */
	assert_rc(delete_one(w, LANDING, "k", v1->object.version, NULL), RC_OK);
	fails_as(w, LANDING, "k", NULL, RC_ABSENT, "NoSuchKey");
	assert_rc(delete_one(w, LANDING, "nothing-there", "not-a-version", NULL), RC_OK);
}

static void bs_3_in_a_plain_bucket_a_put_replaces_and_a_delete_removes(void **state)
{
	struct bucket_world *w = *state;
	struct written *v1 = put_bytes(w, PLAIN, "k", 200000, 1);
	struct bs_deletion d;

	assert_rc(v1, RC_OK);
	assert_string_equal(v1->object.version, "null");
	assert_false(v1->object.in_versioned);
	assert_int_equal(w->files(w), 1);
	assert_rc(put(w, PLAIN, "k", "two"), RC_OK);
	assert_int_equal(w->files(w), 0);
	reads_as(w, PLAIN, "k", NULL, "two");
	reads_as(w, PLAIN, "k", "null", "two");
	assert_rc(delete_one(w, PLAIN, "k", NULL, &d), RC_OK);
	assert_false(d.is_delete_marker);
	fails_as(w, PLAIN, "k", NULL, RC_ABSENT, "NoSuchKey");
	assert_rc(delete_one(w, PLAIN, "k", NULL, NULL), RC_OK);
}

static void bs_3_suspending_keeps_versions_and_writes_the_null_version(void **state)
{
	struct bucket_world *w = *state;
	struct written *v1, *v2;
	struct bs_deletion d;

	assert_rc(put(w, PLAIN, "k", "before"), RC_OK);
	assert_rc(set_versioning(w, PLAIN, BS_ENABLED), RC_OK);
	v1 = put(w, PLAIN, "k", "one");
	reads_as(w, PLAIN, "k", "null", "before");
	assert_rc(set_versioning(w, PLAIN, BS_SUSPENDED), RC_OK);
	v2 = put(w, PLAIN, "k", "suspended");
	assert_string_equal(v2->object.version, "null");
	assert_true(v2->object.in_versioned);
	reads_as(w, PLAIN, "k", NULL, "suspended");
	reads_as(w, PLAIN, "k", "null", "suspended");
	reads_as(w, PLAIN, "k", v1->object.version, "one");
	assert_rc(delete_one(w, PLAIN, "k", NULL, &d), RC_OK);
	assert_true(d.is_delete_marker);
	assert_string_equal(d.marker_version, "null");
	fails_as(w, PLAIN, "k", NULL, RC_ABSENT, "NoSuchKey");
	fails_as(w, PLAIN, "k", "null", RC_REFUSED, "MethodNotAllowed");
	assert_rc(delete_one(w, PLAIN, "k", "null", &d), RC_OK);
	reads_as(w, PLAIN, "k", NULL, "one");
	assert_fails(set_versioning(w, PLAIN, BS_UNVERSIONED), RC_REFUSED, "InvalidBucketState");
}

static void bs_3_many_deletes_in_one_call_have_each_their_result(void **state)
{
	struct bucket_world *w = *state;
	struct bs_deletion d[3] = {
		{.key = slice_str("a")}, {.key = slice_str("")}, {.key = slice_str("c")}};
	struct pending *p = pending_new();

	assert_rc(put(w, LANDING, "a", "1"), RC_OK);
	bs_call(w->bs, delete_many, slice_str(LANDING), d, 3, pending_done(p));
	assert_rc(pending_wait(p), RC_OK);
	assert_int_equal(d[0].rc, RC_OK);
	assert_int_equal(d[1].rc, RC_REFUSED);
	assert_int_equal(d[2].rc, RC_OK); /* S3 makes a marker where nothing is */
	assert_true(d[0].is_delete_marker && d[2].is_delete_marker);
	p = pending_new();
	bs_call(w->bs, delete_many, slice_str("nowhere"), d, 3, pending_done(p));
	assert_fails(pending_wait(p), RC_ABSENT, "NoSuchBucket");
}

static void bs_4_versions_are_ordered_by_commit(void **state)
{
	struct bucket_world *w = *state;
	struct bs_put *first, *second;
	struct bs_commit commit = {
		.etag = "5d41402abc4b2a76b9719d911017c592", .event_name = "ObjectCreated:Put"};
	struct pending *p;
	struct err err;

	/* begun first, committed last: the latest */
	assert_int_equal(
		bs_call(w->bs, put_begin, slice_str(LANDING), slice_str("k"), &first, &err), RC_OK);
	assert_int_equal(
		bs_call(w->bs, put_begin, slice_str(LANDING), slice_str("k"), &second, &err),
		RC_OK);
	assert_int_equal(bs_put_write(second, slice_str("world"), &err), RC_OK);
	assert_int_equal(bs_put_write(first, slice_str("hello"), &err), RC_OK);
	p = pending_new();
	bs_put_commit(second, &commit, pending_done(p));
	assert_rc(pending_wait(p), RC_OK);
	p = pending_new();
	bs_put_commit(first, &commit, pending_done(p));
	assert_rc(pending_wait(p), RC_OK);
	reads_as(w, LANDING, "k", NULL, "hello");
	w->reopen(w);
	reads_as(w, LANDING, "k", NULL, "hello");
	assert_rc(put(w, LANDING, "k", "after"), RC_OK);
	reads_as(w, LANDING, "k", NULL, "after");
}

static void bs_5_an_open_version_is_read_whole_though_it_is_deleted(void **state)
{
	struct bucket_world *w = *state;
	static const size_t two[] = {1000, 900000};

	for (int i = 0; i < 2; i++) {
		unsigned char *bytes = pattern(two[i], 9);
		struct written *made = put_bytes(w, LANDING, "k", two[i], 9);
		struct bs_reader *early = open_reader(w, LANDING, "k", NULL);
		struct bs_reader *late = open_reader(w, LANDING, "k", made->object.version);
		unsigned char one;
		struct err err;
		size_t n;

		assert_int_equal(bs_reader_read(early, 0, &one, 1, &n, &err), RC_OK);
		assert_rc(delete_one(w, LANDING, "k", made->object.version, NULL), RC_OK);
		fails_as(w, LANDING, "k", made->object.version, RC_ABSENT, "NoSuchVersion");
		reader_gives(early, slice_of(bytes, two[i]));
		reader_gives(late, slice_of(bytes, two[i]));
		bs_reader_close(early);
		bs_reader_close(late);
		assert_int_equal(w->files(w), 0);
		free(bytes);
	}
}

static void bs_5_inline_bytes_are_given_at_once_and_offsets_honoured(void **state)
{
	struct bucket_world *w = *state;
	unsigned char *bytes = pattern(400000, 3), out[10];
	struct bs_reader *r;
	struct err err;
	size_t n;

	assert_rc(put(w, LANDING, "small", "hello"), RC_OK);
	r = open_reader(w, LANDING, "small", NULL);
	assert_true(slice_eq_str(bs_reader_inline(r), "hello"));
	assert_true(slice_eq_str(bs_reader_info(r)->headers, "content-type:text/plain\n"));
	assert_int_equal(bs_reader_read(r, 3, out, 10, &n, &err), RC_OK);
	assert_int_equal(n, 2);
	assert_memory_equal(out, "lo", 2);
	assert_int_equal(bs_reader_read(r, 5, out, 10, &n, &err), RC_OK);
	assert_int_equal(n, 0);
	bs_reader_close(r);
	assert_rc(put_bytes(w, LANDING, "large", 400000, 3), RC_OK);
	r = open_reader(w, LANDING, "large", NULL);
	assert_null(bs_reader_inline(r).p);
	assert_int_equal(bs_reader_read(r, 399995, out, 10, &n, &err), RC_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(out, bytes + 399995, 5);
	bs_reader_close(r);
	free(bytes);
}

static void bs_9_conditions_decide(void **state)
{
	struct bucket_world *w = *state;
	struct bs_condition is_new = {.if_none_match_any = true};
	struct bs_condition any = {.if_match = slice_str("*")};
	struct bs_condition hello = {.if_match = slice_str("5d41402abc4b2a76b9719d911017c592")};
	struct slice x = slice_str("x"), body = slice_str("hello");

	assert_fails(put_if(w, LANDING, "k", x, any), RC_ABSENT, "NoSuchKey");
	assert_fails(put_if(w, LANDING, "k", x, hello), RC_ABSENT, "NoSuchKey");
	assert_rc(put_if(w, LANDING, "k", body, is_new), RC_OK);
	assert_fails(put_if(w, LANDING, "k", x, is_new), RC_CONFLICT, "PreconditionFailed");
	assert_rc(put_if(w, LANDING, "k", x, hello), RC_OK);
	assert_fails(put_if(w, LANDING, "k", x, hello), RC_CONFLICT, "PreconditionFailed");
	assert_rc(put_if(w, LANDING, "k", body, any), RC_OK);
	assert_rc(delete_one(w, LANDING, "k", NULL, NULL), RC_OK);
	assert_fails(put_if(w, LANDING, "k", x, any), RC_ABSENT, "NoSuchKey");
	assert_rc(put_if(w, LANDING, "k", body, is_new),
		RC_OK); /* behind a marker there is no object */
}

static enum rc delete_if(struct bucket_world *w, const char *key, const char *version,
	const char *if_match, struct bs_deletion *ret_deletion)
{
	struct pending *p = pending_new();

	*ret_deletion = (struct bs_deletion){.key = slice_str(key),
		.version = slice_str(version),
		.if_match = slice_str(if_match)};
	bs_call(w->bs, delete_many, slice_str(LANDING), ret_deletion, 1, pending_done(p));
	assert_rc(pending_wait(p), RC_OK); /* each entry has its own result */
	return ret_deletion->rc;
}

static void bs_9_conditions_hold_for_deleting_too(void **state)
{
	struct bucket_world *w = *state;
	static const char hello[] = "5d41402abc4b2a76b9719d911017c592";
	struct bs_condition none = {0};
	struct written *old;
	struct bs_deletion d;

	assert_int_equal(delete_if(w, "k", "", "*", &d), RC_ABSENT);
	assert_string_equal(d.err.code, "NoSuchKey");
	old = put_if(w, LANDING, "k", slice_str("hello"), none);
	assert_rc(old, RC_OK);
	assert_rc(put_if(w, LANDING, "k", slice_str("x"), none), RC_OK);
	assert_int_equal(delete_if(w, "k", "", hello, &d), RC_CONFLICT);
	assert_string_equal(d.err.code, "PreconditionFailed");
	/* the latest decides also about another version */
	assert_int_equal(delete_if(w, "k", old->object.version, hello, &d), RC_CONFLICT);
	assert_rc(put_if(w, LANDING, "k", slice_str("hello"), none), RC_OK);
	assert_int_equal(delete_if(w, "k", old->object.version, hello, &d), RC_OK);
	assert_int_equal(delete_if(w, "k", "", hello, &d), RC_OK);
	assert_true(d.is_delete_marker);
	assert_int_equal(
		delete_if(w, "k", "", "*", &d), RC_ABSENT); /* behind a marker there is none */
	assert_false(d.is_delete_marker);
}

static void bs_9_of_many_at_once_one_wins(void **state)
{
	struct bucket_world *w = *state;
	struct bs_commit commit = {.etag = "5d41402abc4b2a76b9719d911017c592",
		.event_name = "ObjectCreated:Put",
		.condition = {.if_none_match_any = true}};
	struct pending *p[20];
	struct err err;
	int won = 0;

	for (int i = 0; i < 20; i++) {
		struct bs_put *handle;

		p[i] = pending_new();
		assert_int_equal(bs_call(w->bs, put_begin, slice_str(LANDING), slice_str("k"),
					 &handle, &err),
			RC_OK);
		assert_int_equal(bs_put_write(handle, slice_str("hello"), &err), RC_OK);
		bs_put_commit(handle, &commit, pending_done(p[i]));
	}
	for (int i = 0; i < 20; i++)
		won += pending_wait(p[i])->rc == RC_OK;
	assert_int_equal(won, 1);
}

static void keys_are_any_bytes_up_to_the_limit(void **state)
{
	struct bucket_world *w = *state;
	char longest[OBJECT_KEY_MAX + 2];
	struct bs_put *handle;
	struct err err;

	memset(longest, 'k', sizeof(longest));
	longest[OBJECT_KEY_MAX] = '\0';
	assert_rc(put(w, LANDING, longest, "1"), RC_OK);
	reads_as(w, LANDING, longest, NULL, "1");
	assert_rc(put(w, LANDING, "a/../b//%00 \x01\xf0\x9f\x93\xa6", "2"), RC_OK);
	reads_as(w, LANDING, "a/../b//%00 \x01\xf0\x9f\x93\xa6", NULL, "2");
	longest[OBJECT_KEY_MAX] = 'k';
	longest[OBJECT_KEY_MAX + 1] = '\0';
	assert_int_equal(
		bs_call(w->bs, put_begin, slice_str(LANDING), slice_str(longest), &handle, &err),
		RC_REFUSED);
	assert_true(err_is(&err, "KeyTooLongError"));
}

int contract_buckets(const struct bucket_factory *f)
{
	const struct CMUnitTest tests[] = {
		BUCKETS_TEST(buckets_are_made_once_listed_by_name_and_deleted_when_empty),
		BUCKETS_TEST(an_emptied_bucket_is_deleted_and_its_name_free),
		BUCKETS_TEST(bs_1_what_was_answered_is_there_after_a_restart_and_after_a_crash),
		BUCKETS_TEST(bs_1_a_put_that_was_not_committed_leaves_nothing),
		BUCKETS_TEST(bs_2_a_put_under_the_rule_makes_one_event_that_names_the_version),
		BUCKETS_TEST(bs_2_no_event_for_other_keys_buckets_refused_puts_and_deletes),
		BUCKETS_TEST(bs_3_in_a_versioned_bucket_every_put_is_a_version),
		BUCKETS_TEST(bs_3_a_delete_makes_a_marker_that_can_be_removed),
		BUCKETS_TEST(bs_3_a_delete_with_a_version_removes_that_version),
		BUCKETS_TEST(bs_3_in_a_plain_bucket_a_put_replaces_and_a_delete_removes),
		BUCKETS_TEST(bs_3_suspending_keeps_versions_and_writes_the_null_version),
		BUCKETS_TEST(bs_3_many_deletes_in_one_call_have_each_their_result),
		BUCKETS_TEST(bs_4_versions_are_ordered_by_commit),
		BUCKETS_TEST(bs_5_an_open_version_is_read_whole_though_it_is_deleted),
		BUCKETS_TEST(bs_5_inline_bytes_are_given_at_once_and_offsets_honoured),
		BUCKETS_TEST(bs_9_conditions_decide),
		BUCKETS_TEST(bs_9_conditions_hold_for_deleting_too),
		BUCKETS_TEST(bs_9_of_many_at_once_one_wins),
		BUCKETS_TEST(keys_are_any_bytes_up_to_the_limit),
	};

	contract_buckets_use(f);
	return cmocka_run_group_tests_name("buckets", tests, NULL, NULL) + contract_buckets_list() +
	       contract_buckets_multipart();
}
