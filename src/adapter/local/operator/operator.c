#include "adapter/local/operator/operator.h"

#include "adapter/local/buckets/version.h"
#include "adapter/local/engine/clock_back.h"

#include <stdlib.h>

#include "adapter/local/engine/row_sum.h"
#include "adapter/local/engine/totals.h"
#include "obs/log.h"
#include "port/event_queue.h"
#include "port/ledger.h"

static enum rc read_plans(struct db_conn *conn, struct op_status *s, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT state, count(*) FROM plan INDEXED BY plan_live"
					 " WHERE live = 1 GROUP BY state");
	bool row = true;
	enum rc rc;

	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		if (db_column_u64(st, 0) == PLAN_OPEN)
			s->plans_open = db_column_u64(st, 1);
		if (db_column_u64(st, 0) == PLAN_SEALED)
			s->plans_sealed = db_column_u64(st, 1);
	}
	db_done(st);
	return rc;
}

/* The number of a bucket's first version of the last minute. */
static enum rc minute_begin(struct db_conn *conn, uint64_t bucket, const struct op_status *s,
	uint64_t *ret_seq, struct err *err)
{
	return clock_back_find(conn,
		"SELECT seq, modified FROM version INDEXED BY version_age"
		" WHERE bucket = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1",
		bucket, s->now_wall_ms - OP_RATE_MS, s->now_wall_ms, ret_seq, err);
}

static enum rc read_landing(
	struct db_conn *conn, const struct local_operator *o, struct op_status *s, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"SELECT objects, bytes, id FROM bucket b WHERE name = ?1");
	uint64_t id, since;
	bool row;
	enum rc rc;

	db_bind_text(st, 1, o->landing_bucket);
	rc = db_step(st, &row, err);
	if (rc != RC_OK || !row)
		return rc;
	s->landing_objects = db_column_u64(st, 0);
	s->landing_bytes = db_column_u64(st, 1);
	id = db_column_u64(st, 2);
	db_done(st);
	rc = minute_begin(conn, id, s, &since, err);
	if (rc != RC_OK)
		return rc;
	st = db_stmt(conn, "SELECT count(*) FROM version INDEXED BY version_age"
			   " WHERE bucket = ? AND seq >= ?");
	db_bind_u64(st, 1, id);
	db_bind_u64(st, 2, since);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && row)
		s->received = db_column_u64(st, 0);
	db_done(st);
	return rc;
}

static enum rc read_waiting(struct db_conn *conn, const struct local_operator *o,
	struct op_status *s, uint64_t *ret_to_keep, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT id FROM bucket WHERE name = ?");
	struct waiting_total total = {0};
	uint64_t bucket = 0;
	bool row, kept = true;
	enum rc rc;

	db_bind_text(st, 1, o->distribution_bucket);
	rc = db_step(st, &row, err);
	if (rc == RC_OK && row)
		bucket = db_column_u64(st, 0);
	db_done(st);
	if (rc == RC_OK && bucket)
		rc = totals_waiting(conn, bucket, &kept, &total, err);
	s->waiting_bundles = total.objects;
	s->waiting_bytes = total.bytes;
	*ret_to_keep = kept ? 0 : bucket;
	return rc;
}

static enum rc members_of(
	struct db_conn *conn, const struct plan_id *id, uint64_t *ret_n, struct err *err)
{
	sqlite3_stmt *st =
		db_stmt(conn, "SELECT n_slots, excluded FROM plan WHERE id = ?");
	bool row;
	enum rc rc;

	db_bind_slice(st, 1, slice_of(id->bytes, PLAN_ID_BYTES));
	rc = db_step(st, &row, err);
	*ret_n = 0;
	if (rc == RC_OK && row)
		*ret_n = db_column_u64(st, 0) - lg_count_excluded(db_column_slice(st, 1));
	db_done(st);
	return rc;
}

/* Bundles that were published within the last minute, also if the consumer has taken them by
 * now. */
static enum rc read_bundled(
	struct db_conn *conn, const struct local_operator *o, struct op_status *s, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn,
		"SELECT v.key FROM version v INDEXED BY version_age"
		" WHERE bucket = ? AND seq >= ? AND NOT is_marker");
	enum bs_versioning versioning;
	struct plan_id id;
	bool row = true;
	uint64_t n, bucket, since;
	enum rc rc = bucket_row(
		conn, slice_str(o->distribution_bucket), &bucket, &versioning, err);

	if (rc != RC_OK)
		return rc == RC_ABSENT ? RC_OK : rc;
	rc = minute_begin(conn, bucket, s, &since, err);
	if (rc != RC_OK)
		return rc;
	db_bind_u64(st, 1, bucket);
	db_bind_u64(st, 2, since);
	while ((rc = db_step(st, &row, err)) == RC_OK && row) {
		if (!bundle_key_parse(db_column_slice(st, 0), &id))
			continue;
		s->bundles++;
		rc = members_of(conn, &id, &n, err);
		if (rc != RC_OK)
			break;
		s->bundled += n;
	}
	db_done(st);
	return rc;
}

static void read_last_error(struct arena *a, struct op_status *s)
{
	struct log_last last;

	s->has_error = log_last_error(&last);
	if (!s->has_error)
		return;
	s->error_wall_ms = last.wall_ms;
	s->error_event = slice_str(last.event);
	s->error_text = arena_slice(a, slice_str(last.text));
}

static enum rc read_damage(struct local *local, struct db_conn *conn, struct arena *a,
	struct op_status *s, struct err *err)
{
	struct damage_found *found;
	size_t n = 0;
	enum rc rc = damage_read(
		local->damage, conn, a, OP_DAMAGE_MAX, &found, &n, &s->n_damaged, err);

	if (rc != RC_OK)
		return rc;
	s->damage = arena_array(a, n, sizeof(*s->damage));
	s->n_damage = n;
	for (size_t i = 0; i < n; i++)
		s->damage[i] = (struct op_damage){.kind = damage_kind_name(found[i].kind),
			.id = found[i].owner,
			.bucket = found[i].bucket,
			.key = found[i].key,
			.version = found[i].version,
			.what = found[i].what,
			.found_wall_ms = found[i].found_wall_ms};
	return RC_OK;
}

/* *ret_to_keep: the distribution bucket when its total is not kept yet; then it is not in here
 * either. */
static enum rc read_tables(const struct local_operator *o, struct arena *a, struct op_status *s,
	uint64_t *ret_to_keep, struct err *err)
{
	struct db_conn *conn = db_reader(o->local->db);
	enum rc rc;

	db_read_begin(conn);
	rc = read_plans(conn, s, err);
	if (rc == RC_OK && o->is_landing_local)
		rc = read_landing(conn, o, s, err);
	if (rc == RC_OK)
		rc = read_waiting(conn, o, s, ret_to_keep, err);
	if (rc == RC_OK)
		rc = read_bundled(conn, o, s, err);
	/* When the database is damaged, the status shows what can be read, and above all that it is
	 * damaged. */
	damage_note_err(o->local->damage, rc, err,
		&(struct damage_found){.kind = DAMAGE_DATABASE});
	if (rc == RC_OK || rc == RC_CORRUPT)
		rc = read_damage(o->local, conn, a, s, err);
	db_read_end(conn);
	db_reader_return(o->local->db, conn);
	return rc;
}

static void read_disk(struct local *local, struct arena *a, struct op_status *s)
{
	struct grants_stat disk;

	grants_stat(db_grants(local->db), &disk);
	s->disk_free_bytes = disk.free_bytes;
	s->disk_total_bytes = disk.total_bytes;
	s->is_disk_refusing = disk.is_refusing;
	s->disk_waiting = arena_slice(a, slice_str(disk.waiting));
	s->disk_needed_bytes = disk.needed_bytes;
	s->disk_had_bytes = disk.had_bytes;
}

static enum rc operator_status(
	struct op_port *op, struct arena *a, struct op_status *ret_status, struct err *ret_err)
{
	struct local_operator *o = operator_of(op);
	struct err own, *err = ret_err ? ret_err : &own;
	struct local *local = o->local;
	struct op_status s = {
		.version = o->version,
		.now_wall_ms = clock_wall_ms(local->clock),
		.uptime_ms = clock_boot_ms(local->clock) - o->start_boot_ms,
		.landing_bucket = o->landing_bucket,
		.distribution_bucket = o->distribution_bucket,
		.is_landing_local = o->is_landing_local,
	};
	uint64_t to_keep = 0;
	struct eq_stat queue;
	enum rc rc = eq_stat(local->event_queue, &queue, err);

	if (rc != RC_OK)
		return rc;
	s.queue_visible = queue.visible;
	s.queue_in_flight = queue.in_flight;
	s.queue_oldest_ms = queue.oldest_age_ms;
	s.dead_letters = queue.dead;
	read_last_error(a, &s);
	read_disk(local, a, &s);
	s.is_filling = fill_stat(local->fill).is_filling;
	s.n_filled = fill_stat(local->fill).n_bodies;
	s.clock_behind_ms = committer_stat(local->committer).clock_behind_ms;
	rc = read_tables(o, a, &s, &to_keep, err);
	if (rc == RC_OK && to_keep) {
		/* once in a folder's life: a new distribution bucket */
		rc = totals_keep_waiting(local->committer, to_keep, err);
		s.received = s.bundled = s.bundles = 0;
		if (rc == RC_OK)
			rc = read_tables(o, a, &s, &to_keep, err);
	}
	if (rc == RC_OK)
		*ret_status = s;
	return rc;
}

enum rc operator_plan_facts(struct db_conn *conn, struct arena *a, struct slice plan, uint64_t slot,
	struct plan_facts *ret_facts, struct err *err)
{
	sqlite3_stmt *st = db_stmt(
		conn, "SELECT state, bucket, key, size, n_slots, excluded FROM plan WHERE id = ?");
	enum rc rc;

	*ret_facts = (struct plan_facts){0};
	db_bind_slice(st, 1, plan);
	rc = db_step(st, &ret_facts->is_found, err);
	if (rc != RC_OK || !ret_facts->is_found)
		return rc;
	ret_facts->state = (unsigned)db_column_u64(st, 0);
	ret_facts->bucket = db_column_copy(st, 1, a);
	ret_facts->key = db_column_copy(st, 2, a);
	ret_facts->size = db_column_u64(st, 3);
	ret_facts->is_member = (ret_facts->state == PLAN_SEALED || ret_facts->state == PLAN_DONE) &&
			       slot < db_column_u64(st, 4) &&
			       !lg_is_excluded(db_column_slice(st, 5), slot);
	db_done(st);
	return RC_OK;
}

enum rc operator_record_read(struct db_conn *conn, struct arena *a, const struct object_id *object,
	struct operator_record *ret_record, struct err *err)
{
	sqlite3_stmt *st = db_stmt(conn, "SELECT state, slot, attempts, plan, reason, sum FROM claim"
					 " WHERE version = ? AND bucket = ? AND key = ?");
	enum rc rc;

	*ret_record = (struct operator_record){0};
	db_bind_slice(st, 1, object->version);
	db_bind_slice(st, 2, object->bucket);
	db_bind_slice(st, 3, object->key);
	rc = db_step(st, &ret_record->is_found, err);
	if (rc == RC_OK && ret_record->is_found) {
		ret_record->state = (unsigned)db_column_u64(st, 0);
		ret_record->slot = db_column_u64(st, 1);
		ret_record->attempts = (uint32_t)db_column_u64(st, 2);
		ret_record->plan = db_column_copy(st, 3, a);
		ret_record->reason = db_column_copy(st, 4, a);
		if (!row_sum_fits(st, 5,
			    row_sum_claim(object, ret_record->state, ret_record->plan,
				    ret_record->slot, ret_record->attempts, ret_record->reason)))
			rc = err_code(err, RC_CORRUPT, ERR_DAMAGED,
				"the ledger's record of '" SLICE_FMT "' is damaged",
				SLICE_ARG(object->key));
	}
	db_done(st);
	return rc;
}

static void operator_close(struct op_port *op)
{
	struct local_operator *o = operator_of(op);

	free(o->version);
	free(o->landing_bucket);
	free(o->event_prefix);
	free(o->distribution_bucket);
	free(o->archive_bucket);
	free(o);
}

static const struct op_port_ops ops = {
	.status = operator_status,
	.dead_list = operator_dead_list,
	.dead_get = operator_dead_get,
	.redrive = operator_redrive,
	.drop = operator_drop,
	.where = operator_where,
	.unknown = operator_unknown,
	.close = operator_close,
};

struct op_port *local_operator_new(struct local *local, const struct local_operator_config *cfg)
{
	struct local_operator *o = xcalloc(1, sizeof(*o));

	o->base.ops = &ops;
	o->local = local;
	o->version = xstrdup(cfg->version);
	o->landing_bucket = xstrdup(cfg->landing_bucket);
	o->event_prefix = xstrdup(cfg->event_prefix);
	o->distribution_bucket = xstrdup(cfg->distribution_bucket);
	o->archive_bucket = cfg->archive_bucket ? xstrdup(cfg->archive_bucket) : NULL;
	o->is_landing_local = cfg->is_landing_local;
	o->start_boot_ms = clock_boot_ms(local->clock);
	return &o->base;
}
