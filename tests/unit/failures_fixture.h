/*
 * The pipeline over a real data folder, with faults at its ports and an operator beside it: what
 * the tests of failures and of dead letters share.
 */
#ifndef BALER_TESTS_UNIT_FAILURES_FIXTURE_H
#define BALER_TESTS_UNIT_FAILURES_FIXTURE_H

#include "check.h"

#include "local_fixture.h"

#include "base/json.h"
#include "core/direct.h"
#include "core/pipeline.h"
#include "fault.h"
#include "model/s3_event.h"
#include "obs/log.h"
#include "port/operator.h"

#define LANDING "landing"
#define DISTRIBUTION "distribution"
#define ARCHIVE "archive"
#define MAX_RECEIVES 5
#define STEPS_MAX 4000
#ifndef SHOWN_MAX
#define SHOWN_MAX 8 /* bundles */
#endif

struct fixture {
	struct local_fixture local;
	struct op_port *op;
	struct prng prng;
	struct fault fault;
	struct pipeline_config cfg;
	struct pipeline *p;
	struct arena arena;
	const char *verb;
	enum fault_action action;
	int n;            /* so many of the verb's calls meet the action; -1: all */
	uint64_t slow_ms; /* of each call of the verb */
	bool all_faulty;  /* fault_all_ports */
};

static inline enum fault_action decide(void *arg, const char *verb)
{
	struct fixture *f = arg;

	if (!f->verb || strcmp(verb, f->verb) != 0)
		return FAULT_PASS;
	clock_sleep_ms(&f->local.clock, f->slow_ms);
	if (f->n == 0)
		return FAULT_PASS;
	f->n -= f->n > 0;
	return f->action;
}

static inline void configure(struct fixture *f)
{
	pipeline_config_init(&f->cfg);
	f->cfg.ports = (struct pipeline_ports){
		.landing = fault_object_store_new(local_object_store(f->local.local), &f->fault),
		.distribution = local_object_store(f->local.local),
		.queue = local_event_queue(f->local.local),
		.ledger = local_ledger(f->local.local),
		.clock = &f->local.clock,
		.prng = &f->prng};
	f->cfg.owner = "test";
	f->cfg.landing_bucket = LANDING;
	f->cfg.distribution_bucket = DISTRIBUTION;
	f->cfg.archive_bucket = ARCHIVE;
	f->cfg.batch_window_ms = 1000;
	f->cfg.receive_wait_ms = 1;
	f->cfg.max_receives = MAX_RECEIVES;
	f->cfg.sole_owner = true;
	f->p = pipeline_new(&f->cfg);
}

static inline int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct local_operator_config op = {"test", LANDING, "data/", DISTRIBUTION, true};

	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	fixture_init(&f->local, MAX_RECEIVES);
	fixture_bucket(&f->local, LANDING, BS_ENABLED);
	fixture_bucket(&f->local, DISTRIBUTION, BS_ENABLED);
	fixture_bucket(&f->local, ARCHIVE, BS_ENABLED);
	f->op = local_operator_new(f->local.local, &op);
	f->prng = prng_seeded(3);
	f->fault = (struct fault){.decide = decide, .arg = f};
	configure(f);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	pipeline_free(f->p);
	fault_release(&f->fault);
	if (f->all_faulty) {
		eq_close(f->cfg.ports.queue);
		lg_close(f->cfg.ports.ledger);
	}
	os_close(f->cfg.ports.landing);
	op_close(f->op);
	fixture_release(&f->local);
	arena_release(&f->arena);
	free(f);
	return 0;
}

static inline void restart(struct fixture *f)
{
	pipeline_free(f->p);
	fault_release(&f->fault);
	f->fault.dead = false;
	f->p = pipeline_new(&f->cfg);
}

/* Not only the landing bucket's. */
static inline void fault_all_ports(struct fixture *f)
{
	f->cfg.ports.distribution = f->cfg.ports.landing;
	f->cfg.ports.queue = fault_event_queue_new(local_event_queue(f->local.local), &f->fault);
	f->cfg.ports.ledger = fault_ledger_new(local_ledger(f->local.local), &f->fault);
	f->all_faulty = true;
	restart(f);
}

static inline enum rc read_text(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct slice *left = arg;

	(void)err;
	*ret_n = left->n < max ? left->n : max;
	if (*ret_n)
		memcpy(out, left->p, *ret_n);
	*left = slice_of(left->p + *ret_n, left->n - *ret_n);
	return RC_OK;
}

/* What the event of it would say. */
static inline struct s3_event_record put(struct fixture *f, const char *key, const char *body)
{
	struct slice left = slice_str(body);
	struct os_source source = {read_text, &left};
	struct os_object info;
	struct err err = {0};

	if (os_put(local_object_store(f->local.local), slice_str(LANDING), slice_str(key),
		    (struct slice){0}, strlen(body), &source, &f->arena, &info, &err) != RC_OK)
		fail_msg("%s", err.text);
	return (struct s3_event_record){.object = {slice_str(LANDING), info.key, info.version},
		.event_name = slice_str("ObjectCreated:Put"),
		.etag = info.etag,
		.size = strlen(body),
		.has_size = true,
		.time_wall_ms = clock_wall_ms(&f->local.clock)};
}

static inline void send(struct fixture *f, struct slice body)
{
	enum rc result = RC_FATAL;

	assert_int_equal(eq_send(f->cfg.ports.queue, &body, 1, &result, NULL), RC_OK);
	assert_int_equal(result, RC_OK);
}

/* Returns the message's bytes. */
static inline struct slice announce(struct fixture *f, const struct s3_event_record *rec)
{
	struct slice text;
	struct buf b;

	buf_init(&b, S3_EVENT_MAX_BYTES);
	assert_true(s3_event_write(&b, rec, "eu-central-1", "req"));
	text = arena_slice(&f->arena, buf_slice(&b));
	buf_release(&b);
	send(f, text);
	return text;
}

static inline struct eq_stat queue(struct fixture *f)
{
	struct eq_stat st;

	assert_int_equal(eq_stat(f->cfg.ports.queue, &st, NULL), RC_OK);
	return st;
}

/* One step; then time is moved on, farther when there was nothing to do. */
static inline enum pipeline_status step_on(struct fixture *f)
{
	struct err err = {0};
	enum pipeline_status status = pipeline_step(f->p, &err);

	fixture_pass(&f->local.clock, status == PIPELINE_IDLE ? 10000 : 1000);
	return status;
}

/* Until the queue is empty. */
static inline void run(struct fixture *f)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		struct eq_stat st = queue(f);

		if (!st.visible && !st.in_flight)
			return;
		if (step_on(f) == PIPELINE_FATAL)
			fail_msg("the pipeline has died");
	}
	fail_msg("the queue does not become empty");
}

/* The manifests of the bundles that a consumer sees. */
struct shown {
	size_t n_bundles, n_members;
	json_t *manifests[SHOWN_MAX];
};

static inline enum rc text_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg;
	(void)i;
	(void)info;
	(void)err;
	return RC_OK;
}

static inline enum rc text_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	(void)i;
	(void)err;
	return buf_add_slice(arg, bytes) ? RC_OK : RC_REFUSED;
}

static inline enum rc text_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	(void)arg;
	(void)i;
	(void)why;
	(void)err;
	return outcome;
}

static inline json_t *read_json(struct fixture *f, struct slice key)
{
	struct object_id id = {slice_str(ARCHIVE), key, {0}};
	struct buf bytes;
	struct os_sink sink = {text_begin, text_data, text_end, &bytes};
	json_t *root = NULL;

	buf_init(&bytes, 1 << 20);
	assert_int_equal(os_get_many(f->cfg.ports.distribution, &id, 1, &sink, NULL), RC_OK);
	assert_int_equal(json_parse(buf_slice(&bytes), 1 << 20, &root, NULL), RC_OK);
	buf_release(&bytes);
	return root;
}

static inline struct shown look(struct fixture *f)
{
	struct os_list_query q = {.bucket = slice_str(DISTRIBUTION), .max = 100, .versions = true};
	struct os_list_page page;
	struct shown s = {0};

	assert_int_equal(os_list(f->cfg.ports.distribution, &q, &f->arena, &page, NULL), RC_OK);
	assert_in_range(page.n, 0, SHOWN_MAX);
	for (size_t i = 0; i < page.n; i++) {
		char *key = arena_printf(
			&f->arena, "manifests/" SLICE_FMT ".json", SLICE_ARG(page.objects[i].key));

		s.manifests[s.n_bundles] = read_json(f, slice_str(key));
		s.n_members +=
			json_array_size(json_object_get(s.manifests[s.n_bundles++], "members"));
	}
	return s;
}

static inline void forget(struct shown *s)
{
	for (size_t i = 0; i < s->n_bundles; i++)
		json_decref(s->manifests[i]);
}

/* In how many bundles this version is. */
static inline size_t times_shipped(const struct shown *s, const struct s3_event_record *rec)
{
	size_t n = 0, j;
	json_t *m;

	for (size_t i = 0; i < s->n_bundles; i++) {
		json_array_foreach(json_object_get(s->manifests[i], "members"), j, m)
		{
			n += slice_eq(json_member_str(m, "key"), rec->object.key) &&
			     slice_eq(json_member_str(m, "versionId"), rec->object.version);
		}
	}
	return n;
}

/* How many bundles and members there are, and that rec is in n of them. */
static inline void assert_shown(struct fixture *f, size_t n_bundles, size_t n_members,
	const struct s3_event_record *rec, size_t n)
{
	struct shown s = look(f);

	assert_int_equal(s.n_bundles, n_bundles);
	assert_int_equal(s.n_members, n_members);
	if (rec)
		assert_int_equal(times_shipped(&s, rec), n);
	forget(&s);
}

/* The only dead letter there is. */
static inline struct op_dead the_dead(struct fixture *f)
{
	struct op_dead_page page;

	assert_int_equal(op_dead_list(f->op, &f->arena, "", 10, &page, NULL), RC_OK);
	assert_int_equal(page.n, 1);
	return page.dead[0];
}

/* Exactly one dead letter, with the original message, this code, a reason that says this, the time
 * and so many attempts. */
static inline void assert_dead(struct fixture *f, struct slice message, const char *code,
	const char *reason, uint32_t attempts)
{
	struct op_dead dead = the_dead(f);

	assert_true(slice_eq(dead.message, message));
	assert_slice_is(dead.code, code);
	if (!memmem(dead.reason.p, dead.reason.n, reason, strlen(reason)))
		fail_msg("'" SLICE_FMT "' does not say '%s'", SLICE_ARG(dead.reason), reason);
	assert_int_equal(dead.attempts, attempts);
	assert_true(dead.died_wall_ms >= dead.sent_wall_ms);
}

static inline void assert_none_dead(struct fixture *f)
{
	assert_int_equal(queue(f).dead, 0);
}

#endif
