/* The judge over a small world made by hand: bundles, the archive and its manifests (I12), what a
 * live server looks like. */
#include "audit_world.h"

/* The only thing that the manifest says otherwise. */
static struct audit_world *with_manifest(const char *was, const char *is)
{
	struct audit_world *w = audit_world_new();
	struct slice text = w->stored[MANIFEST].bytes;
	const unsigned char *at = memmem(text.p, text.n, was, strlen(was));
	struct buf out;

	assert_non_null(at);
	buf_init(&out, 1 << 20);
	buf_add(&out, text.p, (size_t)(at - text.p));
	buf_add_str(&out, is);
	buf_add(&out, at + strlen(was), text.n - (size_t)(at - text.p) - strlen(was));
	w->stored[MANIFEST].bytes = arena_slice(&w->arena, buf_slice(&out));
	buf_release(&out);
	return w;
}

static void deviation(const char *was, const char *is, const char *words)
{
	expect(with_manifest(was, is), FINDING_DAMAGED, "I12", words);
}

static void i1_an_object_in_two_bundles(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->claims[2] = w->claims[1]; /* the record is of the second bundle by now */
	w->claims[2].plan = w->plans[1].id;
	w->claims[2].slot = 0;
	w->claims[1].object.version = slice_str("9"); /* no such source */
	w->claims[1].object.key = slice_str("data/9");
	w->plans[1].state = PLAN_DONE;
	w->plans[1].is_live = false;
	w->versions[2].is_marker = true;
	seal(&w->plans[1], make_bundle(w, 1, 1), 1);
	store_bundle(w, 1, 1, 1, false);
	expect(w, FINDING_DUPLICATE, "I1",
		"its member 'data/1' is a member of plan " ZEROS "2 too");
}

static void i3_a_bundle_that_nobody_sealed(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	store(w, "out", bundle_keys[2], "x", make_bundle(w, 3, 3));
	expect(w, FINDING_ORPHAN, "I3", "its plan does not exist");
	w = audit_world_new(); /* so old that its plan may be gone; but then it is in the archive */
	store(w, "out", bundle_keys[2], "x", make_bundle(w, 3, 3))->version.modified_wall_ms = 0;
	expect(w, FINDING_MISSING, "I12", "not in the archive");
	w = audit_world_new(); /* of an open plan */
	store(w, "out", bundle_keys[1], "x", make_bundle(w, 3, 3));
	expect(w, FINDING_ORPHAN, "I3", "its plan is not sealed");
	w = audit_world_new(); /* under another hour */
	store(w, "out", "2026/11/23/12/bundle-" ZEROS "1.tar.gz", "x", make_bundle(w, 3, 3));
	expect(w, FINDING_ORPHAN, "I3", "under another key than its plan's");
	w = audit_world_new(); /* a consumer takes whatever has the word in its key */
	store(w, "out", "by-hand/bundle-7.tar.gz", "x", slice_str("junk"));
	expect(w, FINDING_ORPHAN, "I3", "looks like a bundle");
	w = audit_world_new(); /* an operator deleted it; somebody else's is nothing to us */
	store(w, "out", "by-hand/bundle-7.tar.gz", "x", slice_str("junk"))->version.is_current =
		false;
	store(w, "out", "notes.txt", "x", slice_str("junk"));
	store(w, "kept", "notes.txt", "x", slice_str("junk"));
	expect_sound(w);
}

static void i4_other_bytes(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->stored[BUNDLE].bytes = gzip(&w->arena, slice_str("no tar"));
	assert_int_equal(judge(w).findings[FINDING_DAMAGED], 2); /* its size, and no tar.gz */
	assert_int_equal(w->n_found, 2);
	audit_world_free(w);
	w = audit_world_new();
	w->plans[0].sha256[7] ^= 1;
	assert_int_equal(judge(w).findings[FINDING_DAMAGED], 2); /* the copy's and the bundle's */
	assert_non_null(strstr(w->last_text, "its SHA-256 is"));
	assert_string_equal(w->last.invariant, "I4");
	audit_world_free(w);
	w = audit_world_new();
	w->stored[BUNDLE].open = RC_CORRUPT;
	expect(w, FINDING_DAMAGED, "I4", "its file is not there");
}

static void i4_an_archived_copy_with_other_bytes(void **state)
{
	struct audit_world *w = audit_world_new();
	unsigned char *bytes = arena_alloc(&w->arena, w->stored[COPY].bytes.n);

	(void)state;
	memcpy(bytes, w->stored[COPY].bytes.p, w->stored[COPY].bytes.n);
	bytes[20] ^= 1;
	w->stored[COPY].bytes.p = bytes;
	assert_true(
		judge(w).findings[FINDING_DAMAGED] >= 2); /* sealed, and what its manifest says */
	assert_true(slice_eq_str(w->last.object->bucket, "kept"));
	audit_world_free(w);
}

static void i4_other_members_than_were_sealed(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->plans[0].n_slots = 3;
	expect(w, FINDING_DAMAGED, "I4", "it has 2 members, sealed were 3");
	w = audit_world_new();
	w->bodies[1] = slice_str("something else");
	expect(w, FINDING_DAMAGED, "I4", "other bytes in the bundle");
}

static void i12_a_bundle_that_is_not_archived(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->stored[COPY].version.is_current = false;     /* somebody deleted it, */
	w->stored[MANIFEST].version.is_current = false; /* and its manifest */
	expect(w, FINDING_MISSING, "I12", "published, and not in the archive");
	w = audit_world_new();
	w->plans[0].state = PLAN_SEALED; /* the bundle comes last */
	w->plans[0].is_live = true;
	w->stored[COPY].version.is_current = w->stored[MANIFEST].version.is_current = false;
	expect(w, FINDING_MISSING, "I12", "published, and not in the archive");
	w = audit_world_new(); /* taken by the consumer long ago, and the archive's deleted */
	w->n_stored = 0;
	w->is_forgotten = true;
	w->plans[0].opened_wall_ms = 0;
	expect(w, FINDING_MISSING, "I12", "published, and not in the archive");
}

static void i12_a_manifest_that_is_missing(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->stored[MANIFEST].version.is_current = false;
	expect(w, FINDING_MISSING, "I12", "its manifest is not there");
	w = audit_world_new();
	w->stored[MANIFEST].open = RC_CORRUPT;
	expect(w, FINDING_DAMAGED, "I12", "its file is not there");
}

static void i12_a_manifest_of_no_bundle(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	store(w, "kept", "manifests/" HOUR_KEY ZEROS "9.tar.gz.json", "x", slice_str("{}"));
	expect(w, FINDING_ORPHAN, "I12", "a manifest of no bundle");
	w = audit_world_new();
	store(w, "kept", "manifests/readme", "x", slice_str("{}"));
	expect(w, FINDING_ORPHAN, "I12", "a manifest of no bundle");
}

static void i12_malformed_manifests(void **state)
{
	struct audit_world *w;
	size_t n;

	(void)state;
	deviation("{\"version\":1", "{\"version\":2", "line 1: of a version that is not known");
	deviation("{\"version\":1", "{version:1", "malformed at line 1: not JSON");
	deviation("\"members\":[", "\"member\":[",
		"line 1: version, plan, bucket, bundle or members");
	deviation("\"name\":\"data/1\",", "", "malformed at line 3: name, bucket");
	deviation("\"offset\":512", "\"offset\":-1", "malformed at line 2: name, bucket");
	deviation(
		"\"data/1\",\"bucket\"", "\"data/1\" \"bucket\"", "malformed at line 3: not JSON");
	deviation("],\n\"size\":", "],\n\"weight\":", "malformed at line 4: the bundle's size");
	deviation("\"name\":\"data/1\"", "\"name\":\"data/0\"",
		"line 3: a second member of one name");
	w = audit_world_new();
	n = w->stored[MANIFEST].bytes.n;
	for (size_t cut = 1; cut < n; cut += 7) { /* wherever it is cut off */
		w->stored[MANIFEST].bytes.n = n - cut;
		assert_int_equal(judge(w).findings[FINDING_DAMAGED], 1);
		assert_string_equal(w->last.invariant, "I12");
	}
	audit_world_free(w);
}

static void i12_what_a_manifest_says_of_its_bundle(void **state)
{
	(void)state;
	deviation("\"plan\":\"" ZEROS "1", "\"plan\":\"" ZEROS "8", "it is of plan");
	deviation("\"bundle\":\"2026", "\"bundle\":\"2027", "it is of the bundle");
	deviation("\"bucket\":\"out\"", "\"bucket\":\"tuo\"", "its bundle is in the bucket 'tuo'");
	deviation("],\n\"size\":", "],\n\"size\":9", "the bundle in 'kept' has");
	deviation("\"members\":[", "\"direct\":true,\"members\":[", "a direct invocation made");
}

static void i12_what_a_manifest_says_of_a_member(void **state)
{
	struct audit_world *w;

	(void)state;
	deviation("\"versionId\":\"1\"", "\"versionId\":\"7\"",
		"said to be version '7', the ledger has '1'");
	deviation("\"key\":\"data/1\"", "\"key\":\"data/7\"", "said to be of the key 'data/7'");
	deviation("\"bucket\":\"in\",\"key\":\"data/0\"", "\"bucket\":\"ni\",\"key\":\"data/0\"",
		"said to be of the bucket 'ni'");
	deviation("\"size\":9,", "\"size\":8,", "member 'data/0' has 9 bytes, not 8");
	deviation("\"offset\":512", "\"offset\":513", "member 'data/0' is not at offset 513");
	deviation("\"offset\":1536", "\"offset\":15360", "member 'data/1' is not at offset 15360");
	deviation("\"offset\":1536", "\"offset\":514", "member 'data/1' is not at offset 514");
	/* its hash: the first member's begins with a digit of its own */
	w = audit_world_new();
	((unsigned char *)(uintptr_t)memmem(w->stored[MANIFEST].bytes.p,
		w->stored[MANIFEST].bytes.n, "sha256\":\"", 9))[9] ^= 1;
	expect(w, FINDING_DAMAGED, "I12", "member 'data/0' has another SHA-256");
}

static void i12_members_missing_and_too_many(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	/* the manifest of another bundle: names one that is not there, lacks one that is */
	w->stored[MANIFEST].bytes = make_manifest(w, 0, 0, 0, false);
	assert_int_equal(judge(w).findings[FINDING_DAMAGED], 2);
	assert_non_null(strstr(w->last_text, "does not name 'data/1'"));
	w->stored[MANIFEST].bytes = make_manifest(w, 0, 0, 3, false);
	assert_int_equal(judge(w).findings[FINDING_DAMAGED], 3);
	assert_non_null(strstr(w->last_text, "names 'data/3', which is not in the bundle"));
	audit_world_free(w);
}

/* Ten are named, the others counted. */
static void i12_a_wholly_wrong_manifest_is_not_a_flood(void **state)
{
	struct audit_world *w = audit_world_new();
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	buf_addf(&out,
		"{\"version\":1,\"plan\":\"" ZEROS
		"1\",\"bucket\":\"out\",\"bundle\":\"%s\",\"members\":[",
		bundle_keys[0]);
	for (int i = 0; i < 1000; i++) {
		buf_addf(&out,
			"%s\n{\"name\":\"n%d\",\"bucket\":\"in\",\"key\":\"k\",\"versionId\":\"1\","
			"\"size\":0,\"offset\":0,",
			i ? "," : "", i);
		add_sha256(&out, slice_str(""));
		buf_add_char(&out, '}');
	}
	buf_addf(&out, "],\n\"size\":%zu,", w->stored[COPY].bytes.n);
	add_sha256(&out, w->stored[COPY].bytes);
	buf_add_str(&out, "}\n");
	w->stored[MANIFEST].bytes = buf_slice(&out);
	assert_int_equal(judge(w).n_findings, 11);
	assert_string_equal(w->last_text, "992 more deviations");
	buf_release(&out);
	audit_world_free(w);
}

/* Its plan is in no ledger; it is counted, and no error. */
static void a_bundle_of_a_direct_invocation(void **state)
{
	struct audit_world *w = audit_world_new();
	struct ledger_audit_summary sum;

	(void)state;
	store_bundle(w, 2, 1, 3, true); /* of members of other bundles, and of what waits */
	sum = expect_sound(w);
	assert_int_equal(sum.direct, 1);
	assert_int_equal(sum.manifests, 3); /* plan 0's; this one for the copy and for the bundle */
	w = audit_world_new();
	store_bundle(w, 2, 1, 3, true);
	w->bodies[3] = slice_str("changed");
	assert_int_equal(judge(w).findings[FINDING_DAMAGED], 2); /* compared with its sources too */
	audit_world_free(w);
	w = audit_world_new();
	store_bundle(w, 2, 1, 3, true);
	w->stored[w->n_stored - 1].bytes = make_bundle(w, 0, 3);
	assert_true(judge(w).findings[FINDING_DAMAGED] > 0); /* not what its manifest says */
	audit_world_free(w);
}

/* Anybody can write that metadata; the store knows what it published itself. */
static void one_that_only_says_that_it_is_direct_is_an_orphan(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	store_bundle(w, 2, 3, 3, true);
	for (size_t i = BUNDLE + 1; i < w->n_stored; i++)
		w->stored[i].by_stage = false;
	assert_int_equal(judge(w).findings[FINDING_ORPHAN], 2); /* the bundle and the copy */
	assert_string_equal(w->last.invariant, "I3");
	audit_world_free(w);
}

/* It died between the copy and the bundle; within an hour it may be at work yet. */
static void a_direct_invocation_that_died_half_way(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	store_bundle(w, 2, 3, 3, true);
	w->n_stored--;
	expect_sound(w);
	w = audit_world_new();
	store_bundle(w, 2, 3, 3, true);
	w->n_stored--;
	w->stored[BUNDLE + 1].version.modified_wall_ms = NOW_MS - LEDGER_AUDIT_DIRECT_MS;
	expect(w, FINDING_ORPHAN, "I12", "an invocation that never published it");
	w = audit_world_new();
	store_bundle(w, 2, 3, 3, true);
	w->n_stored -= 2;
	expect_sound(w);
}

/* What a live server can look like at any moment is no finding. */
static void between_any_two_steps(void **state)
{
	struct audit_world *w;

	(void)state;
	for (size_t n = 0; n <= 3; n++) { /* sealed, and so many of the three stages published */
		w = audit_world_new();
		w->plans[0].state = PLAN_SEALED;
		w->plans[0].is_live = true;
		w->n_stored = n;
		expect_sound(w);
	}
	for (size_t n = 0; n <= 2; n++) { /* voided; the archive's are still to be taken away */
		w = audit_world_new();
		w->plans[0].state = PLAN_ABORTED;
		w->plans[0].is_live = true;
		w->traces[0] = w->traces[1] = AUDIT_WAITING;
		w->n_stored = n;
		expect_sound(w);
	}
	w = audit_world_new(); /* and never were */
	w->plans[0].state = PLAN_ABORTED;
	w->traces[0] = w->traces[1] = AUDIT_WAITING;
	w->n_stored = 2;
	expect(w, FINDING_ORPHAN, "I3", "its plan is not sealed");
}

/* Bundles taken, replayed, overwritten by a replay, and gone since the snapshot. */
static void taken_replayed_and_gone(void **state)
{
	struct audit_world *w = audit_world_new();

	(void)state;
	w->stored[BUNDLE].version.is_current = false; /* taken: a marker above it */
	store(w, "out", bundle_keys[0], "b2", w->stored[BUNDLE].bytes)->by_stage = false;
	expect_sound(w);
	w = audit_world_new(); /* replayed when retention had taken plan and records */
	store_bundle(w, 2, 3, 3, false);
	for (size_t i = BUNDLE + 1; i < w->n_stored; i++)
		w->stored[i].by_stage = false;
	w->stored[BUNDLE + 1].version.modified_wall_ms = NOW_MS - LEDGER_AUDIT_KEPT_MS;
	w->stored[BUNDLE + 2].version.modified_wall_ms = NOW_MS - LEDGER_AUDIT_KEPT_MS;
	expect_sound(w);
	for (size_t i = COPY; i <= BUNDLE; i++) {
		w = audit_world_new();
		w->stored[i].open = RC_ABSENT;
		expect_sound(w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(i1_an_object_in_two_bundles),
		cmocka_unit_test(i3_a_bundle_that_nobody_sealed),
		cmocka_unit_test(i4_other_bytes),
		cmocka_unit_test(i4_an_archived_copy_with_other_bytes),
		cmocka_unit_test(i4_other_members_than_were_sealed),
		cmocka_unit_test(i12_a_bundle_that_is_not_archived),
		cmocka_unit_test(i12_a_manifest_that_is_missing),
		cmocka_unit_test(i12_a_manifest_of_no_bundle),
		cmocka_unit_test(i12_malformed_manifests),
		cmocka_unit_test(i12_what_a_manifest_says_of_its_bundle),
		cmocka_unit_test(i12_what_a_manifest_says_of_a_member),
		cmocka_unit_test(i12_members_missing_and_too_many),
		cmocka_unit_test(i12_a_wholly_wrong_manifest_is_not_a_flood),
		cmocka_unit_test(a_bundle_of_a_direct_invocation),
		cmocka_unit_test(one_that_only_says_that_it_is_direct_is_an_orphan),
		cmocka_unit_test(a_direct_invocation_that_died_half_way),
		cmocka_unit_test(between_any_two_steps),
		cmocka_unit_test(taken_replayed_and_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
