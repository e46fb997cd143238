#include "consumer/pull.h"

#include <stdio.h>
#include <stdlib.h>

#include "consumer/pull_internal.h"
#include "verify/bundles.h"

#define SLICE_MS 100
#define BACKOFF_FIRST_MS                                                                           \
	2000 /* a bundle that failed is tried again after this, doubled each time */
#define BACKOFF_MAX_MS 300000
#define FULL_MAX_MS 30000 /* a full disk is tried again that often at least */

/* When a bundle that failed may be tried again. */
struct backoff {
	struct backoff *next;
	char *key;
	uint64_t delay_ms, next_boot_ms; /* 0: it has come through since */
};

struct round {
	struct pull *pull;
	struct arena arena;
	struct pull_item **items;
	size_t n, cap;
	uint64_t now_boot_ms;
	uint64_t n_listed;
	uint64_t n_waiting; /* for their backoff */
	uint64_t total_bytes;
};

static bool is_stopping(const struct pull *p)
{
	return atomic_load(p->o->stopping);
}

static void tell_progress(struct pull *p, const struct pull_progress *now)
{
	if (!p->o->progress)
		return;
	pthread_mutex_lock(&p->lock);
	p->o->progress(p->o->arg, now);
	pthread_mutex_unlock(&p->lock);
}

static uint64_t elapsed_ms(const struct round *r)
{
	return clock_boot_ms(r->pull->o->clock) - r->now_boot_ms;
}

static void tell_listed(struct round *r)
{
	tell_progress(r->pull,
		&(struct pull_progress){.n_listed = r->n_listed, .elapsed_ms = elapsed_ms(r)});
}

static void tell_done(struct round *r, uint64_t n_done)
{
	tell_progress(r->pull, &(struct pull_progress){.n_bundles = r->n,
				       .n_done = n_done,
				       .total_bytes = r->total_bytes,
				       .done_bytes = atomic_load(&r->pull->done_bytes),
				       .elapsed_ms = elapsed_ms(r)});
}

static enum rc add_item(void *arg, const struct os_object *bundle, struct err *err)
{
	struct round *r = arg;
	struct pull *p = r->pull;
	const struct backoff *b = table_get(&p->failed, bundle->key);
	uint64_t first_wall_ms = journal_first_ms(p->journal, bundle);
	struct pull_item *item;

	r->n_listed++;
	tell_listed(r);
	if (r->n == PULL_ROUND_MAX)
		return err_code(err, RC_CONFLICT, "full", "the rest is for the next round");
	if (is_stopping(p))
		return err_code(err, RC_CONFLICT, "full", "stopped");
	if (bundle->key.n > OBJECT_KEY_MAX || (p->o->keep && journal_has(p->journal, bundle)))
		return RC_OK;
	if (b && b->next_boot_ms > r->now_boot_ms) {
		r->n_waiting++;
		return RC_OK;
	}
	item = arena_alloc(&r->arena, sizeof(*item));
	*item = (struct pull_item){.work.run = pull_item_run, .pull = p, .number = r->n};
	item->bundle = (struct os_object){.key = slice_str(arena_strdup(&r->arena, bundle->key)),
		.etag = arena_slice(&r->arena, bundle->etag),
		.size = bundle->size,
		.modified_wall_ms = bundle->modified_wall_ms};
	item->published_wall_ms = first_wall_ms;
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 256;
		r->items = xrealloc(r->items, r->cap * sizeof(struct pull_item *));
	}
	r->items[r->n++] = item;
	r->total_bytes += bundle->size;
	return RC_OK;
}

static int by_age(const void *x, const void *y)
{
	const struct pull_item *a = *(struct pull_item *const *)x,
			       *b = *(struct pull_item *const *)y;

	if (a->published_wall_ms != b->published_wall_ms)
		return a->published_wall_ms < b->published_wall_ms ? -1 : 1;
	return slice_cmp(a->bundle.key, b->bundle.key);
}

static enum rc list_round(struct round *r, struct err *err)
{
	struct journal *journal = r->pull->journal;
	struct err why = {0};
	enum rc rc;

	journal_begin_listing(journal);
	rc = bundles_each(r->pull->o->store, slice_str(r->pull->o->bucket), add_item, r, &why);
	if (rc == RC_OK) /* if it cannot be, say for lack of room, then after another listing */
		journal_trim(journal, NULL);
	if (rc == RC_CONFLICT && err_is(&why, "full"))
		rc = RC_OK;
	if (rc != RC_OK && err)
		*err = why;
	if (r->n)
		qsort(r->items, r->n, sizeof(struct pull_item *), by_age);
	return rc == RC_OK ? rc : err_ctx(err, rc, "list bucket '%s'", r->pull->o->bucket);
}

static void work(struct round *r)
{
	struct pull *p = r->pull;
	struct work_pool *pool = work_pool_new(p->o->jobs, "pull");
	uint64_t n_done = 0;

	p->n_done = 0;
	atomic_store(&p->done_bytes, 0);
	for (size_t i = 0; i < r->n; i++)
		work_pool_submit(pool, &r->items[i]->work);
	while (n_done < r->n) {
		clock_sleep_ms(p->o->clock, r->n == 1 ? 5 : 20);
		pthread_mutex_lock(&p->lock);
		n_done = p->n_done;
		pthread_mutex_unlock(&p->lock);
		tell_done(r, n_done);
	}
	work_pool_free(pool);
}

static void forget_failure(struct pull *p, struct slice key)
{
	struct backoff *b = table_get(&p->failed, key);

	if (b)
		b->delay_ms = b->next_boot_ms = 0;
}

static void note_failure(struct pull *p, const struct pull_item *item)
{
	uint64_t max_ms = item->lacks_room ? FULL_MAX_MS : BACKOFF_MAX_MS;
	struct backoff *b = table_get(&p->failed, item->bundle.key);

	if (!b) {
		b = xcalloc(1, sizeof(*b));
		b->key = slice_dup(item->bundle.key);
		b->next = p->backoffs;
		p->backoffs = b;
		table_put(&p->failed, slice_str(b->key), b);
	}
	b->delay_ms = b->delay_ms ? 2 * b->delay_ms : BACKOFF_FIRST_MS;
	if (b->delay_ms > max_ms)
		b->delay_ms = max_ms;
	/* Once is enough for a run that ends. */
	b->next_boot_ms = p->o->watch_ms ? clock_boot_ms(p->o->clock) + b->delay_ms : UINT64_MAX;
}

static void settle(struct round *r)
{
	struct pull *p = r->pull;

	bool lack_room = false;

	p->totals.n_failed = r->n_waiting;
	for (size_t i = 0; i < r->n; i++) {
		const struct pull_item *item = r->items[i];

		lack_room |= item->lacks_room;
		if (item->rc == RC_OK || item->rc == RC_ABSENT) {
			forget_failure(p, item->bundle.key);
		} else if (!item->is_put_off) {
			note_failure(p, item);
			p->totals.n_failed++;
		} else {
			p->totals.n_failed++;
		}
	}
	if (r->n && !lack_room)
		atomic_store(&p->is_full_told, false);
}

/* Bundles were put off, and trying them again at once would fail too. */
static bool is_cut_short(struct pull *p)
{
	return pull_has_no_room(p) || atomic_load(&p->n_unanswered);
}

/* *ret_again: there may be more bundles at once. */
static enum rc one_round(struct pull *p, bool *ret_again, struct err *err)
{
	struct round r = {.pull = p, .now_boot_ms = clock_boot_ms(p->o->clock)};
	enum rc rc = list_round(&r, err);

	atomic_store(&p->n_no_room, 0);
	atomic_store(&p->n_unanswered, 0);
	*ret_again =
		rc == RC_OK && r.n == PULL_ROUND_MAX; /* with watch it is looked at again anyway */
	if (rc == RC_OK && r.n)
		work(&r);
	tell_progress(p, NULL);
	if (rc == RC_OK)
		settle(&r);
	if (is_cut_short(p))
		*ret_again = false;
	free(r.items);
	arena_release(&r.arena);
	return rc;
}

/* Waits until the next look at the bucket; each time longer while there is no room for its
 * bundles. */
static void pause_watching(struct pull *p)
{
	uint64_t delay_ms = p->o->watch_ms;

	p->full_ms = !pull_has_no_room(p) ? 0 : p->full_ms ? 2 * p->full_ms : BACKOFF_FIRST_MS;
	if (p->full_ms > FULL_MAX_MS)
		p->full_ms = FULL_MAX_MS;
	if (delay_ms < p->full_ms)
		delay_ms = p->full_ms;
	delay_ms += clock_boot_ms(p->o->clock);
	while (!is_stopping(p) && clock_boot_ms(p->o->clock) < delay_ms)
		clock_sleep_ms(p->o->clock, SLICE_MS);
}

/* Reports once that a bucket cannot be listed, and once that it can be listed again. */
static void tell_listing(struct pull *p, enum rc rc, const struct err *why)
{
	if ((rc == RC_OK) != p->cannot_list)
		return;
	p->cannot_list = rc != RC_OK;
	p->o->tell(p->o->arg, &(struct pull_result){.bundle = "", .rc = rc, .err = why});
}

static enum rc loop(struct pull *p, struct err *err)
{
	bool has_begun = false, again = true;
	enum rc rc = RC_OK;

	while (!is_stopping(p) && again) {
		struct err why = {0};

		rc = one_round(p, &again, &why);
		if (rc != RC_OK && (!has_begun || !p->o->watch_ms)) {
			if (err)
				*err = why;
			return rc;
		}
		tell_listing(p, rc, &why);
		has_begun = true;
		if (p->o->watch_ms && !again) {
			pause_watching(p);
			again = true;
		}
	}
	p->totals.was_stopped = is_stopping(p);
	return RC_OK;
}

static enum rc open_all(struct pull *p, struct err *err)
{
	char path[4096];
	enum rc rc = destination_open(p->o->dir, p->o->policy, &p->destination, err);

	if (rc != RC_OK)
		return rc;
	snprintf(path, sizeof(path), "%s/" STATE_FOLDER "/journal", p->o->dir);
	return journal_open(path, JOURNAL_KEEP, &p->journal, err);
}

static void free_failed(struct pull *p)
{
	while (p->backoffs) {
		struct backoff *b = p->backoffs;

		p->backoffs = b->next;
		free(b->key);
		free(b);
	}
	table_release(&p->failed);
}

enum rc pull_run(
	const struct pull_options *options, struct pull_totals *ret_totals, struct err *err)
{
	struct pull p = {.o = options};
	enum rc rc;

	pthread_mutex_init(&p.lock, NULL);
	rc = open_all(&p, err);
	if (rc == RC_OK)
		rc = loop(&p, err);
	*ret_totals = p.totals;
	journal_close(p.journal);
	destination_close(p.destination);
	free_failed(&p);
	pthread_mutex_destroy(&p.lock);
	return rc;
}
