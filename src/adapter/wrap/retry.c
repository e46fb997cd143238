#include "adapter/wrap/retry.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/prng.h"

const struct retry_policy retry_defaults = {
	.attempts = 5, .base_ms = 100, .max_ms = 5000, .deadline_ms = 60000, .budget = 100};

#define TENTHS 10 /* the budget is kept in tenths of a token */

struct retry_store {
	struct object_store base;
	struct object_store *inner;
	struct retry_policy policy;
	struct clock *clock;
	pthread_mutex_t lock;
	struct prng jitter;   /* under lock */
	unsigned budget_left; /* under lock; tenths */
};

/* One call's attempts. */
struct attempts {
	struct retry_store *store;
	unsigned n; /* made */
	uint64_t start_boot_ms;
};

static struct attempts attempts_begin(struct object_store *os)
{
	struct retry_store *store = (struct retry_store *)os;

	return (struct attempts){store, 0, clock_boot_ms(store->clock)};
}

static bool take_token_locked(struct retry_store *store)
{
	if (store->budget_left < TENTHS)
		return false;
	store->budget_left -= TENTHS;
	return true;
}

static void give_back(struct retry_store *store)
{
	pthread_mutex_lock(&store->lock);
	if (store->budget_left < store->policy.budget * TENTHS)
		store->budget_left++;
	pthread_mutex_unlock(&store->lock);
}

/* Whether to try once more, after *ret_wait_ms. unknown_too: RC_UNKNOWN may be repeated. */
static bool may_repeat(struct attempts *a, enum rc rc, bool unknown_too, uint64_t *ret_wait_ms)
{
	struct retry_store *store = a->store;
	const struct retry_policy *p = &store->policy;
	uint64_t cap_ms, wait_ms;
	int64_t left_ms;
	bool may;

	if (rc == RC_OK)
		give_back(store);
	if (rc != RC_AGAIN && !(rc == RC_UNKNOWN && unknown_too))
		return false;
	if (++a->n >= p->attempts)
		return false;
	cap_ms = a->n < 32 ? p->base_ms << (a->n - 1) : p->max_ms;
	cap_ms = cap_ms < p->max_ms ? cap_ms : p->max_ms;
	left_ms = (int64_t)(a->start_boot_ms + p->deadline_ms - clock_boot_ms(store->clock));
	pthread_mutex_lock(&store->lock);
	wait_ms = prng_below(&store->jitter, cap_ms + 1);
	may = (int64_t)wait_ms <= left_ms && take_token_locked(store);
	pthread_mutex_unlock(&store->lock);
	*ret_wait_ms = wait_ms;
	return may;
}

/* The same, and waits that long. */
static bool again(struct attempts *a, enum rc rc, bool unknown_too)
{
	uint64_t wait_ms;

	if (!may_repeat(a, rc, unknown_too, &wait_ms))
		return false;
	clock_sleep_ms(a->store->clock, wait_ms);
	return true;
}

static struct object_store *inner_of(struct object_store *os)
{
	return ((struct retry_store *)os)->inner;
}

static enum rc retry_put(struct object_store *os, struct slice bucket, struct slice key,
	struct slice headers, uint64_t size, const struct os_source *body, struct arena *arena,
	struct os_object *ret_info, struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do {
		if (a.n && body->rewind(body->arg, err) != RC_OK)
			return RC_AGAIN;
		rc = os_put(inner_of(os), bucket, key, headers, size, body, arena, ret_info, err);
	} while ((rc == RC_OK || body->rewind) && again(&a, rc, false));
	return rc;
}

static enum rc retry_head(struct object_store *os, const struct object_id *object,
	struct arena *arena, struct os_object *ret_info, struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_head(inner_of(os), object, arena, ret_info, err);
	while (again(&a, rc, true));
	return rc;
}

static enum rc retry_list(struct object_store *os, const struct os_list_query *query,
	struct arena *arena, struct os_list_page *ret_page, struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_list(inner_of(os), query, arena, ret_page, err);
	while (again(&a, rc, true));
	return rc;
}

static enum rc retry_bucket_region(struct object_store *os, struct slice bucket,
	char ret_region[OS_REGION_MAX], struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_bucket_region(inner_of(os), bucket, ret_region, err);
	while (again(&a, rc, true));
	return rc;
}

/* The worst result among those that may be repeated, or RC_OK. */
static enum rc worth_repeating(const enum rc *results, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (results[i] == RC_AGAIN || results[i] == RC_UNKNOWN)
			return results[i];
	return RC_OK;
}

static enum rc retry_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_delete_many(inner_of(os), bucket, objects, n, results, err);
	while (again(&a, rc == RC_OK ? worth_repeating(results, n) : rc, true));
	return rc;
}

/* Repeating a copy that was perhaps made adds one more version of the same bytes, which does no
 * harm. */
static enum rc retry_copy(struct object_store *os, const struct object_id *from,
	struct slice bucket, struct slice key, struct arena *arena, struct os_object *ret_info,
	struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_copy(inner_of(os), from, bucket, key, arena, ret_info, err);
	while (again(&a, rc, true));
	return rc;
}

static enum rc retry_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice staged, struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_publish(inner_of(os), bucket, key, staged, err);
	while (again(&a, rc, true));
	return rc;
}

static enum rc retry_discard(
	struct object_store *os, struct slice bucket, struct slice key, struct err *err)
{
	struct attempts a = attempts_begin(os);
	enum rc rc;

	do
		rc = os_discard(inner_of(os), bucket, key, err);
	while (again(&a, rc, true));
	return rc;
}

#define FAILING_MAX 64 /* objects with a failed request at a time; more than any store requests */

/*
 * For get_many: stands between the inner store and the caller's sink. A store that makes several
 * requests at a time asks watch_retry about one of them [OS-17]. With any other store the failed
 * object is the last one of the inner call: the call is stopped at it, and made again from there.
 */
struct get_watch {
	const struct os_sink *sink;
	size_t first;  /* index of the first object of the inner call */
	size_t n_done; /* objects that have ended, counted as the caller counts */
	bool has_begun;
	/* objects whose request has failed and that have not ended; index as the caller counts */
	struct {
		size_t i;
		struct attempts attempts;
		bool has_asked; /* the store asks watch_retry, so the call need not be stopped */
	} failing[FAILING_MAX];
	size_t n_failing;
	struct retry_store *store;
	bool stopped; /* by watch_end, so that the object at n_done is tried again after wait_ms */
	uint64_t wait_ms;
};

/* Where the object is in failing; with makes it is put there. SIZE_MAX: it is not there, or there
 * is no place. */
static size_t failing_of(struct get_watch *w, size_t i, bool makes)
{
	for (size_t at = 0; at < w->n_failing; at++)
		if (w->failing[at].i == i)
			return at;
	if (!makes || w->n_failing == FAILING_MAX)
		return SIZE_MAX;
	w->failing[w->n_failing].i = i;
	w->failing[w->n_failing].attempts = attempts_begin(&w->store->base);
	w->failing[w->n_failing].has_asked = false;
	return w->n_failing++;
}

static void forget_failing(struct get_watch *w, size_t i)
{
	size_t at = failing_of(w, i, false);

	if (at != SIZE_MAX)
		w->failing[at] = w->failing[--w->n_failing];
}

static bool watch_retry(void *arg, size_t i, const struct err *why, uint64_t *ret_wait_ms)
{
	struct get_watch *w = arg;
	size_t at = failing_of(w, w->first + i, true);

	(void)why;
	if (at == SIZE_MAX)
		return false;
	w->failing[at].has_asked = true;
	return may_repeat(&w->failing[at].attempts, RC_AGAIN, false, ret_wait_ms);
}

/* A result of the sink's begin, data or waiting. */
static enum rc watch_answer(struct get_watch *w, size_t i, enum rc rc)
{
	if (rc == RC_SKIP) { /* as if it had ended */
		w->has_begun = false;
		forget_failing(w, w->first + i);
		w->n_done = w->first + i + 1;
	}
	return rc;
}

static enum rc watch_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct get_watch *w = arg;

	w->has_begun = true;
	return watch_answer(w, i, w->sink->begin(w->sink->arg, w->first + i, info, err));
}

static enum rc watch_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct get_watch *w = arg;

	return watch_answer(w, i, w->sink->data(w->sink->arg, w->first + i, bytes, err));
}

static enum rc watch_waiting(void *arg, size_t i, struct err *err)
{
	struct get_watch *w = arg;

	if (!w->sink->waiting)
		return RC_OK;
	return watch_answer(w, i, w->sink->waiting(w->sink->arg, w->first + i, err));
}

static bool stops_to_repeat(struct get_watch *w, size_t i, enum rc outcome)
{
	size_t at = outcome == RC_AGAIN && !w->has_begun ? failing_of(w, i, true) : SIZE_MAX;

	return at != SIZE_MAX && !w->failing[at].has_asked &&
	       may_repeat(&w->failing[at].attempts, RC_AGAIN, false, &w->wait_ms);
}

static enum rc watch_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct get_watch *w = arg;

	if (stops_to_repeat(w, w->first + i, outcome)) {
		/* do not wait inside a callback; the loop around the inner call waits */
		w->stopped = true;
		if (err && why)
			*err = *why;
		return RC_AGAIN;
	}
	w->has_begun = false;
	forget_failing(w, w->first + i);
	w->n_done = w->first + i + 1;
	return w->sink->end(w->sink->arg, w->first + i, outcome, why, err);
}

static enum rc retry_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct get_watch w = {.sink = sink, .store = (struct retry_store *)os};
	struct os_sink watching = {
		watch_begin, watch_data, watch_end, &w, watch_waiting, watch_retry};
	struct err why = {0};
	enum rc rc;

	for (;;) {
		w.first = w.n_done;
		w.stopped = w.has_begun = false;
		rc = os_get_many(inner_of(os), objects + w.first, n - w.first, &watching, &why);
		if (!w.stopped)
			break;
		clock_sleep_ms(w.store->clock, w.wait_ms);
	}
	if (rc == RC_OK)
		give_back((struct retry_store *)os);
	else if (err)
		*err = why;
	return rc;
}

/* A stage calls the inner store directly, because its handle carries the inner operations. */
static enum rc retry_stage_begin(struct object_store *os, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err)
{
	return os_stage_begin(inner_of(os), bucket, key, ret_stage, err);
}

static uint64_t retry_stage_max(struct object_store *os, size_t record_bytes)
{
	return os_stage_max(inner_of(os), record_bytes);
}

static bool retry_keeps_evidence(struct object_store *os)
{
	return os_keeps_evidence(inner_of(os));
}

static void retry_close(struct object_store *os)
{
	struct retry_store *store = (struct retry_store *)os;

	os_close(store->inner);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

static const struct object_store_ops retry_ops = {
	.put = retry_put,
	.get_many = retry_get_many,
	.head = retry_head,
	.list = retry_list,
	.delete_many = retry_delete_many,
	.copy = retry_copy,
	.bucket_region = retry_bucket_region,
	.stage_begin = retry_stage_begin,
	.publish = retry_publish,
	.discard = retry_discard,
	.close = retry_close,
	.stage_max = retry_stage_max,
	.keeps_evidence = retry_keeps_evidence,
};

struct object_store *retry_object_store_new(struct object_store *inner,
	const struct retry_policy *policy, struct clock *clock, uint64_t seed)
{
	struct retry_store *store = xcalloc(1, sizeof(*store));

	store->base.ops = &retry_ops;
	store->inner = inner;
	store->policy = *policy;
	store->clock = clock;
	store->jitter = prng_seeded(seed);
	store->budget_left = policy->budget * TENTHS;
	pthread_mutex_init(&store->lock, NULL);
	return &store->base;
}
