#include "core/triage.h"

#include "model/member_name.h"
#include "model/s3_event.h"

/* The identity as one string; lengths first, so that no two share one. */
static struct slice identity_of(struct arena *a, const struct object_id *id)
{
	size_t n = 2 * sizeof(uint32_t) + id->bucket.n + id->key.n + id->version.n;
	uint32_t lengths[2] = {(uint32_t)id->bucket.n, (uint32_t)id->key.n};
	unsigned char *p = arena_alloc(a, n), *out = p;
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

static void link_delivery(struct chunk *chunk, struct unit *u, struct delivery *d)
{
	struct unit_link *l = arena_alloc(&chunk->arena, sizeof(*l));

	l->delivery = d;
	l->next = u->links;
	u->links = l;
	if (d->receive_count > u->receive_count)
		u->receive_count = d->receive_count;
}

/* The window began when the message was sent: what was waiting in the queue must not wait a second time. A message that comes
 * back starts afresh, or each retry would close somebody's batch. */
static uint64_t due_boot_ms(const struct triage *t, const struct eq_message *m)
{
	uint64_t age_ms = 0;

	if (m->receive_count <= 1 && t->now_wall_ms > m->sent_wall_ms)
		age_ms = t->now_wall_ms - m->sent_wall_ms;
	return t->now_boot_ms + (age_ms < t->window_ms ? t->window_ms - age_ms : 0);
}

static struct unit *make_unit(const struct triage *t, struct chunk *chunk,
	const struct eq_message *m, const struct s3_event_record *r)
{
	struct unit *u = arena_alloc(&chunk->arena, sizeof(*u));
	struct err why;

	u->object = r->object;
	u->etag = r->etag;
	u->size = r->size;
	u->has_size = r->has_size;
	u->event_wall_ms = r->time_wall_ms;
	u->due_boot_ms = due_boot_ms(t, m);
	if (member_name_of_key(&chunk->arena, r->object.key, &u->name, &why) != RC_OK) {
		u->name = (struct slice){0};
		unit_refuse(u, why.code, why.text);
	}
	return u;
}

static void triage_record(const struct triage *t, struct chunk *chunk, const struct eq_message *m,
	struct delivery *d, const struct s3_event_record *r)
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
	identity = identity_of(&chunk->arena, &r->object);
	u = batcher_find(t->batcher, identity);
	if (!u) {
		u = make_unit(t, chunk, m, r);
		u->identity = identity;
		batcher_add(t->batcher, u);
	}
	link_delivery(chunk, u, d);
}

void triage_message(const struct triage *t, struct chunk *chunk, const struct eq_message *m)
{
	static const struct verdict drop = {.kind = VERDICT_ACK};
	struct verdict dead = {.kind = VERDICT_DEAD};
	struct s3_event event = {0};
	struct err why;
	enum rc rc = s3_event_parse(&chunk->arena, m->body, &event, &why);
	struct delivery *d = hand_take(t->hand, chunk, m, rc == RC_OK ? event.n_records : 0);

	if (rc != RC_OK) {
		dead.code = why.code[0] ? why.code : "not-an-event";
		dead.reason = why.text;
		delivery_decide(t->hand, d, &dead);
	} else if (event.is_test || event.n_records == 0) {
		delivery_decide(t->hand, d, &drop);
	} else {
		for (size_t i = 0; i < event.n_records; i++)
			triage_record(t, chunk, m, d, &event.records[i]);
	}
}
