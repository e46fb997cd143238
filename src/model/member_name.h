/*
 * member_name: the canonical, safe name that an object has inside a bundle.
 *
 * In this order: percent-decode until nothing changes (at most 5 rounds; a malformed escape stays),
 * Unicode NFKC, '\' to '/', drop leading drive letters, drop empty and "." components. Then reject
 * names that could harm the person who extracts them.
 */
#ifndef BALER_MODEL_MEMBER_NAME_H
#define BALER_MODEL_MEMBER_NAME_H

#include "base/arena.h"
#include "base/err.h"

#define MEMBER_NAME_MAX 1024 /* bytes of UTF-8 after canonicalisation */

/* RC_OK: *ret_name, terminated, from a. RC_REFUSED: err->code is INVALID_S3_KEY_FORMAT, _LENGTH,
 * _UNICODE, _CHARACTER or UNSAFE_S3_KEY_PATH. */
enum rc member_name_of_key(struct arena *a, struct slice key, struct slice *ret_name, struct err *err);

/* The same for all names that a file system may take for one: Unicode case folding. name is
 * canonical; from a. */
struct slice member_name_fold(struct arena *a, struct slice name);

#endif
