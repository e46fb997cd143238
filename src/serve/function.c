#include "serve/function.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/json_write.h"
#include "core/direct.h"
#include "core/messages.h"
#include "obs/log.h"

#define READY_POLL_MS 10

_Static_assert(INVOKE_TAIL_BYTES == LOG_TAIL_BYTES, "the tail of a log is the tail of an answer");

struct function {
	struct invoker base;
	struct function_config config;
	atomic_bool stopping;
};

/* One run. */
struct call {
	struct function *f;
	struct pipeline_config pipeline;
	struct prng prng;
	uint64_t end_boot_ms;
	struct arena arena;
	struct invoke_answer *answer;
};

static struct function *self(struct invoker *iv)
{
	return (struct function *)iv;
}

/* Removes the text before the first ':' from *rest; false when *rest has no ':'. */
static bool next_part(struct slice *rest, struct slice *ret_part)
{
	const unsigned char *colon = rest->n ? memchr(rest->p, ':', rest->n) : NULL;

	if (!colon)
		return false;
	*ret_part = slice_of(rest->p, (size_t)(colon - rest->p));
	*rest = slice_of(colon + 1, rest->n - ret_part->n - 1);
	return true;
}

static bool is_account(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n == 12;
}

/* Accepts arn:PARTITION:lambda:REGION:ACCOUNT:function:NAME, ACCOUNT:function:NAME,
 * function:NAME and NAME, and leaves "NAME[:VERSION]". Partition, region and account are not
 * checked, because this endpoint has only one function. */
static bool strip_arn(struct slice *name)
{
	struct slice rest = *name, part, service, skipped;

	if (!next_part(&rest, &part))
		return true;
	if (slice_eq_str(part, "arn")) {
		if (!next_part(&rest, &skipped) || !next_part(&rest, &service) ||
			!slice_eq_str(service, "lambda") || !next_part(&rest, &skipped) ||
			!next_part(&rest, &part) || !is_account(part))
			return false;
	}
	if (is_account(part) && !next_part(&rest, &part))
		return true;
	if (slice_eq_str(part, "function"))
		*name = rest;
	return true;
}

static bool is_latest(struct slice version)
{
	return slice_eq_str(version, "$LATEST");
}

static bool is_named(struct invoker *iv, struct slice name, struct slice qualifier)
{
	struct slice plain;

	if (!strip_arn(&name) || (qualifier.n && !is_latest(qualifier)))
		return false;
	if (!next_part(&name, &plain))
		plain = name;
	else if (!is_latest(name))
		return false;
	return slice_eq_str(plain, self(iv)->config.name);
}

static void describe(struct invoker *iv, struct buf *out)
{
	const struct function_config *c = &self(iv)->config;
	struct arena a = ARENA_INIT;

	json_open_object(out, NULL);
	json_str(out, "FunctionName", c->name);
	json_str(out, "FunctionArn",
		arena_printf(&a, "arn:aws:lambda:%s:000000000000:function:%s", c->region, c->name));
	json_str(out, "Runtime", "provided.al2023");
	json_str(out, "Handler", "baler");
	json_str(out, "PackageType", "Zip");
	json_open_array(out, "Architectures");
	json_str(out, NULL, "x86_64");
	json_close_array(out);
	json_u64(out, "MemorySize", 128);
	json_u64(out, "Timeout", c->timeout_ms / 1000);
	json_str(out, "Version", "$LATEST");
	json_str(out, "State", "Active");
	json_str(out, "LastUpdateStatus", "Successful");
	json_open_object(out, "Environment");
	json_open_object(out, "Variables");
	json_str(out, "ENVIRONMENT", c->environment);
	json_str(out, "DISTRIBUTION_BUCKET_NAME", c->pipeline.distribution_bucket);
	json_str(out, "MAX_BUNDLE_ON_DISK_MB",
		arena_printf(&a, "%llu", (unsigned long long)(c->pipeline.batch_max_bytes >> 20)));
	json_str(out, "TIMEOUT_GUARD_THRESHOLD_SECONDS",
		arena_printf(&a, "%llu", (unsigned long long)(c->guard_ms / 1000)));
	json_close_object(out);
	json_close_object(out);
	json_close_object(out);
	arena_release(&a);
}

static void fail(struct call *c, const char *type, const char *why)
{
	struct buf *out = &c->answer->payload;

	buf_reset(out);
	c->answer->is_error = true;
	json_open_object(out, NULL);
	json_str(out, "errorMessage", why);
	json_str(out, "errorType", type);
	json_close_object(out);
}

/* --- records --- */

/* Makes a message of each record, because the reader of events reads messages. */
static enum rc parse_record(
	struct call *c, const json_t *record, struct s3_event_record *ret, struct err *err)
{
	char *text = json_dumps(record, JSON_COMPACT);
	struct s3_event event;
	enum rc rc = RC_REFUSED;

	if (text)
		rc = s3_event_parse(&c->arena,
			slice_str(arena_printf(&c->arena, "{\"Records\":[%s]}", text)), &event,
			err);
	free(text);
	if (rc == RC_OK && event.n_records != 1)
		rc = err_set(err, RC_REFUSED, "not a record of an event");
	if (rc == RC_OK)
		*ret = event.records[0];
	return rc;
}

static enum rc parse_records(
	struct call *c, const json_t *list, struct s3_event_record **ret, struct err *err)
{
	size_t n = json_array_size(list);
	enum rc rc = RC_OK;

	if (!json_is_array(list) || n > DIRECT_RECORDS_MAX)
		return err_set(err, RC_REFUSED, "'records' is not a list of at most %d",
			DIRECT_RECORDS_MAX);
	*ret = arena_array(&c->arena, n, sizeof(**ret));
	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		rc = parse_record(c, json_array_get(list, i), &(*ret)[i], err);
		if (rc != RC_OK)
			return err_ctx(err, rc, "record %zu", i);
	}
	return rc;
}

static void answer_direct(struct call *c, const struct direct_result *res)
{
	struct buf *out = &c->answer->payload;

	log_event(EV_INVOCATION_ENDED, LF_U64(processed_records, res->n_processed),
		LF_U64(failed_records, res->n_failed), LF_U64(remaining_records, res->n_left),
		LF_STR(bundle, res->key));
	json_open_object(out, NULL);
	json_u64(out, "processed_records", res->n_processed);
	json_u64(out, "failed_records", res->n_failed);
	json_u64(out, "remaining_records", res->n_left);
	json_bool(out, "limit_reached", res->by_bytes);
	json_bool(out, "time_guard", res->by_time);
	if (res->key[0])
		json_str(out, "bundle", res->key);
	else
		json_nothing(out, "bundle");
	json_close_object(out);
}

static void run_direct(struct call *c, const json_t *root)
{
	const json_t *list = json_object_get(root, "records");
	const char *environment = c->f->config.environment;
	struct direct_job job = {.cfg = &c->pipeline,
		.n = json_array_size(list),
		.close_boot_ms = c->end_boot_ms - c->f->config.guard_ms,
		.stopping = &c->f->stopping};
	struct direct_result res;
	struct s3_event_record *records = NULL;
	struct err err = {0};

	if (strcmp(environment, "dev") != 0 && strcmp(environment, "test") != 0)
		fail(c, "DirectInvocationRefused",
			"direct invocation is for the environments dev and test only");
	else if (parse_records(c, list, &records, &err) != RC_OK)
		fail(c, "InvalidEvent", err.text);
	else if (job.records = records, direct_run(&job, &res, &err) != RC_OK)
		fail(c, "BundleFailed", err.text);
	else
		answer_direct(c, &res);
}

/* --- messages --- */

static struct slice string_of(const json_t *s)
{
	return json_is_string(s) ? slice_of(json_string_value(s), json_string_length(s))
				 : (struct slice){0};
}

static bool take_messages(const json_t *list, struct message_in *messages, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *record = json_array_get(list, i);

		messages[i] =
			(struct message_in){.id = string_of(json_object_get(record, "messageId")),
				.body = string_of(json_object_get(record, "body"))};
		if (!messages[i].id.n || !messages[i].body.p)
			return false;
	}
	return true;
}

static void answer_messages(struct call *c, const struct message_in *messages, size_t n)
{
	struct buf *out = &c->answer->payload;
	size_t n_back = 0;

	json_open_object(out, NULL);
	json_open_array(out, "batchItemFailures");
	for (size_t i = 0; i < n; i++) {
		if (!messages[i].must_come_back)
			continue;
		n_back++;
		json_open_object(out, NULL);
		json_text(out, "itemIdentifier", messages[i].id);
		json_close_object(out);
	}
	json_close_array(out);
	json_close_object(out);
	log_event(EV_INVOCATION_ENDED, LF_U64(processed_records, n - n_back),
		LF_U64(remaining_records, n_back));
}

static void run_messages(struct call *c, const json_t *list)
{
	size_t n = json_array_size(list);
	struct message_in *messages = arena_array(&c->arena, n, sizeof(*messages));
	struct err err = {0};

	if (n > MESSAGES_MAX || !take_messages(list, messages, n))
		fail(c, "InvalidEvent",
			"a record has no messageId or no body, or there are too many");
	else if (messages_run(&c->pipeline, messages, n, c->end_boot_ms - c->f->config.guard_ms,
			 &c->f->stopping, &err) != RC_OK)
		fail(c, "BundleFailed", err.text);
	else
		answer_messages(c, messages, n);
}

static bool are_messages(const json_t *list)
{
	return json_is_array(list) && json_array_size(list) &&
	       json_object_get(json_array_get(list, 0), "body");
}

static void wait_until_ready(struct call *c)
{
	while (!atomic_load(c->f->config.ready) && !atomic_load(&c->f->stopping))
		clock_sleep_ms(c->pipeline.ports.clock, READY_POLL_MS);
}

static void invoke(struct invoker *iv, struct slice payload, struct invoke_answer *ret_answer)
{
	struct call c = {.f = self(iv), .prng = prng_system(), .answer = ret_answer};
	struct log_tail tail;
	json_t *root = NULL;
	struct err err = {0};

	*ret_answer = (struct invoke_answer){0};
	buf_init(&ret_answer->payload, INVOKE_PAYLOAD_MAX_BYTES);
	c.pipeline = c.f->config.pipeline;
	c.pipeline.ports.prng = &c.prng;
	c.end_boot_ms = clock_boot_ms(c.pipeline.ports.clock) + c.f->config.timeout_ms;
	log_tail_begin(&tail);
	wait_until_ready(&c);
	if (json_parse(payload, INVOKE_PAYLOAD_MAX_BYTES, &root, &err) != RC_OK)
		fail(&c, "InvalidEvent", err.text);
	else if (json_is_true(json_object_get(root, "e2e_test_direct_invoke")))
		run_direct(&c, root);
	else if (are_messages(json_object_get(root, "Records")))
		run_messages(&c, json_object_get(root, "Records"));
	else
		fail(&c, "InvalidEvent", "neither an SQS event nor a direct invocation");
	if (ret_answer->payload.overflow)
		fail(&c, "Function.ResponseSizeTooLarge",
			"the answer is longer than an answer may be");
	log_tail_end();
	ret_answer->tail_n = tail.n;
	memcpy(ret_answer->tail, tail.bytes, tail.n);
	json_decref(root);
	arena_release(&c.arena);
}

struct invoker *function_new(const struct function_config *config)
{
	static const struct invoker_ops ops = {is_named, describe, invoke};
	struct function *f = xcalloc(1, sizeof(*f));

	f->base.ops = &ops;
	f->config = *config;
	return &f->base;
}

void function_stop(struct invoker *iv)
{
	atomic_store(&self(iv)->stopping, true);
}

void function_free(struct invoker *iv)
{
	free(iv);
}
