#include "adapter/aws/s3/s3_stage.h"

#include <stdio.h>

#include "base/json.h"
#include "base/json_write.h"

uint64_t stage_part_bytes(unsigned number)
{
	unsigned doublings = (number - 1) / 1000;

	return (uint64_t)STAGE_PART_BYTES << (doublings < 8 ? doublings : 8);
}

static void write_part(struct buf *out, const struct stage_part *p)
{
	char crc[CHECKSUM_TEXT_MAX];

	checksum_format(&p->crc32, crc);
	json_open_object(out, NULL);
	json_u64(out, "number", p->number);
	json_u64(out, "size", p->size);
	json_str(out, "etag", p->etag);
	json_str(out, "crc32", crc);
	json_bool(out, "echoed", p->is_echoed);
	json_close_object(out);
}

bool staged_write(struct buf *out, const struct staged *staged)
{
	json_open_object(out, NULL);
	json_text(out, "upload", staged->upload_id);
	json_u64(out, "size", staged->size);
	json_open_array(out, "parts");
	for (size_t i = 0; i < staged->n_parts; i++)
		write_part(out, &staged->parts[i]);
	json_close_array(out);
	json_close_object(out);
	return !out->overflow;
}

static bool read_part(const json_t *o, struct stage_part *p)
{
	struct slice etag = json_member_str(o, "etag"), crc = json_member_str(o, "crc32");
	const json_t *number = json_object_get(o, "number"), *size = json_object_get(o, "size");
	struct err ignored;

	if (!json_is_integer(number) || !json_is_integer(size) || !etag.p || !crc.p ||
		etag.n > ETAG_TEXT_MAX || json_integer_value(number) < 1 ||
		json_integer_value(number) > STAGE_PARTS_MAX || json_integer_value(size) < 0)
		return false;
	p->number = (unsigned)json_integer_value(number);
	p->size = (uint64_t)json_integer_value(size);
	snprintf(p->etag, sizeof(p->etag), SLICE_FMT, SLICE_ARG(etag));
	p->is_echoed = json_is_true(json_object_get(o, "echoed"));
	return checksum_parse(DIGEST_CRC32, crc, &p->crc32, &ignored) == RC_OK;
}

enum rc staged_read(struct slice text, struct arena *a, struct staged *ret_staged, struct err *err)
{
	struct staged s = {0};
	json_t *root = NULL, *parts, *size;
	enum rc rc = json_parse(text, STAGE_RECORD_MAX, &root, err);
	bool ok = rc == RC_OK;

	if (rc == RC_AGAIN)
		return rc;
	if (ok) {
		s.upload_id = arena_slice(a, json_member_str(root, "upload"));
		parts = json_object_get(root, "parts");
		size = json_object_get(root, "size");
		s.n_parts = json_array_size(parts);
		ok = s.upload_id.n && json_is_integer(size) && json_integer_value(size) >= 0 &&
		     s.n_parts > 0 &&
		     s.n_parts <= STAGE_PARTS_MAX;
		s.size = ok ? (uint64_t)json_integer_value(size) : 0;
		s.parts = ok ? arena_array(a, s.n_parts, sizeof(*s.parts)) : NULL;
		for (size_t i = 0; ok && i < s.n_parts; i++)
			ok = read_part(json_array_get(parts, i), &s.parts[i]);
	}
	json_decref(root);
	if (!ok)
		return err_set(err, RC_CORRUPT, "not the record of a staged upload");
	*ret_staged = s;
	return RC_OK;
}
