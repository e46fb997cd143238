/* GET /-/api/v1/status and GET /-/api/v1/where. */
#include "base/json_write.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "obs/alarm.h"

static void add_queue(struct buf *out, const struct op_status *s)
{
	json_open_object(out, "queue");
	json_u64(out, "visible", s->queue_visible);
	json_u64(out, "in_flight", s->queue_in_flight);
	json_u64(out, "oldest_ms", s->queue_oldest_ms);
	json_u64(out, "dead_letters", s->dead_letters);
	json_close_object(out);
	json_open_object(out, "plans");
	json_u64(out, "open", s->plans_open);
	json_u64(out, "sealed", s->plans_sealed);
	json_close_object(out);
}

static void add_buckets(struct buf *out, const struct op_status *s)
{
	json_open_object(out, "landing");
	json_str(out, "bucket", s->landing_bucket);
	if (s->is_landing_local) {
		json_u64(out, "objects", s->landing_objects);
		json_u64(out, "bytes", s->landing_bytes);
	}
	json_close_object(out);
	json_open_object(out, "distribution");
	json_str(out, "bucket", s->distribution_bucket);
	json_u64(out, "bundles", s->waiting_bundles);
	json_u64(out, "bytes", s->waiting_bytes);
	json_close_object(out);
}

static void add_last_minute(struct buf *out, const struct op_status *s)
{
	json_open_object(out, "last_minute");
	json_u64(out, "received_objects", s->received);
	json_u64(out, "bundled_objects", s->bundled);
	json_u64(out, "bundles", s->bundles);
	json_close_object(out);
}

static void add_last_error(struct buf *out, const struct op_status *s)
{
	if (!s->has_error) {
		json_nothing(out, "last_error");
		return;
	}
	json_open_object(out, "last_error");
	json_time(out, "time", s->error_wall_ms);
	json_text(out, "event", s->error_event);
	json_text(out, "text", s->error_text);
	json_close_object(out);
}

static void add_alarms(struct buf *out, struct alarms *alarms)
{
	struct alarm raised[ALARM_COUNT];
	size_t n = alarms ? alarms_raised(alarms, raised) : 0;

	json_open_array(out, "alarms");
	for (size_t i = 0; i < n; i++) {
		json_open_object(out, NULL);
		json_str(out, "name", raised[i].name);
		json_str(out, "severity", alarm_severity_name(raised[i].severity));
		json_time(out, "since", raised[i].raised_wall_ms);
		json_str(out, "meaning", raised[i].meaning);
		json_str(out, "text", raised[i].text);
		json_close_object(out);
	}
	json_close_array(out);
}

static void add_disk(struct buf *out, const struct op_status *s)
{
	json_open_object(out, "disk");
	json_u64(out, "free_bytes", s->disk_free_bytes);
	json_u64(out, "size_bytes", s->disk_total_bytes);
	json_bool(out, "refusing", s->is_disk_refusing);
	if (s->disk_waiting.n) {
		json_text(out, "waiting_bundle", s->disk_waiting);
		json_u64(out, "needed_bytes", s->disk_needed_bytes);
	}
	json_close_object(out);
}

static void add_damage(struct buf *out, const struct op_status *s)
{
	char id[OP_ID_BYTES];

	json_open_object(out, "checksums");
	json_bool(out, "pending", s->is_filling);
	json_u64(out, "taken", s->n_filled);
	json_close_object(out);
	json_u64(out, "damaged", s->n_damaged);
	json_open_array(out, "damage");
	for (size_t i = 0; i < s->n_damage; i++) {
		const struct op_damage *d = &s->damage[i];

		op_id_format(d->id, id);
		json_open_object(out, NULL);
		json_str(out, "kind", d->kind);
		json_str(out, "id", id);
		json_time(out, "found", d->found_wall_ms);
		json_text(out, "bucket", d->bucket);
		json_text(out, "key", d->key);
		json_text(out, "version", d->version);
		json_text(out, "what", d->what);
		json_close_object(out);
	}
	json_close_array(out);
}

static void add_memory(struct buf *out, const struct gateway_memory *m)
{
	uint64_t resident, peak;

	if (!m->n_shares)
		return;
	if (m->look)
		m->look(m->look_arg);
	metrics_read_resident(&resident, &peak);
	json_open_object(out, "memory");
	json_u64(out, "ceiling_bytes", m->ceiling_bytes);
	json_u64(out, "resident_bytes", resident);
	json_u64(out, "resident_peak_bytes", peak);
	json_open_array(out, "shares");
	for (size_t i = 0; i < m->n_shares; i++) {
		const struct budget *b = &m->shares[i];

		json_open_object(out, NULL);
		json_str(out, "name", b->name);
		json_u64(out, "used_bytes", atomic_load(&b->used));
		json_u64(out, "peak_bytes", atomic_load(&b->peak));
		json_u64(out, "max_bytes", b->max);
		json_u64(out, "refused", atomic_load(&b->refused));
		json_close_object(out);
	}
	json_close_array(out);
	json_close_object(out);
}

static enum rc status_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct op_status s;
	enum rc rc = op_status_get(r->service->op, &r->arena, &s, err);

	if (rc)
		return rc;
	json_open_object(out, NULL);
	json_str(out, "version", s.version);
	json_time(out, "time", s.now_wall_ms);
	json_u64(out, "uptime_ms", s.uptime_ms);
	add_queue(out, &s);
	add_buckets(out, &s);
	add_last_minute(out, &s);
	add_memory(out, &r->service->memory);
	add_alarms(out, r->service->alarms);
	add_disk(out, &s);
	add_damage(out, &s);
	add_last_error(out, &s);
	json_close_object(out);
	buf_add_char(out, '\n');
	return RC_OK;
}

enum rc admin_status(struct request *r, struct err *err)
{
	(void)err;
	return admin_run_status(r, status_job);
}

static void add_known(struct buf *out, const char *name, struct slice v)
{
	if (v.n)
		json_text(out, name, v);
}

static enum rc where_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct object_id id = {0};
	struct op_where w;
	enum rc rc;

	if ((rc = request_param(r, "bucket", &id.bucket, err)) ||
		(rc = request_param(r, "key", &id.key, err)) ||
		(rc = request_param(r, "version", &id.version, err)))
		return rc;
	if (id.bucket.n == 0 || id.key.n == 0)
		return err_code(err, RC_REFUSED, "InvalidArgument", "which bucket and key?");
	if (id.bucket.n > BUCKET_NAME_MAX || id.key.n > OBJECT_KEY_MAX ||
		id.version.n > VERSION_ID_MAX + 4)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"the bucket, the key or the version is too long");
	rc = op_where_is(r->service->op, &r->arena, &id, &w, err);
	if (rc)
		return rc;
	json_open_object(out, NULL);
	json_str(out, "place", op_place_name(w.place));
	add_known(out, "bucket", w.object.bucket);
	add_known(out, "key", w.object.key);
	add_known(out, "version", w.object.version);
	add_known(out, "bundle_bucket", w.bundle_bucket);
	add_known(out, "bundle_key", w.bundle_key);
	if (w.place == OP_MEMBER) {
		json_bool(out, "published", w.is_published);
		json_u64(out, "bundle_bytes", w.bundle_bytes);
		json_bool(out, "taken", w.is_taken);
		json_bool(out, "archived", w.is_archived);
	}
	if (w.is_gone)
		json_bool(out, "source_gone", true);
	if (w.attempts)
		json_u64(out, "attempts", w.attempts);
	add_known(out, "code", w.code);
	add_known(out, "dead_letter", slice_str(w.dead_id));
	add_known(out, "why", w.why);
	json_close_object(out);
	buf_add_char(out, '\n');
	return RC_OK;
}

enum rc admin_where(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, where_job);
}
