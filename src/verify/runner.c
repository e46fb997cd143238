#include "verify/runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "verify/invoke.h"
#include "verify/memory.h"
#include "verify/run.h"

static const char *const sanitized_names[] = {"../../malicious_file.txt", "safe_file.txt"};
#define MALICIOUS 0

/* A marker that is put later ends the wait for a file that must not arrive. */
static bool has_marker(enum scenario_type type)
{
	return type == SCENARIO_FILE_NOT_FOUND || type == SCENARIO_KEY_SANITIZATION;
}

size_t run_n_sources(const struct run *run)
{
	return run->manifest.n - has_marker(run->scenario->type);
}

/* The file that is deleted at once. */
static size_t victim_of(const struct run *run)
{
	return run->scenario->type == SCENARIO_FILE_NOT_FOUND ? run_n_sources(run) / 2 : SIZE_MAX;
}

static void set_wants(struct run *run)
{
	size_t n = run_n_sources(run);

	switch (run->scenario->type) {
	case SCENARIO_DIRECT_INVOKE:
		for (size_t i = invoke_fitting(&run->manifest, run->scenario->bundle_limit); i < n;
			i++)
			oracle_want(run->oracle, i, WANT_NEVER);
		break;
	case SCENARIO_MEMORY_PRESSURE:
		for (size_t i = 0; i < n; i++)
			oracle_want(run->oracle, i, WANT_MAYBE);
		break;
	case SCENARIO_FILE_NOT_FOUND:
		oracle_want(run->oracle, victim_of(run), WANT_NEVER);
		break;
	case SCENARIO_KEY_SANITIZATION:
		oracle_want(run->oracle, MALICIOUS, WANT_NEVER);
		break;
	default:
		break;
	}
	if (has_marker(run->scenario->type))
		oracle_want(run->oracle, n, WANT_MAYBE); /* until it has been put in */
}

/* Files that are to arrive, or may arrive. */
static uint64_t count_wanted(const struct run *run)
{
	const struct scenario *s = run->scenario;

	if (s->type == SCENARIO_DIRECT_INVOKE)
		return invoke_fitting(&run->manifest, s->bundle_limit);
	/* Where a marker is, one other file is not to arrive. */
	return run_n_sources(run);
}

/* Uploading. */

static enum rc upload_round(
	struct run *run, unsigned round, size_t first, size_t end, struct err *err)
{
	struct upload *u = &run->upload[round - 1];
	uint64_t pause_ms = 1;

	*u = (struct upload){.store = run->options->landing,
		.bucket = run->landing,
		.manifest = &run->manifest,
		.kind = run->scenario->generator,
		.n_threads = (unsigned)run->scenario->concurrency,
		.first = first,
		.end = end,
		.victim = victim_of(run)};
	run->progress.round = round;
	run->progress.n_upload = end - first;
	upload_start(u);
	for (;;) {
		run->progress.n_uploaded = atomic_load(&u->n_done);
		run->progress.uploaded_bytes = atomic_load(&u->n_bytes);
		run_tell(run, RUN_UPLOADING);
		if (run->progress.n_uploaded >= end - first)
			break;
		clock_sleep_ms(run->options->clock, pause_ms);
		pause_ms = pause_ms < 50 ? 2 * pause_ms : 50;
	}
	return upload_wait(u, err);
}

/* Out again. */

static bool is_complete(const struct run *run)
{
	return oracle_is_complete(run->oracle);
}

static bool is_anything_there(const struct run *run)
{
	return oracle_tally(run->oracle)->n_found > 0;
}

static bool wait_for(struct run *run, bool (*is_done)(const struct run *run), uint64_t timeout_ms)
{
	if (run_wait(run, is_done, timeout_ms))
		return true;
	oracle_problem(run->oracle, "not everything arrived within %llu s%s%s",
		(unsigned long long)timeout_ms / 1000,
		run->look_err.text[0] ? "; the last look failed: " : "", run->look_err.text);
	return false;
}

/* One round: the files go in and come out. False when it ended early; then the oracle knows why. */
static bool round_trip(struct run *run, unsigned round, size_t first, size_t end)
{
	struct err err = {0};
	uint64_t from_ms = run_now_ms(run), uploaded_ms;

	if (upload_round(run, round, first, end, &err) != RC_OK) {
		oracle_problem(run->oracle, "upload: %s", err.text);
		return false;
	}
	uploaded_ms = run_now_ms(run);
	if (round == 1)
		run->result.upload_ms = uploaded_ms - from_ms;
	if (!wait_for(run, is_complete, run->scenario->timeout_s * 1000))
		return false;
	if (round == 1)
		run->result.arrival_ms = run_now_ms(run) - uploaded_ms;
	return true;
}

/* Direct invocation. */

static enum rc invoke(struct run *run, struct fn_answer *ret_answer, struct err *err)
{
	struct fn_call call = {.name = slice_str(run->scenario->lambda_function_name),
		.wants_log = true,
		.timeout_ms = run->scenario->timeout_s * 1000};
	struct buf payload;
	enum rc rc = invoke_payload(&payload, &run->upload[0], run->options->region, err);

	call.payload = buf_slice(&payload);
	if (rc == RC_OK)
		rc = fn_invoke(run->options->function, &call, &run->arena, ret_answer, err);
	buf_release(&payload);
	return rc;
}

/* False: the run ends here. */
static bool judge_answer(struct run *run, const struct fn_answer *answer)
{
	run->has_stopped = answer->is_error && run->scenario->type == SCENARIO_MEMORY_PRESSURE &&
			   invoke_timed_out(answer);
	if (answer->is_error && !run->has_stopped)
		oracle_problem(run->oracle, "the function failed: %.*s",
			(int)(answer->payload.n < 300 ? answer->payload.n : 300),
			(const char *)answer->payload.p);
	if (answer->is_error)
		return false;
	if (run->scenario->type == SCENARIO_DIRECT_INVOKE &&
		run->result.n_files < run_n_sources(run) && !invoke_tells_limit(answer))
		oracle_problem(run->oracle, "the log's tail does not say '" INVOKE_LIMIT_WORDS "'");
	run->tells_processed = invoke_processed(answer, &run->n_processed);
	return true;
}

static bool invoke_trip(struct run *run)
{
	struct fn_answer answer = {0};
	struct err err = {0};
	uint64_t from_ms = run_now_ms(run), uploaded_ms;

	if (upload_round(run, 1, 0, run_n_sources(run), &err) != RC_OK) {
		oracle_problem(run->oracle, "upload: %s", err.text);
		return false;
	}
	uploaded_ms = run_now_ms(run);
	run->result.upload_ms = uploaded_ms - from_ms;
	run_tell(run, RUN_INVOKING);
	if (invoke(run, &answer, &err) != RC_OK) {
		oracle_problem(run->oracle, "invoke: %s", err.text);
		return false;
	}
	run->result.invoke_ms = run_now_ms(run) - uploaded_ms;
	run->result.arrival_ms = run->result.invoke_ms; /* for settling after a stop */
	if (!judge_answer(run, &answer))
		return false;
	if (!wait_for(run,
		    run->scenario->type == SCENARIO_MEMORY_PRESSURE ? is_anything_there
								    : is_complete,
		    RUNNER_INVOKED_MS))
		return false;
	run->result.arrival_ms = run_now_ms(run) - uploaded_ms;
	return true;
}

static void look_last(struct run *run)
{
	for (int looks = 1;; looks++) {
		run_look(run);
		if (!run->look_err.text[0])
			return;
		if (looks == RUNNER_LAST_LOOKS)
			break;
		clock_sleep_ms(run->options->clock, RUNNER_POLL_MAX_MS);
	}
	oracle_problem(run->oracle, "the last look failed: %s", run->look_err.text);
}

/* Files that must not come would come with a batch that begins after the one that completed the
 * set, so the wait is about as long as the arrival took. */
static void settle(struct run *run)
{
	uint64_t deadline_ms = run->result.arrival_ms;

	if (deadline_ms < RUNNER_SETTLE_MIN_MS)
		deadline_ms = RUNNER_SETTLE_MIN_MS;
	if (deadline_ms > RUNNER_SETTLE_MAX_MS)
		deadline_ms = RUNNER_SETTLE_MAX_MS;
	for (deadline_ms += run_now_ms(run); run_now_ms(run) < deadline_ms;) {
		uint64_t left_ms = deadline_ms - run_now_ms(run);

		clock_sleep_ms(run->options->clock,
			left_ms < RUNNER_POLL_MAX_MS ? left_ms : RUNNER_POLL_MAX_MS);
		run_tell(run, RUN_SETTLING);
	}
	look_last(run);
}

/* All rounds of the test type; false when one ended early. */
static bool rounds(struct run *run)
{
	size_t n = run_n_sources(run);

	if (scenario_is_direct(run->scenario->type))
		return invoke_trip(run);
	if (!round_trip(run, 1, 0, n))
		return false;
	if (run->scenario->type == SCENARIO_IDEMPOTENCY_CHECK) {
		settle(run); /* a duplicate of the first round must not pass for the second's */
		oracle_expect(run->oracle, 2);
		return round_trip(run, 2, 0, n);
	}
	if (has_marker(run->scenario->type)) {
		oracle_want(run->oracle, n, WANT_ALWAYS);
		return round_trip(run, 2, n, n + 1);
	}
	return true;
}

static void judge(struct run *run)
{
	bool is_over = rounds(run);

	if (is_over || run->has_stopped)
		settle(run);
	run_check(run, is_over);
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
	free(run->own);
	arena_release(&run->arena);
	manifest_release(&run->manifest);
	free(run);
}

static struct run *run_new(const struct run_options *options)
{
	const struct scenario *s = options->scenario;
	struct run *run = xcalloc(1, sizeof(*run));
	struct manifest_plan plan = {.n = (size_t)s->num_files,
		.size = s->size_mb << 20,
		.root = scenario_is_direct(s->type) ? "direct-invoke-tests" : "data",
		.names = s->type == SCENARIO_KEY_SANITIZATION ? sanitized_names : NULL,
		.has_marker = has_marker(s->type)};

	run->options = options;
	run->scenario = s;
	run->landing = slice_str(s->landing_bucket);
	run->distribution = slice_str(s->distribution_bucket);
	run->start_boot_ms = run_now_ms(run);
	manifest_init_plan(&run->manifest, &plan);
	run->result.n_files = count_wanted(run);
	run->progress = (struct run_progress){
		.round = 1, .n_files = run->result.n_files, .file_bytes = plan.size};
	run->result.source_bytes = s->num_files * plan.size;
	snprintf(run->result.prefix, sizeof(run->result.prefix), SLICE_FMT,
		SLICE_ARG(run->manifest.prefix));
	return run;
}

static void tell_hashed(void *arg, size_t n_done)
{
	struct run *run = arg;

	run->progress.n_hashed = n_done;
	run_tell(run, RUN_HASHING);
}

static enum rc set_up(struct run *run, struct err *err)
{
	uint64_t pid = run->options->server_pid, peak;
	enum rc rc = pid ? memory_peak(pid, &peak, err) : RC_OK;

	if (rc != RC_OK)
		return rc;
	if (scenario_is_direct(run->scenario->type) && !run->options->function)
		return err_set(err, RC_REFUSED, "this test needs a function to invoke");
	rc = run_check_landing(run, err);
	return rc == RC_OK ? run_clean(run, err) : rc;
}

enum rc runner_run(const struct run_options *options, struct arena *a,
	struct run_result *ret_result, struct err *err)
{
	struct run *run = run_new(options);
	enum rc rc = set_up(run, err);

	if (rc == RC_OK) {
		manifest_hash_all(&run->manifest, run->scenario->generator,
			(unsigned)run->scenario->concurrency, options->clock, tell_hashed, run);
		run->oracle = oracle_new(&run->manifest, 1);
		set_wants(run);
		if (options->server_pid)
			memory_peak_reset(options->server_pid);
		judge(run);
		take_verdict(run, a);
		if (run->result.is_passed && !options->keep_files)
			run_remove(run);
		run->result.total_ms = run_now_ms(run) - run->start_boot_ms;
		run_tell(run, RUN_ENDED);
		*ret_result = run->result;
	}
	run_release(run);
	return rc;
}
