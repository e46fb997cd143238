/*
 * The runner over ports in memory, on a virtual clock, with a bundler that works while the runner
 * looks and can be told to do wrong: each wrong must fail the run, and nothing else may.
 */
#include "check.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/mem/mem.h"
#include "base/json.h"
#include "verify/key_set.h"
#include "verify/runner.h"

#define LANDING "landing"
#define DISTRIBUTION "distribution"
#define FOREIGN "data/somebody-elses"
#define BUNDLE_MAX (5u << 20) /* three files of 1 MiB and room */

enum wrong {
	RIGHT,
	DROPS_ONE,
	SHIPS_ONE_TWICE,
	DAMAGES_ONE,
	ADDS_ONE,
	SHIPS_AN_EMPTY_BUNDLE, /* too */
	/* with a batch window of three seconds, two seconds after the first */
	SHIPS_ONE_TWICE_LATE,
	ADDS_A_STRAY,         /* that is nobody's */
	DROPS_THE_PREFIX,     /* of the members' names */
	LIES_ABOUT_THE_HASH,
	FORGETS_THE_HASH,
	FORGETS_THE_TYPE,
	SETS_AN_ENCODING,
	SHIPS_A_LINK,
	IGNORES_SECOND_VERSIONS,
	DOES_NOTHING,
	PACKS_NOT,
	SHIPS_WHAT_CLIMBS, /* the malicious key, under a tame name */
	COMES_LATE_TO_ONE, /* the deleted file was read before, and is shipped */
	TAKES_ONE_MORE,    /* than fits, when invoked */
	KEEPS_THE_LIMIT_QUIET,
	SKIPS_THE_FIRST, /* when invoked */
	FAILS_WHEN_INVOKED,
	TIMES_OUT,
	SHARES_A_BUNDLE, /* of files that exceed its limit together */
	MISCOUNTS,       /* in the log, when invoked */
};

struct world {
	struct clock clock;
	atomic_ullong now_ms;
	struct object_store *store;
	enum wrong wrong;
	bool adds_foreign, is_shared;
	struct key_set bundled; /* "key version" */
	unsigned n_bundles;
	uint64_t window_end_ms;
	uint64_t late_ms; /* when the second of SHIPS_ONE_TWICE_LATE is due; 0: not known yet */
	size_t n_deleted; /* versions deleted while a file_not_found ran */
	unsigned n_list_failures; /* to come, once all has arrived */
	bool is_settling;
	struct function function;
	uint64_t server_pid;
	struct scenario scenario;
	struct arena arena;
	struct run_result result;
};

static uint64_t now(struct clock *c)
{
	return atomic_load(&((struct world *)c)->now_ms);
}

static void nap(struct clock *c, uint64_t ms)
{
	atomic_fetch_add(&((struct world *)c)->now_ms, ms);
	usleep(100); /* the uploading threads are real */
}

/* Packing. */

static struct world *the_world; /* for the function, which is handed nothing but itself */

struct packing {
	struct archive *archive;
	struct arena a;
	unsigned char *bytes;
	size_t n, cap;
	unsigned n_members;
};

static void add_member(struct packing *p, const char *name, struct slice body, bool is_link)
{
	struct archive_entry *e = archive_entry_new();

	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, is_link ? AE_IFLNK : AE_IFREG);
	archive_entry_set_perm(e, 0644);
	if (is_link)
		archive_entry_set_symlink(e, "/etc/passwd");
	else
		archive_entry_set_size(e, (la_int64_t)body.n);
	assert_int_equal(archive_write_header(p->archive, e), ARCHIVE_OK);
	if (!is_link && body.n)
		assert_int_equal(archive_write_data(p->archive, body.p, body.n), body.n);
	archive_entry_free(e);
	p->n_members++;
}

struct body {
	struct buf bytes;
	enum rc outcome;
};

static enum rc body_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg, (void)i, (void)info, (void)err;
	return RC_OK;
}

static enum rc body_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct body *b = arg;

	(void)i, (void)err;
	assert_true(buf_add_slice(&b->bytes, bytes));
	return RC_OK;
}

static enum rc body_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct body *b = arg;

	(void)i, (void)why, (void)err;
	b->outcome = outcome;
	return RC_OK;
}

static void pack_object(struct world *w, struct packing *p, const struct os_object *o)
{
	struct object_id id = {slice_str(LANDING), o->key, o->version};
	struct body b = {0};
	struct os_sink sink = {body_begin, body_data, body_end, &b};
	const char *name = memmem(o->key.p, o->key.n, "/../", 4) ? "malicious_file.txt"
								 : arena_strdup(&p->a, o->key);

	if (w->wrong == DROPS_THE_PREFIX)
		name = strrchr(name, '/') + 1;
	buf_init(&b.bytes, BUNDLE_MAX);
	assert_int_equal(os_get_many(w->store, &id, 1, &sink, NULL), RC_OK);
	assert_int_equal(b.outcome, RC_OK);
	if (w->wrong == DAMAGES_ONE && p->n_members == 0)
		b.bytes.p[b.bytes.n / 2] ^= 1;
	add_member(p, name, buf_slice(&b.bytes), w->wrong == SHIPS_A_LINK);
	buf_release(&b.bytes);
	if (w->wrong == ADDS_A_STRAY && p->n_members == 1)
		add_member(p, "data/stray", slice_str("x"), false);
	if (w->wrong == ADDS_ONE)
		add_member(p, arena_printf(&p->a, "%s.extra", name), slice_str("x"), false);
}

static bool takes(struct world *w, struct packing *p, const struct os_object *o)
{
	struct slice id = slice_str(arena_printf(
		&p->a, SLICE_FMT " " SLICE_FMT, SLICE_ARG(o->key), SLICE_ARG(o->version)));

	if (o->is_delete_marker || w->wrong == DOES_NOTHING || slice_eq_str(o->key, FOREIGN) ||
		slice_has_prefix(o->key, slice_str("direct-invoke-tests/")))
		return false;
	if (memmem(o->key.p, o->key.n, "/../", 4) && w->wrong != SHIPS_WHAT_CLIMBS)
		return false;
	if (w->wrong == IGNORES_SECOND_VERSIONS)
		id = o->key;
	if (w->wrong == DROPS_ONE && memmem(o->key.p, o->key.n, "0002", 4))
		return false;
	return key_set_add(&w->bundled, id);
}

struct text {
	struct slice left;
};

static enum rc text_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct text *t = arg;

	(void)err;
	*ret_n = t->left.n < max ? t->left.n : max;
	memcpy(out, t->left.p, *ret_n);
	t->left = slice_of(t->left.p + *ret_n, t->left.n - *ret_n);
	return RC_OK;
}

static void put_bundle(struct world *w, struct packing *p)
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1], *key, *headers;
	struct text t = {slice_of(p->bytes, p->n)};
	struct os_source source = {.read = text_read, .arg = &t};
	struct os_object info;

	sha256(t.left, hash);
	hash[0] ^= w->wrong == LIES_ABOUT_THE_HASH;
	hex_encode(hash, sizeof(hash), hex);
	key = arena_printf(&p->a, "2026/01/01/00/bundle-%u.tar.gz", ++w->n_bundles);
	headers = arena_printf(&p->a, "content-type:%s\n%sx-amz-meta-%s:%s\n",
		w->wrong == FORGETS_THE_TYPE ? "binary/octet-stream" : "application/gzip",
		w->wrong == SETS_AN_ENCODING ? "content-encoding:gzip\n" : "",
		w->wrong == FORGETS_THE_HASH ? "sha256" : "content-sha256", hex);
	assert_int_equal(os_put(w->store, slice_str(DISTRIBUTION), slice_str(key),
				 slice_str(headers), p->n, &source, &p->a, &info, NULL),
		RC_OK);
}

static struct slice kept; /* a bundle's bytes */

static void keep_for_later(struct world *w, const struct packing *p)
{
	if (w->late_ms)
		return;
	w->late_ms = atomic_load(&w->now_ms) + 2000;
	kept = arena_slice(&w->arena, slice_of(p->bytes, p->n));
}

static void put_kept(struct world *w)
{
	struct packing p = {.bytes = (unsigned char *)kept.p, .n = kept.n};

	if (!kept.n || atomic_load(&w->now_ms) < w->late_ms)
		return;
	put_bundle(w, &p);
	kept.n = 0;
	arena_release(&p.a);
}

static void packing_open(struct world *w, struct packing *p)
{
	*p = (struct packing){.archive = archive_write_new(), .cap = BUNDLE_MAX};
	p->bytes = test_malloc(p->cap);
	archive_write_set_format_pax(p->archive);
	archive_write_add_filter_gzip(p->archive);
	/* Random bytes stay as they are: quicker. */
	archive_write_set_filter_option(p->archive, "gzip", "compression-level",
		w->wrong == PACKS_NOT || w->scenario.generator == GENERATOR_RANDOM ? "0" : "1");
	assert_int_equal(
		archive_write_open_memory(p->archive, p->bytes, p->cap, &p->n), ARCHIVE_OK);
}

static void packing_close(struct world *w, struct packing *p)
{
	if (p->n_members && w->adds_foreign)
		add_member(p, FOREIGN, slice_str("x"), false);
	archive_write_close(p->archive);
	if (p->n_members || (w->wrong == SHIPS_AN_EMPTY_BUNDLE && w->n_bundles))
		put_bundle(w, p);
	if (p->n_members && w->wrong == SHIPS_ONE_TWICE)
		put_bundle(w, p);
	if (p->n_members && w->wrong == SHIPS_ONE_TWICE_LATE)
		keep_for_later(w, p);
	archive_write_free(p->archive);
	test_free(p->bytes);
	arena_release(&p->a);
}

static bool has_own_bundles(const struct world *w)
{
	return w->scenario.type == SCENARIO_PARTIAL_BATCH_FAILURE && w->wrong != SHARES_A_BUNDLE;
}

static void bundle_all(struct world *w)
{
	struct os_list_query q = {
		.bucket = slice_str(LANDING), .max = OS_LIST_MAX, .versions = true};
	struct arena a = ARENA_INIT;
	struct os_list_page page;
	struct packing p;

	assert_int_equal(os_list(w->store, &q, &a, &page, NULL), RC_OK);
	packing_open(w, &p);
	for (size_t i = 0; i < page.n; i++) {
		if (!takes(w, &p, &page.objects[i]))
			continue;
		pack_object(w, &p, &page.objects[i]);
		if (has_own_bundles(w)) {
			packing_close(w, &p);
			packing_open(w, &p);
		}
	}
	packing_close(w, &p);
	arena_release(&a);
}

/* Being invoked. */

static size_t n_invoked(const struct world *w, size_t n)
{
	size_t fit = (size_t)(w->scenario.bundle_limit / (w->scenario.size_mb << 20));

	fit += w->wrong == TAKES_ONE_MORE;
	return fit < n ? fit : n;
}

static enum rc answer_failure(struct world *w, struct fn_answer *ret_answer)
{
	*ret_answer = (struct fn_answer){.is_error = true,
		.payload = slice_str(w->wrong == TIMES_OUT
					     ? "{\"errorMessage\":\"Task timed out after 3.00 s\"}"
					     : "{\"errorMessage\":\"no such table\"}")};
	return RC_OK;
}

static void pack_records(struct world *w, const json_t *records, size_t n)
{
	struct packing p;

	packing_open(w, &p);
	for (size_t i = w->wrong == SKIPS_THE_FIRST; i < n; i++) {
		const json_t *o = json_object_get(
			json_object_get(json_array_get(records, i), "s3"), "object");
		struct os_object object = {.key = json_member_str(o, "key"),
			.version = json_member_str(o, "versionId")};

		assert_int_equal(
			json_integer_value(json_object_get(o, "size")), w->scenario.size_mb << 20);
		assert_int_equal(json_member_str(o, "eTag").n, 32);
		pack_object(w, &p, &object);
	}
	packing_close(w, &p);
}

static enum rc invoked(struct function *fn, const struct fn_call *call, struct arena *a,
	struct fn_answer *ret_answer, struct err *err)
{
	struct world *w = the_world;
	const json_t *records;
	json_t *root = NULL;
	size_t n, fit;

	(void)fn, (void)a, (void)err;
	assert_true(call->wants_log && call->timeout_ms == 5000);
	assert_true(slice_eq_str(call->name, "processor"));
	if (w->wrong == FAILS_WHEN_INVOKED || w->wrong == TIMES_OUT)
		return answer_failure(w, ret_answer);
	assert_int_equal(json_parse(call->payload, 1 << 20, &root, NULL), RC_OK);
	assert_true(json_is_true(json_object_get(root, "e2e_test_direct_invoke")));
	records = json_object_get(root, "records");
	n = json_array_size(records);
	fit = n_invoked(w, n);
	pack_records(w, records, fit);
	json_decref(root);
	*ret_answer = (struct fn_answer){.payload = slice_str("{}"),
		.log = slice_str(arena_printf(&w->arena, "%s{\"processed_records\":%zu}\n",
			fit < n && w->wrong != KEEPS_THE_LIMIT_QUIET
				? "{\"message\":\"Predicted disk usage exceeds limit\"}\n"
				: "",
			fit + (w->wrong == MISCOUNTS ? 10 : 0)))};
	return RC_OK;
}

static const struct function_ops function_ops = {.invoke = invoked};

static void put_victim_back(struct world *w);

static bool is_window_over(struct world *w)
{
	uint64_t now_ms = atomic_load(&w->now_ms);

	if (w->window_end_ms == 0)
		w->window_end_ms = now_ms + (w->wrong == SHIPS_ONE_TWICE_LATE ? 3000 : 0);
	return now_ms >= w->window_end_ms;
}

static void on_progress(void *arg, const struct run_progress *progress)
{
	struct world *w = arg;

	w->is_settling = false; /* the bundler's own looks do not fail */
	/* One that was quicker than the deletion. */
	if (progress->phase == RUN_WAITING && w->wrong == COMES_LATE_TO_ONE)
		put_victim_back(w);
	if ((progress->phase == RUN_WAITING || progress->phase == RUN_SETTLING) &&
		is_window_over(w))
		bundle_all(w);
	if (w->wrong == SHIPS_ONE_TWICE_LATE)
		put_kept(w);
	w->is_settling = progress->phase == RUN_SETTLING;
}

static const struct object_store_ops *plain_ops; /* of the_world's store */

static enum rc list_or_fail(struct object_store *os, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	if (!the_world->is_settling || !the_world->n_list_failures)
		return plain_ops->list(os, query, a, ret_page, err);
	the_world->n_list_failures--;
	return err_set(err, RC_AGAIN, "nobody answers");
}

/* The bytes that were deleted, made again: the same key and size give the same. */
static enum rc victim_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	(void)err;
	*ret_n = generator_read(arg, out, max);
	return RC_OK;
}

static void put_victim_back(struct world *w)
{
	struct os_list_query q = {.bucket = slice_str(LANDING), .max = 1};
	struct generator g;
	struct os_source source = {.read = victim_read, .arg = &g};
	struct os_list_page page;
	struct os_object info;
	struct slice key;

	if (w->n_deleted++)
		return;
	assert_int_equal(os_list(w->store, &q, &w->arena, &page, NULL), RC_OK);
	assert_int_equal(page.n, 1);
	key = slice_str(arena_printf(&w->arena, "%.*s/source_file_0002.bin",
		(int)strlen("data/e2e-test-00000000"), (const char *)page.objects[0].key.p));
	generator_init(&g, GENERATOR_RANDOM, key, w->scenario.size_mb << 20);
	assert_int_equal(os_put(w->store, q.bucket, key, (struct slice){0},
				 w->scenario.size_mb << 20, &source, &w->arena, &info, NULL),
		RC_OK);
}

/* Running. */

static int open_world(void **state)
{
	static char landing[] = LANDING, distribution[] = DISTRIBUTION, function[] = "processor";
	struct world *w = test_calloc(1, sizeof(*w));

	w->clock = (struct clock){now, now, nap};
	atomic_store(&w->now_ms, 1700000000000u);
	w->store = mem_object_store_new(&w->clock);
	mem_object_store_add_bucket(w->store, LANDING, true);
	mem_object_store_add_bucket(w->store, DISTRIBUTION, true);
	w->scenario = (struct scenario){.landing_bucket = landing,
		.distribution_bucket = distribution,
		.num_files = 3,
		.size_mb = 1,
		.concurrency = 2,
		.timeout_s = 5,
		.lambda_function_name = function,
		.bundle_limit = SCENARIO_BUNDLE_LIMIT};
	w->function.ops = &function_ops;
	the_world = w;
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	os_close(w->store);
	key_set_release(&w->bundled);
	arena_release(&w->arena);
	test_free(w);
	return 0;
}

static enum rc run(struct world *w, bool keep_files, struct err *err)
{
	struct run_options o = {.landing = w->store,
		.distribution = w->store,
		.function = &w->function,
		.region = "us-east-1",
		.server_pid = w->server_pid,
		.clock = &w->clock,
		.scenario = &w->scenario,
		.keep_files = keep_files,
		.is_shared = w->is_shared,
		.progress = on_progress,
		.arg = w};

	return runner_run(&o, &w->arena, &w->result, err);
}

static size_t count(struct world *w, const char *bucket, bool versions)
{
	struct os_list_query q = {
		.bucket = slice_str(bucket), .max = OS_LIST_MAX, .versions = versions};
	struct os_list_page page;

	assert_int_equal(os_list(w->store, &q, &w->arena, &page, NULL), RC_OK);
	return page.n;
}

static void assert_says(const struct world *w, const char *word)
{
	assert_false(w->result.is_passed);
	for (size_t i = 0; i < w->result.n_texts; i++)
		if (strstr(w->result.texts[i], word))
			return;
	fail_msg("nothing says '%s', but '%s'", word,
		w->result.n_texts ? w->result.texts[0] : "nothing");
}

static void a_right_run_passes_and_removes_what_it_put_in(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, false, NULL), RC_OK);
	if (!w->result.is_passed)
		fail_msg("%s", w->result.texts[0]);
	assert_int_equal(w->result.tally.n_found, 3);
	assert_int_equal(w->result.source_bytes, 3 << 20);
	assert_int_equal(count(w, LANDING, true), 0);
	assert_int_equal(count(w, DISTRIBUTION, false), 0);
}

/* What is too much would be seen then, and only then. */
static void a_last_look_that_fails_is_no_pass(void **state)
{
	struct world *w = *state;
	struct object_store_ops failing = *w->store->ops;

	plain_ops = w->store->ops;
	failing.list = list_or_fail;
	w->store->ops = &failing;
	w->n_list_failures = RUNNER_LAST_LOOKS - 1;
	assert_int_equal(run(w, false, NULL), RC_OK);
	if (!w->result.is_passed)
		fail_msg("%s", w->result.texts[0]);
	w->n_list_failures = RUNNER_LAST_LOOKS;
	w->is_settling = false;
	assert_int_equal(run(w, false, NULL), RC_OK);
	w->store->ops = plain_ops;
	assert_says(w, "the last look failed: nobody answers");
}

static void keep_files_keeps_both(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, true, NULL), RC_OK);
	assert_true(w->result.is_passed);
	assert_int_equal(count(w, LANDING, false), 3);
	assert_int_equal(count(w, DISTRIBUTION, false), w->n_bundles);
}

static void each_wrong_fails_the_run(void **state)
{
	static const struct {
		enum wrong wrong;
		const char *says;
	} wrongs[] = {
		{DROPS_ONE, "source_file_0002.bin"},
		{SHIPS_ONE_TWICE, "duplicate"},
		{DAMAGES_ONE, "damaged"},
		{ADDS_ONE, "extra"},
		{SHIPS_ONE_TWICE_LATE, "duplicate"},
		{ADDS_A_STRAY, "extra: 'data/stray'"},
		{DROPS_THE_PREFIX, "has the bytes of"},
		{DROPS_THE_PREFIX, "missing"},
		{SHIPS_AN_EMPTY_BUNDLE, "empty: bundle"},
		{LIES_ABOUT_THE_HASH, "content-sha256"},
		{FORGETS_THE_HASH, "no metadata content-sha256"},
		{FORGETS_THE_TYPE, "Content-Type"},
		{SETS_AN_ENCODING, "Content-Encoding"},
		{SHIPS_A_LINK, "not a regular file"},
		{DOES_NOTHING, "within 5 s"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		void *fresh;
		struct world *w;

		open_world(&fresh);
		w = fresh;
		w->wrong = wrongs[i].wrong;
		assert_int_equal(run(w, false, NULL), RC_OK);
		assert_says(w, wrongs[i].says);
		assert_int_equal(count(w, LANDING, false), 3); /* left for inspection */
		close_world(&fresh);
	}
}

static void idempotency_wants_two_bundles(void **state)
{
	struct world *w = *state;

	w->scenario.type = SCENARIO_IDEMPOTENCY_CHECK;
	w->scenario.num_files = 1;
	assert_int_equal(run(w, false, NULL), RC_OK);
	if (!w->result.is_passed)
		fail_msg("%s", w->result.texts[0]);
	assert_int_equal(w->result.tally.n_bundles, 2);
	assert_int_equal(count(w, LANDING, true), 0);
}

static void idempotency_fails_when_an_overwrite_is_not_shipped(void **state)
{
	struct world *w = *state;

	w->scenario.type = SCENARIO_IDEMPOTENCY_CHECK;
	w->scenario.num_files = 1;
	w->wrong = IGNORES_SECOND_VERSIONS;
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_says(w, "missing");
}

/* The first version's bundle under a second key is not the second version's. */
static void idempotency_fails_on_a_bundle_shipped_twice(void **state)
{
	static const enum wrong wrongs[] = {SHIPS_ONE_TWICE, SHIPS_ONE_TWICE_LATE};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		void *fresh;
		struct world *w;

		open_world(&fresh);
		w = fresh;
		w->scenario.type = SCENARIO_IDEMPOTENCY_CHECK;
		w->scenario.num_files = 1;
		w->wrong = wrongs[i];
		assert_int_equal(run(w, false, NULL), RC_OK);
		assert_says(w, "duplicate");
		close_world(&fresh);
	}
}

/* contract.md: runs in quick succession never see each other's bundles, also when each leaves its
 * files behind. */
static void runs_in_succession_do_not_disturb_each_other(void **state)
{
	struct world *w = *state;

	w->scenario.type = SCENARIO_IDEMPOTENCY_CHECK;
	w->scenario.num_files = 1;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(run(w, true, NULL), RC_OK);
		if (!w->result.is_passed)
			fail_msg("run %d: %s", i, w->result.texts[0]);
	}
	assert_int_equal(count(w, DISTRIBUTION, false), 2); /* the last one's */
}

static void put_foreign(struct world *w)
{
	struct text t = {slice_str("x")};
	struct os_source source = {.read = text_read, .arg = &t};
	struct os_object info;

	assert_int_equal(os_put(w->store, slice_str(LANDING), slice_str(FOREIGN), (struct slice){0},
				 1, &source, &w->arena, &info, NULL),
		RC_OK);
}

static void other_producers_files_are_left_alone(void **state)
{
	struct world *w = *state;

	w->adds_foreign = true;
	put_foreign(w);
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_true(w->result.is_passed);
	assert_int_equal(count(w, LANDING, true), 1);
	assert_int_equal(
		count(w, DISTRIBUTION, false), w->n_bundles); /* somebody's files are in it */
}

/* What is never put in is an extra one, unless the caller knows of other landing buckets. */
static void what_nobody_put_in_is_extra(void **state)
{
	struct world *w = *state;

	w->adds_foreign = true;
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_says(w, "extra: 'data/somebody-elses' in");
	w->is_shared = true;
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_true(w->result.is_passed);
}

/* A bundle is judged by its headers also when others' files are in it. */
static void a_mixed_bundle_is_judged_too(void **state)
{
	struct world *w = *state;

	w->adds_foreign = true;
	put_foreign(w);
	w->wrong = FORGETS_THE_TYPE;
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_says(w, "Content-Type");
	w->wrong = PACKS_NOT;
	w->scenario.generator = GENERATOR_COMPRESSIBLE;
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_says(w, "hardly smaller");
}

static void compressible_files_must_come_out_small(void **state)
{
	struct world *w = *state;

	w->scenario.generator = GENERATOR_COMPRESSIBLE;
	assert_int_equal(run(w, true, NULL), RC_OK);
	assert_true(w->result.is_passed);
	w->wrong = PACKS_NOT;
	assert_int_equal(run(w, true, NULL), RC_OK);
	assert_says(w, "hardly smaller");
}

/* 240 s: an s3_trigger run leaves younger bundles to their consumer. */
static void stale_bundles_are_deleted_and_young_ones_are_not(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, true, NULL), RC_OK);
	assert_int_equal(run(w, true, NULL), RC_OK);
	assert_int_equal(w->result.n_stale, 0);
	nap(&w->clock, RUNNER_STALE_MS + 1000);
	assert_int_equal(run(w, true, NULL), RC_OK);
	assert_true(w->result.n_stale >= 2);
	assert_int_equal(count(w, DISTRIBUTION, false), w->n_bundles - w->result.n_stale);
}

/* contract.md: "a paginated listing, deletes in chunks of 1,000". */
static void more_bundles_than_a_page_are_all_deleted_first(void **state)
{
	struct world *w = *state;
	struct os_source source = {.read = text_read};
	struct os_object info;

	for (unsigned i = 0; i < 2 * OS_LIST_MAX + 1; i++) {
		struct text t = {slice_str("x")};
		char key[64];

		snprintf(key, sizeof(key), "2025/01/01/00/bundle-%u.tar.gz", i);
		source.arg = &t;
		assert_int_equal(os_put(w->store, slice_str(DISTRIBUTION), slice_str(key),
					 (struct slice){0}, 1, &source, &w->arena, &info, NULL),
			RC_OK);
	}
	w->scenario.type = SCENARIO_IDEMPOTENCY_CHECK;
	w->scenario.num_files = 1;
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_true(w->result.is_passed);
	assert_int_equal(w->result.n_stale, 2 * OS_LIST_MAX + 1);
	assert_int_equal(count(w, DISTRIBUTION, false), 0);
}

static void a_bucket_that_is_not_there_cannot_be_set_up(void **state)
{
	static char nowhere[] = "nowhere", landing[] = LANDING;
	struct world *w = *state;
	struct err err = {0};

	w->scenario.distribution_bucket = nowhere;
	assert_int_equal(run(w, false, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "nowhere"));
	w->scenario.distribution_bucket = landing;
	w->scenario.landing_bucket = nowhere;
	assert_int_equal(run(w, false, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "landing bucket 'nowhere'"));
}

/* The types of scenarios 06 and 09 to 12: what each passes with, and what each must fail on. */

static void set_type(struct world *w, enum scenario_type type)
{
	w->scenario.type = type;
	w->scenario.num_files = type == SCENARIO_KEY_SANITIZATION ? 2 : 4;
	w->scenario.concurrency = 1;
	/* Three files fit; in the last type one. */
	w->scenario.bundle_limit = (type == SCENARIO_PARTIAL_BATCH_FAILURE ? 1u : 3u) << 20;
}

static void each_type_passes(void **state)
{
	static const struct {
		enum scenario_type type;
		size_t n_files, n_found, n_bundles;
	} rows[] = {
		{SCENARIO_DIRECT_INVOKE, 3, 3, 1},
		{SCENARIO_MEMORY_PRESSURE, 4, 3, 1},
		{SCENARIO_FILE_NOT_FOUND, 4, 4, 2}, /* three and the marker */
		{SCENARIO_KEY_SANITIZATION, 2, 2, 2},
		{SCENARIO_PARTIAL_BATCH_FAILURE, 4, 4, 4},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *fresh;
		struct world *w;

		open_world(&fresh);
		w = fresh;
		set_type(w, rows[i].type);
		assert_int_equal(run(w, false, NULL), RC_OK);
		if (!w->result.is_passed)
			fail_msg("%s: %s", scenario_type_name(rows[i].type), w->result.texts[0]);
		assert_int_equal(w->result.n_files, rows[i].n_files);
		assert_int_equal(w->result.tally.n_found, rows[i].n_found);
		assert_int_equal(w->result.tally.n_bundles, rows[i].n_bundles);
		assert_int_equal(count(w, LANDING, true), 0);
		assert_int_equal(count(w, DISTRIBUTION, true), 0);
		close_world(&fresh);
	}
}

static void each_type_fails_on_its_own_wrong(void **state)
{
	static const struct {
		enum scenario_type type;
		enum wrong wrong;
		const char *says;
	} rows[] = {
		{SCENARIO_DIRECT_INVOKE, TAKES_ONE_MORE, "unwanted"},
		{SCENARIO_DIRECT_INVOKE, SKIPS_THE_FIRST, "missing"},
		{SCENARIO_DIRECT_INVOKE, KEEPS_THE_LIMIT_QUIET,
			"does not say 'Predicted disk usage exceeds limit'"},
		{SCENARIO_DIRECT_INVOKE, FAILS_WHEN_INVOKED, "no such table"},
		{SCENARIO_DIRECT_INVOKE, TIMES_OUT, "timed out"},
		{SCENARIO_MEMORY_PRESSURE, DAMAGES_ONE, "damaged"},
		{SCENARIO_MEMORY_PRESSURE, SKIPS_THE_FIRST, "order"},
		{SCENARIO_MEMORY_PRESSURE, FAILS_WHEN_INVOKED, "no such table"},
		{SCENARIO_FILE_NOT_FOUND, COMES_LATE_TO_ONE, "unwanted"},
		{SCENARIO_FILE_NOT_FOUND, DROPS_ONE, "missing"},
		{SCENARIO_KEY_SANITIZATION, SHIPS_WHAT_CLIMBS, "as 'malicious_file.txt'"},
		{SCENARIO_DIRECT_INVOKE, MISCOUNTS, "says \"processed_records\":13, but 3 arrived"},
		{SCENARIO_MEMORY_PRESSURE, MISCOUNTS, "says \"processed_records\":13, but 3"},
		{SCENARIO_PARTIAL_BATCH_FAILURE, SHARES_A_BUNDLE, "1 bundles for what needs 4"},
		{SCENARIO_PARTIAL_BATCH_FAILURE, SHARES_A_BUNDLE, "more than 1 MiB"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *fresh;
		struct world *w;

		open_world(&fresh);
		w = fresh;
		set_type(w, rows[i].type);
		w->wrong = rows[i].wrong;
		if (rows[i].wrong == COMES_LATE_TO_ONE)
			w->scenario.num_files = 3; /* 0002 is the victim */
		assert_int_equal(run(w, false, NULL), RC_OK);
		assert_says(w, rows[i].says);
		close_world(&fresh);
	}
}

/* "The invocation completes or stops at its limit". */
static void an_invocation_that_timed_out_is_no_memory_failure(void **state)
{
	struct world *w = *state;

	set_type(w, SCENARIO_MEMORY_PRESSURE);
	w->wrong = TIMES_OUT;
	assert_int_equal(run(w, false, NULL), RC_OK);
	if (!w->result.is_passed)
		fail_msg("%s", w->result.texts[0]);
}

static void all_fitting_is_not_asked_for_the_words(void **state)
{
	struct world *w = *state;

	set_type(w, SCENARIO_DIRECT_INVOKE);
	w->scenario.bundle_limit = 4u << 20;
	assert_int_equal(run(w, false, NULL), RC_OK);
	if (!w->result.is_passed)
		fail_msg("%s", w->result.texts[0]);
	assert_int_equal(w->result.tally.n_found, 4);
}

static void the_servers_memory_is_told_and_judged(void **state)
{
	struct world *w = *state;
	unsigned char *much = test_malloc(RUNNER_MEMORY_MAX);
	struct err err = {0};

	w->server_pid = (uint64_t)getpid();
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_true(w->result.is_passed && w->result.peak_bytes > 1 << 20);
	memset(much, 1, RUNNER_MEMORY_MAX);
	set_type(w, SCENARIO_MEMORY_PRESSURE);
	assert_int_equal(run(w, false, NULL), RC_OK);
	assert_says(w, "the server's memory reached");
	test_free(much);
	w->server_pid = 1u << 30;
	assert_int_equal(run(w, false, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "memory of process 1073741824"));
}

#define IN_WORLD(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_right_run_passes_and_removes_what_it_put_in),
		IN_WORLD(keep_files_keeps_both),
		IN_WORLD(a_last_look_that_fails_is_no_pass),
		cmocka_unit_test(each_wrong_fails_the_run),
		IN_WORLD(idempotency_wants_two_bundles),
		IN_WORLD(idempotency_fails_when_an_overwrite_is_not_shipped),
		cmocka_unit_test(idempotency_fails_on_a_bundle_shipped_twice),
		IN_WORLD(runs_in_succession_do_not_disturb_each_other),
		IN_WORLD(other_producers_files_are_left_alone),
		IN_WORLD(what_nobody_put_in_is_extra),
		IN_WORLD(a_mixed_bundle_is_judged_too),
		IN_WORLD(compressible_files_must_come_out_small),
		IN_WORLD(stale_bundles_are_deleted_and_young_ones_are_not),
		cmocka_unit_test(each_type_passes),
		cmocka_unit_test(each_type_fails_on_its_own_wrong),
		IN_WORLD(an_invocation_that_timed_out_is_no_memory_failure),
		IN_WORLD(all_fitting_is_not_asked_for_the_words),
		IN_WORLD(the_servers_memory_is_told_and_judged),
		IN_WORLD(more_bundles_than_a_page_are_all_deleted_first),
		IN_WORLD(a_bucket_that_is_not_there_cannot_be_set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
