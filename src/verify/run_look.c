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

/* The last look belongs to the settling before it. */
static void tell_looking(struct run *run)
{
	run_tell(run, run->progress.phase == RUN_SETTLING ? RUN_SETTLING : RUN_WAITING);
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

static bool is_of_a_run(const char *name)
{
	return strncmp(name, "data/e2e-test-", 14) == 0 ||
	       strncmp(name, "direct-invoke-tests/e2e-test-", 29) == 0;
}

/* Whether a version of that key exists; true also when the store does not answer. */
static bool was_put_in(struct run *run, const char *name)
{
	struct os_list_query query = {
		.bucket = run->landing, .prefix = slice_str(name), .max = 1, .versions = true};
	struct arena a = ARENA_INIT;
	struct os_list_page page;
	struct err err;
	enum rc rc = os_list(run->options->landing, &query, &a, &page, &err);
	bool is_there = rc != RC_OK || (page.n && slice_eq_str(page.objects[0].key, name));

	arena_release(&a);
	return is_there;
}

/* contract.md: "no member that is not a source file". */
static void look_for_foreign(struct run *run, struct slice key)
{
	for (size_t i = 0; i < oracle_last_n_foreign(run->oracle); i++) {
		const char *name = oracle_last_foreign(run->oracle, i);

		if (run->options->is_shared || is_of_a_run(name))
			continue;
		if (run->n_lookups++ >= RUNNER_LOOKUPS_MAX)
			return;
		if (!was_put_in(run, name))
			oracle_problem(run->oracle,
				"extra: '%s' in '" SLICE_FMT "' is not in the landing bucket", name,
				SLICE_ARG(key));
	}
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
	if (oracle_last_has_ours(run->oracle))
		check_headers(run, bundle->key, &facts);
	if (oracle_last_is_ours(run->oracle))
		note_own(run, bundle->key, facts.version);
	if (rc == RC_OK)
		look_for_foreign(run, bundle->key);
	/* Another consumer may have taken it, the connection may have broken: the next look
	 * tells. */
	if (rc != RC_OK && rc != RC_ABSENT)
		run->look_err = *err;
	run->progress.bundle = bundle->key;
	run->progress.bundle_bytes = facts.bytes;
	run->progress.bundle_rc = rc;
	tell_looking(run);
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
	tell_looking(run);
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
