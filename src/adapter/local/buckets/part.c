#include "adapter/local/buckets/part.h"

#include <stdio.h>

#include "adapter/local/engine/row_sum.h"

uint32_t part_sum(uint64_t upload, const struct bs_part *part, const struct version_segment *s)
{
	uint32_t sum = version_segment_sum(upload, part->number, s);

	sum = row_sum_slice(row_sum_u64(sum, part->modified_wall_ms), slice_str(part->etag));
	return row_sum_slice(sum, part->headers);
}

enum rc part_read(sqlite3_stmt *st, uint64_t upload, struct bs_part *ret_part,
	struct version_segment *ret_segment, struct err *err)
{
	version_segment_read(st, 1, ret_segment);
	*ret_part = (struct bs_part){
		.number = (uint32_t)db_column_u64(st, 0),
		.size = ret_segment->size,
		.modified_wall_ms = db_column_u64(st, 4),
		.headers = db_column_slice(st, 6),
	};
	snprintf(ret_part->etag, sizeof(ret_part->etag), "%s",
		(const char *)sqlite3_column_text(st, 5));
	if (row_sum_fits(st, 7, part_sum(upload, ret_part, ret_segment)))
		return RC_OK;
	return err_code(err, RC_CORRUPT, ERR_DAMAGED,
		"the record of part %u is not the one that was stored: upload the part again",
		ret_part->number);
}

enum rc part_remove_bytes(struct db_conn *conn, sqlite3_stmt *st, uint64_t upload,
	struct drops *drops, struct err *err)
{
	struct version_segment segment;
	struct bs_part part;

	if (part_read(st, upload, &part, &segment, NULL) != RC_OK)
		return RC_OK;
	return version_segment_remove(conn, &segment, drops, err);
}
