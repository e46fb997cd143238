#include <pthread.h>
#include <stdlib.h>

#include "adapter/mem/mem.h"
#include "base/table.h"

struct plan {
	struct lg_plan rec; /* the slices are on the heap */
	bool discarded;
};

struct object {
	struct lg_object rec; /* reason is on the heap */
	unsigned char *key;
};

struct mem_ledger {
	struct ledger port;
	pthread_mutex_t lock;
	struct plan **plans; /* in order of opening */
	size_t n_plans, cap_plans;
	struct table by_id; /* plan id → struct plan */
	struct object **objects;
	size_t n_objects, cap_objects;
	struct table by_object;
};

static struct mem_ledger *self(struct ledger *lg)
{
	return (struct mem_ledger *)lg;
}

static struct slice own(struct slice s)
{
	return slice_of(slice_dup(s), s.n);
}

static void disown(struct slice s)
{
	free((void *)(uintptr_t)s.p);
}

static struct plan *find_plan(const struct mem_ledger *m, const struct plan_id *id)
{
	return table_get(&m->by_id, slice_of(id->bytes, PLAN_ID_BYTES));
}

static enum rc ledger_plan_open(struct ledger *port, const struct lg_plan *plan, struct err *err)
{
	struct mem_ledger *m = self(port);
	struct plan *p;

	if (plan->state != PLAN_OPEN)
		return err_set(err, RC_REFUSED, "a plan starts open");
	pthread_mutex_lock(&m->lock);
	if (find_plan(m, &plan->id)) {
		pthread_mutex_unlock(&m->lock);
		return err_set(err, RC_CONFLICT, "the plan exists");
	}
	p = xcalloc(1, sizeof(*p));
	p->rec = *plan;
	p->rec.seal = (struct lg_seal){0};
	p->rec.owner = own(plan->owner);
	p->rec.bucket = own(plan->bucket);
	p->rec.key = own(plan->key);
	if (m->n_plans == m->cap_plans) {
		m->cap_plans = m->cap_plans ? m->cap_plans * 2 : 16;
		m->plans = xrealloc(m->plans, m->cap_plans * sizeof(struct plan *));
	}
	m->plans[m->n_plans++] = p;
	table_put(&m->by_id, slice_of(p->rec.id.bytes, PLAN_ID_BYTES), p);
	pthread_mutex_unlock(&m->lock);
	return RC_OK;
}

static void copy_plan(struct arena *a, const struct lg_plan *from, struct lg_plan *to)
{
	*to = *from;
	to->owner = arena_slice(a, from->owner);
	to->bucket = arena_slice(a, from->bucket);
	to->key = arena_slice(a, from->key);
	to->seal.staged = arena_slice(a, from->seal.staged);
	to->seal.excluded = arena_slice(a, from->seal.excluded);
}

static enum rc ledger_plan_get(struct ledger *port, struct arena *a, const struct plan_id *id,
	struct lg_plan *ret_plan, struct err *err)
{
	struct mem_ledger *m = self(port);
	const struct plan *p;

	pthread_mutex_lock(&m->lock);
	p = find_plan(m, id);
	if (p)
		copy_plan(a, &p->rec, ret_plan);
	pthread_mutex_unlock(&m->lock);
	return p ? RC_OK : err_set(err, RC_ABSENT, "no such plan");
}

/* The open plan with this nonce, or NULL. */
static struct plan *find_mine(
	struct mem_ledger *m, const struct plan_id *id, const unsigned char nonce[LG_NONCE_BYTES])
{
	struct plan *p = find_plan(m, id);

	if (!p || p->rec.state != PLAN_OPEN || memcmp(p->rec.nonce, nonce, LG_NONCE_BYTES) != 0)
		return NULL;
	return p;
}

static enum rc ledger_plan_beat(struct ledger *port, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], uint64_t heartbeat, struct err *err)
{
	struct mem_ledger *m = self(port);
	struct plan *p;

	pthread_mutex_lock(&m->lock);
	p = find_mine(m, id, nonce);
	if (p)
		p->rec.heartbeat = heartbeat;
	pthread_mutex_unlock(&m->lock);
	return p ? RC_OK : err_set(err, RC_CONFLICT, "the plan is not open");
}

static enum rc ledger_plan_seal(struct ledger *port, const struct plan_id *id,
	const unsigned char nonce[LG_NONCE_BYTES], const struct lg_seal *seal, struct err *err)
{
	struct mem_ledger *m = self(port);
	struct plan *p;

	if (seal->staged.n > LG_STAGED_MAX || !lg_excluded_fits(seal->excluded, seal->n_slots))
		return err_set(err, RC_REFUSED,
			"a staged record of %zu bytes, a bitmap of %zu for %u slots", seal->staged.n,
			seal->excluded.n, seal->n_slots);
	pthread_mutex_lock(&m->lock);
	p = find_mine(m, id, nonce);
	if (p) {
		p->rec.seal = *seal;
		p->rec.seal.staged = own(seal->staged);
		p->rec.seal.excluded = own(seal->excluded);
		p->rec.state = PLAN_SEALED;
	}
	pthread_mutex_unlock(&m->lock);
	return p ? RC_OK : err_set(err, RC_CONFLICT, "the plan is not open");
}

static enum rc move(struct ledger *port, const struct plan_id *id, enum plan_state from,
	enum plan_state to, uint64_t heartbeat, struct err *err)
{
	struct mem_ledger *m = self(port);
	struct plan *p;
	enum rc rc = RC_CONFLICT;

	pthread_mutex_lock(&m->lock);
	p = find_plan(m, id);
	if (p && p->rec.state == from &&
		(heartbeat == LG_ANY_HEARTBEAT || heartbeat == p->rec.heartbeat)) {
		p->rec.state = to;
		rc = RC_OK;
	}
	pthread_mutex_unlock(&m->lock);
	return rc == RC_OK ? RC_OK : err_set(err, rc, "the plan is in another state");
}

static enum rc ledger_plan_abort(
	struct ledger *port, const struct plan_id *id, uint64_t heartbeat, struct err *err)
{
	return move(port, id, PLAN_OPEN, PLAN_ABORTED, heartbeat, err);
}

static enum rc ledger_plan_void(struct ledger *port, const struct plan_id *id, struct err *err)
{
	return move(port, id, PLAN_SEALED, PLAN_ABORTED, LG_ANY_HEARTBEAT, err);
}

static enum rc ledger_plan_done(struct ledger *port, const struct plan_id *id, struct err *err)
{
	return move(port, id, PLAN_SEALED, PLAN_DONE, LG_ANY_HEARTBEAT, err);
}

static enum rc ledger_plan_discarded(struct ledger *port, const struct plan_id *id, struct err *err)
{
	struct mem_ledger *m = self(port);
	struct plan *p;
	bool aborted;

	pthread_mutex_lock(&m->lock);
	p = find_plan(m, id);
	aborted = p && p->rec.state == PLAN_ABORTED;
	if (aborted)
		p->discarded = true;
	pthread_mutex_unlock(&m->lock);
	return aborted ? RC_OK : err_set(err, RC_CONFLICT, "the plan is not aborted");
}

static size_t index_after(const struct mem_ledger *m, const struct plan_id *after)
{
	for (size_t i = 0; after && i < m->n_plans; i++) {
		if (memcmp(m->plans[i]->rec.id.bytes, after->bytes, PLAN_ID_BYTES) == 0)
			return i + 1;
	}
	return 0;
}

static enum rc ledger_scan(struct ledger *port, struct arena *a, unsigned states,
	const struct plan_id *after, size_t max, struct lg_plan **ret_plans, size_t *ret_n,
	struct err *err)
{
	struct mem_ledger *m = self(port);
	struct lg_plan *out = arena_array(a, max, sizeof(*out));
	size_t n = 0;

	(void)err;
	pthread_mutex_lock(&m->lock);
	for (size_t i = index_after(m, after); i < m->n_plans && n < max; i++) {
		if ((m->plans[i]->rec.state & states) && !m->plans[i]->discarded)
			copy_plan(a, &m->plans[i]->rec, &out[n++]);
	}
	pthread_mutex_unlock(&m->lock);
	*ret_plans = out;
	*ret_n = n;
	return RC_OK;
}

/* Each length stands before its bytes, so that no two identities have the same encoding. The
 * result is on the heap. */
static struct slice encode(const struct object_id *id)
{
	size_t n = 2 * sizeof(size_t) + id->bucket.n + id->key.n + id->version.n;
	unsigned char *out = xmalloc(n), *p = out;
	const struct slice *parts[] = {&id->bucket, &id->key, &id->version};

	for (size_t i = 0; i < 3; i++) {
		if (i < 2) {
			memcpy(p, &parts[i]->n, sizeof(size_t));
			p += sizeof(size_t);
		}
		if (parts[i]->n)
			memcpy(p, parts[i]->p, parts[i]->n);
		p += parts[i]->n;
	}
	return slice_of(out, n);
}

static struct object *find_object(const struct mem_ledger *m, const struct object_id *id)
{
	struct slice key = encode(id);
	struct object *o = table_get(&m->by_object, key);

	disown(key);
	return o;
}

static struct lg_object copy_object(struct arena *a, const struct lg_object *rec)
{
	struct lg_object copy = *rec;

	copy.reason = arena_slice(a, rec->reason);
	return copy;
}

static void claim_one(
	struct mem_ledger *m, struct arena *a, const struct plan_id *plan, struct lg_claim *c)
{
	struct slice key = encode(&c->object);
	struct object *o = table_get(&m->by_object, key);

	if (o) {
		disown(key);
		c->record = copy_object(a, &o->rec);
		c->result = RC_CONFLICT;
		return;
	}
	o = xcalloc(1, sizeof(*o));
	o->key = (unsigned char *)(uintptr_t)key.p;
	o->rec = (struct lg_object){
		.state = LG_CLAIMED, .plan = *plan, .slot = c->slot, .attempts = 1};
	if (m->n_objects == m->cap_objects) {
		m->cap_objects = m->cap_objects ? m->cap_objects * 2 : 64;
		m->objects = xrealloc(m->objects, m->cap_objects * sizeof(struct object *));
	}
	m->objects[m->n_objects++] = o;
	table_put(&m->by_object, key, o);
	c->record = o->rec;
	c->result = RC_OK;
}

static enum rc ledger_claim(struct ledger *port, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err)
{
	struct mem_ledger *m = self(port);

	(void)err;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < n; i++)
		claim_one(m, a, plan, &claims[i]);
	pthread_mutex_unlock(&m->lock);
	return RC_OK;
}

static bool claimed_by(const struct object *o, const struct plan_id *plan)
{
	return o && o->rec.state == LG_CLAIMED &&
	       memcmp(o->rec.plan.bytes, plan->bytes, PLAN_ID_BYTES) == 0;
}

static enum rc ledger_swap(struct ledger *port, struct arena *a, const struct plan_id *plan,
	struct lg_claim *claims, size_t n, struct err *err)
{
	struct mem_ledger *m = self(port);

	(void)err;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < n; i++) {
		struct lg_claim *c = &claims[i];
		struct object *o = find_object(m, &c->object);

		c->result = claimed_by(o, &c->from) ? RC_OK : o ? RC_CONFLICT : RC_ABSENT;
		if (c->result == RC_OK) {
			o->rec.plan = *plan;
			o->rec.slot = c->slot;
			o->rec.attempts += !c->uncounted;
		}
		if (o)
			c->record = copy_object(a, &o->rec);
	}
	pthread_mutex_unlock(&m->lock);
	return RC_OK;
}

static enum rc ledger_reject(struct ledger *port, const struct plan_id *plan,
	struct lg_reject *rejects, size_t n, struct err *err)
{
	struct mem_ledger *m = self(port);

	(void)err;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < n; i++) {
		struct object *o = find_object(m, &rejects[i].object);

		rejects[i].result = claimed_by(o, plan) ? RC_OK : RC_CONFLICT;
		if (rejects[i].result == RC_OK) {
			o->rec.state = LG_REJECTED;
			o->rec.reason = own(rejects[i].reason);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return RC_OK;
}

static enum rc ledger_object_get(struct ledger *port, struct arena *a,
	const struct object_id *object, struct lg_object *ret_record, struct err *err)
{
	struct mem_ledger *m = self(port);
	const struct object *o;

	pthread_mutex_lock(&m->lock);
	o = find_object(m, object);
	if (o)
		*ret_record = copy_object(a, &o->rec);
	pthread_mutex_unlock(&m->lock);
	return o ? RC_OK : err_set(err, RC_ABSENT, "no record of the object");
}

bool mem_ledger_plan(struct ledger *port, size_t i, struct lg_plan *ret_plan, bool *ret_discarded)
{
	struct mem_ledger *m = self(port);
	bool there;

	pthread_mutex_lock(&m->lock);
	there = i < m->n_plans;
	if (there) {
		*ret_plan = m->plans[i]->rec;
		*ret_discarded = m->plans[i]->discarded;
	}
	pthread_mutex_unlock(&m->lock);
	return there;
}

static void ledger_close(struct ledger *port)
{
	struct mem_ledger *m = self(port);

	for (size_t i = 0; i < m->n_plans; i++) {
		struct lg_plan *p = &m->plans[i]->rec;

		disown(p->owner);
		disown(p->bucket);
		disown(p->key);
		disown(p->seal.staged);
		free((void *)(uintptr_t)p->seal.excluded.p);
		free(m->plans[i]);
	}
	for (size_t i = 0; i < m->n_objects; i++) {
		disown(m->objects[i]->rec.reason);
		free(m->objects[i]->key);
		free(m->objects[i]);
	}
	free(m->plans);
	free(m->objects);
	table_release(&m->by_id);
	table_release(&m->by_object);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

struct ledger *mem_ledger_new(void)
{
	static const struct ledger_ops ops = {ledger_plan_open, ledger_plan_get, ledger_plan_beat,
		ledger_plan_seal, ledger_plan_abort, ledger_plan_void, ledger_plan_done,
		ledger_plan_discarded, ledger_scan, ledger_claim, ledger_swap, ledger_reject,
		ledger_object_get, ledger_close};
	struct mem_ledger *m = xcalloc(1, sizeof(*m));

	m->port.ops = &ops;
	pthread_mutex_init(&m->lock, NULL);
	return &m->port;
}
