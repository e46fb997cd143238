/*
 * row_sum: the CRC32C of a row's fields, kept in the row's column sum. With it a damaged row is
 * noticed, and its neighbours can still be read. (Checksums of SQLite's pages would find as much,
 * but would lose the neighbours too, and would take every change by another program for damage;
 * docs/decisions/damage.md.) A row whose sum is NULL was written by an older baler.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_ROW_SUM_H
#define BALER_ADAPTER_LOCAL_ENGINE_ROW_SUM_H

#include "adapter/local/engine/db.h"
#include "base/digest.h"
#include "model/object_id.h"

/* sum is 0 at first, then the last result. */
static inline uint32_t row_sum_u64(uint32_t sum, uint64_t v)
{
	return crc32c_update(sum, slice_of(&v, sizeof(v)));
}

/* With its length, so that bytes do not pass from one field to the next unseen. */
static inline uint32_t row_sum_slice(uint32_t sum, struct slice s)
{
	return crc32c_update(row_sum_u64(sum, s.n), s);
}

/* Whether column i, the row's sum, is this one. */
static inline bool row_sum_fits(sqlite3_stmt *st, int i, uint32_t sum)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL || db_column_u64(st, i) == sum;
}

/* Of numbers. */
static inline uint32_t row_sum_numbers(uint32_t sum, const uint64_t *numbers, size_t n)
{
	return crc32c_update(sum, slice_of(numbers, n * sizeof(*numbers)));
}

/* Sum of the place of a piece of an object: a segment of a version (owner, index), or a part of an
 * upload (owner, number). blob, body: as in the row; empty and 0 for none. */
static inline uint32_t row_sum_piece(
	uint64_t owner, uint64_t number, uint64_t size, struct slice blob, uint64_t body)
{
	const uint64_t numbers[] = {owner, number, size, body};

	return row_sum_slice(row_sum_numbers(0, numbers, 4), blob);
}

/* Of an upload in parts. */
static inline uint32_t row_sum_upload(uint64_t bucket, struct slice key, uint64_t seq,
	uint64_t nonce, uint64_t created_wall_ms, struct slice headers)
{
	const uint64_t numbers[] = {bucket, seq, nonce, created_wall_ms};

	return row_sum_slice(row_sum_slice(row_sum_numbers(0, numbers, 4), key), headers);
}

/* Sum of a stage that is not published. */
static inline uint32_t row_sum_stage(uint64_t id, uint64_t nonce, struct slice bucket,
	struct slice key, struct slice blob, uint64_t size, struct slice etag, struct slice headers)
{
	const uint64_t numbers[] = {id, nonce, size};
	uint32_t sum = row_sum_slice(row_sum_numbers(0, numbers, 3), bucket);

	sum = row_sum_slice(row_sum_slice(sum, key), blob);
	return row_sum_slice(row_sum_slice(sum, etag), headers);
}

/* Sum of a message, and of the dead letter that it becomes. */
static inline uint32_t row_sum_message(uint64_t id, uint64_t sent_wall_ms, struct slice body)
{
	return row_sum_slice(row_sum_u64(row_sum_u64(0, id), sent_wall_ms), body);
}

/* Sum of an object's record. reason: empty for none. */
static inline uint32_t row_sum_claim(const struct object_id *o, uint64_t state, struct slice plan,
	uint64_t slot, uint64_t attempts, struct slice reason)
{
	uint32_t sum = row_sum_slice(row_sum_slice(row_sum_slice(0, o->version), o->bucket), o->key);

	sum = row_sum_u64(row_sum_slice(row_sum_u64(sum, state), plan), slot);
	return row_sum_slice(row_sum_u64(sum, attempts), reason);
}

/* Sum of a plan's seal; NULL until there is one. */
static inline uint32_t row_sum_seal(struct slice id, uint64_t size_bytes, uint64_t n_slots,
	struct slice sha256, struct slice staged, struct slice excluded)
{
	uint32_t sum = row_sum_u64(row_sum_u64(row_sum_slice(0, id), size_bytes), n_slots);

	return row_sum_slice(row_sum_slice(row_sum_slice(sum, sha256), staged), excluded);
}

#endif
