/* The judge over a small world made by hand: sound as it is, and one test for each breach. */
#include "verify/ledger_audit.h"

#include <stdio.h>
#include <unistd.h>

#include "check.h"

#define N 4
#define NOW_MS (100 * LEDGER_AUDIT_KEPT_MS)
#define HOUR_KEY "2026/11/23/11/bundle-"
#define ZEROS "0000000000000000000000000000000"

/* Two plans; plan 0 is done with objects 0 and 1, plan 1 is open and has object 2; the message of object 3 waits. */
struct fake {
	struct audit_source base;
	struct audit_version versions[N];
	struct audit_claim claims[N];
	struct audit_plan plans[2];
	struct audit_stage stage;
	struct audit_version bundle;
	size_t n_claims, n_plans, n_stages, n_bundles;
	unsigned traces[N];
	bool was_published;
	struct finding last;
	unsigned n_found, n_released;
};

static struct fake *of(struct audit_source *s)
{
	return (struct fake *)s;
}

static enum rc versions(struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < N && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->versions[i], err);
	return rc;
}

static enum rc bundles(struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err)
{
	return of(s)->n_bundles ? visit(arg, &of(s)->bundle, err) : RC_OK;
}

static enum rc plans(struct audit_source *s, audit_plan_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_plans && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->plans[i], err);
	return rc;
}

static enum rc claims(struct audit_source *s, audit_claim_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_claims && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->claims[i], err);
	return rc;
}

static enum rc claims_of_plan(struct audit_source *s, const struct plan_id *plan,
	audit_claim_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_claims && rc == RC_OK; i++)
		if (memcmp(plan, &of(s)->claims[i].plan, sizeof(*plan)) == 0)
			rc = visit(arg, &of(s)->claims[i], err);
	return rc;
}

static enum rc claims_of_key(
	struct audit_source *s, struct slice key, audit_claim_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_claims && rc == RC_OK; i++)
		if (slice_eq(key, of(s)->claims[i].object.key))
			rc = visit(arg, &of(s)->claims[i], err);
	return rc;
}

static enum rc stages(struct audit_source *s, audit_stage_fn *visit, void *arg, struct err *err)
{
	return of(s)->n_stages ? visit(arg, &of(s)->stage, err) : RC_OK;
}

static enum rc claim_find(struct audit_source *s, struct arena *a, const struct object_id *object,
	struct audit_claim *ret_claim, struct err *err)
{
	(void)a;
	for (size_t i = 0; i < of(s)->n_claims; i++)
		if (object_id_eq(object, &of(s)->claims[i].object)) {
			*ret_claim = of(s)->claims[i];
			return RC_OK;
		}
	return err_set(err, RC_ABSENT, "no record");
}

static enum rc plan_find(struct audit_source *s, struct arena *a, const struct plan_id *id,
	struct audit_plan *ret_plan, struct err *err)
{
	(void)a;
	for (size_t i = 0; i < of(s)->n_plans; i++)
		if (memcmp(id, &of(s)->plans[i].id, sizeof(*id)) == 0) {
			*ret_plan = of(s)->plans[i];
			return RC_OK;
		}
	return err_set(err, RC_ABSENT, "no plan");
}

static enum rc traces(struct audit_source *s, const struct object_id *object, unsigned *ret_traces,
	struct err *err)
{
	(void)err;
	*ret_traces = of(s)->traces[object->version.p[0] - '0'];
	return RC_OK;
}

static enum rc was_published(struct audit_source *s, struct slice bucket, struct slice key,
	bool *ret_was, struct err *err)
{
	(void)bucket, (void)key, (void)err;
	*ret_was = of(s)->was_published;
	return RC_OK;
}

static enum rc release(struct audit_source *s, struct err *err)
{
	(void)err;
	of(s)->n_released++;
	return RC_OK;
}

/* Every source and bundle is an object of these bytes: no bundle at all. */
static enum rc open_bytes(
	struct audit_source *s, const struct object_id *object, int *ret_fd, struct err *err)
{
	FILE *f = tmpfile();

	(void)s, (void)object, (void)err;
	assert_non_null(f);
	fputs("junk", f);
	fflush(f);
	*ret_fd = dup(fileno(f));
	fclose(f);
	lseek(*ret_fd, 0, SEEK_SET);
	return RC_OK;
}

static const struct audit_source_ops ops = {
	.versions = versions,
	.bundles = bundles,
	.plans = plans,
	.claims = claims,
	.claims_of_plan = claims_of_plan,
	.claims_of_key = claims_of_key,
	.stages = stages,
	.claim_find = claim_find,
	.plan_find = plan_find,
	.traces = traces,
	.was_published = was_published,
	.release = release,
	.open = open_bytes,
};

static const char *const keys[N] = {"data/0", "data/1", "data/2", "data/3"};
static const char *const ids[N] = {"0", "1", "2", "3"};
static const char *const bundle_keys[2] = {HOUR_KEY ZEROS "1.tar.gz", HOUR_KEY ZEROS "2.tar.gz"};

static struct fake fake_new(void)
{
	struct fake f = {.base.ops = &ops,
		.n_claims = 3,
		.n_plans = 2,
		.was_published = true,
		.traces = {[3] = AUDIT_WAITING}};

	for (unsigned i = 0; i < 2; i++) {
		f.plans[i] =
			(struct audit_plan){.id.bytes[PLAN_ID_BYTES - 1] = (unsigned char)(i + 1),
				.has_id = true,
				.state = i ? PLAN_OPEN : PLAN_DONE,
				.bucket = slice_str("out"),
				.key = slice_str(bundle_keys[i]),
				.has_seal = i == 0,
				.n_slots = i ? 0 : 2};
	}
	for (unsigned i = 0; i < N; i++) {
		f.versions[i].id =
			(struct object_id){slice_str("in"), slice_str(keys[i]), slice_str(ids[i])};
		f.claims[i] = (struct audit_claim){.object = f.versions[i].id,
			.state = LG_CLAIMED,
			.plan = f.plans[i / 2].id,
			.has_plan_id = true,
			.slot = i % 2};
	}
	f.stage = (struct audit_stage){slice_str("out"), slice_str(bundle_keys[1]), false};
	f.n_stages = 1;
	f.bundle.id =
		(struct object_id){slice_str("out"), slice_str(bundle_keys[0]), slice_str("b")};
	f.bundle.modified_wall_ms = NOW_MS;
	return f;
}

static void on_found(void *arg, const struct finding *found)
{
	struct fake *f = arg;

	f->last = *found;
	f->n_found++;
}

static struct ledger_audit_summary judge(struct fake *f)
{
	struct ledger_audit_options o = {
		.source = &f->base, .now_wall_ms = NOW_MS, .found = on_found, .arg = f};
	struct ledger_audit_summary sum;
	struct err err;

	assert_int_equal(ledger_audit(&o, &sum, &err), RC_OK);
	assert_int_equal(sum.n_findings, f->n_found);
	assert_int_equal(f->n_released, 1);
	return sum;
}

/* Exactly one finding, of this kind and invariant. */
static void expect(struct fake *f, enum finding_kind kind, const char *invariant)
{
	struct ledger_audit_summary sum = judge(f);

	assert_int_equal(sum.n_findings, 1);
	assert_int_equal(sum.findings[kind], 1);
	assert_string_equal(f->last.invariant, invariant);
}

static void test_a_sound_world(void **state)
{
	struct fake f = fake_new();
	struct ledger_audit_summary sum = judge(&f);

	(void)state;
	assert_int_equal(sum.n_findings, 0);
	assert_int_equal(sum.versions, 4);
	assert_int_equal(sum.members, 2);
	assert_int_equal(sum.claimed, 1);
	assert_int_equal(sum.waiting, 1);
}

static void test_lost_without_message(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.traces[3] = 0;
	expect(&f, FINDING_LOST, "I2");
}

static void test_lost_by_an_aborted_plan(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.plans[1].state = PLAN_ABORTED;
	expect(&f, FINDING_LOST, "I2");
}

static void test_lost_by_an_excluded_slot(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.plans[0].excluded = slice_of("\1\0\0\0", 4);
	expect(&f, FINDING_LOST, "I2");
}

static void test_dead_letters_operators_rejections_and_markers_are_not_lost(void **state)
{
	struct fake f = fake_new();
	struct ledger_audit_summary sum;

	(void)state;
	f.traces[3] = AUDIT_DEAD;
	f.claims[2].state = LG_REJECTED;
	f.claims[2].reason = slice_str("object-missing");
	sum = judge(&f);
	assert_int_equal(sum.n_findings, 0);
	assert_int_equal(sum.rejected + sum.dead, 2);
	f = fake_new();
	f.traces[3] = AUDIT_BY_OPERATOR;
	assert_int_equal(judge(&f).n_findings, 0);
	f = fake_new();
	f.traces[3] = 0;
	f.versions[3].is_marker = true;
	assert_int_equal(judge(&f).n_findings, 0);
}

static void test_duplicate_slot(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.claims[1].slot = 0;
	expect(&f, FINDING_DUPLICATE, "I1");
}

static void test_duplicate_rejected_member(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.claims[1].state = LG_REJECTED;
	f.claims[1].reason = slice_str("poison");
	expect(&f, FINDING_DUPLICATE, "I1");
}

static void test_orphan_done_but_never_published(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.was_published = false;
	expect(&f, FINDING_ORPHAN, "I5");
}

static void test_orphan_record_without_plan(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.traces[2] = AUDIT_WAITING;
	f.claims[2].plan.bytes[0] = 9;
	expect(&f, FINDING_ORPHAN, "I6");
}

static void test_orphan_stage(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.stage.key = slice_str(HOUR_KEY ZEROS "7.tar.gz");
	expect(&f, FINDING_ORPHAN, "I8");
	f = fake_new();
	f.stage.key = slice_str("manifests/" HOUR_KEY ZEROS "2.tar.gz.json");
	assert_int_equal(judge(&f).n_findings, 0);
}

static void test_orphan_bundle(void **state)
{
	struct fake f = fake_new();
	struct ledger_audit_summary sum;

	(void)state;
	f.n_bundles = 1;
	f.bundle.id.key = slice_str(HOUR_KEY ZEROS "7.tar.gz");
	sum = judge(&f);
	assert_int_equal(sum.findings[FINDING_ORPHAN], 1);
	f = fake_new(); /* so old that its plan may be gone */
	f.n_bundles = 1;
	f.bundle.id.key = slice_str(HOUR_KEY ZEROS "7.tar.gz");
	f.bundle.modified_wall_ms = 0;
	assert_int_equal(judge(&f).findings[FINDING_ORPHAN], 0);
	f = fake_new(); /* of an open plan */
	f.n_bundles = 1;
	f.bundle.id.key = slice_str(bundle_keys[1]);
	assert_int_equal(judge(&f).findings[FINDING_ORPHAN], 1);
}

static void test_damaged_bundle(void **state)
{
	struct fake f = fake_new();
	struct ledger_audit_summary sum;

	(void)state;
	f.n_bundles = 1;
	sum = judge(&f);
	assert_int_equal(sum.findings[FINDING_DAMAGED], 2); /* its size, and no tar.gz */
	assert_int_equal(sum.n_findings, 2);
	assert_string_equal(f.last.invariant, "I4");
}

static void test_illegal_states(void **state)
{
	struct fake f = fake_new();

	(void)state;
	f.traces[2] = AUDIT_WAITING;
	f.plans[1].state = 3;
	expect(&f, FINDING_ILLEGAL, "I7");
	f = fake_new();
	f.traces[2] = AUDIT_WAITING;
	f.claims[2].state = 5;
	expect(&f, FINDING_ILLEGAL, "I7");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sound_world),
		cmocka_unit_test(test_lost_without_message),
		cmocka_unit_test(test_lost_by_an_aborted_plan),
		cmocka_unit_test(test_lost_by_an_excluded_slot),
		cmocka_unit_test(test_dead_letters_operators_rejections_and_markers_are_not_lost),
		cmocka_unit_test(test_duplicate_slot),
		cmocka_unit_test(test_duplicate_rejected_member),
		cmocka_unit_test(test_orphan_done_but_never_published),
		cmocka_unit_test(test_orphan_record_without_plan),
		cmocka_unit_test(test_orphan_stage),
		cmocka_unit_test(test_orphan_bundle),
		cmocka_unit_test(test_damaged_bundle),
		cmocka_unit_test(test_illegal_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
