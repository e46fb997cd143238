/* bundle_key: the name of a bundle in the distribution bucket: YYYY/MM/DD/HH/bundle-<id>.tar.gz,
 * UTC. */
#ifndef BALER_MODEL_BUNDLE_KEY_H
#define BALER_MODEL_BUNDLE_KEY_H

#include "base/buf.h"

#define PLAN_ID_BYTES 16
#define BUNDLE_KEY_MAX 80 /* bytes with the terminator; a bundle key needs 62 */

struct plan_id {
	unsigned char bytes[PLAN_ID_BYTES]; /* random, never used again */
};

/* <id> is the plan's id in lower-case hex. */
void bundle_key_format(char out[BUNDLE_KEY_MAX], const struct plan_id *plan, uint64_t wall_ms);
/* The plan of a key of this form; false for any other key. */
bool bundle_key_parse(struct slice key, struct plan_id *ret_plan);
/* Whether a key is a bundle at all: contains "bundle-". */
bool bundle_key_is_bundle(struct slice key);

#endif
