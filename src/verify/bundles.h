/*
 * bundles: lists and deletes the bundles of a distribution bucket: every key that contains
 * "bundle-". Listings are read page by page to their end; deletions are sent in chunks of
 * OS_LIST_MAX.
 */
#ifndef BALER_VERIFY_BUNDLES_H
#define BALER_VERIFY_BUNDLES_H

#include "port/object_store.h"
#include "verify/key_set.h"

/* Calls fn for each bundle there, in byte order of keys; another result than RC_OK ends the
 * walk. */
enum rc bundles_each(struct object_store *store, struct slice bucket,
	enum rc (*fn)(void *arg, const struct os_object *bundle, struct err *err), void *arg,
	struct err *err);
/* Deletes the bundles that were last changed before that time. RC_REFUSED and other codes when one
 * cannot be deleted. */
enum rc bundles_delete_older(struct object_store *store, struct slice bucket,
	uint64_t before_wall_ms, uint64_t *ret_n, struct err *err);
/* Adds all keys of the bucket to known. */
enum rc bundles_note(
	struct object_store *store, struct slice bucket, struct key_set *known, struct err *err);
/* Objects (or versions) of any kind, in chunks; the first failure is returned after all were
 * tried. */
enum rc delete_in_chunks(struct object_store *store, struct slice bucket,
	const struct object_id *objects, size_t n, struct err *err);

#endif
