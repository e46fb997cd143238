/*
 * audit_world: an audit source made by hand, for the tests of the judge. Sound as audit_world_new
 * makes it, in every bucket; a test then breaks one thing.
 *
 * Plan 0 is done with objects 0 and 1: its bundle is in distribution and in the archive, with its
 * manifest. Plan 1 is open and has object 2. The message of object 3 waits.
 */
#ifndef BALER_TESTS_AUDIT_WORLD_H
#define BALER_TESTS_AUDIT_WORLD_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#include "base/arena.h"
#include "base/digest.h"
#include "check.h"
#include "verify/ledger_audit.h"

#define N 4
#define N_PLANS 3
#define STORED_MAX 8
#define DAY_MS (24ull * 3600 * 1000)
#define NOW_MS (100 * LEDGER_AUDIT_KEPT_MS)
#define HOUR_KEY "2026/11/23/11/bundle-"
#define ZEROS "0000000000000000000000000000000"

enum { COPY, MANIFEST, BUNDLE }; /* of plan 0, in stored */

/* What is in distribution and archive. */
struct stored {
	struct audit_version version;
	struct slice bytes;
	bool by_stage; /* the store published it itself */
	enum rc open;  /* how opening ends */
};

struct audit_world {
	struct audit_source base;
	struct arena arena;
	struct audit_version versions[N];
	struct slice bodies[N];
	enum rc checks[N]; /* how checking these ends */
	bool has_no_sums;
	struct audit_claim claims[N];
	struct audit_plan plans[N_PLANS];
	struct audit_stage stage;
	struct stored stored[STORED_MAX];
	size_t n_claims, n_plans, n_stages, n_stored;
	unsigned traces[N];
	bool is_forgotten; /* the store remembers no publishing */
	struct finding last;
	char last_text[512];
	unsigned n_found, n_released;
};

static inline struct audit_world *of(struct audit_source *s)
{
	return (struct audit_world *)s;
}

static inline enum rc versions(
	struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < N && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->versions[i], err);
	return rc;
}

static inline enum rc plans(
	struct audit_source *s, audit_plan_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_plans && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->plans[i], err);
	return rc;
}

static inline enum rc claims(
	struct audit_source *s, audit_claim_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_claims && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->claims[i], err);
	return rc;
}

static inline enum rc claims_of_plan(struct audit_source *s, const struct plan_id *plan,
	audit_claim_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_claims && rc == RC_OK; i++)
		if (memcmp(plan, &of(s)->claims[i].plan, sizeof(*plan)) == 0)
			rc = visit(arg, &of(s)->claims[i], err);
	return rc;
}

static inline enum rc claims_of_key(
	struct audit_source *s, struct slice key, audit_claim_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_claims && rc == RC_OK; i++)
		if (slice_eq(key, of(s)->claims[i].object.key))
			rc = visit(arg, &of(s)->claims[i], err);
	return rc;
}

static inline enum rc stages(
	struct audit_source *s, audit_stage_fn *visit, void *arg, struct err *err)
{
	return of(s)->n_stages ? visit(arg, &of(s)->stage, err) : RC_OK;
}

static inline enum rc claim_find(struct audit_source *s, struct arena *a,
	const struct object_id *object, struct audit_claim *ret_claim, struct err *err)
{
	(void)a;
	for (size_t i = 0; i < of(s)->n_claims; i++)
		if (object_id_eq(object, &of(s)->claims[i].object)) {
			*ret_claim = of(s)->claims[i];
			return RC_OK;
		}
	return err_set(err, RC_ABSENT, "no record");
}

static inline enum rc plan_find(struct audit_source *s, struct arena *a, const struct plan_id *id,
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

static inline enum rc traces(struct audit_source *s, const struct object_id *object,
	unsigned *ret_traces, struct err *err)
{
	(void)err;
	*ret_traces = of(s)->traces[object->version.p[0] - '0'];
	return RC_OK;
}

static inline enum rc release(struct audit_source *s, struct err *err)
{
	(void)err;
	of(s)->n_released++;
	return RC_OK;
}

static inline enum rc bundles(
	struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; i < of(s)->n_stored && rc == RC_OK; i++)
		rc = visit(arg, &of(s)->stored[i].version, err);
	return rc;
}

static inline bool is_at(const struct stored *o, struct slice bucket, struct slice key)
{
	return slice_eq(o->version.id.bucket, bucket) && slice_eq(o->version.id.key, key);
}

static inline enum rc current(struct audit_source *s, struct arena *a, struct slice bucket,
	struct slice key, struct audit_version *ret_version, struct err *err)
{
	(void)a;
	for (size_t i = 0; i < of(s)->n_stored; i++)
		if (is_at(&of(s)->stored[i], bucket, key) && of(s)->stored[i].version.is_current) {
			*ret_version = of(s)->stored[i].version;
			return RC_OK;
		}
	return err_set(err, RC_ABSENT, "no such object");
}

static inline enum rc was_published(struct audit_source *s, struct slice bucket, struct slice key,
	bool *ret_was, bool *ret_by_stage, struct err *err)
{
	(void)err;
	*ret_was = *ret_by_stage = false;
	for (size_t i = 0; i < of(s)->n_stored && !of(s)->is_forgotten; i++)
		if (is_at(&of(s)->stored[i], bucket, key)) {
			*ret_was = true;
			*ret_by_stage |= of(s)->stored[i].by_stage;
		}
	return RC_OK;
}

static inline enum rc open_bytes(
	struct audit_source *s, const struct object_id *object, int *ret_fd, struct err *err)
{
	struct slice bytes = {0};
	FILE *f;

	for (size_t i = 0; i < N; i++)
		if (object_id_eq(object, &of(s)->versions[i].id))
			bytes = of(s)->bodies[i];
	for (size_t i = 0; i < of(s)->n_stored; i++)
		if (object_id_eq(object, &of(s)->stored[i].version.id)) {
			if (of(s)->stored[i].open != RC_OK)
				return err_set(err, of(s)->stored[i].open, "its file is not there");
			bytes = of(s)->stored[i].bytes;
		}
	if (!bytes.p)
		return err_set(err, RC_ABSENT, "gone");
	f = tmpfile();
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	fflush(f);
	*ret_fd = dup(fileno(f));
	fclose(f);
	lseek(*ret_fd, 0, SEEK_SET);
	return RC_OK;
}

static inline enum rc visit_bodies(
	struct audit_source *s, audit_body_fn *visit, void *arg, struct err *err)
{
	struct audit_body body = {.kind = AUDIT_BODY_DATABASE};
	enum rc rc = RC_OK;

	for (size_t i = 0; i < N && rc == RC_OK; i++) {
		body = (struct audit_body){.kind = (enum audit_body_kind)(i % 3),
			.object = of(s)->versions[i].id,
			.number = 7,
			.handle = {i}};
		rc = visit(arg, &body, err);
	}
	for (size_t i = 0; i < of(s)->n_stored && rc == RC_OK; i++) {
		body = (struct audit_body){.object = of(s)->stored[i].version.id, .handle = {N}};
		rc = visit(arg, &body, err);
	}
	return rc;
}

static inline enum rc check_body(struct audit_source *s, const struct audit_body *body,
	bool *ret_has_sums, struct err *err)
{
	*ret_has_sums = !of(s)->has_no_sums;
	/* what is in distribution and archive under a name that is none of ours */
	if (body->handle[0] >= N)
		return RC_OK;
	return err_set(err, of(s)->checks[body->handle[0]], "as the test says");
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
	.current = current,
	.was_published = was_published,
	.release = release,
	.open = open_bytes,
	.bodies = visit_bodies,
	.check_body = check_body,
};

static const char *const keys[N] = {"data/0", "data/1", "data/2", "data/3"};
static const char *const ids[N] = {"0", "1", "2", "3"};
static const char *const bodies[N] = {"the first", "the second one", "", "fourth"};
static const char *const bundle_keys[N_PLANS] = {
	HOUR_KEY ZEROS "1.tar.gz", HOUR_KEY ZEROS "2.tar.gz", HOUR_KEY ZEROS "3.tar.gz"};

static inline size_t padded(size_t n)
{
	return (n + 511) / 512 * 512;
}

/* POSIX ustar, one regular file. */
static inline void add_member(struct buf *tar, const char *name, struct slice body)
{
	char head[512] = {0};
	unsigned sum = 0;

	snprintf(head, 100, "%s", name);
	memcpy(head + 100, "0000644", 8);
	memcpy(head + 108, "0000000", 8);
	memcpy(head + 116, "0000000", 8);
	snprintf(head + 124, 12, "%011zo", body.n);
	memcpy(head + 136, "00000000000", 12);
	memset(head + 148, ' ', 8);
	head[156] = '0';
	memcpy(head + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(head); i++)
		sum += (unsigned char)head[i];
	snprintf(head + 148, 8, "%06o", sum);
	buf_add(tar, head, sizeof(head));
	buf_add_slice(tar, body);
	memset(head, 0, sizeof(head));
	buf_add(tar, head, padded(body.n) - body.n);
}

static inline struct slice gzip(struct arena *a, struct slice plain)
{
	size_t room = plain.n + 4096;
	unsigned char *out = arena_alloc(a, room);
	z_stream z = {0};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (unsigned char *)(uintptr_t)plain.p;
	z.avail_in = (unsigned)plain.n;
	z.next_out = out;
	z.avail_out = (unsigned)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return slice_of(out, room - z.avail_out);
}

/* A bundle of objects first … last. */
static inline struct slice make_bundle(struct audit_world *w, size_t first, size_t last)
{
	static const char end[1024];
	struct buf tar;
	struct slice gz;

	buf_init(&tar, 1 << 20);
	for (size_t i = first; i <= last; i++)
		add_member(&tar, keys[i], slice_str(bodies[i]));
	buf_add(&tar, end, sizeof(end));
	gz = gzip(&w->arena, buf_slice(&tar));
	buf_release(&tar);
	return gz;
}

static inline void add_sha256(struct buf *out, struct slice bytes)
{
	unsigned char hash[SHA256_BYTES];

	sha256(bytes, hash);
	buf_add_str(out, "\"sha256\":\"");
	buf_add_hex(out, hash, SHA256_BYTES);
	buf_add_char(out, '"');
}

/* As core/manifest.h has it. */
static inline struct slice make_manifest(
	struct audit_world *w, unsigned plan, size_t first, size_t last, bool is_direct)
{
	struct slice gz = make_bundle(w, first, last), text;
	size_t offset = 512;
	struct buf out;

	buf_init(&out, 1 << 20);
	buf_addf(&out,
		"{\"version\":1,\"plan\":\"" ZEROS "%u\",\"bucket\":\"out\",\"bundle\":\"%s\",",
		plan + 1, bundle_keys[plan]);
	buf_addf(&out, "\"created\":\"2026-11-23T11:00:00.000Z\",%s\"members\":[",
		is_direct ? "\"direct\":true," : "");
	for (size_t i = first; i <= last; i++) {
		buf_addf(&out,
			"%s{\"name\":\"%s\",\"bucket\":\"in\",\"key\":\"%s\",\"versionId\":\"%s\","
			"\"size\":%zu,",
			i > first ? ",\n" : "\n", keys[i], keys[i], ids[i], strlen(bodies[i]));
		add_sha256(&out, slice_str(bodies[i]));
		buf_addf(&out, ",\"offset\":%zu}", offset);
		offset += padded(strlen(bodies[i])) + 512;
	}
	buf_addf(&out, "],\n\"size\":%zu,", gz.n);
	add_sha256(&out, gz);
	buf_add_str(&out, "}\n");
	text = arena_slice(&w->arena, buf_slice(&out));
	buf_release(&out);
	return text;
}

static inline struct stored *store(struct audit_world *w, const char *bucket, const char *key,
	const char *id, struct slice bytes)
{
	struct stored *o = &w->stored[w->n_stored++];

	assert_true(w->n_stored <= STORED_MAX);
	*o = (struct stored){.version = {.id = {slice_str(bucket), slice_str(key), slice_str(id)},
				     .size_bytes = bytes.n,
				     .modified_wall_ms = NOW_MS,
				     .is_archived = strcmp(bucket, "kept") == 0,
				     .is_current = true},
		.bytes = bytes,
		.by_stage = true};
	return o;
}

/* The bundle of objects first … last under a plan's key, in the archive, with its manifest, and in
 * distribution. */
static inline void store_bundle(
	struct audit_world *w, unsigned plan, size_t first, size_t last, bool is_direct)
{
	struct slice gz = make_bundle(w, first, last);
	const char *manifest = arena_printf(&w->arena, "manifests/%s.json", bundle_keys[plan]);
	size_t at = w->n_stored;

	store(w, "kept", bundle_keys[plan], "c", gz);
	store(w, "kept", manifest, "m", make_manifest(w, plan, first, last, is_direct));
	store(w, "out", bundle_keys[plan], "b", gz);
	for (; at < w->n_stored; at++)
		w->stored[at].version.is_direct = is_direct;
}

static inline void seal(struct audit_plan *p, struct slice gz, uint64_t n_slots)
{
	p->has_seal = true;
	p->n_slots = n_slots;
	p->size_bytes = gz.n;
	sha256(gz, p->sha256);
}

static inline void make_plans(struct audit_world *w)
{
	for (unsigned i = 0; i < N_PLANS; i++)
		w->plans[i] =
			(struct audit_plan){.id.bytes[PLAN_ID_BYTES - 1] = (unsigned char)(i + 1),
				.has_id = true,
				.state = i ? PLAN_OPEN : PLAN_DONE,
				.is_live = i > 0,
				.bucket = slice_str("out"),
				.opened_wall_ms = NOW_MS,
				.key = slice_str(bundle_keys[i])};
	seal(&w->plans[0], make_bundle(w, 0, 1), 2);
	w->n_plans = 2;
}

static inline struct audit_world *audit_world_new(void)
{
	struct audit_world *w = xcalloc(1, sizeof(*w));

	w->base = (struct audit_source){.ops = &ops,
		.distribution_bucket = slice_str("out"),
		.archive_bucket = slice_str("kept")};
	make_plans(w);
	for (unsigned i = 0; i < N; i++) {
		w->versions[i].id =
			(struct object_id){slice_str("in"), slice_str(keys[i]), slice_str(ids[i])};
		w->bodies[i] = slice_str(bodies[i]);
		w->claims[i] = (struct audit_claim){.object = w->versions[i].id,
			.state = LG_CLAIMED,
			.plan = w->plans[i / 2].id,
			.has_plan_id = true,
			.slot = i % 2};
	}
	w->n_claims = 3;
	w->traces[3] = AUDIT_WAITING;
	w->stage = (struct audit_stage){slice_str("out"), slice_str(bundle_keys[1]), false};
	w->n_stages = 1;
	store_bundle(w, 0, 0, 1, false);
	return w;
}

static inline void audit_world_free(struct audit_world *w)
{
	arena_release(&w->arena);
	free(w);
}

static inline void on_found(void *arg, const struct finding *found)
{
	struct audit_world *w = arg;

	w->last = *found;
	snprintf(w->last_text, sizeof(w->last_text), "%s", found->text);
	w->n_found++;
}

static inline struct ledger_audit_summary judge(struct audit_world *w)
{
	struct ledger_audit_options o = {.source = &w->base,
		.now_wall_ms = NOW_MS,
		.kept_ms = LEDGER_AUDIT_KEPT_MS,
		.found = on_found,
		.arg = w};
	struct ledger_audit_summary sum;
	struct err err;

	w->n_found = w->n_released = 0;
	assert_int_equal(ledger_audit(&o, &sum, &err), RC_OK);
	assert_int_equal(sum.n_findings, w->n_found);
	assert_int_equal(w->n_released, 1);
	return sum;
}

/* Exactly one finding, of this kind and invariant, whose text has these words. Ends the world. */
static inline void expect(
	struct audit_world *w, enum finding_kind kind, const char *invariant, const char *words)
{
	struct ledger_audit_summary sum = judge(w);

	if (sum.n_findings != 1 || sum.findings[kind] != 1 || !strstr(w->last_text, words))
		fail_msg("%u findings, the last: %s", w->n_found, w->last_text);
	assert_string_equal(w->last.invariant, invariant);
	audit_world_free(w);
}

/* Nothing is found. Ends the world. */
static inline struct ledger_audit_summary expect_sound(struct audit_world *w)
{
	struct ledger_audit_summary sum = judge(w);

	if (sum.n_findings)
		fail_msg("%u findings, the last: %s", w->n_found, w->last_text);
	audit_world_free(w);
	return sum;
}

#endif
