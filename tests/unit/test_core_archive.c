/* The archive: the manifest to the byte, the order of publishing, what is done when the archive or
 * the bundle is denied. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/json.h"
#include "core/direct.h"
#include "core/manifest.h"
#include "core/publish.h"
#include "core/staged.h"
#include "fault.h"
#include "model/object_headers.h"
#include "obs/log.h"
#include "world.h"

struct fixture {
	struct world w;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct pipeline *p;
	const char *verb;
	enum fault_action action;
	int skip, n; /* of the verb's calls: the first skip pass, n meet the action */
};

static enum fault_action decide(void *arg, const char *verb)
{
	struct fixture *f = arg;

	if (!f->verb || strcmp(verb, f->verb) != 0)
		return FAULT_PASS;
	if (f->skip-- > 0)
		return FAULT_PASS;
	return f->n-- > 0 ? f->action : FAULT_PASS;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	world_open(&f->w, 1);
	f->prng = prng_seeded(9);
	f->fault = (struct fault){.decide = decide, .arg = f};
	f->cfg = world_config(&f->w, &f->prng);
	f->cfg.ports.landing = fault_object_store_new(f->w.store, &f->fault);
	f->cfg.ports.distribution = f->cfg.ports.landing;
	f->cfg.sole_owner = true;
	f->p = pipeline_new(&f->cfg);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pipeline_free(f->p);
	fault_release(&f->fault);
	os_close(f->cfg.ports.landing);
	world_close(&f->w);
	free(f);
	return 0;
}

static void restart(struct fixture *f)
{
	pipeline_free(f->p);
	f->fault.dead = false;
	f->p = pipeline_new(&f->cfg);
}

static bool is_there(struct fixture *f, const char *bucket, struct slice key)
{
	struct object_id id = {slice_str(bucket), key, {0}};
	struct os_object info;

	return os_head(f->w.store, &id, &f->w.arena, &info, NULL) == RC_OK;
}

static struct slice read_object(struct fixture *f, const char *bucket, struct slice key)
{
	struct object_id id = {slice_str(bucket), key, {0}};

	return world_read(&f->w, &id, NULL);
}

static struct slice gunzip(struct fixture *f, struct slice gz)
{
	size_t room = 16 << 20;
	unsigned char *tar = arena_alloc(&f->w.arena, room);
	z_stream z = {0};

	assert_int_equal(inflateInit2(&z, 15 + 32), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)gz.p;
	z.avail_in = (unsigned)gz.n;
	z.next_out = tar;
	z.avail_out = (unsigned)room;
	while (inflate(&z, Z_NO_FLUSH) != Z_STREAM_END || z.avail_in) {
		assert_int_not_equal(z.avail_out, 0);
		if (z.avail_in) /* gzip members one after the other */
			assert_int_equal(inflateReset(&z), Z_OK);
	}
	inflateEnd(&z);
	return slice_of(tar, room - z.avail_out);
}

/* A long name has a pax header in front of it, and its data lie further back. */
static void the_offsets_lead_to_the_bytes(void **state)
{
	struct fixture *f = *state;
	char key[400] = "data/";
	struct slice tar, text;
	json_t *root, *m;
	size_t i;

	memset(key + 5, 'n', 300);
	world_announce(&f->w, world_put(&f->w, "data/a", 700));
	world_announce(&f->w, world_put(&f->w, key, 5000));
	world_announce(&f->w, world_put(&f->w, "data/e \"q\"", 0));
	world_announce(&f->w, world_put(&f->w, "data/z", 512));
	assert_true(world_run(&f->w, f->p, 500));
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	tar = gunzip(f, read_object(f, WORLD_ARCHIVE, f->w.bundles[0].key));
	text = read_object(f, WORLD_ARCHIVE, manifest_key(&f->w.arena, f->w.bundles[0].key));
	assert_int_equal(json_parse(text, 1 << 20, &root, NULL), RC_OK);
	assert_int_equal(json_array_size(json_object_get(root, "members")), 4);
	json_array_foreach(json_object_get(root, "members"), i, m)
	{
		size_t at = (size_t)json_integer_value(json_object_get(m, "offset"));
		struct slice body = f->w.objects[i].body;

		assert_slice_is(json_member_str(m, "key"),
			arena_strdup(&f->w.arena, f->w.objects[i].id.key));
		assert_true(at % 512 == 0 && at + body.n <= tar.n);
		assert_true(slice_eq(slice_of(tar.p + at, body.n), body));
	}
	json_decref(root);
}

static void many_members_are_written_in_pieces(void **state)
{
	struct fixture *f = *state;
	struct slice text;
	json_t *root;
	char key[64];

	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "data/%d", i);
		world_announce(&f->w, world_put(&f->w, key, 1));
	}
	assert_true(world_run(&f->w, f->p, 500));
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	text = read_object(f, WORLD_ARCHIVE, manifest_key(&f->w.arena, f->w.bundles[0].key));
	assert_true(text.n > 4 * MANIFEST_PIECE_BYTES);
	assert_int_equal(json_parse(text, text.n, &root, NULL), RC_OK);
	assert_int_equal(json_array_size(json_object_get(root, "members")), 3000);
	json_decref(root);
}

static bool says_direct(struct fixture *f, const char *bucket, struct slice key)
{
	struct object_id id = {slice_str(bucket), key, {0}};
	struct os_object info;

	assert_int_equal(os_head(f->w.store, &id, &f->w.arena, &info, NULL), RC_OK);
	return slice_eq_str(
		object_headers_get(info.headers, "x-amz-meta-baler-origin"), "direct-invocation");
}

/* The ledger has no plan of a direct invocation's bundle: it must say so itself, and no other
 * may. */
static void what_a_direct_invocation_made_says_so(void **state)
{
	struct fixture *f = *state;
	struct s3_event_record record = {0};
	atomic_bool stopping = false;
	struct direct_job job = {.cfg = &f->cfg, .records = &record, .n = 1, .stopping = &stopping};
	struct direct_result made;
	size_t at = world_put(&f->w, "data/a", 10);
	struct slice key, manifest;
	json_t *root;

	record.object = f->w.objects[at].id;
	assert_int_equal(direct_run(&job, &made, NULL), RC_OK);
	key = slice_str(made.key);
	manifest = manifest_key(&f->w.arena, key);
	assert_true(says_direct(f, WORLD_DISTRIBUTION, key));
	assert_true(says_direct(f, WORLD_ARCHIVE, key));
	assert_true(says_direct(f, WORLD_ARCHIVE, manifest));
	assert_int_equal(
		json_parse(read_object(f, WORLD_ARCHIVE, manifest), 1 << 20, &root, NULL), RC_OK);
	assert_true(json_is_true(json_object_get(root, "direct")));
	json_decref(root);

	world_announce(&f->w, world_put(&f->w, "data/b", 10));
	assert_true(world_run(&f->w, f->p, 500));
	world_harvest(&f->w);
	key = f->w.bundles[slice_eq_str(f->w.bundles[0].key, made.key)].key;
	manifest = manifest_key(&f->w.arena, key);
	assert_false(says_direct(f, WORLD_DISTRIBUTION, key));
	assert_false(says_direct(f, WORLD_ARCHIVE, manifest));
	assert_int_equal(
		json_parse(read_object(f, WORLD_ARCHIVE, manifest), 1 << 20, &root, NULL), RC_OK);
	assert_null(json_object_get(root, "direct"));
	json_decref(root);
}

static void without_an_archive_bucket_there_is_none(void **state)
{
	struct fixture *f = *state;

	f->cfg.archive_bucket = NULL;
	restart(f);
	world_announce(&f->w, world_put(&f->w, "data/a", 10));
	assert_true(world_run(&f->w, f->p, 500));
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	assert_false(is_there(f, WORLD_ARCHIVE, f->w.bundles[0].key));
}

/* Dies after each of the three publishes: what is visible then, and that the next process finishes
 * it. */
static void a_death_between_the_publishes_is_finished(void **state)
{
	for (int published = 0; published < 3; published++) {
		struct fixture *f;
		struct lg_plan plan;
		bool discarded;

		setup(state);
		f = *state;
		f->verb = "publish";
		f->action = FAULT_CRASH_AFTER;
		f->skip = published;
		f->n = 1;
		world_announce(&f->w, world_put(&f->w, "data/a", 10));
		while (pipeline_step(f->p, NULL) != PIPELINE_FATAL)
			;
		assert_true(mem_ledger_plan(f->w.ledger, 0, &plan, &discarded));
		assert_int_equal(plan.state, PLAN_SEALED);
		assert_true(is_there(f, WORLD_ARCHIVE, plan.key));
		assert_int_equal(is_there(f, WORLD_ARCHIVE, manifest_key(&f->w.arena, plan.key)),
			published >= 1);
		assert_int_equal(is_there(f, WORLD_DISTRIBUTION, plan.key), published == 2);
		restart(f);
		assert_true(world_run(&f->w, f->p, 500));
		world_harvest(&f->w);
		assert_int_equal(f->w.n_bundles, 1);
		assert_int_equal(world_times_shipped(&f->w, 0), 1);
		assert_true(is_there(f, WORLD_ARCHIVE, manifest_key(&f->w.arena, plan.key)));
		assert_int_equal(mem_object_store_n_stages(f->w.store), 0);
		teardown(state);
	}
}

/* Seals a bundle and dies; then the store loses the stage under that bucket. */
static struct lg_plan sealed_and_lost(struct fixture *f, const char *bucket)
{
	struct lg_plan plan;
	bool discarded;

	f->verb = "publish";
	f->action = FAULT_CRASH_BEFORE;
	f->n = 1;
	world_announce(&f->w, world_put(&f->w, "data/a", 10));
	while (pipeline_step(f->p, NULL) != PIPELINE_FATAL)
		;
	assert_true(mem_ledger_plan(f->w.ledger, 0, &plan, &discarded));
	assert_int_equal(os_discard(f->w.store, slice_str(bucket), plan.key, NULL), RC_OK);
	restart(f);
	return plan;
}

static void a_lost_stage_voids_the_plan_and_clears_the_archive(void **state)
{
	static const char *const lost[] = {WORLD_ARCHIVE, WORLD_DISTRIBUTION};

	for (int i = 0; i < 2; i++) {
		struct fixture *f;
		struct lg_plan plan;

		setup(state);
		f = *state;
		plan = sealed_and_lost(f, lost[i]);
		assert_true(world_run(&f->w, f->p, 20000));
		world_harvest(&f->w);
		assert_int_equal(world_times_shipped(&f->w, 0), 1);
		assert_false(slice_eq(f->w.bundles[0].key, plan.key));
		for (int j = 0; j < 400; j++) /* a lease, then the scanner clears up */
			pipeline_step(f->p, NULL);
		assert_false(is_there(f, WORLD_ARCHIVE, plan.key));
		assert_false(is_there(f, WORLD_ARCHIVE, manifest_key(&f->w.arena, plan.key)));
		assert_true(is_there(f, WORLD_ARCHIVE, f->w.bundles[0].key));
		teardown(state);
	}
}

/* The owner published and died; then the archive forgot. The bundle is out: the plan is done,
 * nothing ships again. */
static void a_published_bundle_is_never_voided_for_its_archive(void **state)
{
	struct fixture *f = *state;
	struct lg_plan plan = sealed_and_lost(f, WORLD_ARCHIVE);
	bool discarded;

	assert_int_equal(publish_bundle(f->w.store, &plan, NULL), RC_OK);
	assert_true(world_run(&f->w, f->p, 20000));
	world_harvest(&f->w);
	assert_int_equal(f->w.n_bundles, 1);
	assert_int_equal(world_times_shipped(&f->w, 0), 1);
	assert_true(mem_ledger_plan(f->w.ledger, 0, &plan, &discarded));
	assert_int_equal(plan.state, PLAN_DONE);
}

static struct lg_plan with_record(struct buf *record)
{
	return (struct lg_plan){.bucket = slice_str("d"),
		.key = slice_str("k"),
		.state = PLAN_SEALED,
		.seal = {.staged = buf_slice(record)}};
}

static void a_record_of_stages_comes_back_or_is_refused(void **state)
{
	struct staged in = {.entries = {{slice_str("a"), slice_str("k"), slice_of("1\0\n", 3)},
				    {slice_str("a"), slice_str("manifests/k"), slice_str("")},
				    {slice_str("d"), slice_str("k"), slice_str("3")}},
			      .n = 3},
		      out;
	struct buf record;
	struct lg_plan plan;

	(void)state;
	buf_init(&record, LG_STAGED_MAX);
	assert_true(staged_encode(&record, &in));
	plan = with_record(&record);
	assert_int_equal(staged_decode(&plan, &out, NULL), RC_OK);
	assert_int_equal(out.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(slice_eq(out.entries[i].bucket, in.entries[i].bucket) &&
			    slice_eq(out.entries[i].key, in.entries[i].key) &&
			    slice_eq(out.entries[i].record, in.entries[i].record));
	for (size_t n = strlen("baler-stages-1\n"); n < record.n; n++) {
		plan.seal.staged = slice_of(record.p, n);
		assert_int_equal(staged_decode(&plan, &out, NULL), RC_CORRUPT);
	}
	plan = with_record(&record);
	plan.bucket = slice_str("elsewhere");
	assert_int_equal(staged_decode(&plan, &out, NULL), RC_CORRUPT);
	buf_release(&record);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_offsets_lead_to_the_bytes),
		TEST(many_members_are_written_in_pieces),
		TEST(what_a_direct_invocation_made_says_so),
		TEST(without_an_archive_bucket_there_is_none),
		cmocka_unit_test(a_death_between_the_publishes_is_finished),
		cmocka_unit_test(a_lost_stage_voids_the_plan_and_clears_the_archive),
		TEST(a_published_bundle_is_never_voided_for_its_archive),
		cmocka_unit_test(a_record_of_stages_comes_back_or_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
