#include <stdlib.h>

#include "verify/bundles.h"
#include "verify/run.h"

/* contract.md: these tests judge what comes out from now on, so nothing older may be in the
 * bucket. */
static bool deletes_all(enum scenario_type type)
{
	return type != SCENARIO_S3_TRIGGER && type != SCENARIO_DIRECT_INVOKE;
}

enum rc run_clean(struct run *run, struct err *err)
{
	uint64_t wall_ms = clock_wall_ms(run->options->clock);
	uint64_t before = deletes_all(run->scenario->type) ? UINT64_MAX : wall_ms - RUNNER_STALE_MS;
	enum rc rc;

	run_tell(run, RUN_CLEANING);
	rc = bundles_delete_older(
		run->options->distribution, run->distribution, before, &run->result.n_stale, err);
	if (rc == RC_OK)
		rc = bundles_note(run->options->distribution, run->distribution, &run->known, err);
	return rc == RC_OK ? rc
			   : err_ctx(err, rc, "distribution bucket '%s'",
				     run->scenario->distribution_bucket);
}

/* A bucket that is not there should be said before anything is hashed. */
enum rc run_check_landing(struct run *run, struct err *err)
{
	struct os_list_query query = {.bucket = run->landing, .max = 1};
	struct os_list_page page;
	struct arena a = ARENA_INIT;
	enum rc rc = os_list(run->options->landing, &query, &a, &page, err);

	arena_release(&a);
	/* A producer may well be allowed to put and not to list. */
	if (rc == RC_OK || (rc == RC_REFUSED && err_is(err, "AccessDenied")))
		return RC_OK;
	return err_ctx(err, rc, "landing bucket '%s'", run->scenario->landing_bucket);
}

static void remove_sources(struct run *run)
{
	struct object_id *ids = xcalloc(2 * run->manifest.n, sizeof(*ids));
	struct err err = {0};
	size_t n = 0;

	for (unsigned round = 0; round < 2; round++) {
		const struct upload *u = &run->upload[round];

		for (size_t i = u->first; u->versions && i < u->end; i++)
			if (i != u->victim)
				ids[n++] = (struct object_id){
					run->landing, run->manifest.entries[i].key, u->versions[i]};
	}
	delete_in_chunks(run->options->landing, run->landing, ids, n, &err);
	free(ids);
}

/* The versions, so that their room is given back; a mere consumer may only delete the keys. */
static void remove_bundles(struct run *run)
{
	struct err err = {0};

	if (delete_in_chunks(run->options->distribution, run->distribution, run->own, run->n_own,
		    &err) == RC_OK)
		return;
	for (size_t i = 0; i < run->n_own; i++)
		run->own[i].version = (struct slice){0};
	delete_in_chunks(run->options->distribution, run->distribution, run->own, run->n_own, &err);
}

void run_remove(struct run *run)
{
	run_tell(run, RUN_REMOVING);
	remove_sources(run);
	remove_bundles(run);
}
