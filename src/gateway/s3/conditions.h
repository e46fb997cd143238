/*
 * conditions: If-* and Range, as RFC 9110 sections 13 and 14 and S3 have them. Pure.
 */
#ifndef BALER_GATEWAY_S3_CONDITIONS_H
#define BALER_GATEWAY_S3_CONDITIONS_H

#include "base/buf.h"
#include "base/err.h"
#include "port/bucket_store.h"

/* The raw values; p == NULL: not given. */
struct conditions {
	struct slice if_match, if_none_match, if_modified_since, if_unmodified_since;
};

enum condition_verdict { CONDITION_MET, CONDITION_NOT_MODIFIED, CONDITION_FAILED };

/* For reading an object of this ETag (no quotes) and time. If-Match beats If-Unmodified-Since,
 * If-None-Match beats If-Modified-Since; times have a second's precision; a date that cannot be
 * read or lies in the future is ignored. */
enum condition_verdict conditions_judge(const struct conditions *c, const char *etag,
	uint64_t modified_wall_ms, uint64_t now_wall_ms);

/* For writing. RC_REFUSED NotImplemented: If-None-Match other than "*", or both;
 * InvalidArgument: an empty ETag. The slices of
 * *ret borrow from c. */
enum rc conditions_of_write(
	const struct conditions *c, struct bs_condition *ret_condition, struct err *err);

enum range_verdict { RANGE_WHOLE, RANGE_PART, RANGE_UNSATISFIABLE };

/* Reads the header Range for a body of size bytes. A malformed range, or more than one range, means
 * the whole body. */
enum range_verdict range_parse(
	struct slice text, uint64_t size, uint64_t *ret_offset, uint64_t *ret_length);

#endif
