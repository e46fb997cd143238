#include "verify/runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "verify/bundle_read.h"
#include "verify/bundles.h"
#include "verify/upload.h"

struct run {
	const struct run_options *options;
	const struct scenario *scenario;
	struct slice landing, distribution;
	struct manifest manifest;
	struct oracle *oracle;
	struct upload upload[2]; /* of each round */
	struct key_set known;    /* bundles that need not be read any more */
	struct key_set own;      /* bundles that hold only our files */
	struct run_progress progress;
	struct run_result result;
	struct err look_err; /* of the last look, or of a bundle in it; "" when all was well */
	uint64_t start_boot_ms, deadline_boot_ms;
};

static uint64_t now_ms(const struct run *run)
{
	return clock_boot_ms(run->options->clock);
}

static void tell(struct run *run, enum run_phase phase)
{
	struct run_progress *p = &run->progress;

	p->phase = phase;
	p->elapsed_ms = now_ms(run) - run->start_boot_ms;
	if (run->oracle) {
		p->n_found = oracle_tally(run->oracle)->n_found;
		p->n_bundles = oracle_tally(run->oracle)->n_bundles;
	}
	if (run->options->progress)
		run->options->progress(run->options->arg, p);
}

/* Cleaning up before. */

static enum rc clean(struct run *run, struct err *err)
{
	uint64_t wall_ms = clock_wall_ms(run->options->clock);
	uint64_t before = run->scenario->type == SCENARIO_IDEMPOTENCY_CHECK
				  ? UINT64_MAX
				  : wall_ms - RUNNER_STALE_MS;
	enum rc rc;

	tell(run, RUN_CLEANING);
	rc = bundles_delete_older(
		run->options->distribution, run->distribution, before, &run->result.n_stale, err);
	if (rc == RC_OK)
		rc = bundles_note(run->options->distribution, run->distribution, &run->known, err);
	return rc == RC_OK ? rc
			   : err_ctx(err, rc, "distribution bucket '%s'",
				     run->scenario->distribution_bucket);
}

/* A bucket that is not there should be said before anything is hashed. */
static enum rc check_landing(struct run *run, struct err *err)
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

/* Uploading. */

static enum rc upload_round(struct run *run, unsigned round, struct err *err)
{
	struct upload *u = &run->upload[round - 1];

	*u = (struct upload){.store = run->options->landing,
		.bucket = run->landing,
		.manifest = &run->manifest,
		.kind = run->scenario->generator,
		.n_threads = (unsigned)run->scenario->concurrency};
	run->progress.round = round;
	upload_start(u);
	do {
		run->progress.n_uploaded = atomic_load(&u->n_done);
		tell(run, RUN_UPLOADING);
		if (run->progress.n_uploaded < run->manifest.n)
			clock_sleep_ms(run->options->clock, RUNNER_POLL_MS / 5);
	} while (run->progress.n_uploaded < run->manifest.n);
	return upload_wait(u, err);
}

/* Looking. */

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

static enum rc on_bundle(void *arg, const struct os_object *bundle, struct err *err)
{
	struct run *run = arg;
	struct untar_sink sink = {on_member, run->oracle};
	struct bundle_facts facts;
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
		key_set_add(&run->own, bundle->key);
	}
	/* Another consumer may have taken it, the connection may have broken: the next look tells. */
	if (rc != RC_OK && rc != RC_ABSENT)
		run->look_err = *err;
	run->progress.bundle = bundle->key;
	run->progress.bundle_bytes = facts.bytes;
	run->progress.bundle_rc = rc;
	tell(run, RUN_WAITING);
	run->progress.bundle = (struct slice){0};
	return RC_OK;
}

static void look(struct run *run)
{
	struct err err = {0};

	run->look_err = (struct err){0};
	if (bundles_each(run->options->distribution, run->distribution, on_bundle, run, &err) !=
		RC_OK)
		run->look_err = err;
	tell(run, RUN_WAITING);
}

static bool wait_for_all(struct run *run)
{
	for (;;) {
		look(run);
		if (oracle_is_complete(run->oracle))
			return true;
		if (now_ms(run) >= run->deadline_boot_ms)
			return false;
		clock_sleep_ms(run->options->clock, RUNNER_POLL_MS);
	}
}

/* One round: in, and out again. False when it ended early; the oracle knows why. */
static bool round_trip(struct run *run, unsigned round)
{
	struct err err = {0};
	uint64_t from_ms = now_ms(run), uploaded_ms;

	if (upload_round(run, round, &err) != RC_OK) {
		oracle_problem(run->oracle, "upload: %s", err.text);
		return false;
	}
	uploaded_ms = now_ms(run);
	run->deadline_boot_ms = uploaded_ms + run->scenario->timeout_s * 1000;
	if (!wait_for_all(run)) {
		oracle_problem(run->oracle, "not everything arrived within %llu s%s%s",
			(unsigned long long)run->scenario->timeout_s,
			run->look_err.text[0] ? "; the last look failed: " : "",
			run->look_err.text);
		return false;
	}
	if (round == 1) {
		run->result.upload_ms = uploaded_ms - from_ms;
		run->result.arrival_ms = now_ms(run) - uploaded_ms;
	}
	return true;
}

static void check_compression(struct run *run)
{
	const struct oracle_tally *t = oracle_tally(run->oracle);

	/* Others' members may be anything. */
	if (run->scenario->generator != GENERATOR_COMPRESSIBLE || t->n_foreign ||
		t->member_bytes == 0)
		return;
	if (2 * t->bundle_bytes > t->member_bytes)
		oracle_problem(run->oracle,
			"the bundles are hardly smaller than their sources: %llu of %llu bytes",
			(unsigned long long)t->bundle_bytes, (unsigned long long)t->member_bytes);
}

static void rounds(struct run *run)
{
	if (!round_trip(run, 1))
		return;
	if (run->scenario->type == SCENARIO_IDEMPOTENCY_CHECK) {
		oracle_expect(run->oracle, 2);
		if (!round_trip(run, 2))
			return;
	}
	clock_sleep_ms(run->options->clock, RUNNER_SETTLE_MS);
	look(run);
	check_compression(run);
}

/* Removing what was put in, after a pass. */

static void remove_sources(struct run *run)
{
	size_t n = run->manifest.n, n_ids = 0;
	struct object_id *ids = xcalloc(2 * n, sizeof(*ids));
	struct err err = {0};

	for (unsigned round = 0; round < 2; round++)
		for (size_t i = 0; run->upload[round].versions && i < n; i++)
			ids[n_ids++] = (struct object_id){run->landing,
				run->manifest.entries[i].key, run->upload[round].versions[i]};
	delete_in_chunks(run->options->landing, run->landing, ids, n_ids, &err);
	free(ids);
}

static void remove_bundles(struct run *run)
{
	struct object_id *ids = xcalloc(run->own.n, sizeof(*ids));
	struct err err = {0};
	size_t n = 0;

	for (size_t i = 0; i < run->own.n_slots; i++)
		if (run->own.slots[i].p)
			ids[n++] = (struct object_id){run->distribution, run->own.slots[i], {0}};
	delete_in_chunks(run->options->distribution, run->distribution, ids, n, &err);
	free(ids);
}

static void take_verdict(struct run *run, struct arena *a)
{
	struct run_result *r = &run->result;

	r->is_passed = oracle_judge(run->oracle);
	r->tally = *oracle_tally(run->oracle);
	r->n_texts = oracle_n_texts(run->oracle);
	r->texts = arena_array(a, r->n_texts, sizeof(*r->texts));
	for (size_t i = 0; i < r->n_texts; i++)
		r->texts[i] = arena_strdup(a, slice_str(oracle_text(run->oracle, i)));
}

static void run_release(struct run *run)
{
	oracle_free(run->oracle);
	upload_release(&run->upload[0]);
	upload_release(&run->upload[1]);
	key_set_release(&run->known);
	key_set_release(&run->own);
	manifest_release(&run->manifest);
	free(run);
}

static struct run *run_new(const struct run_options *options)
{
	const struct scenario *s = options->scenario;
	struct run *run = xcalloc(1, sizeof(*run));

	run->options = options;
	run->scenario = s;
	run->landing = slice_str(s->landing_bucket);
	run->distribution = slice_str(s->distribution_bucket);
	run->start_boot_ms = now_ms(run);
	manifest_init(&run->manifest, (size_t)s->num_files, s->size_mb << 20);
	run->progress = (struct run_progress){.round = 1, .n_files = s->num_files};
	run->result.n_files = s->num_files;
	run->result.source_bytes = s->num_files * (s->size_mb << 20);
	snprintf(run->result.prefix, sizeof(run->result.prefix), SLICE_FMT,
		SLICE_ARG(run->manifest.prefix));
	return run;
}

enum rc runner_run(const struct run_options *options, struct arena *a,
	struct run_result *ret_result, struct err *err)
{
	struct run *run = run_new(options);
	enum rc rc = check_landing(run, err);

	if (rc == RC_OK)
		rc = clean(run, err);
	if (rc == RC_OK) {
		tell(run, RUN_HASHING);
		manifest_hash_all(&run->manifest, run->scenario->generator,
			(unsigned)run->scenario->concurrency);
		run->oracle = oracle_new(&run->manifest, 1);
		rounds(run);
		take_verdict(run, a);
		if (run->result.is_passed && !options->keep_files) {
			tell(run, RUN_REMOVING);
			remove_sources(run);
			remove_bundles(run);
		}
		run->result.total_ms = now_ms(run) - run->start_boot_ms;
		tell(run, RUN_ENDED);
		*ret_result = run->result;
	}
	run_release(run);
	return rc;
}
