#include "core/manifest.h"

#include "base/date.h"
#include "base/json_write.h"

struct slice manifest_key(struct arena *a, struct slice bundle_key)
{
	return slice_str(arena_printf(a, MANIFEST_PREFIX SLICE_FMT ".json", SLICE_ARG(bundle_key)));
}

void manifest_begin(struct buf *out, const struct lg_plan *plan, bool is_direct)
{
	char id[2 * PLAN_ID_BYTES + 1], created[DATE_ISO_BYTES];

	plan_id_text(&plan->id, id);
	date_iso_format(plan->opened_wall_ms, created);
	json_open_object(out, NULL);
	json_u64(out, "version", 1);
	json_str(out, "plan", id);
	json_text(out, "bucket", plan->bucket);
	json_text(out, "bundle", plan->key);
	json_str(out, "created", created);
	if (is_direct)
		json_bool(out, "direct", true);
	json_open_array(out, "members");
}

void manifest_add(struct buf *out, const struct manifest_member *m, bool is_first)
{
	buf_add_str(out, is_first ? "\n" : ",\n");
	json_open_object(out, NULL);
	json_text(out, "name", m->name);
	json_text(out, "bucket", m->object.bucket);
	json_text(out, "key", m->object.key);
	json_text(out, "versionId", m->object.version);
	json_u64(out, "size", m->size_bytes);
	json_hex(out, "sha256", m->sha256, SHA256_BYTES);
	json_u64(out, "offset", m->offset_bytes);
	json_close_object(out);
}

void manifest_end(struct buf *out, uint64_t size_bytes, const unsigned char sha256[SHA256_BYTES])
{
	json_close_array(out);
	buf_add_str(out, ",\n");
	json_u64(out, "size", size_bytes);
	json_hex(out, "sha256", sha256, SHA256_BYTES);
	json_close_object(out);
	buf_add_char(out, '\n');
}
