#include "contract.h"

#include <stdio.h>

/* A body in memory as a source. */
struct text_source {
	struct slice left;
};

static enum rc text_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct text_source *t = arg;
	size_t n = t->left.n < max ? t->left.n : max;

	(void)err;
	if (n)
		memcpy(out, t->left.p, n);
	t->left = slice_of(t->left.p + n, t->left.n - n);
	*ret_n = n;
	return RC_OK;
}

static struct os_object put(struct object_store *os, struct arena *a, const char *bucket,
	const char *key, struct slice body, const char *headers)
{
	struct text_source t = {body};
	struct os_source source = {text_read, &t};
	struct os_object info = {0};

	assert_int_equal(os_put(os, slice_str(bucket), slice_str(key), slice_str(headers), body.n,
				 &source, a, &info, NULL),
		RC_OK);
	return info;
}

static struct object_id id_of(const char *key, struct slice version)
{
	return (struct object_id){slice_str(CONTRACT_BUCKET), slice_str(key), version};
}

/* What a get_many did, event by event. */
struct seen {
	struct arena *a;
	struct buf body[8];
	struct os_object info[8];
	enum rc outcome[8];
	int begins[8], ends[8];
	size_t order[8], n_ends;
	size_t open;    /* index + 1 of the object between begin and end */
	enum rc refuse; /* what begin of object 0 answers */
};

static enum rc seen_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct seen *s = arg;

	assert_true(i < 8);
	assert_int_equal(s->open, 0);
	s->open = i + 1;
	s->begins[i]++;
	s->info[i] = *info;
	s->info[i].etag = arena_slice(s->a, info->etag);
	s->info[i].headers = arena_slice(s->a, info->headers);
	s->info[i].version = arena_slice(s->a, info->version);
	if (s->refuse != RC_OK)
		return err_set(err, s->refuse, "the sink's own reason");
	return RC_OK;
}

static enum rc seen_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	assert_int_equal(s->open, i + 1);
	assert_true(buf_add_slice(&s->body[i], bytes));
	return RC_OK;
}

static enum rc seen_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	assert_true(i < 8);
	assert_true(outcome == RC_OK ? s->open == i + 1 : why != NULL);
	s->open = 0;
	s->ends[i]++;
	s->outcome[i] = outcome;
	s->order[s->n_ends++] = i;
	return RC_OK;
}

static enum rc get_many(struct object_store *os, const struct object_id *ids, size_t n,
	struct seen *s, struct err *err)
{
	struct os_sink sink = {seen_begin, seen_data, seen_end, s};

	for (size_t i = 0; i < 8; i++)
		buf_init(&s->body[i], 64u << 20);
	return os_get_many(os, ids, n, &sink, err);
}

static void seen_release(struct seen *s)
{
	for (size_t i = 0; i < 8; i++)
		buf_release(&s->body[i]);
}

/* The bytes of one object, or its outcome. */
static enum rc get(
	struct object_store *os, struct arena *a, struct object_id id, struct slice *ret_body)
{
	struct seen s = {.a = a};
	enum rc rc;

	assert_int_equal(get_many(os, &id, 1, &s, NULL), RC_OK);
	assert_int_equal(s.n_ends, 1);
	*ret_body = arena_slice(a, buf_slice(&s.body[0]));
	rc = s.outcome[0];
	seen_release(&s);
	return rc;
}

static void remove_latest(struct object_store *os, const char *key)
{
	struct object_id id = id_of(key, (struct slice){0});
	enum rc result = RC_FATAL;

	assert_int_equal(os_delete_many(os, id.bucket, &id, 1, &result, NULL), RC_OK);
	assert_int_equal(result, RC_OK);
}

/* Stages bytes under key in CONTRACT_BUCKET; the record to staged. */
static void stage(struct object_store *os, const char *key, struct slice bytes, struct buf *staged)
{
	struct os_stage *st = NULL;

	assert_int_equal(
		os_stage_begin(os, slice_str(CONTRACT_BUCKET), slice_str(key), &st, NULL), RC_OK);
	while (bytes.n) {
		size_t n = bytes.n < 100000 ? bytes.n : 100000;

		assert_int_equal(os_stage_write(st, slice_of(bytes.p, n), NULL), RC_OK);
		bytes = slice_of(bytes.p + n, bytes.n - n);
	}
	assert_int_equal(
		os_stage_finish(st,
			slice_str("content-type:application/gzip\nx-amz-meta-content-sha256:ab\n"),
			staged, NULL),
		RC_OK);
	os_stage_free(st);
}

static enum rc publish(struct object_store *os, const char *key, const struct buf *staged)
{
	return os_publish(os, slice_str(CONTRACT_BUCKET), slice_str(key), buf_slice(staged), NULL);
}

/* Entries of the bucket under prefix, versions and delete markers with `versions`. */
static size_t count(struct object_store *os, const char *prefix, bool versions)
{
	struct arena a = ARENA_INIT;
	struct os_list_query q = {.bucket = slice_str(CONTRACT_BUCKET),
		.prefix = slice_str(prefix),
		.max = OS_LIST_MAX,
		.versions = versions};
	struct os_list_page page;
	size_t n;

	assert_int_equal(os_list(os, &q, &a, &page, NULL), RC_OK);
	n = page.n;
	arena_release(&a);
	return n;
}

static void os1_put_reads_back_with_its_bytes_and_headers(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct os_object info, head;
	struct object_id id;
	struct slice body;

	info = put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("hello"),
		"content-type:text/plain\n");
	assert_true(info.version.n > 0);
	assert_true(slice_eq_str(info.etag, "5d41402abc4b2a76b9719d911017c592"));
	id = id_of("k", info.version);
	assert_int_equal(get(w->store, &a, id, &body), RC_OK);
	assert_true(slice_eq_str(body, "hello"));
	assert_int_equal(os_head(w->store, &id, &a, &head, NULL), RC_OK);
	assert_true(slice_eq_str(head.headers, "content-type:text/plain\n"));
	assert_true(slice_eq(head.etag, info.etag));
	assert_int_equal(head.size, 5);
	arena_release(&a);
}

static void os1_a_put_that_fails_shows_nothing(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct text_source t = {slice_str("short")};
	struct os_source source = {text_read, &t};
	struct os_object info;
	struct slice body;

	assert_int_not_equal(os_put(w->store, slice_str(CONTRACT_BUCKET), slice_str("k"),
				     slice_str(""), 100, &source, &a, &info, NULL),
		RC_OK);
	assert_int_equal(get(w->store, &a, id_of("k", (struct slice){0}), &body), RC_ABSENT);
	t.left = slice_str("x");
	assert_int_equal(os_put(w->store, slice_str("no-such-bucket"), slice_str("k"),
				 slice_str(""), 1, &source, &a, &info, NULL),
		RC_ABSENT);
	arena_release(&a);
}

static void os1_odd_keys_and_empty_bodies(void **state)
{
	static const char *const keys[] = {
		"a b", "a+b=c", "100%", "x/../../y", "\xf0\x9f\x98\x80", "a//b", "%2F", "é?#&"};
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct slice body;

	for (size_t i = 0; i < 8; i++)
		put(w->store, &a, CONTRACT_BUCKET, keys[i], i ? slice_str(keys[i]) : slice_str(""),
			"");
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(
			get(w->store, &a, id_of(keys[i], (struct slice){0}), &body), RC_OK);
		assert_true(slice_eq_str(body, i ? keys[i] : ""));
	}
	assert_int_equal(count(w->store, "", false), 8);
	arena_release(&a);
}

static void os2_get_many_keeps_the_order_and_the_exact_versions(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct os_object one, two, other;
	struct object_id ids[3];
	struct seen s = {.a = &a};
	size_t big_n = 3000000;
	unsigned char *big = arena_alloc(&a, big_n);

	for (size_t i = 0; i < big_n; i++)
		big[i] = (unsigned char)(i * 31 + (i >> 12));
	one = put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("first"), "");
	two = put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("second"), "");
	other = put(w->store, &a, CONTRACT_BUCKET, "big", slice_of(big, big_n), "");
	ids[0] = id_of("big", other.version);
	ids[1] = id_of("k", one.version);
	ids[2] = id_of("k", two.version);
	assert_int_equal(get_many(w->store, ids, 3, &s, NULL), RC_OK);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(s.order[i], i);
		assert_int_equal(s.begins[i], 1);
		assert_int_equal(s.outcome[i], RC_OK);
	}
	assert_int_equal(s.body[0].n, big_n);
	assert_memory_equal(s.body[0].p, big, big_n);
	assert_int_equal(s.info[0].size, big_n);
	assert_true(slice_eq_str(buf_slice(&s.body[1]), "first"));
	assert_true(slice_eq_str(buf_slice(&s.body[2]), "second"));
	assert_true(slice_eq(s.info[2].etag, two.etag));
	seen_release(&s);
	arena_release(&a);
}

static void os2_gone_objects_are_absent_without_begin(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct os_object kept, removed;
	struct object_id ids[6];
	struct seen s = {.a = &a};
	enum rc result;

	kept = put(w->store, &a, CONTRACT_BUCKET, "kept", slice_str("kept"), "");
	removed = put(w->store, &a, CONTRACT_BUCKET, "removed", slice_str("x"), "");
	put(w->store, &a, CONTRACT_BUCKET, "marked", slice_str("x"), "");
	remove_latest(w->store, "marked");
	ids[0] = id_of("removed", removed.version);
	assert_int_equal(os_delete_many(w->store, ids[0].bucket, ids, 1, &result, NULL), RC_OK);
	ids[1] = id_of("never", slice_str("v1"));
	ids[2] = id_of("kept", kept.version);
	ids[3] = id_of("marked", (struct slice){0});
	ids[4] = (struct object_id){slice_str("no-such-bucket"), slice_str("k"), {0}};
	ids[5] = id_of("kept", slice_str("null"));
	assert_int_equal(get_many(w->store, ids, 6, &s, NULL), RC_OK);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(s.ends[i], 1);
		assert_int_equal(s.outcome[i], i == 2 || i == 5 ? RC_OK : RC_ABSENT);
		assert_int_equal(s.begins[i], i == 2 || i == 5 ? 1 : 0);
	}
	assert_true(slice_eq_str(buf_slice(&s.body[2]), "kept"));
	seen_release(&s);
	arena_release(&a);
}

static void os3_the_sinks_own_error_stops_the_call(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct object_id ids[2] = {
		id_of("one", (struct slice){0}), id_of("two", (struct slice){0})};
	struct seen s = {.a = &a, .refuse = RC_CORRUPT};
	struct err err = {0};

	put(w->store, &a, CONTRACT_BUCKET, "one", slice_str("1"), "");
	put(w->store, &a, CONTRACT_BUCKET, "two", slice_str("2"), "");
	assert_int_equal(get_many(w->store, ids, 2, &s, &err), RC_CORRUPT);
	assert_non_null(strstr(err.text, "the sink's own reason"));
	assert_int_equal(s.begins[1], 0);
	seen_release(&s);
	arena_release(&a);
}

static void os5_a_stage_is_invisible_until_published(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct buf staged;
	struct slice body;
	struct os_object head;
	struct object_id id = id_of("bundle", (struct slice){0});

	buf_init(&staged, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_str("bytes"), &staged);
	assert_int_equal(get(w->store, &a, id, &body), RC_ABSENT);
	assert_int_equal(count(w->store, "", true), 0);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	assert_int_equal(get(w->store, &a, id, &body), RC_OK);
	assert_true(slice_eq_str(body, "bytes"));
	assert_int_equal(os_head(w->store, &id, &a, &head, NULL), RC_OK);
	assert_non_null(strstr(arena_strdup(&a, head.headers), "x-amz-meta-content-sha256:ab\n"));
	assert_non_null(strstr(arena_strdup(&a, head.headers), "content-type:application/gzip\n"));
	buf_release(&staged);
	arena_release(&a);
}

static void os5_a_staged_record_survives_a_crash(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct buf staged;
	struct slice body;

	if (!w->crash) {
		print_message("not applicable: the adapter survives nothing\n");
		skip();
	}
	buf_init(&staged, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_str("bytes"), &staged);
	w->crash(w);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	w->crash(w);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	assert_int_equal(get(w->store, &a, id_of("bundle", (struct slice){0}), &body), RC_OK);
	assert_true(slice_eq_str(body, "bytes"));
	assert_int_equal(count(w->store, "", true), 1);
	buf_release(&staged);
	arena_release(&a);
}

static void os5_a_large_stage(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	size_t n = 20u << 20;
	unsigned char *bytes = arena_alloc(&a, n);
	struct buf staged;
	struct slice body;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(i * 7 + (i >> 9));
	buf_init(&staged, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_of(bytes, n), &staged);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	assert_int_equal(get(w->store, &a, id_of("bundle", (struct slice){0}), &body), RC_OK);
	assert_int_equal(body.n, n);
	assert_memory_equal(body.p, bytes, n);
	buf_release(&staged);
	arena_release(&a);
}

static void os6_publishing_again_makes_no_second_version(void **state)
{
	struct contract_world *w = *state;
	struct buf staged;

	buf_init(&staged, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_str("bytes"), &staged);
	for (int i = 0; i < 3; i++)
		assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	assert_int_equal(count(w->store, "bundle", true), 1);
	buf_release(&staged);
}

static void os6_publishing_again_after_the_consumer_took_it_shows_nothing(void **state)
{
	struct contract_world *w = *state;
	struct buf staged;

	buf_init(&staged, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_str("bytes"), &staged);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	remove_latest(w->store, "bundle");
	assert_int_equal(count(w->store, "", false), 0);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	assert_int_equal(count(w->store, "", false), 0);
	assert_int_equal(count(w->store, "", true), 2); /* the version and its delete marker */
	buf_release(&staged);
}

static void os7_a_discarded_stage_cannot_be_published(void **state)
{
	struct contract_world *w = *state;
	struct buf staged;

	buf_init(&staged, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_str("bytes"), &staged);
	assert_int_equal(
		os_discard(w->store, slice_str(CONTRACT_BUCKET), slice_str("bundle"), NULL), RC_OK);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_ABSENT);
	assert_int_equal(count(w->store, "", true), 0);
	buf_release(&staged);
}

static void os8_discard_takes_every_unpublished_stage_and_nothing_else(void **state)
{
	struct contract_world *w = *state;
	struct slice bucket = slice_str(CONTRACT_BUCKET);
	struct buf published, first, second, other;
	struct os_stage *unfinished = NULL;

	buf_init(&published, LG_STAGED_MAX);
	buf_init(&first, LG_STAGED_MAX);
	buf_init(&second, LG_STAGED_MAX);
	buf_init(&other, LG_STAGED_MAX);
	stage(w->store, "bundle", slice_str("shown"), &published);
	assert_int_equal(publish(w->store, "bundle", &published), RC_OK);
	stage(w->store, "bundle", slice_str("1"), &first);
	stage(w->store, "bundle", slice_str("2"), &second);
	stage(w->store, "bundle-other", slice_str("3"), &other);
	assert_int_equal(
		os_stage_begin(w->store, bucket, slice_str("bundle"), &unfinished, NULL), RC_OK);
	assert_int_equal(os_stage_write(unfinished, slice_str("half"), NULL), RC_OK);
	os_stage_free(unfinished);
	assert_int_equal(os_discard(w->store, bucket, slice_str("bundle"), NULL), RC_OK);
	assert_int_equal(os_discard(w->store, bucket, slice_str("bundle"), NULL), RC_OK);
	assert_int_equal(publish(w->store, "bundle", &first), RC_ABSENT);
	assert_int_equal(publish(w->store, "bundle", &second), RC_ABSENT);
	assert_int_equal(publish(w->store, "bundle", &published), RC_OK);
	assert_int_equal(publish(w->store, "bundle-other", &other), RC_OK);
	assert_int_equal(count(w->store, "", true), 2);
	buf_release(&published);
	buf_release(&first);
	buf_release(&second);
	buf_release(&other);
}

/* Pages of two under prefix; the entries as "key:size …", a delete marker as "key:-". */
static char *listing(struct object_store *os, struct arena *a, const char *prefix, bool versions)
{
	struct os_list_query q = {.bucket = slice_str(CONTRACT_BUCKET),
		.prefix = slice_str(prefix),
		.max = 2,
		.versions = versions};
	char *text = arena_strdup(a, slice_str(""));
	struct os_list_page page;

	for (int i = 0; i < 20; i++) {
		assert_int_equal(os_list(os, &q, a, &page, NULL), RC_OK);
		assert_true(page.n <= 2);
		for (size_t j = 0; j < page.n; j++) {
			const struct os_object *o = &page.objects[j];

			text = arena_printf(a,
				o->is_delete_marker ? "%s" SLICE_FMT ":- "
						    : "%s" SLICE_FMT ":%llu ",
				text, SLICE_ARG(o->key), (unsigned long long)o->size);
		}
		if (!page.next.n)
			return text;
		q.token = page.next;
	}
	fail_msg("the listing does not end");
	return text;
}

static void os9_list_is_in_byte_order_and_resumes(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;

	put(w->store, &a, CONTRACT_BUCKET, "b", slice_str("1"), "");
	put(w->store, &a, CONTRACT_BUCKET, "a/2", slice_str("1"), "");
	put(w->store, &a, CONTRACT_BUCKET, "\xc3\xa9", slice_str("1"), "");
	put(w->store, &a, CONTRACT_BUCKET, "Z", slice_str("1"), "");
	put(w->store, &a, CONTRACT_BUCKET, "a/10", slice_str("1"), "");
	put(w->store, &a, CONTRACT_BUCKET, "a/2", slice_str("22"), "");
	put(w->store, &a, CONTRACT_BUCKET, "a/2", slice_str("333"), "");
	put(w->store, &a, CONTRACT_BUCKET, "gone", slice_str("1"), "");
	remove_latest(w->store, "gone");
	assert_string_equal(listing(w->store, &a, "", false), "Z:1 a/10:1 a/2:3 b:1 \xc3\xa9:1 ");
	assert_string_equal(listing(w->store, &a, "a/", false), "a/10:1 a/2:3 ");
	assert_string_equal(listing(w->store, &a, "", true),
		"Z:1 a/10:1 a/2:3 a/2:2 a/2:1 b:1 gone:- gone:1 \xc3\xa9:1 ");
	assert_string_equal(listing(w->store, &a, "none", false), "");
	arena_release(&a);
}

static void os10_deleting_is_per_key_and_repeatable(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct os_object old;
	struct object_id ids[3];
	enum rc results[3] = {RC_FATAL, RC_FATAL, RC_FATAL};
	struct slice body;

	old = put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("old"), "");
	put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("new"), "");
	put(w->store, &a, CONTRACT_BUCKET, "latest", slice_str("x"), "");
	ids[0] = id_of("k", old.version);
	ids[1] = id_of("never", (struct slice){0});
	ids[2] = id_of("latest", (struct slice){0});
	for (int again = 0; again < 2; again++) {
		assert_int_equal(
			os_delete_many(w->store, ids[0].bucket, ids, 3, results, NULL), RC_OK);
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(results[i], RC_OK);
	}
	assert_int_equal(get(w->store, &a, ids[0], &body), RC_ABSENT);
	assert_int_equal(get(w->store, &a, id_of("k", (struct slice){0}), &body), RC_OK);
	assert_true(slice_eq_str(body, "new"));
	assert_int_equal(get(w->store, &a, ids[2], &body), RC_ABSENT);
	arena_release(&a);
}

static void os11_earlier_versions_stay_readable(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct os_object v[3];
	struct slice body;

	for (int i = 0; i < 3; i++)
		v[i] = put(w->store, &a, CONTRACT_BUCKET, "k",
			slice_str(i == 0   ? "a"
				  : i == 1 ? "b"
					   : "c"),
			"");
	remove_latest(w->store, "k");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(get(w->store, &a, id_of("k", v[i].version), &body), RC_OK);
		assert_true(slice_eq_str(body, i == 0 ? "a" : i == 1 ? "b" : "c"));
	}
	arena_release(&a);
}

static void os11_a_bucket_without_versions_keeps_the_latest(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct object_id id = {
		slice_str(CONTRACT_PLAIN), slice_str("k"), slice_str("seq:0055AED6DCD90281E5")};
	struct slice body;

	if (w->no_plain_bucket) {
		print_message("not applicable: the adapter has only versioned buckets\n");
		skip();
	}
	assert_int_equal(put(w->store, &a, CONTRACT_PLAIN, "k", slice_str("old"), "").version.n, 0);
	put(w->store, &a, CONTRACT_PLAIN, "k", slice_str("new"), "");
	assert_int_equal(get(w->store, &a, id, &body), RC_OK);
	assert_true(slice_eq_str(body, "new"));
	arena_release(&a);
}

static void os12_a_copy_has_the_source_versions_bytes_and_headers(void **state)
{
	static const char headers[] =
		"content-type:application/gzip\nx-amz-meta-content-sha256:abc\n";
	static const char key[] = "to/a b+\xc3\xa9?.gz";
	struct contract_world *w = *state;
	struct slice bucket = slice_str(CONTRACT_BUCKET);
	struct arena a = ARENA_INIT;
	struct os_object old, copy = {0}, head;
	struct object_id from, to = id_of(key, (struct slice){0});
	struct slice body;

	old = put(w->store, &a, CONTRACT_BUCKET, "from/\xc3\xa9 +%41", slice_str("old"), headers);
	put(w->store, &a, CONTRACT_BUCKET, "from/\xc3\xa9 +%41", slice_str("newer"), "");
	put(w->store, &a, CONTRACT_BUCKET, key, slice_str("before"), "");
	from = id_of("from/\xc3\xa9 +%41", old.version);
	for (int again = 1; again <= 2; again++) {
		assert_int_equal(os_copy(w->store, &from, bucket, slice_str(key), &a, &copy, NULL),
			RC_OK);
		assert_int_equal(count(w->store, "to/", true), 1 + again);
	}
	assert_true(slice_eq_str(copy.key, key));
	assert_int_equal(get(w->store, &a, to, &body), RC_OK);
	assert_true(slice_eq_str(body, "old"));
	assert_int_equal(os_head(w->store, &to, &a, &head, NULL), RC_OK);
	assert_true(slice_eq_str(head.headers, headers));
	assert_true(slice_eq(head.version, copy.version));
	assert_true(slice_eq(head.etag, copy.etag));
	assert_int_equal(count(w->store, "from/", true), 2);
	arena_release(&a);
}

static void os12_a_version_can_be_copied_onto_its_own_key(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct os_object old, copy;
	struct object_id from;
	struct slice body;

	old = put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("old"), "");
	put(w->store, &a, CONTRACT_BUCKET, "k", slice_str("new"), "");
	from = id_of("k", old.version);
	assert_int_equal(os_copy(w->store, &from, slice_str(CONTRACT_BUCKET), slice_str("k"), &a,
				 &copy, NULL),
		RC_OK);
	assert_int_equal(get(w->store, &a, id_of("k", (struct slice){0}), &body), RC_OK);
	assert_true(slice_eq_str(body, "old"));
	assert_int_equal(count(w->store, "k", true), 3);
	arena_release(&a);
}

static void os12_a_copy_of_nothing_changes_nothing(void **state)
{
	struct contract_world *w = *state;
	struct slice bucket = slice_str(CONTRACT_BUCKET), key = slice_str("to");
	struct object_id never = id_of("never", (struct slice){0}), gone;
	struct arena a = ARENA_INIT;
	struct os_object copy;

	put(w->store, &a, CONTRACT_BUCKET, "gone", slice_str("x"), "");
	remove_latest(w->store, "gone");
	gone = id_of("gone", (struct slice){0});
	assert_int_equal(os_copy(w->store, &never, bucket, key, &a, &copy, NULL), RC_ABSENT);
	assert_int_equal(os_copy(w->store, &gone, bucket, key, &a, &copy, NULL), RC_ABSENT);
	put(w->store, &a, CONTRACT_BUCKET, "there", slice_str("x"), "");
	never = id_of("there", (struct slice){0});
	assert_int_equal(
		os_copy(w->store, &never, slice_str("no-such-bucket"), key, &a, &copy, NULL),
		RC_ABSENT);
	assert_int_equal(count(w->store, "to", true), 0);
	arena_release(&a);
}

static void region_of_a_bucket_that_is_there(void **state)
{
	struct contract_world *w = *state;
	char region[OS_REGION_MAX];

	assert_int_equal(
		os_bucket_region(w->store, slice_str(CONTRACT_BUCKET), region, NULL), RC_OK);
	assert_true(strlen(region) > 0);
	assert_int_equal(
		os_bucket_region(w->store, slice_str("no-such-bucket"), region, NULL), RC_ABSENT);
}

/* A finished stage under the key and a copy of it under another; the handle is gone after it. */
static void stage_twice(struct object_store *os, struct buf *ret_staged, struct buf *ret_copy)
{
	struct slice bucket = slice_str(CONTRACT_BUCKET);
	struct slice headers = slice_str("content-type:application/json\n");
	struct os_stage *st = NULL;

	assert_int_equal(os_stage_begin(os, bucket, slice_str("bundle"), &st, NULL), RC_OK);
	assert_int_equal(os_stage_write(st, slice_str("bytes"), NULL), RC_OK);
	assert_int_equal(
		os_stage_copy(st, bucket, slice_str("copy"), headers, ret_copy, NULL), RC_REFUSED);
	assert_int_equal(os_stage_finish(st, (struct slice){0}, ret_staged, NULL), RC_OK);
	assert_int_equal(
		os_stage_copy(st, bucket, slice_str("copy"), headers, ret_copy, NULL), RC_OK);
	os_stage_free(st);
}

static void os13_a_copy_of_a_stage_is_a_stage_of_its_own(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct object_id id = id_of("copy", (struct slice){0});
	struct buf staged, copy;
	struct os_object head;
	struct slice body;

	buf_init(&staged, LG_STAGED_MAX);
	buf_init(&copy, LG_STAGED_MAX);
	stage_twice(w->store, &staged, &copy);
	assert_int_equal(count(w->store, "", true), 0);
	assert_int_equal(
		os_discard(w->store, slice_str(CONTRACT_BUCKET), slice_str("bundle"), NULL), RC_OK);
	if (w->crash)
		w->crash(w);
	for (int again = 0; again < 2; again++)
		assert_int_equal(publish(w->store, "copy", &copy), RC_OK);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_ABSENT);
	assert_int_equal(count(w->store, "", true), 1);
	assert_int_equal(get(w->store, &a, id, &body), RC_OK);
	assert_true(slice_eq_str(body, "bytes"));
	assert_int_equal(os_head(w->store, &id, &a, &head, NULL), RC_OK);
	assert_non_null(strstr(arena_strdup(&a, head.headers), "content-type:application/json\n"));
	buf_release(&staged);
	buf_release(&copy);
	arena_release(&a);
}

static void os13_a_discarded_copy_leaves_the_stage(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct buf staged, copy;
	struct slice body;

	buf_init(&staged, LG_STAGED_MAX);
	buf_init(&copy, LG_STAGED_MAX);
	stage_twice(w->store, &staged, &copy);
	assert_int_equal(
		os_discard(w->store, slice_str(CONTRACT_BUCKET), slice_str("copy"), NULL), RC_OK);
	assert_int_equal(publish(w->store, "copy", &copy), RC_ABSENT);
	assert_int_equal(publish(w->store, "bundle", &staged), RC_OK);
	assert_int_equal(get(w->store, &a, id_of("bundle", (struct slice){0}), &body), RC_OK);
	assert_true(slice_eq_str(body, "bytes"));
	buf_release(&staged);
	buf_release(&copy);
	arena_release(&a);
}

/* Gives up the objects with an odd index: the first of them at begin, the others at their first
 * bytes. */
static enum rc skip_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	enum rc rc = seen_begin(arg, i, info, err);

	if (i != 1)
		return rc;
	((struct seen *)arg)->open = 0;
	return RC_SKIP;
}

static enum rc skip_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	enum rc rc = seen_data(arg, i, bytes, err);

	if (i % 2 == 0)
		return rc;
	((struct seen *)arg)->open = 0;
	return RC_SKIP;
}

static void os16_an_object_that_the_sink_gives_up_stops_no_other(void **state)
{
	static const size_t sizes[] = {1, 5, 3 << 20, 3 << 20, 0, 100000, 7};
	enum { N = sizeof(sizes) / sizeof(sizes[0]) };
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	char keys[N][8];
	struct object_id ids[N];
	struct seen s = {.a = &a};
	struct os_sink sink = {skip_begin, skip_data, seen_end, &s};
	unsigned char *bytes = test_calloc(1, 3 << 20);

	for (size_t i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "skip%zu", i);
		memset(bytes, (int)('a' + i), sizes[i]);
		ids[i] = id_of(keys[i], (struct slice){0});
		put(w->store, &a, CONTRACT_BUCKET, keys[i], slice_of(bytes, sizes[i]), "");
	}
	for (size_t i = 0; i < 8; i++)
		buf_init(&s.body[i], 64u << 20);
	assert_int_equal(os_get_many(w->store, ids, N, &sink, NULL), RC_OK);
	for (size_t i = 0; i < N; i++) {
		assert_int_equal(s.begins[i], 1);
		assert_int_equal(s.ends[i], i % 2 == 0);
		if (i % 2 == 0) {
			assert_int_equal(s.outcome[i], RC_OK);
			memset(bytes, (int)('a' + i), sizes[i]);
			assert_true(slice_eq(buf_slice(&s.body[i]), slice_of(bytes, sizes[i])));
		}
	}
	seen_release(&s);
	test_free(bytes);
	arena_release(&a);
}

/* Deletes every version and delete marker of the key. */
static void remove_all_versions(struct object_store *os, const char *key)
{
	struct os_list_query query = {.bucket = slice_str(CONTRACT_BUCKET),
		.prefix = slice_str(key),
		.max = OS_LIST_MAX,
		.versions = true};
	struct arena a = ARENA_INIT;
	struct os_list_page page;
	enum rc result;

	assert_int_equal(os_list(os, &query, &a, &page, NULL), RC_OK);
	for (size_t i = 0; i < page.n; i++) {
		struct object_id id = id_of(key, page.objects[i].version);

		assert_int_equal(os_delete_many(os, query.bucket, &id, 1, &result, NULL), RC_OK);
		assert_int_equal(result, RC_OK);
	}
	assert_int_equal(os_list(os, &query, &a, &page, NULL), RC_OK);
	assert_int_equal(page.n, 0);
	arena_release(&a);
}

/* A consumer removes the version that it has taken while the bundle's plan is sealed and not yet
 * done. */
static void os18_what_keeps_evidence_publishes_nothing_a_second_time(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct slice body;
	struct buf staged;

	buf_init(&staged, 1 << 20);
	stage(w->store, "evidence", slice_str("once"), &staged);
	assert_int_equal(publish(w->store, "evidence", &staged), RC_OK);
	assert_true(os_keeps_evidence(w->store)); /* each store that is tested here does */
	remove_all_versions(w->store, "evidence");
	assert_int_equal(publish(w->store, "evidence", &staged), RC_OK);
	assert_int_equal(get(w->store, &a, id_of("evidence", (struct slice){0}), &body), RC_ABSENT);
	buf_release(&staged);
	arena_release(&a);
}

int contract_object_store(const struct contract_factory *f)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TEST(os1_put_reads_back_with_its_bytes_and_headers),
		CONTRACT_TEST(os1_a_put_that_fails_shows_nothing),
		CONTRACT_TEST(os1_odd_keys_and_empty_bodies),
		CONTRACT_TEST(os2_get_many_keeps_the_order_and_the_exact_versions),
		CONTRACT_TEST(os2_gone_objects_are_absent_without_begin),
		CONTRACT_TEST(os3_the_sinks_own_error_stops_the_call),
		CONTRACT_TEST(os5_a_stage_is_invisible_until_published),
		CONTRACT_TEST(os5_a_staged_record_survives_a_crash),
		CONTRACT_TEST(os5_a_large_stage),
		CONTRACT_TEST(os6_publishing_again_makes_no_second_version),
		CONTRACT_TEST(os6_publishing_again_after_the_consumer_took_it_shows_nothing),
		CONTRACT_TEST(os7_a_discarded_stage_cannot_be_published),
		CONTRACT_TEST(os8_discard_takes_every_unpublished_stage_and_nothing_else),
		CONTRACT_TEST(os9_list_is_in_byte_order_and_resumes),
		CONTRACT_TEST(os10_deleting_is_per_key_and_repeatable),
		CONTRACT_TEST(os11_earlier_versions_stay_readable),
		CONTRACT_TEST(os11_a_bucket_without_versions_keeps_the_latest),
		CONTRACT_TEST(os12_a_copy_has_the_source_versions_bytes_and_headers),
		CONTRACT_TEST(os12_a_version_can_be_copied_onto_its_own_key),
		CONTRACT_TEST(os12_a_copy_of_nothing_changes_nothing),
		CONTRACT_TEST(os13_a_copy_of_a_stage_is_a_stage_of_its_own),
		CONTRACT_TEST(os13_a_discarded_copy_leaves_the_stage),
		CONTRACT_TEST(os16_an_object_that_the_sink_gives_up_stops_no_other),
		CONTRACT_TEST(os18_what_keeps_evidence_publishes_nothing_a_second_time),
		CONTRACT_TEST(region_of_a_bucket_that_is_there),
	};

	contract_use(f);
	return cmocka_run_group_tests_name(f->name, tests, NULL, NULL);
}
