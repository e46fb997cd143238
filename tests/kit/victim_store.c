#include <stdlib.h>

#include "victim.h"

#define WAITING_MS 500 /* between two calls of os_sink.waiting, as the port has it */

struct victim_store {
	struct object_store port;
	struct object_store *inner;
	struct victim *victim;
};

struct victim_stage {
	struct os_stage port;
	struct os_stage *inner;
	struct victim *victim;
	struct slice bucket, key; /* in arena */
	struct arena arena;
};

static struct object_store *inner(struct object_store *os)
{
	return ((struct victim_store *)os)->inner;
}

static struct victim *victim_of(struct object_store *os)
{
	return ((struct victim_store *)os)->victim;
}

static enum rc before(struct victim *v, const struct victim_call *call, struct err *err)
{
	return v->before(v->arg, call, err);
}

static enum rc after(struct victim *v, const struct victim_call *call, enum rc rc, struct err *err)
{
	return v->after(v->arg, call, rc, err);
}

static enum rc victim_put(struct object_store *os, struct slice bucket, struct slice key,
	struct slice headers, uint64_t size, const struct os_source *body, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	return os_put(inner(os), bucket, key, headers, size, body, a, ret_info, err);
}

/* One object of a get_many at a time. */
struct watched {
	struct victim *victim;
	const struct os_sink *sink;
	const struct object_id *object;
	size_t i;
	bool cut; /* breaks after begin */
};

static enum rc sink_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct watched *w = arg;

	(void)i;
	return w->sink->begin(w->sink->arg, w->i, info, err);
}

static enum rc sink_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct watched *w = arg;

	(void)i;
	if (w->cut)
		bytes.n /= 2;
	return w->sink->data(w->sink->arg, w->i, bytes, err);
}

static enum rc sink_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	const struct victim_call call = {.verb = "get_many", .object = ((struct watched *)arg)->object};
	struct watched *w = arg;
	struct err broken = {0};

	(void)i;
	outcome = after(w->victim, &call, outcome, &broken);
	return w->sink->end(w->sink->arg, w->i, outcome, broken.text[0] ? &broken : why, err);
}

/* The first byte is late: the sink is told so every WAITING_MS. */
static enum rc wait_for_byte(struct watched *w, struct err *err)
{
	struct victim *v = w->victim;
	uint64_t left = v->first_byte_ms(v->arg, w->object);
	enum rc rc = RC_OK;

	while (left && rc == RC_OK) {
		uint64_t part = left < WAITING_MS ? left : WAITING_MS;

		clock_sleep_ms(v->clock, part);
		left -= part;
		if (left && w->sink->waiting)
			rc = w->sink->waiting(w->sink->arg, w->i, err);
	}
	return rc;
}

/* Each object has an end of its own [OS-2]. An object that is refused is not begun. One that is
 * answered with RC_AGAIN or RC_CORRUPT breaks after its begin. */
static enum rc victim_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	enum rc rc = RC_OK;

	for (size_t i = 0; rc == RC_OK && i < n; i++) {
		struct watched w = {victim_of(os), sink, &objects[i], i, false};
		struct os_sink watching = {sink_begin, sink_data, sink_end, &w, NULL};
		const struct victim_call call = {.verb = "get_many", .object = &objects[i]};
		struct err why = {0};
		enum rc answer = before(w.victim, &call, &why);

		if (answer != RC_OK && answer != RC_CORRUPT && answer != RC_AGAIN) {
			if (answer == RC_UNKNOWN)
				answer = RC_AGAIN; /* a read that was not answered */
			rc = sink->end(sink->arg, i, answer, &why, err);
			continue;
		}
		w.cut = answer != RC_OK;
		rc = wait_for_byte(&w, err);
		if (rc == RC_OK)
			rc = os_get_many(inner(os), &objects[i], 1, &watching, err);
	}
	return rc;
}

static enum rc victim_head(struct object_store *os, const struct object_id *object, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	const struct victim_call call = {.verb = "head", .object = object, .bucket = object->bucket, .key = object->key};
	enum rc rc = before(victim_of(os), &call, err);

	if (rc != RC_OK)
		return rc;
	return after(victim_of(os), &call, os_head(inner(os), object, a, ret_info, err), err);
}

static enum rc victim_list(struct object_store *os, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	return os_list(inner(os), query, a, ret_page, err);
}

static enum rc victim_delete_many(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct victim_call call = {
			.verb = "delete_many", .object = &objects[i], .bucket = bucket, .key = objects[i].key};
		enum rc rc = before(victim_of(os), &call, err);

		results[i] = rc;
		if (rc != RC_OK)
			continue;
		rc = os_delete_many(inner(os), bucket, &objects[i], 1, &results[i], err);
		if (rc != RC_OK)
			return rc;
		results[i] = after(victim_of(os), &call, results[i], err);
	}
	return RC_OK;
}

static enum rc victim_copy(struct object_store *os, const struct object_id *from,
	struct slice bucket, struct slice key, struct arena *a, struct os_object *ret_info,
	struct err *err)
{
	return os_copy(inner(os), from, bucket, key, a, ret_info, err);
}

static enum rc victim_bucket_region(struct object_store *os, struct slice bucket,
	char ret_region[OS_REGION_MAX], struct err *err)
{
	return os_bucket_region(inner(os), bucket, ret_region, err);
}

static enum rc victim_stage_begin(struct object_store *os, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err)
{
	const struct victim_call call = {.verb = "stage_begin", .bucket = bucket, .key = key};
	struct os_stage *made = NULL;
	struct victim_stage *stage;
	enum rc rc = before(victim_of(os), &call, err);

	if (rc != RC_OK)
		return rc;
	rc = os_stage_begin(inner(os), bucket, key, &made, err);
	rc = after(victim_of(os), &call, rc, err);
	if (rc != RC_OK) {
		os_stage_free(made);
		return rc;
	}
	stage = xcalloc(1, sizeof(*stage));
	*stage = (struct victim_stage){.port = {os->ops}, .inner = made, .victim = victim_of(os)};
	stage->bucket = arena_slice(&stage->arena, bucket);
	stage->key = arena_slice(&stage->arena, key);
	*ret_stage = &stage->port;
	return RC_OK;
}

static enum rc victim_stage_write(struct os_stage *port, struct slice bytes, struct err *err)
{
	struct victim_stage *s = (struct victim_stage *)port;
	const struct victim_call call = {.verb = "stage_write", .bucket = s->bucket, .key = s->key};
	enum rc rc = before(s->victim, &call, err);

	return rc != RC_OK ? rc : after(s->victim, &call, os_stage_write(s->inner, bytes, err), err);
}

static enum rc victim_stage_room(
	struct os_stage *port, const struct os_room *room, uint64_t *ret_bytes, struct err *err)
{
	struct victim_stage *s = (struct victim_stage *)port;
	const struct victim_call call = {.verb = "stage_room", .bucket = s->bucket, .key = s->key};
	enum rc rc = before(s->victim, &call, err);

	if (rc != RC_OK)
		return rc;
	return after(s->victim, &call, os_stage_room(s->inner, room, ret_bytes, err), err);
}

static uint64_t victim_stage_max(struct object_store *os, size_t record_bytes)
{
	return os_stage_max(inner(os), record_bytes);
}

static enum rc victim_stage_finish(
	struct os_stage *port, struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct victim_stage *s = (struct victim_stage *)port;
	const struct victim_call call = {.verb = "stage_finish", .bucket = s->bucket, .key = s->key};
	enum rc rc = before(s->victim, &call, err);

	if (rc != RC_OK)
		return rc;
	return after(s->victim, &call, os_stage_finish(s->inner, headers, ret_staged, err), err);
}

static enum rc victim_stage_copy(struct os_stage *port, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct victim_stage *s = (struct victim_stage *)port;
	const struct victim_call call = {.verb = "stage_copy", .bucket = bucket, .key = key};
	enum rc rc = before(s->victim, &call, err);

	if (rc != RC_OK)
		return rc;
	rc = os_stage_copy(s->inner, bucket, key, headers, ret_staged, err);
	return after(s->victim, &call, rc, err);
}

static void victim_stage_free(struct os_stage *port)
{
	struct victim_stage *s = (struct victim_stage *)port;

	os_stage_free(s->inner);
	arena_release(&s->arena);
	free(s);
}

static enum rc victim_publish(struct object_store *os, struct slice bucket, struct slice key,
	struct slice staged, struct err *err)
{
	const struct victim_call call = {.verb = "publish", .bucket = bucket, .key = key};
	enum rc rc = before(victim_of(os), &call, err);

	if (rc != RC_OK)
		return rc;
	return after(victim_of(os), &call, os_publish(inner(os), bucket, key, staged, err), err);
}

static enum rc victim_discard(
	struct object_store *os, struct slice bucket, struct slice key, struct err *err)
{
	const struct victim_call call = {.verb = "discard", .bucket = bucket, .key = key};
	enum rc rc = before(victim_of(os), &call, err);

	if (rc != RC_OK)
		return rc;
	return after(victim_of(os), &call, os_discard(inner(os), bucket, key, err), err);
}

static void victim_close(struct object_store *os)
{
	free(os);
}

struct object_store *victim_object_store_new(struct object_store *wrapped, struct victim *v)
{
	static const struct object_store_ops ops = {victim_put, victim_get_many, victim_head,
		victim_list, victim_delete_many, victim_copy, victim_bucket_region,
		victim_stage_begin, victim_stage_write, victim_stage_finish, victim_stage_copy,
		victim_stage_free, victim_publish, victim_discard, victim_close, victim_stage_room,
		victim_stage_max};
	struct victim_store *os = xcalloc(1, sizeof(*os));

	*os = (struct victim_store){{&ops}, wrapped, v};
	return &os->port;
}
