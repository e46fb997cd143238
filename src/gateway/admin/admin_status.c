/* GET /-/api/v1/status and GET /-/api/v1/where. */
#include "base/json.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "obs/alarm.h"

static void add_u64(struct buf *out, const char *name, uint64_t v)
{
	buf_addf(out, "\"%s\":%llu", name, (unsigned long long)v);
}

static void add_landing(struct buf *out, const struct op_status *s)
{
	buf_add_str(out, "},\"landing\":{\"bucket\":");
	json_add_string(out, slice_str(s->landing_bucket));
	if (s->is_landing_local) {
		buf_add_char(out, ',');
		add_u64(out, "objects", s->landing_objects);
		buf_add_char(out, ',');
		add_u64(out, "bytes", s->landing_bytes);
	}
	buf_add_str(out, "},\"distribution\":{\"bucket\":");
	json_add_string(out, slice_str(s->distribution_bucket));
	buf_add_char(out, ',');
	add_u64(out, "bundles", s->waiting_bundles);
	buf_add_char(out, ',');
	add_u64(out, "bytes", s->waiting_bytes);
}

static void add_last_error(struct buf *out, const struct op_status *s)
{
	buf_add_str(out, ",\"last_error\":");
	if (!s->has_error) {
		buf_add_str(out, "null");
		return;
	}
	buf_add_str(out, "{\"time\":");
	admin_add_time(out, s->error_wall_ms);
	buf_add_str(out, ",\"event\":");
	json_add_string(out, s->error_event);
	buf_add_str(out, ",\"text\":");
	json_add_string(out, s->error_text);
	buf_add_char(out, '}');
}

static void add_alarms(struct buf *out, struct alarms *alarms)
{
	struct alarm raised[ALARM_COUNT];
	size_t n = alarms ? alarms_raised(alarms, raised) : 0;

	buf_add_str(out, ",\"alarms\":[");
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s{\"name\":\"%s\",\"severity\":\"%s\",\"since\":", i ? "," : "",
			raised[i].name, alarm_severity_name(raised[i].severity));
		admin_add_time(out, raised[i].raised_wall_ms);
		buf_add_str(out, ",\"meaning\":");
		json_add_string(out, slice_str(raised[i].meaning));
		buf_add_str(out, ",\"text\":");
		json_add_string(out, slice_str(raised[i].text));
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

static void add_disk(struct buf *out, const struct op_status *s)
{
	buf_addf(out, ",\"disk\":{\"free_bytes\":%llu,\"size_bytes\":%llu,\"refusing\":%s",
		(unsigned long long)s->disk_free_bytes, (unsigned long long)s->disk_total_bytes,
		s->is_disk_refusing ? "true" : "false");
	if (s->disk_waiting.n) {
		buf_add_str(out, ",\"waiting_bundle\":");
		json_add_string(out, s->disk_waiting);
		buf_addf(out, ",\"needed_bytes\":%llu", (unsigned long long)s->disk_needed_bytes);
	}
	buf_add_char(out, '}');
}

static void add_damage(struct buf *out, const struct op_status *s)
{
	char id[OP_ID_BYTES];

	buf_addf(out, ",\"checksums\":{\"pending\":%s,\"taken\":%llu}",
		s->is_filling ? "true" : "false", (unsigned long long)s->n_filled);
	buf_addf(out, ",\"damaged\":%llu,\"damage\":[", (unsigned long long)s->n_damaged);
	for (size_t i = 0; i < s->n_damage; i++) {
		const struct op_damage *d = &s->damage[i];

		op_id_format(d->id, id);
		buf_addf(out, "%s{\"kind\":\"%s\",\"id\":\"%s\",\"found\":", i ? "," : "", d->kind,
			id);
		admin_add_time(out, d->found_wall_ms);
		buf_add_str(out, ",\"bucket\":");
		json_add_string(out, d->bucket);
		buf_add_str(out, ",\"key\":");
		json_add_string(out, d->key);
		buf_add_str(out, ",\"version\":");
		json_add_string(out, d->version);
		buf_add_str(out, ",\"what\":");
		json_add_string(out, d->what);
		buf_add_char(out, '}');
	}
	buf_add_char(out, ']');
}

static void add_memory(struct buf *out, const struct gateway_memory *m)
{
	uint64_t resident, peak;

	if (!m->n_shares)
		return;
	if (m->look)
		m->look(m->look_arg);
	metrics_read_resident(&resident, &peak);
	buf_add_str(out, ",\"memory\":{");
	add_u64(out, "ceiling_bytes", m->ceiling_bytes);
	buf_add_char(out, ',');
	add_u64(out, "resident_bytes", resident);
	buf_add_char(out, ',');
	add_u64(out, "resident_peak_bytes", peak);
	buf_add_str(out, ",\"shares\":[");
	for (size_t i = 0; i < m->n_shares; i++) {
		const struct budget *b = &m->shares[i];

		buf_addf(out, "%s{\"name\":\"%s\",", i ? "," : "", b->name);
		add_u64(out, "used_bytes", atomic_load(&b->used));
		buf_add_char(out, ',');
		add_u64(out, "peak_bytes", atomic_load(&b->peak));
		buf_add_char(out, ',');
		add_u64(out, "max_bytes", b->max);
		buf_add_char(out, ',');
		add_u64(out, "refused", atomic_load(&b->refused));
		buf_add_char(out, '}');
	}
	buf_add_str(out, "]}");
}

static enum rc status_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct op_status s;
	enum rc rc = op_status_get(r->service->op, &r->arena, &s, err);

	if (rc)
		return rc;
	buf_add_str(out, "{\"version\":");
	json_add_string(out, slice_str(s.version));
	buf_add_str(out, ",\"time\":");
	admin_add_time(out, s.now_wall_ms);
	buf_addf(out,
		",\"uptime_ms\":%llu,\"queue\":{\"visible\":%llu,\"in_flight\":%llu,\"oldest_ms\":%"
		"llu,"
		"\"dead_letters\":%llu},\"plans\":{\"open\":%llu,\"sealed\":%llu",
		(unsigned long long)s.uptime_ms, (unsigned long long)s.queue_visible,
		(unsigned long long)s.queue_in_flight, (unsigned long long)s.queue_oldest_ms,
		(unsigned long long)s.dead_letters, (unsigned long long)s.plans_open,
		(unsigned long long)s.plans_sealed);
	add_landing(out, &s);
	buf_addf(out,
		"},\"last_minute\":{\"received_objects\":%llu,\"bundled_objects\":%llu,\"bundles\":"
		"%llu}",
		(unsigned long long)s.received, (unsigned long long)s.bundled,
		(unsigned long long)s.bundles);
	add_memory(out, &r->service->memory);
	add_alarms(out, r->service->alarms);
	add_disk(out, &s);
	add_damage(out, &s);
	add_last_error(out, &s);
	buf_add_str(out, "}\n");
	return RC_OK;
}

enum rc admin_status(struct request *r, struct err *err)
{
	(void)err;
	return admin_run_status(r, status_job);
}

static void add_str(struct buf *out, const char *name, struct slice v)
{
	if (v.n == 0)
		return;
	buf_addf(out, ",\"%s\":", name);
	json_add_string(out, v);
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
	buf_addf(out, "{\"place\":\"%s\"", op_place_name(w.place));
	add_str(out, "bucket", w.object.bucket);
	add_str(out, "key", w.object.key);
	add_str(out, "version", w.object.version);
	add_str(out, "bundle_bucket", w.bundle_bucket);
	add_str(out, "bundle_key", w.bundle_key);
	if (w.place == OP_MEMBER)
		buf_addf(out,
			",\"published\":%s,\"bundle_bytes\":%llu,\"taken\":%s,\"archived\":%s",
			w.is_published ? "true" : "false", (unsigned long long)w.bundle_bytes,
			w.is_taken ? "true" : "false", w.is_archived ? "true" : "false");
	if (w.is_gone)
		buf_add_str(out, ",\"source_gone\":true");
	if (w.attempts)
		buf_addf(out, ",\"attempts\":%u", w.attempts);
	add_str(out, "code", w.code);
	add_str(out, "dead_letter", slice_str(w.dead_id));
	add_str(out, "why", w.why);
	buf_add_str(out, "}\n");
	return RC_OK;
}

enum rc admin_where(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, where_job);
}
