#include <stdlib.h>

#include "fault_gate.h"

struct fault_store {
	struct object_store port;
	struct object_store *inner;
	struct fault *fault;
};

struct fault_stage {
	struct os_stage port;
	struct os_stage *inner;
	struct fault *fault;
};

/* Arguments of a publish or a discard, for later. */
struct late_publish {
	struct slice bucket, key, staged;
	bool discard;
};

static struct fault_store *self(struct object_store *os)
{
	return (struct fault_store *)os;
}

static enum rc fault_put(struct object_store *port, struct slice bucket, struct slice key,
	struct slice headers, uint64_t size, const struct os_source *body, struct arena *a,
	struct os_object *ret_info, struct err *err)
{
	struct fault_gate g = fault_enter_on(self(port)->fault, "put", bucket, key, true);
	enum rc rc = RC_OK;

	if (g.apply)
		rc = os_put(self(port)->inner, bucket, key, headers, size, body, a, ret_info, err);
	return fault_leave(&g, rc, err);
}

/* The sink of a get_many in which the object `victim` fails. */
struct faulty_sink {
	const struct os_sink *inner;
	size_t victim;
	bool deny; /* without begin; else it breaks after begin */
};

static enum rc sink_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct faulty_sink *s = arg;

	if (i == s->victim && s->deny)
		return RC_OK;
	return s->inner->begin(s->inner->arg, i, info, err);
}

static enum rc sink_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct faulty_sink *s = arg;

	if (i == s->victim && s->deny)
		return RC_OK;
	if (i == s->victim)
		bytes.n /= 2;
	return s->inner->data(s->inner->arg, i, bytes, err);
}

static enum rc sink_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	static const struct err fault = {"", "a fault on purpose"};
	struct faulty_sink *s = arg;

	if (i == s->victim && outcome == RC_OK)
		return s->inner->end(
			s->inner->arg, i, s->deny ? RC_REFUSED : RC_AGAIN, &fault, err);
	return s->inner->end(s->inner->arg, i, outcome, why, err);
}

static enum rc fault_get_many(struct object_store *port, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct fault_store *f = self(port);
	struct fault_gate g = fault_enter(f->fault, "get_many", 1, false);
	struct faulty_sink faulty = {sink, SIZE_MAX, g.action == FAULT_DENY};
	struct os_sink wrapped = {sink_begin, sink_data, sink_end, &faulty};
	enum rc rc = RC_OK;

	if (g.action == FAULT_DENY || g.action == FAULT_OBJECT)
		faulty.victim = n ? f->fault->n_calls % n : 0;
	if (g.apply)
		rc = os_get_many(f->inner, objects, n, &wrapped, err);
	return fault_leave(&g, rc, err);
}

static enum rc fault_head(struct object_store *port, const struct object_id *object,
	struct arena *a, struct os_object *ret_info, struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "head", 1, false);
	enum rc rc = g.apply ? os_head(self(port)->inner, object, a, ret_info, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_list(struct object_store *port, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "list", 1, false);
	enum rc rc = g.apply ? os_list(self(port)->inner, query, a, ret_page, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_delete_many(struct object_store *port, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "delete_many", 1, true);
	enum rc rc = g.apply ? os_delete_many(self(port)->inner, bucket, objects, n, results, err)
			     : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_copy_object(struct object_store *port, const struct object_id *from,
	struct slice bucket, struct slice key, struct arena *a, struct os_object *ret_info,
	struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "copy", 1, true);
	enum rc rc =
		g.apply ? os_copy(self(port)->inner, from, bucket, key, a, ret_info, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_bucket_region(struct object_store *port, struct slice bucket,
	char ret_region[OS_REGION_MAX], struct err *err)
{
	struct fault_gate g = fault_enter(self(port)->fault, "bucket_region", 1, false);
	enum rc rc = g.apply ? os_bucket_region(self(port)->inner, bucket, ret_region, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_stage_begin(struct object_store *port, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err)
{
	struct fault_store *f = self(port);
	struct fault_gate g = fault_enter_on(f->fault, "stage_begin", bucket, key, true);
	struct os_stage *inner = NULL;
	struct fault_stage *stage;
	enum rc rc = RC_OK;

	if (g.apply)
		rc = os_stage_begin(f->inner, bucket, key, &inner, err);
	if (fault_leave(&g, rc, err) != RC_OK) {
		os_stage_free(inner);
		return g.answer != RC_OK ? g.answer : rc;
	}
	stage = xcalloc(1, sizeof(*stage));
	*stage = (struct fault_stage){{f->port.ops}, inner, f->fault};
	*ret_stage = &stage->port;
	return RC_OK;
}

static enum rc fault_stage_write(struct os_stage *port, struct slice bytes, struct err *err)
{
	struct fault_stage *s = (struct fault_stage *)port;
	struct fault_gate g = fault_enter(s->fault, "stage_write", 1, true);
	enum rc rc = g.apply ? os_stage_write(s->inner, bytes, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static uint64_t fault_stage_max(struct object_store *port, size_t record_bytes)
{
	return os_stage_max(self(port)->inner, record_bytes);
}

static enum rc fault_stage_room(
	struct os_stage *port, const struct os_room *room, uint64_t *ret_bytes, struct err *err)
{
	struct fault_stage *s = (struct fault_stage *)port;

	return os_stage_room(s->inner, room, ret_bytes, err);
}

static enum rc fault_stage_finish(
	struct os_stage *port, struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct fault_stage *s = (struct fault_stage *)port;
	struct fault_gate g = fault_enter(s->fault, "stage_finish", 1, true);
	enum rc rc = g.apply ? os_stage_finish(s->inner, headers, ret_staged, err) : RC_OK;

	return fault_leave(&g, rc, err);
}

static enum rc fault_stage_copy(struct os_stage *port, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct fault_stage *s = (struct fault_stage *)port;
	struct fault_gate g = fault_enter_on(s->fault, "stage_copy", bucket, key, true);
	enum rc rc = RC_OK;

	if (g.apply)
		rc = os_stage_copy(s->inner, bucket, key, headers, ret_staged, err);
	return fault_leave(&g, rc, err);
}

static void fault_stage_free(struct os_stage *port)
{
	struct fault_stage *s = (struct fault_stage *)port;

	os_stage_free(s->inner);
	free(s);
}

static void land_publish(struct fault_late *late)
{
	struct late_publish *p = late->args;
	struct err err;

	if (p->discard)
		os_discard((struct object_store *)late->inner, p->bucket, p->key, &err);
	else
		os_publish((struct object_store *)late->inner, p->bucket, p->key, p->staged, &err);
}

static void keep_publish(struct fault_store *f, struct slice bucket, struct slice key,
	struct slice staged, bool discard)
{
	struct fault_late *late =
		fault_keep(f->fault, land_publish, f->inner, sizeof(struct late_publish));
	struct late_publish *p = late->args;

	*p = (struct late_publish){
		fault_copy(late, bucket), fault_copy(late, key), fault_copy(late, staged), discard};
}

static enum rc fault_publish(struct object_store *port, struct slice bucket, struct slice key,
	struct slice staged, struct err *err)
{
	struct fault_store *f = self(port);
	struct fault_gate g = fault_enter_on(f->fault, "publish", bucket, key, true);
	enum rc rc = RC_OK;

	if (g.later)
		keep_publish(f, bucket, key, staged, false);
	if (g.apply)
		rc = os_publish(f->inner, bucket, key, staged, err);
	return fault_leave(&g, rc, err);
}

static enum rc fault_discard(
	struct object_store *port, struct slice bucket, struct slice key, struct err *err)
{
	struct fault_store *f = self(port);
	struct fault_gate g = fault_enter_on(f->fault, "discard", bucket, key, true);
	enum rc rc = RC_OK;

	if (g.later)
		keep_publish(f, bucket, key, (struct slice){0}, true);
	if (g.apply)
		rc = os_discard(f->inner, bucket, key, err);
	return fault_leave(&g, rc, err);
}

static void fault_close(struct object_store *port)
{
	free(port);
}

static bool fault_keeps_evidence(struct object_store *port)
{
	return os_keeps_evidence(self(port)->inner);
}

struct object_store *fault_object_store_new(struct object_store *inner, struct fault *fault)
{
	static const struct object_store_ops ops = {fault_put, fault_get_many, fault_head,
		fault_list, fault_delete_many, fault_copy_object, fault_bucket_region,
		fault_stage_begin, fault_stage_write, fault_stage_finish, fault_stage_copy,
		fault_stage_free,
		fault_publish, fault_discard, fault_close, fault_stage_room, fault_stage_max,
		fault_keeps_evidence};
	struct fault_store *f = xcalloc(1, sizeof(*f));

	*f = (struct fault_store){{&ops}, inner, fault};
	return &f->port;
}
