/* The seal's record of stages: what is read stays within the bytes, and means the same when written
 * again. */
#include "core/staged.h"
#include "fuzz.h"

static void must_be_within(struct slice part, struct slice all)
{
	MUST(part.n <= all.n);
	MUST(part.n == 0 || (part.p >= all.p && part.p + part.n <= all.p + all.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lg_plan plan = {.bucket = slice_str("d"),
		.key = slice_str("k"),
		.state = PLAN_SEALED,
		.seal = {.staged = slice_of(data, size)}};
	struct staged s, again;
	struct buf record;

	if (staged_decode(&plan, &s, NULL) != RC_OK)
		return 0;
	MUST(s.n >= 1 && s.n <= STAGED_MAX);
	if (s.n == 1)
		return 0;
	buf_init(&record, size + 256);
	for (size_t i = 0; i < s.n; i++) {
		must_be_within(s.entries[i].bucket, plan.seal.staged);
		must_be_within(s.entries[i].key, plan.seal.staged);
		must_be_within(s.entries[i].record, plan.seal.staged);
	}
	MUST(staged_encode(&record, &s));
	plan.seal.staged = buf_slice(&record);
	MUST(staged_decode(&plan, &again, NULL) == RC_OK && again.n == s.n);
	for (size_t i = 0; i < s.n; i++)
		MUST(slice_eq(again.entries[i].record, s.entries[i].record));
	buf_release(&record);
	return 0;
}
