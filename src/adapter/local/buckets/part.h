/* part: rows of the part table: a part of an upload, and where its bytes lie. */
#ifndef BALER_ADAPTER_LOCAL_BUCKETS_PART_H
#define BALER_ADAPTER_LOCAL_BUCKETS_PART_H

#include "adapter/local/buckets/version.h"

/* The columns of a part, and their reading: both results live until the next step. RC_CORRUPT
 * ERR_DAMAGED: the row does not have the sum of its fields (engine/row_sum.h). */
#define PART_COLUMNS "number, size, blob, body, modified, etag, headers, sum"
enum rc part_read(sqlite3_stmt *st, uint64_t upload, struct bs_part *ret_part,
	struct version_segment *ret_segment, struct err *err);
/* Removes the body or blob row of the part under st. A damaged row may name the bytes of another
 * part: those stay. */
enum rc part_remove_bytes(struct db_conn *conn, sqlite3_stmt *st, uint64_t upload,
	struct drops *drops, struct err *err);
/* The sum of the row that these make. */
uint32_t part_sum(uint64_t upload, const struct bs_part *part, const struct version_segment *s);

#endif
