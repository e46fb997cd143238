/*
 * roles: what each role may do. One table, action × role → kinds of buckets. An entry that is not
 * in the table is denied, also to admin.
 *
 * supplier   puts into landing, in one piece or in parts (and may look at and abort its uploads);
 *            reads, lists and deletes nothing
 * consumer   lists, gets and deletes in distribution, versions too
 * processor  lists and gets in landing; lists, gets and puts in distribution and archive; invokes
 * admin      everything
 *
 * Each role may ask where its own buckets are (HeadBucket, GetBucketLocation), and sees only them
 * in ListBuckets. A denial is decided by the names alone, before the store is asked, so it does not
 * tell whether a bucket or key exists. A copy needs GET on its source too. Pure, except for
 * roles_check, which reads the request.
 */
#ifndef BALER_GATEWAY_ACCESS_ROLES_H
#define BALER_GATEWAY_ACCESS_ROLES_H

#include "gateway/config.h"

struct request;

/* Every operation of every dialect has exactly one. */
enum action {
	ACTION_NONE, /* denied to everyone: a route that was given none */
	ACTION_LIST_BUCKETS,
	ACTION_FIND_BUCKET,   /* HeadBucket, GetBucketLocation */
	ACTION_READ_SETTINGS, /* versioning, acl, policy … */
	ACTION_CONFIGURE,     /* buckets made, removed, changed; acls */
	ACTION_LIST,          /* objects and versions */
	ACTION_LIST_UPLOADS,  /* of a whole bucket */
	ACTION_GET,
	ACTION_PUT,         /* also in parts; also the target of a copy */
	ACTION_TEND_UPLOAD, /* ListParts, AbortMultipartUpload: by who knows the upload's id */
	ACTION_DELETE,
	ACTION_INVOKE, /* the actions from here on have no bucket */
	ACTION_SEND_EVENTS,
	ACTION_OPERATE,     /* the operator's API */
	ACTION_MANAGE_KEYS, /* access keys */
	N_ACTIONS
};

enum bucket_kind {
	BUCKET_NONE,
	BUCKET_LANDING,
	BUCKET_DISTRIBUTION,
	BUCKET_ARCHIVE,
	BUCKET_OTHER,
	N_BUCKET_KINDS
};

/* kind: BUCKET_NONE for actions without a bucket. */
bool roles_allow(enum key_role role, enum action action, enum bucket_kind kind);

/* Empty: BUCKET_NONE. A bucket with two tasks has the first. */
enum bucket_kind roles_bucket_kind(const struct role_buckets *buckets, struct slice name);

/* Whether who asks may do this to that bucket. RC_REFUSED AccessDenied. */
enum rc roles_check(
	const struct request *r, enum action action, struct slice bucket, struct err *err);

#endif
