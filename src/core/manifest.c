#include "core/manifest.h"

#include <stdio.h>
#include <time.h>

#include "base/json.h"

struct slice manifest_key(struct arena *a, struct slice bundle_key)
{
	return slice_str(arena_printf(a, MANIFEST_PREFIX SLICE_FMT ".json", SLICE_ARG(bundle_key)));
}

static void add_field(struct buf *out, const char *name, struct slice value)
{
	buf_addf(out, "\"%s\":", name);
	json_add_string(out, value);
	buf_add_char(out, ',');
}

void manifest_begin(struct buf *out, const struct lg_plan *plan, bool is_direct)
{
	char id[2 * PLAN_ID_BYTES + 1], created[64];
	time_t s = (time_t)(plan->opened_wall_ms / 1000);
	struct tm tm;

	plan_id_text(&plan->id, id);
	gmtime_r(&s, &tm);
	snprintf(created, sizeof(created), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(int)(plan->opened_wall_ms % 1000));
	buf_add_str(out, "{\"version\":1,");
	add_field(out, "plan", slice_str(id));
	add_field(out, "bucket", plan->bucket);
	add_field(out, "bundle", plan->key);
	add_field(out, "created", slice_str(created));
	if (is_direct)
		buf_add_str(out, "\"direct\":true,");
	buf_add_str(out, "\"members\":[");
}

static void add_sha256(struct buf *out, const unsigned char sha256[SHA256_BYTES])
{
	buf_add_str(out, "\"sha256\":\"");
	buf_add_hex(out, sha256, SHA256_BYTES);
	buf_add_char(out, '"');
}

void manifest_add(struct buf *out, const struct manifest_member *m, bool is_first)
{
	buf_add_str(out, is_first ? "\n{" : ",\n{");
	add_field(out, "name", m->name);
	add_field(out, "bucket", m->object.bucket);
	add_field(out, "key", m->object.key);
	add_field(out, "versionId", m->object.version);
	buf_addf(out, "\"size\":%llu,", (unsigned long long)m->size_bytes);
	add_sha256(out, m->sha256);
	buf_addf(out, ",\"offset\":%llu}", (unsigned long long)m->offset_bytes);
}

void manifest_end(struct buf *out, uint64_t size_bytes, const unsigned char sha256[SHA256_BYTES])
{
	buf_addf(out, "],\n\"size\":%llu,", (unsigned long long)size_bytes);
	add_sha256(out, sha256);
	buf_add_str(out, "}\n");
}
