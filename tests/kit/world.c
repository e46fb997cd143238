#include "world.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/digest.h"
#include "base/ticker.h"
#include "model/member_name.h"
#include "model/s3_event.h"

static uint64_t boot_ms(struct clock *c)
{
	return ((struct world_clock *)c)->boot_ms;
}

static uint64_t wall_ms(struct clock *c)
{
	return ((struct world_clock *)c)->wall_ms;
}

void world_clock_add(struct world_clock *w, struct world_ticker t)
{
	if (w->n_tickers == WORLD_TICKERS_MAX)
		die("more than %d tickers", WORLD_TICKERS_MAX);
	w->tickers[w->n_tickers++] = t;
}

void world_clock_remove(struct world_clock *w, const struct ticker *t)
{
	size_t i = 0;

	while (w->tickers[i].ticker != t)
		i++;
	for (w->n_tickers--; i < w->n_tickers; i++)
		w->tickers[i] = w->tickers[i + 1];
}

static void tickers_add(struct clock *c, struct ticker *t)
{
	world_clock_add((struct world_clock *)c, (struct world_ticker){t, 0, NULL});
}

static void tickers_remove(struct clock *c, struct ticker *t)
{
	world_clock_remove((struct world_clock *)c, t);
}

/* When it is due, on this clock. */
static uint64_t due_boot_ms(const struct world_ticker *t)
{
	uint64_t due = ticker_due_boot_ms(t->ticker);

	return due == UINT64_MAX || (t->is_frozen && *t->is_frozen) ? UINT64_MAX
								    : due - t->boot_offset_ms;
}

/* The earliest ticker that is due until then, or NULL. */
static const struct world_ticker *next_ticker(const struct world_clock *w, uint64_t until_boot_ms)
{
	const struct world_ticker *first = NULL;

	for (size_t i = 0; i < w->n_tickers; i++) {
		uint64_t due = due_boot_ms(&w->tickers[i]);

		if (due <= until_boot_ms && (!first || due < due_boot_ms(first)))
			first = &w->tickers[i];
	}
	return first;
}

static void move_to(struct world_clock *w, uint64_t boot_ms)
{
	if (boot_ms <= w->boot_ms)
		return;
	w->wall_ms += boot_ms - w->boot_ms;
	w->boot_ms = boot_ms;
}

/* A ticker may sleep too, in a port call that is slow: then the time that is asked for here has
 * passed already. */
static void sleep_ms(struct clock *c, uint64_t ms)
{
	struct world_clock *w = (struct world_clock *)c;
	uint64_t until = w->boot_ms + ms;
	const struct world_ticker *t;

	while ((t = next_ticker(w, until))) {
		move_to(w, due_boot_ms(t));
		ticker_run_due(t->ticker, w->boot_ms + t->boot_offset_ms);
	}
	move_to(w, until);
}

void world_open(struct world *w, uint64_t seed)
{
	*w = (struct world){
		.clock = {.port = {wall_ms, boot_ms, sleep_ms, tickers_add, tickers_remove},
			.boot_ms = 1000000,
			.wall_ms = UINT64_C(1790000000000)}};
	w->prng = prng_seeded(seed);
	w->store = mem_object_store_new(&w->clock.port);
	mem_object_store_add_bucket(w->store, WORLD_LANDING, true);
	mem_object_store_add_bucket(w->store, WORLD_DISTRIBUTION, true);
	mem_object_store_add_bucket(w->store, WORLD_ARCHIVE, true);
	w->queue = mem_event_queue_new(&w->clock.port, 0);
	w->ledger = mem_ledger_new();
}

void world_close(struct world *w)
{
	os_close(w->store);
	eq_close(w->queue);
	lg_close(w->ledger);
	free(w->objects);
	free(w->bundles);
	free(w->members);
	arena_release(&w->arena);
}

struct pipeline_config world_config(struct world *w, struct prng *prng)
{
	struct pipeline_config cfg;

	pipeline_config_init(&cfg);
	cfg.ports = (struct pipeline_ports){
		w->store, w->store, w->queue, w->ledger, &w->clock.port, prng, NULL};
	cfg.owner = "worker";
	cfg.landing_bucket = WORLD_LANDING;
	cfg.distribution_bucket = WORLD_DISTRIBUTION;
	cfg.archive_bucket = WORLD_ARCHIVE;
	cfg.compression = GZIP_FAST;
	return cfg;
}

static void *grown(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return array;
	*cap = *cap ? *cap * 2 : 64;
	return xrealloc(array, *cap * size);
}

struct body_source {
	struct slice left;
};

static enum rc body_read(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct body_source *s = arg;

	(void)err;
	*ret_n = s->left.n < max ? s->left.n : max;
	if (*ret_n)
		memcpy(out, s->left.p, *ret_n);
	s->left = slice_of(s->left.p + *ret_n, s->left.n - *ret_n);
	return RC_OK;
}

static struct slice make_body(struct world *w, size_t number, size_t n)
{
	struct buf b;
	struct slice body;

	buf_init(&b, (size_t)1 << 30);
	buf_addf(&b, "object %zu:", number);
	while (b.n < n)
		buf_addf(&b, " %zu", b.n);
	body = arena_slice(&w->arena, buf_slice(&b));
	buf_release(&b);
	return body;
}

size_t world_put(struct world *w, const char *key, size_t n)
{
	struct body_source from = {.left = make_body(w, w->n_objects, n)};
	struct os_source source = {body_read, &from};
	struct world_object *o;
	struct os_object info;
	struct s3_event_record rec;
	struct buf event;
	struct err err;

	w->objects = grown(w->objects, w->n_objects, &w->cap_objects, sizeof(*w->objects));
	o = &w->objects[w->n_objects];
	*o = (struct world_object){.body = from.left};
	if (os_put(w->store, slice_str(WORLD_LANDING), slice_str(key), (struct slice){0}, o->body.n,
		    &source, &w->arena, &info, &err) != RC_OK)
		die("put '%s': %s", key, err.text);
	o->id = (struct object_id){slice_str(WORLD_LANDING), info.key, info.version};
	if (member_name_of_key(&w->arena, o->id.key, &o->name, &err) != RC_OK)
		o->name = (struct slice){0};
	rec = (struct s3_event_record){.object = o->id,
		.event_name = slice_str("ObjectCreated:Put"),
		.etag = info.etag,
		.size = o->body.n,
		.has_size = true,
		.time_wall_ms = w->clock.wall_ms};
	buf_init(&event, S3_EVENT_MAX_BYTES);
	if (!s3_event_write(&event, &rec, "us-east-1", "req"))
		die("an event of '%s'", key);
	o->event = arena_slice(&w->arena, buf_slice(&event));
	buf_release(&event);
	return w->n_objects++;
}

static void send(struct world *w, struct slice body)
{
	enum rc result;

	if (eq_send(w->queue, &body, 1, &result, NULL) != RC_OK || result != RC_OK)
		die("send");
}

void world_announce(struct world *w, size_t i)
{
	send(w, w->objects[i].event);
}

void world_send(struct world *w, const char *text)
{
	send(w, slice_str(text));
}

void world_remove(struct world *w, size_t i)
{
	enum rc result;

	if (os_delete_many(w->store, w->objects[i].id.bucket, &w->objects[i].id, 1, &result,
		    NULL) != RC_OK)
		die("delete");
	w->objects[i].removed = true;
}

struct eq_stat world_queue(struct world *w)
{
	struct eq_stat st;

	if (eq_stat(w->queue, &st, NULL) != RC_OK)
		die("stat");
	return st;
}

bool world_run(struct world *w, struct pipeline *p, size_t max_steps)
{
	for (size_t i = 0; i < max_steps; i++) {
		struct eq_stat st = world_queue(w);

		if (st.visible == 0 && st.in_flight == 0)
			return true;
		if (pipeline_step(p, NULL) == PIPELINE_FATAL)
			return false;
	}
	return false;
}

static void read_members(struct world *w, struct slice key, struct slice bytes, size_t *ret_n)
{
	struct archive *ar = archive_read_new();
	struct archive_entry *entry;
	int rc;

	archive_read_support_filter_gzip(ar);
	archive_read_support_format_tar(ar);
	if (archive_read_open_memory(ar, bytes.p, bytes.n) != ARCHIVE_OK)
		die("a bundle that is no archive: %s", archive_error_string(ar));
	while ((rc = archive_read_next_header(ar, &entry)) == ARCHIVE_OK) {
		size_t n = (size_t)archive_entry_size(entry);
		char *body = arena_alloc(&w->arena, n + 1);

		if (archive_read_data(ar, body, n) != (la_ssize_t)n)
			die("a member cut short");
		w->members = grown(w->members, w->n_members, &w->cap_members, sizeof(*w->members));
		w->members[w->n_members++] = (struct world_member){key,
			arena_slice(&w->arena, slice_str(archive_entry_pathname(entry))),
			slice_of(body, n)};
		++*ret_n;
	}
	if (rc != ARCHIVE_EOF)
		die("a bundle that is broken: %s", archive_error_string(ar));
	archive_read_free(ar);
}

struct reading {
	struct world *w;
	struct buf bytes;
	struct slice headers;
};

static enum rc reading_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct reading *r = arg;

	(void)i;
	(void)err;
	r->headers = arena_slice(&r->w->arena, info->headers);
	return RC_OK;
}

static enum rc reading_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct reading *r = arg;

	(void)i;
	return buf_add_slice(&r->bytes, bytes) ? RC_OK : err_set(err, RC_REFUSED, "too large");
}

static enum rc reading_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	(void)arg;
	(void)i;
	(void)why;
	return outcome == RC_OK ? RC_OK : err_set(err, outcome, "a listed bundle cannot be read");
}

static bool known(const struct world *w, const struct os_object *o)
{
	for (size_t i = 0; i < w->n_bundles; i++) {
		if (slice_eq(w->bundles[i].key, o->key) &&
			slice_eq(w->bundles[i].version, o->version))
			return true;
	}
	return false;
}

struct slice world_read(struct world *w, const struct object_id *id, struct slice *ret_headers)
{
	struct reading r = {.w = w};
	struct os_sink sink = {reading_begin, reading_data, reading_end, &r};
	struct slice bytes;
	struct err err;

	buf_init(&r.bytes, (size_t)1 << 30);
	if (os_get_many(w->store, id, 1, &sink, &err) != RC_OK)
		die("%s", err.text);
	bytes = arena_slice(&w->arena, buf_slice(&r.bytes));
	buf_release(&r.bytes);
	if (ret_headers)
		*ret_headers = r.headers;
	return bytes;
}

static void read_bundle(struct world *w, const struct os_object *o)
{
	struct object_id id = {slice_str(WORLD_DISTRIBUTION), o->key, o->version};
	struct world_bundle *b;
	struct slice bytes;

	w->bundles = grown(w->bundles, w->n_bundles, &w->cap_bundles, sizeof(*w->bundles));
	b = &w->bundles[w->n_bundles++];
	*b = (struct world_bundle){.key = arena_slice(&w->arena, o->key),
		.version = arena_slice(&w->arena, o->version),
		.published_wall_ms = o->modified_wall_ms};
	bytes = world_read(w, &id, &b->headers);
	b->size = bytes.n;
	sha256(bytes, b->sha256);
	read_members(w, b->key, bytes, &b->n_members);
}

void world_harvest(struct world *w)
{
	struct os_list_query q = {
		.bucket = slice_str(WORLD_DISTRIBUTION), .max = OS_LIST_MAX, .versions = true};
	struct arena a = ARENA_INIT;
	struct os_list_page page;

	do {
		if (os_list(w->store, &q, &a, &page, NULL) != RC_OK)
			die("list");
		for (size_t i = 0; i < page.n; i++) {
			if (!page.objects[i].is_delete_marker && !known(w, &page.objects[i]))
				read_bundle(w, &page.objects[i]);
		}
		q.token = page.next;
	} while (page.next.n);
	arena_release(&a);
}

void world_consume(struct world *w)
{
	world_harvest(w);
	for (size_t i = 0; i < w->n_bundles; i++) {
		struct object_id id = {
			slice_str(WORLD_DISTRIBUTION), w->bundles[i].key, w->bundles[i].version};
		enum rc result;

		os_delete_many(w->store, id.bucket, &id, 1, &result, NULL);
	}
}

size_t world_times_shipped(const struct world *w, size_t i)
{
	const struct world_object *o = &w->objects[i];
	size_t n = 0;

	for (size_t j = 0; j < w->n_members; j++)
		n += slice_eq(w->members[j].name, o->name) && slice_eq(w->members[j].body, o->body);
	return n;
}

size_t world_times_dead(struct world *w, size_t i, struct slice *ret_code)
{
	struct slice body, code;
	size_t n = 0;

	for (size_t j = 0; mem_event_queue_dead(w->queue, j, &body, &code); j++) {
		if (!slice_eq(body, w->objects[i].event))
			continue;
		n++;
		*ret_code = code;
	}
	return n;
}
