/*
 * invoke: the direct invocation of the contract: its payload, and what its answer has to say.
 */
#ifndef BALER_VERIFY_INVOKE_H
#define BALER_VERIFY_INVOKE_H

#include "port/function.h"
#include "verify/upload.h"

#define INVOKE_PAYLOAD_MAX (6u << 20) /* bytes; Lambda's limit of a synchronous call */
#define INVOKE_LIMIT_WORDS "Predicted disk usage exceeds limit"
#define INVOKE_PROCESSED_WORDS "\"processed_records\":"

/* Writes {"e2e_test_direct_invoke":true,"records":[…]}: one S3 event record for each file of an
 * upload that has ended, in order. RC_REFUSED when the payload is longer than
 * INVOKE_PAYLOAD_MAX. */
enum rc invoke_payload(
	struct buf *out, const struct upload *upload, const char *region, struct err *err);

/* How many of the manifest's files, from the first on, one bundle may hold: each is rounded up
 * to 512 bytes. */
size_t invoke_fitting(const struct manifest *m, uint64_t limit_bytes);

/* What its log's tail says. */
bool invoke_tells_limit(const struct fn_answer *answer);
/* The number of the last INVOKE_PROCESSED_WORDS; false: there is none. */
bool invoke_processed(const struct fn_answer *answer, uint64_t *ret_n);
/* Whether an error's payload says that it was stopped at its time limit. */
bool invoke_timed_out(const struct fn_answer *answer);

#endif
