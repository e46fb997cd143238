/*
 * local_audit: a data folder as an auditor reads it (port/audit_source.h), from any process,
 * beside a live server or without one.
 *
 * Takes no lock and changes nothing, in a stopped server's folder not even the files beside the
 * database; it need not be writable, nor the caller's own. Opening copies plans, records,
 * messages' objects and bundles' names into a temporary database (a file below TMPDIR when it is
 * large, gone with the process), all from one snapshot; until release that snapshot keeps a live
 * server from shortening its log. A server that is started in the middle of an audit of a
 * stopped one's folder ends it with RC_AGAIN.
 */
#ifndef BALER_ADAPTER_LOCAL_AUDIT_LOCAL_AUDIT_H
#define BALER_ADAPTER_LOCAL_AUDIT_LOCAL_AUDIT_H

#include "port/audit_source.h"

struct local_audit_config {
	const char *folder;
	const char *landing_bucket, *event_prefix;
	const char *distribution_bucket, *archive_bucket;
	/* Often while it opens, which takes seconds for a million objects; may be NULL. */
	void (*tick)(void *arg);
	void *arg;
};

/* RC_ABSENT: there is no such folder, or it has no database. RC_REFUSED: the database is not
 * baler's, has another schema, or lacks the distribution or the archive bucket. RC_CORRUPT: the
 * database is damaged. RC_FATAL. Copies cfg. */
enum rc local_audit_open(
	const struct local_audit_config *cfg, struct audit_source **ret_source, struct err *err);

#endif
