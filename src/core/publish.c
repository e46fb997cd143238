#include "core/publish.h"

#include <assert.h>

#include "core/staged.h"

static enum rc publish_entry(struct object_store *os, const struct staged_entry *e, struct err *err)
{
	enum rc rc = os_publish(os, e->bucket, e->key, e->record, err);

	return rc == RC_OK ? rc
			   : err_ctx(err, rc, "publish '" SLICE_FMT "' in '" SLICE_FMT "'",
				     SLICE_ARG(e->key), SLICE_ARG(e->bucket));
}

enum rc publish_bundle(struct object_store *os, const struct lg_plan *plan, struct err *err)
{
	struct staged staged;
	enum rc rc = staged_decode(plan, &staged, err);

	return rc == RC_OK ? publish_entry(os, &staged.entries[staged.n - 1], err) : rc;
}

enum rc publish_stages(struct object_store *os, const struct lg_plan *plan, struct err *err)
{
	struct staged staged;
	enum rc rc = staged_decode(plan, &staged, err);

	for (size_t i = 0; rc == RC_OK && i < staged.n; i++)
		rc = publish_entry(os, &staged.entries[i], err);
	return rc;
}

enum rc publish_plan(struct object_store *os, struct ledger *lg, struct clock *clock,
	struct lg_plan *plan, struct err *err)
{
	enum plan_state found;
	enum rc rc;

	assert(plan->state == PLAN_SEALED || plan->state == PLAN_DONE);
	if (plan->state == PLAN_DONE)
		return RC_OK;
	rc = publish_stages(os, plan, err);
	if (rc != RC_OK)
		return rc;
	rc = plan_move(lg, clock, plan, PLAN_DONE, NULL, 0, &found, err);
	if (found != plan->state)
		plan_moved(plan, found);
	return rc;
}
