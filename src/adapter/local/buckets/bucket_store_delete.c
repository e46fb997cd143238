#include "adapter/local/buckets/bucket_store.h"

#include <stdlib.h>

struct delete_op {
	struct bs_op base;
	struct slice bucket;
	struct bs_deletion *deletions; /* the caller's */
	size_t n;
};

static void note(struct bs_op *base, struct bs_deletion *d, const struct version_row *row)
{
	base->object.is_delete_marker = d->is_delete_marker = row->is_marker;
	version_format(row, base->object.version);
	if (row->is_marker)
		memcpy(d->marker_version, base->object.version, BS_VERSION_MAX);
}

/* S3 answers a version that is not there like one that was. */
static enum rc delete_version(struct bs_op *base, struct db_conn *conn, uint64_t bucket,
	struct bs_deletion *d, struct err *err)
{
	struct version_row row;
	bool found;
	enum rc rc = version_find(conn, bucket, d->key, d->version, NULL, &row, &found, err);

	if (rc != RC_OK || !found)
		return rc;
	note(base, d, &row);
	return version_remove(conn, &row, &base->drops, err);
}

static enum rc delete_latest(struct delete_op *op, struct db_conn *conn, uint64_t bucket,
	enum bs_versioning versioning, struct bs_deletion *d, struct err *err)
{
	struct version_new marker = {
		.row = {.bucket = bucket, .key = d->key, .is_marker = true, .kind = VERSION_EMPTY},
		.bucket_name = op->bucket,
		.versioning = versioning,
	};
	struct version_row row;
	bool found;
	enum rc rc;

	if (versioning == BS_UNVERSIONED) {
		rc = version_find(conn, bucket, d->key, slice_str("null"), NULL, &row, &found, err);
		return rc == RC_OK && found ? version_remove(conn, &row, &op->base.drops, err) : rc;
	}
	rc = version_insert(op->base.local, conn, &marker, &op->base.drops, err);
	if (rc == RC_OK)
		note(&op->base, d, &marker.row);
	return rc;
}

/* A condition that is not met is the result of that entry alone. */
static enum rc check_condition(struct db_conn *conn, uint64_t bucket, struct bs_deletion *d)
{
	struct bs_condition condition = {.if_match = d->if_match};
	enum rc rc = version_check(conn, bucket, d->key, &condition, &d->err);

	if (rc != RC_ABSENT && rc != RC_CONFLICT)
		return rc;
	d->rc = rc;
	return RC_OK;
}

static void reset(struct bs_deletion *d)
{
	d->rc = RC_OK;
	d->marker_version[0] = '\0';
	d->is_delete_marker = false;
	d->err = (struct err){0};
}

static enum rc delete_apply(struct bs_op *base, struct db_conn *conn, struct err *err)
{
	struct delete_op *op = (struct delete_op *)base;
	enum bs_versioning versioning;
	uint64_t bucket;
	enum rc rc = bucket_row(conn, op->bucket, &bucket, &versioning, err);

	for (size_t i = 0; i < op->n && rc == RC_OK; i++) {
		struct bs_deletion *d = &op->deletions[i];

		reset(d);
		d->rc = bs_check_key(d->key, &d->err);
		if (d->rc != RC_OK)
			continue;
		base->object.in_versioned = versioning != BS_UNVERSIONED;
		rc = check_condition(conn, bucket, d);
		if (rc != RC_OK || d->rc != RC_OK)
			continue;
		if (d->version.n)
			rc = delete_version(base, conn, bucket, d, err);
		else
			rc = delete_latest(op, conn, bucket, versioning, d, err);
	}
	return rc;
}

/* An error of the whole transaction is the result of every entry. */
static void delete_finish(struct bs_op *base, enum rc rc)
{
	struct delete_op *op = (struct delete_op *)base;

	for (size_t i = 0; i < op->n && rc != RC_OK; i++) {
		reset(&op->deletions[i]);
		op->deletions[i].rc = rc;
	}
}

void local_delete_many(struct bucket_store *bs, struct slice bucket, struct bs_deletion *deletions,
	size_t n, struct bs_done done)
{
	struct delete_op *op = bs_op_new(local_of(bs), sizeof(*op), delete_apply, done);

	op->base.finish = delete_finish;
	op->base.op.bytes = n * 512;
	op->bucket = arena_slice(&op->base.arena, bucket);
	op->deletions = deletions;
	op->n = n;
	bs_op_submit(&op->base);
}
