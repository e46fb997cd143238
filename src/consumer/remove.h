/*
 * remove: takes a bundle out of its bucket after it was extracted.
 *
 * In a store that keeps evidence of what it published [OS-18] the taken version is deleted, and
 * with it the older versions and delete markers of its key, which nobody would ever take: nothing
 * of the key stays. A version that came after the taken one stays. In any other store the key is
 * deleted: in a versioned bucket that writes a delete marker, which the aggregator may need as the
 * proof that the bundle was published (docs/protocol.md, step 7).
 */
#ifndef BALER_CONSUMER_REMOVE_H
#define BALER_CONSUMER_REMOVE_H

#include "port/object_store.h"

/* bundle: as it was listed; its version, if it is known, is the one that was downloaded. RC_OK also
 * when somebody else has deleted the bundle meanwhile. After any other code it can be called again:
 * the taken version goes last. */
enum rc remove_bundle(
	struct object_store *store, struct slice bucket, const struct os_object *bundle, struct err *err);

#endif
