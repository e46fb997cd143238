/* s3_error: S3's error codes in one table: code, HTTP status, and a default sentence of baler. */
#ifndef BALER_WIRE_S3_ERROR_H
#define BALER_WIRE_S3_ERROR_H

#include "base/err.h"

struct s3_error {
	const char *code; /* "NoSuchKey" */
	unsigned status;  /* 404 */
	const char *message;
};

/* NULL when the code is not in the table. */
const struct s3_error *s3_error_find(const char *code);

/* The answer to a failure: the table's entry for err->code when there is one (ENOSPC and EDQUOT:
 * InsufficientStorage); else by rc: ABSENT NoSuchKey, CONFLICT PreconditionFailed, AGAIN SlowDown,
 * REFUSED InvalidRequest, all others InternalError (their text must not go to the client). err may
 * be NULL. Never NULL. */
const struct s3_error *s3_error_of(enum rc rc, const struct err *err);

/* The table, for tests and documentation; ends with a NULL code. */
const struct s3_error *s3_error_table(void);

#endif
