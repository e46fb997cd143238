#include "core/publish.h"

#include <assert.h>

enum rc publish_plan(struct object_store *os, struct ledger *lg, struct clock *clock,
	struct lg_plan *plan, struct err *err)
{
	enum plan_state found;
	enum rc rc;

	assert(plan->state == PLAN_SEALED || plan->state == PLAN_DONE);
	if (plan->state == PLAN_DONE)
		return RC_OK;
	rc = os_publish(os, plan->bucket, plan->key, plan->seal.staged, err);
	if (rc != RC_OK)
		return err_ctx(err, rc, "publish '" SLICE_FMT "'", SLICE_ARG(plan->key));
	rc = plan_move(lg, clock, plan, PLAN_DONE, NULL, 0, &found, err);
	if (found != plan->state)
		plan_moved(plan, found);
	return rc;
}
