#include "core/direct.h"

#include <assert.h>
#include <stdio.h>

#include "core/bundle.h"
#include "core/publish.h"
#include "core/seal.h"
#include "model/member_name.h"
#include "model/name_set.h"
#include "obs/log.h"

struct run {
	const struct direct_job *job;
	struct direct_result *result;
	struct arena arena;
	struct unit **units;
	size_t n;
	uint64_t bytes; /* of the units, rounded */
	struct name_set names;
};

static enum rc keep_going(void *arg, struct err *err)
{
	const struct direct_job *job = arg;

	return atomic_load_explicit(job->stopping, memory_order_relaxed)
		       ? err_set(err, RC_AGAIN, "stopping")
		       : RC_OK;
}

static void failed(struct run *r, struct slice key, const char *code, const char *cause)
{
	r->result->n_failed++;
	log_event(EV_RECORD_FAILED, LF_SLICE(key, key), LF_STR(code, code), LF_STR(cause, cause));
}

/* The record as a unit; NULL when it can never be bundled. */
static struct unit *unit_of(struct run *r, const struct s3_event_record *rec)
{
	struct unit *u = arena_alloc(&r->arena, sizeof(*u));
	struct err why = {0};

	*u = (struct unit){.object = rec->object,
		.etag = rec->etag,
		.size = rec->size,
		.has_size = rec->has_size,
		.claim = CLAIM_MINE};
	if (!slice_eq_str(rec->object.bucket, r->job->cfg->landing_bucket)) {
		failed(r, rec->object.key, "wrong-bucket", "the record names another bucket");
		return NULL;
	}
	if (member_name_of_key(&r->arena, rec->object.key, &u->name, &why) != RC_OK) {
		failed(r, rec->object.key, why.code, why.text);
		return NULL;
	}
	return u;
}

/* false: the byte limit closes the bundle in front of this record. */
static bool take(struct run *r, const struct s3_event_record *rec)
{
	struct unit *u = unit_of(r, rec);

	if (!u)
		return true;
	if (r->n && r->bytes + unit_rounded_bytes(u) > r->job->cfg->batch_max_bytes)
		return false;
	if (!name_set_add(&r->names, u->name)) {
		r->result->n_left++;
		return true;
	}
	r->bytes += unit_rounded_bytes(u);
	u->slot = (uint32_t)r->n;
	r->units[r->n++] = u;
	return true;
}

static void take_all(struct run *r)
{
	size_t i = 0;

	r->units = arena_array(&r->arena, r->job->n, sizeof(struct unit *));
	while (i < r->job->n && take(r, &r->job->records[i]))
		i++;
	if (i == r->job->n)
		return;
	r->result->by_bytes = true;
	r->result->n_left += r->job->n - i;
	log_event(EV_LIMIT_REACHED, LF_U64(objects, r->n), LF_U64(remaining_records, r->job->n - i),
		LF_U64(limit_bytes, r->job->cfg->batch_max_bytes));
}

static void count(struct run *r)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct unit *u = r->units[i];

		if (u->fetch == FETCH_PACKED)
			r->result->n_processed++;
		else if (u->fetch == FETCH_OVER)
			r->result->n_left++;
		else
			failed(r, u->object.key, unit_failure(u), u->why);
	}
}

/* The plan is in no ledger; but its seal has the same form, and is published in the same order. */
static enum rc publish(struct run *r, struct lg_plan *plan, const struct bundle *b, struct err *err)
{
	enum rc rc = publish_stages(r->job->cfg->ports.distribution, plan, err);

	if (rc != RC_OK)
		return rc;
	snprintf(r->result->key, sizeof(r->result->key), SLICE_FMT, SLICE_ARG(plan->key));
	r->result->bundle_bytes = b->size_bytes;
	log_event(EV_BUNDLE_PUBLISHED, LF_SLICE(bundle, plan->key),
		LF_U64(objects, b->n_members), LF_U64(object_bytes, b->member_bytes),
		LF_U64(bundle_bytes, b->size_bytes));
	return RC_OK;
}

/*
 * A failed invocation must leave nothing behind. First its stages are discarded. Then the bundle is
 * published once more, because only that answer tells for certain whether it was published before.
 * If it was, the bundle and its archive copy stay, and the invocation has succeeded. If it was not,
 * its files in the archive are removed.
 */
static enum rc undo(struct run *r, struct lg_plan *plan, const struct bundle *b, enum rc failed)
{
	struct object_store *store = r->job->cfg->ports.distribution;
	struct slice archive = slice_str(r->job->cfg->archive_bucket);
	struct err later;
	enum rc rc = stages_discard(store, plan, archive, &later);

	if (rc != RC_OK || !b->n_members || !b->staged.n)
		return failed;
	rc = publish(r, plan, b, &later);
	if (rc == RC_ABSENT)
		stages_unarchive(store, plan, archive, &later);
	return rc == RC_OK ? RC_OK : failed;
}

static enum rc make(struct run *r, struct err *err)
{
	const struct pipeline_config *cfg = r->job->cfg;
	const struct pipeline_ports *ports = &cfg->ports;
	struct lg_plan plan = plan_make(&r->arena, ports->prng, clock_wall_ms(ports->clock),
		slice_str(cfg->owner), slice_str(cfg->distribution_bucket));
	struct bundle_job job = {.landing = ports->landing,
		.distribution = ports->distribution,
		.plan = &plan,
		.archive_bucket = slice_str(cfg->archive_bucket),
		.is_direct = true,
		.compression = cfg->compression,
		.pool = ports->pool,
		.memory = cfg->bundle_memory,
		.max_bytes = cfg->batch_max_bytes,
		.object_max_bytes = stages_object_max(ports->distribution, cfg->archive_bucket != NULL),
		.clock = ports->clock,
		.close_boot_ms = r->job->close_boot_ms,
		.tick = keep_going,
		.tick_arg = (void *)(uintptr_t)r->job};
	struct bundle b = {0};
	enum rc rc = bundle_make(&job, r->units, r->n, &b, err);

	r->result->by_time = b.closed_by_time;
	if (rc == RC_OK && b.n_members) {
		plan.seal = seal_record(&r->arena, &b, r->units, r->n);
		rc = publish(r, &plan, &b, err);
	}
	if (rc != RC_OK || b.n_members == 0)
		rc = undo(r, &plan, &b, rc);
	bundle_release(&b);
	return rc;
}

enum rc direct_run(const struct direct_job *job, struct direct_result *ret, struct err *err)
{
	struct run r = {.job = job, .result = ret};
	enum rc rc = RC_OK;

	assert(job->n <= DIRECT_RECORDS_MAX);
	*ret = (struct direct_result){0};
	take_all(&r);
	if (r.n)
		rc = make(&r, err);
	if (rc == RC_OK)
		count(&r);
	if (ret->by_time)
		log_event(EV_TIME_GUARD, LF_U64(remaining_records, ret->n_left));
	name_set_release(&r.names);
	arena_release(&r.arena);
	return rc;
}
