#include "core/reconcile.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/ticker.h"
#include "model/s3_event.h"
#include "obs/log.h"

#define LOOK_MS 1000
#define MESSAGE_BYTES_MAX (16u << 10)
/* as the pipeline has it: with 45 days nothing older than 30 is believed */
#define LEDGER_MARGIN_MS                                                                           \
	(15ull * 86400000)

struct reconcile {
	struct reconcile_config cfg;
	struct ticker *ticker;
	uint64_t next_boot_ms; /* time of the next pass; only the ticker's thread uses it */
	atomic_bool stop;      /* the pass ends after the current page */
};

/* One pass. */
struct look {
	const struct reconcile_config *cfg;
	const atomic_bool *stop;
	uint64_t now_wall_ms;
	uint64_t n_seen, n_sent, n_without_version;
};

/* How old a version may be whose record, if there was one, is certainly still there. */
static uint64_t remembered_ms(uint64_t ledger_ms)
{
	return ledger_ms - (ledger_ms / 3 < LEDGER_MARGIN_MS ? ledger_ms / 3 : LEDGER_MARGIN_MS);
}

static bool is_candidate(struct look *l, const struct os_object *o)
{
	const struct reconcile_config *cfg = l->cfg;
	uint64_t age_ms =
		l->now_wall_ms > o->modified_wall_ms ? l->now_wall_ms - o->modified_wall_ms : 0;

	if (o->is_delete_marker || age_ms < cfg->after_ms)
		return false;
	l->n_seen++;
	if (o->version.n == 0 || slice_eq_str(o->version, "null")) {
		l->n_without_version++;
		return false;
	}
	return cfg->ledger_ms == 0 || age_ms < remembered_ms(cfg->ledger_ms);
}

static bool write_event(
	const struct look *l, const struct object_id *id, const struct os_object *o, struct buf *text)
{
	struct s3_event_record record = {
		.object = *id,
		.event_name = slice_str("ObjectCreated:Put"),
		.etag = o->etag,
		.size = o->size,
		.has_size = true,
		.time_wall_ms = o->modified_wall_ms,
	};

	buf_reset(text);
	return s3_event_write(text, &record, l->cfg->region, "reconcile");
}

static enum rc send_events(
	struct look *l, struct arena *a, struct slice *bodies, size_t n, struct err *err)
{
	enum rc *results = arena_array(a, n, sizeof(*results)), rc = RC_OK;

	for (size_t at = 0; at < n && rc == RC_OK; at += EQ_BATCH_MAX) {
		size_t part = n - at < EQ_BATCH_MAX ? n - at : EQ_BATCH_MAX;

		rc = eq_send(l->cfg->queue, bodies + at, part, results + at, err);
		l->n_sent += rc == RC_OK ? part : 0;
	}
	return rc;
}

/* The candidates of a page, and which of them are unknown here. The other store decides how many
 * entries a page has; it may send more than it was asked for. */
static enum rc look_at_page(
	struct look *l, struct arena *a, const struct os_list_page *page, struct err *err)
{
	const struct os_object **objects = arena_array(a, page->n, sizeof(*objects));
	struct object_id *ids = arena_array(a, page->n, sizeof(*ids));
	struct slice *bodies = arena_array(a, page->n, sizeof(*bodies));
	bool *unknown = arena_array(a, page->n, sizeof(*unknown));
	size_t n = 0, n_bodies = 0;
	struct buf text;
	enum rc rc;

	for (size_t i = 0; i < page->n; i++) {
		const struct os_object *o = &page->objects[i];

		if (!is_candidate(l, o))
			continue;
		objects[n] = o;
		ids[n++] = (struct object_id){slice_str(l->cfg->bucket), o->key, o->version};
	}
	rc = op_unknown(l->cfg->op, ids, n, unknown, err);
	if (rc != RC_OK)
		return rc;
	buf_init(&text, MESSAGE_BYTES_MAX);
	for (size_t i = 0; i < n; i++)
		if (unknown[i] && write_event(l, &ids[i], objects[i], &text))
			bodies[n_bodies++] = arena_slice(a, buf_slice(&text));
	buf_release(&text);
	return send_events(l, a, bodies, n_bodies, err);
}

/* Whether everything that arrived more than after_ms ago has been decided. */
static enum rc is_idle(const struct reconcile_config *cfg, bool *ret_idle, struct err *err)
{
	struct eq_stat stat;
	enum rc rc = eq_stat(cfg->queue, &stat, err);

	*ret_idle = rc == RC_OK && stat.oldest_age_ms <= cfg->after_ms;
	return rc;
}

static enum rc look_through(struct look *l, struct err *err)
{
	struct os_list_query query = {.bucket = slice_str(l->cfg->bucket),
		.prefix = slice_str(l->cfg->prefix),
		.max = OS_LIST_MAX,
		.versions = true};
	struct arena arenas[2] = {ARENA_INIT, ARENA_INIT}; /* the token lives in the one before */
	bool more = true;
	enum rc rc = RC_OK;

	for (unsigned i = 0; rc == RC_OK && more && !atomic_load(l->stop); i = !i) {
		struct os_list_page page;

		arena_release(&arenas[i]);
		rc = os_list(l->cfg->landing, &query, &arenas[i], &page, err);
		if (rc == RC_OK)
			rc = look_at_page(l, &arenas[i], &page, err);
		if (rc == RC_OK) {
			query.token = page.next;
			more = page.next.n > 0;
		}
	}
	arena_release(&arenas[0]);
	arena_release(&arenas[1]);
	return rc;
}

static void make_pass(struct reconcile *r)
{
	struct look l = {
		.cfg = &r->cfg, .stop = &r->stop, .now_wall_ms = clock_wall_ms(clock_system())};
	struct err err = {0};
	bool idle;
	enum rc rc = is_idle(&r->cfg, &idle, &err);

	if (rc == RC_OK && idle)
		rc = look_through(&l, &err);
	if (rc != RC_OK)
		log_event(EV_RECONCILE_FAILED, LF_STR(cause, err.text));
	if (l.n_sent || l.n_without_version)
		log_event(EV_RECONCILED, LF_U64(seen_versions, l.n_seen), LF_U64(queued_versions, l.n_sent),
			LF_U64(unversioned_objects, l.n_without_version));
}

/* The time of the next pass is looked at every second, because boot time counts a suspend and the
 * ticker's waiting does not. */
static uint64_t tick(void *arg)
{
	struct reconcile *r = arg;

	if (clock_boot_ms(clock_system()) >= r->next_boot_ms) {
		make_pass(r);
		r->next_boot_ms = clock_boot_ms(clock_system()) + r->cfg.interval_ms;
	}
	return LOOK_MS < r->cfg.interval_ms ? LOOK_MS : r->cfg.interval_ms;
}

struct reconcile *reconcile_start(const struct reconcile_config *cfg)
{
	struct reconcile *r = xcalloc(1, sizeof(*r));

	r->cfg = *cfg;
	r->next_boot_ms = clock_boot_ms(clock_system()) + cfg->interval_ms;
	r->ticker = ticker_start(clock_system(), "reconcile", 0, tick, r);
	return r;
}

void reconcile_stop(struct reconcile *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	ticker_stop(r->ticker);
	free(r);
}
