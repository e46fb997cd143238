#include "verify/bundle_read.h"
#include "verify/bundles.h"
#include "verify/run.h"

void run_tell(struct run *run, enum run_phase phase)
{
	struct run_progress *p = &run->progress;

	p->phase = phase;
	p->elapsed_ms = run_now_ms(run) - run->start_boot_ms;
	if (run->oracle) {
		p->n_found = oracle_tally(run->oracle)->n_found;
		p->n_bundles = oracle_tally(run->oracle)->n_bundles;
	}
	if (run->options->progress)
		run->options->progress(run->options->arg, p);
}

static enum rc on_member(void *arg, const struct untar_member *member, struct err *err)
{
	(void)err;
	oracle_member(arg, member);
	return RC_OK;
}

static void check_headers(struct run *run, struct slice key, const struct bundle_facts *facts)
{
	if (strcmp(facts->content_type, "application/gzip") != 0)
		oracle_problem(run->oracle,
			"bundle '" SLICE_FMT "' has Content-Type '%s', not application/gzip",
			SLICE_ARG(key), facts->content_type);
	if (facts->has_content_encoding)
		oracle_problem(run->oracle, "bundle '" SLICE_FMT "' has a Content-Encoding",
			SLICE_ARG(key));
}

static void note_own(struct run *run, struct slice key, const char *version)
{
	if (run->n_own == run->cap_own) {
		run->cap_own = run->cap_own ? 2 * run->cap_own : 64;
		run->own = xrealloc(run->own, run->cap_own * sizeof(*run->own));
	}
	run->own[run->n_own++] = (struct object_id){run->distribution,
		arena_slice(&run->arena, key), arena_slice(&run->arena, slice_str(version))};
}

static enum rc on_bundle(void *arg, const struct os_object *bundle, struct err *err)
{
	struct run *run = arg;
	struct untar_sink sink = {on_member, run->oracle};
	struct bundle_facts facts = {0};
	enum rc rc;

	if (key_set_has(&run->known, bundle->key))
		return RC_OK;
	oracle_begin(run->oracle, bundle->key);
	rc = bundle_read(
		run->options->distribution, run->distribution, bundle->key, &sink, &facts, err);
	oracle_end(run->oracle, rc == RC_OK, facts.bytes, slice_str(facts.declared), facts.sha256);
	if (rc == RC_CORRUPT)
		oracle_problem(run->oracle, "%s", err->text);
	if (rc == RC_OK || rc == RC_CORRUPT)
		key_set_add(&run->known, bundle->key);
	if (rc == RC_OK && oracle_last_is_ours(run->oracle)) {
		check_headers(run, bundle->key, &facts);
		note_own(run, bundle->key, facts.version);
	}
	/* Another consumer may have taken it, the connection may have broken: the next look tells. */
	if (rc != RC_OK && rc != RC_ABSENT)
		run->look_err = *err;
	run->progress.bundle = bundle->key;
	run->progress.bundle_bytes = facts.bytes;
	run->progress.bundle_rc = rc;
	run_tell(run, RUN_WAITING);
	run->progress.bundle = (struct slice){0};
	return RC_OK;
}

void run_look(struct run *run)
{
	struct err err = {0};

	run->look_err = (struct err){0};
	if (bundles_each(run->options->distribution, run->distribution, on_bundle, run, &err) !=
		RC_OK)
		run->look_err = err;
	run_tell(run, RUN_WAITING);
}

bool run_wait(struct run *run, bool (*is_done)(const struct run *run), uint64_t timeout_ms)
{
	uint64_t deadline_ms = run_now_ms(run) + timeout_ms, pause_ms = RUNNER_POLL_MIN_MS;

	for (;;) {
		run_look(run);
		if (is_done(run))
			return true;
		if (run_now_ms(run) >= deadline_ms)
			return false;
		clock_sleep_ms(run->options->clock, pause_ms);
		pause_ms += pause_ms / 2;
		if (pause_ms > RUNNER_POLL_MAX_MS)
			pause_ms = RUNNER_POLL_MAX_MS;
	}
}
