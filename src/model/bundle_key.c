#include "model/bundle_key.h"

#include <stdio.h>

#include "base/date.h"

#define SUFFIX ".tar.gz"
#define PREFIX_BYTES 14 /* "YYYY/MM/DD/HH/" */

void bundle_key_format(char out[BUNDLE_KEY_MAX], const struct plan_id *plan, uint64_t wall_ms)
{
	char id[2 * PLAN_ID_BYTES + 1], hour[32];
	struct tm tm = date_utc(wall_ms);

	hex_encode(plan->bytes, PLAN_ID_BYTES, id);
	strftime(hour, sizeof(hour), "%Y/%m/%d/%H", &tm);
	snprintf(out, BUNDLE_KEY_MAX, "%s/bundle-%s" SUFFIX, hour, id);
}

bool bundle_key_parse(struct slice key, struct plan_id *ret_plan)
{
	static const char word[] = "bundle-";
	const size_t n_word = sizeof(word) - 1, n_id = 2 * PLAN_ID_BYTES,
		     n_suffix = sizeof(SUFFIX) - 1;
	const unsigned char *p = key.p + PREFIX_BYTES;

	if (key.n != PREFIX_BYTES + n_word + n_id + n_suffix)
		return false;
	if (memcmp(p, word, n_word) != 0 || memcmp(p + n_word + n_id, SUFFIX, n_suffix) != 0)
		return false;
	return hex_decode(slice_of(p + n_word, n_id), ret_plan->bytes, PLAN_ID_BYTES);
}

bool bundle_key_is_bundle(struct slice key)
{
	return key.n && memmem(key.p, key.n, "bundle-", 7) != NULL;
}
