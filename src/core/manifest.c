#include "core/manifest.h"

#include "base/date.h"
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
	char id[2 * PLAN_ID_BYTES + 1], created[DATE_ISO_BYTES];

	plan_id_text(&plan->id, id);
	date_iso_format(plan->opened_wall_ms, created);
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
