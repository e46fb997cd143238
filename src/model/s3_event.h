/*
 * s3_event: S3's notification of one created object, written and read.
 * Source: Amazon S3 user guide, "Event message structure" (versions 2.1 and later).
 */
#ifndef BALER_MODEL_S3_EVENT_H
#define BALER_MODEL_S3_EVENT_H

#include "base/arena.h"
#include "base/err.h"
#include "model/object_id.h"

#define S3_EVENT_MAX_BYTES (1 << 20) /* a message; SQS's own limit since 2025 */
#define S3_EVENT_RECORDS_MAX 1000    /* records in one message */

struct s3_event_record {
	struct object_id object; /* key decoded */
	struct slice event_name; /* "ObjectCreated:Put", without "s3:" */
	struct slice etag;       /* no quotes; empty when the event has none */
	struct slice sequencer;  /* hex; empty when none */
	uint64_t size;           /* bytes */
	bool has_size;
	uint64_t time_wall_ms; /* eventTime; 0 when absent or unreadable */
};

struct s3_event {
	struct s3_event_record *records;
	size_t n_records;
	bool is_test; /* s3:TestEvent: acknowledge and drop */
};

/* Reads the records of one message; all memory is from a. Understands the dialects of AWS, MinIO
 * ("s3:" prefix on eventName) and Ceph (key not encoded), and the envelopes of other Amazon
 * services: SNS (a Notification whose Message is one of these) and EventBridge (source "aws.s3";
 * "Object Created" is read as ObjectCreated:*, anything else as ObjectRemoved or Other). Without a
 * versionId, or with the "null" of a suspended bucket, the version is "seq:<sequencer>"; without a
 * sequencer too, "seq:<time>/<etag>"; and "null" when the event has none of these. Events that
 * MinIO and Ceph call creations but are none are read as Other. RC_REFUSED: not JSON; none of these
 * forms and not s3:TestEvent; a record without bucket or key; above a limit. RC_AGAIN: memory ran
 * out, and the message was not judged. */
enum rc s3_event_parse(struct arena *a, struct slice text, struct s3_event *ret_event, struct err *err);

/* Writes one record as a whole message {"Records":[…]}. region is e.g. "us-east-1"; version may be
 * empty. Appends to out. */
bool s3_event_write(struct buf *out, const struct s3_event_record *r, const char *region, const char *request_id);

#endif
