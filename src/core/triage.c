#include "core/triage.h"

#include "model/member_name.h"
#include "model/s3_event.h"

/* until a message that no memory could be had for is received again */
#define NO_MEMORY_PAUSE_MS 1000

/* Room for a record's unit, link and texts, each allocation rounded up. */
static size_t keep_bytes(const struct s3_event *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n_records; i++) {
		const struct s3_event_record *r = &e->records[i];

		n += sizeof(struct unit) + sizeof(struct unit_link) + r->object.bucket.n +
		     2 * r->object.key.n + r->object.version.n + r->etag.n + 6 * 16;
	}
	return n;
}

static size_t identity_bytes(const struct object_id *id)
{
	return 2 * sizeof(uint32_t) + id->bucket.n + id->key.n + id->version.n;
}

/* The identity as one string at p; lengths first, so that no two share one. */
static struct slice identity_write(unsigned char *p, const struct object_id *id)
{
	size_t n = identity_bytes(id);
	uint32_t lengths[2] = {(uint32_t)id->bucket.n, (uint32_t)id->key.n};
	unsigned char *out = p;
	const struct slice parts[] = {id->bucket, id->key, id->version};

	memcpy(p, lengths, sizeof(lengths));
	p += sizeof(lengths);
	for (size_t i = 0; i < 3; i++) {
		if (parts[i].n)
			memcpy(p, parts[i].p, parts[i].n);
		p += parts[i].n;
	}
	return slice_of(out, n);
}

static void link_delivery(struct hand *h, struct unit *u, struct delivery *d)
{
	struct unit_link *l = hand_alloc(h, d, sizeof(*l));

	l->delivery = d;
	l->next = u->links;
	u->links = l;
	if (d->receive_count > u->receive_count)
		u->receive_count = d->receive_count;
}

/* The window begins when the message was sent, so that a message that already waited in the queue
 * does not wait a second time. A message that was delivered before gets a new window, because
 * otherwise each retry would close the current batch. */
static uint64_t due_boot_ms(const struct triage *t, const struct eq_message *m)
{
	uint64_t age_ms = 0;

	if (m->receive_count <= 1 && t->now_wall_ms > m->sent_wall_ms)
		age_ms = t->now_wall_ms - m->sent_wall_ms;
	return t->now_boot_ms + (age_ms < t->window_ms ? t->window_ms - age_ms : 0);
}

static struct slice keep(struct hand *h, struct delivery *d, struct slice s)
{
	unsigned char *p = hand_alloc(h, d, s.n);

	if (s.n)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

/* The object's bucket, key and version are where the identity has them. */
static void keep_identity(
	struct hand *h, struct delivery *d, struct unit *u, const struct object_id *id)
{
	const unsigned char *p;

	u->identity = identity_write(hand_alloc(h, d, identity_bytes(id)), id);
	p = u->identity.p + 2 * sizeof(uint32_t);
	u->object.bucket = slice_of(p, id->bucket.n);
	p += id->bucket.n;
	u->object.key = slice_of(p, id->key.n);
	p += id->key.n;
	u->object.version = slice_of(p, id->version.n);
}

/* Most keys are canonical already, and then the name is the key itself. */
static void set_name(
	const struct triage *t, struct arena *scratch, struct delivery *d, struct unit *u)
{
	struct slice name;
	struct err why;

	if (member_name_of_key(scratch, u->object.key, &name, &why) != RC_OK)
		unit_refuse(u, why.code, why.text);
	else
		u->name = slice_eq(name, u->object.key) ? u->object.key : keep(t->hand, d, name);
}

static struct unit *make_unit(const struct triage *t, struct arena *scratch, struct delivery *d,
	const struct eq_message *m, const struct s3_event_record *r)
{
	struct unit *u = hand_alloc(t->hand, d, sizeof(*u));

	keep_identity(t->hand, d, u, &r->object);
	u->etag = keep(t->hand, d, r->etag);
	u->size = r->size;
	u->has_size = r->has_size;
	u->is_alone = r->has_size && r->size >= t->alone_bytes;
	u->event_wall_ms = r->time_wall_ms;
	u->due_boot_ms = due_boot_ms(t, m);
	set_name(t, scratch, d, u);
	return u;
}

static void triage_record(const struct triage *t, struct arena *scratch,
	const struct eq_message *m, struct delivery *d, const struct s3_event_record *r)
{
	static const struct verdict drop = {.kind = VERDICT_ACK};
	static const struct verdict wrong = {.kind = VERDICT_DEAD,
		.code = "wrong-bucket",
		.reason = "the event is of a bucket that is not the landing bucket"};
	struct slice identity;
	struct unit *u;

	if (!slice_has_prefix(r->event_name, slice_str("ObjectCreated:"))) {
		delivery_decide(t->hand, d, &drop);
		return;
	}
	if (!slice_eq(r->object.bucket, t->landing_bucket)) {
		delivery_decide(t->hand, d, &wrong);
		return;
	}
	identity = identity_write(
		arena_alloc(scratch, identity_bytes(&r->object)), &r->object);
	u = batcher_find(t->batcher, identity);
	if (!u) {
		u = make_unit(t, scratch, d, m, r);
		batcher_add(t->batcher, u);
	}
	link_delivery(t->hand, u, d);
}

void triage_message(const struct triage *t, const struct eq_message *m)
{
	static const struct verdict drop = {.kind = VERDICT_ACK};
	static const struct verdict later = {.kind = VERDICT_RETRY, .delay_ms = NO_MEMORY_PAUSE_MS};
	struct verdict dead = {.kind = VERDICT_DEAD};
	struct arena scratch = ARENA_INIT;
	struct s3_event event = {0};
	struct err why;
	enum rc rc = s3_event_parse(&scratch, m->body, &event, &why);
	struct delivery *d = hand_take(
		t->hand, m, rc == RC_OK ? event.n_records : 0, keep_bytes(&event));

	if (rc == RC_AGAIN) { /* no memory: nothing is known about the message */
		delivery_decide(t->hand, d, &later);
	} else if (rc != RC_OK) {
		dead.code = why.code[0] ? why.code : "not-an-event";
		dead.reason = why.text;
		delivery_decide(t->hand, d, &dead);
	} else if (event.is_test || event.n_records == 0) {
		delivery_decide(t->hand, d, &drop);
	} else {
		for (size_t i = 0; i < event.n_records; i++)
			triage_record(t, &scratch, m, d, &event.records[i]);
	}
	arena_release(&scratch);
}
