#include "core/bundle.h"

#include <stdio.h>

#include "obs/log.h"

static const struct err other_bytes = {
	.text = "the bytes read are not those that the store announced"};

/* About what a member takes besides its bytes, which may not compress: the headers in the tar file
 * with a long name, and its entry in the manifest. */
#define MEMBER_ROOM_BYTES 4096u
/* About what a bundle takes besides its members: the end of the tar file, the manifest's head. */
#define BUNDLE_ROOM_BYTES 65536u

/* One attempt at the whole bundle. */
struct making {
	const struct bundle_job *job;
	struct unit **units; /* index: as in the get_many */
	struct pack *pack;
	struct stages stages;
	bool in_member; /* the object's first bytes are in the archive, its last are not */
	bool is_held;   /* the object's bytes are kept in held until all of them are there */
	struct buf held;
	bool skipping;  /* the object now coming is not wanted */
	bool broken;    /* a member broke off: make it again */
	bool set_aside; /* the member that broke off is large or slow, which is not its fault */
	unsigned n_aside;    /* objects set aside so far, in all attempts */
	size_t n_candidates; /* of this attempt, without those that were set aside */
	/* how long the object whose turn it is has kept us waiting, and with how many bytes */
	uint64_t left_boot_ms; /* when the last callback returned */
	uint64_t waited_ms, waited_bytes;
	uint64_t member_size;
	uint64_t member_left; /* bytes of the member that are still to come */
	uint64_t rounded_bytes;
	struct bundle *bundle;
};

void bundle_release(struct bundle *b)
{
	buf_release(&b->staged);
}

static bool is_plain_md5(struct slice etag)
{
	unsigned char sum[16];

	return hex_decode(etag, sum, sizeof(sum));
}

static bool is_multipart(struct slice etag)
{
	return etag.n > 33 && etag.p[32] == '-';
}

/* An event without an ETag, or of another kind than the store's (a gateway that rewrites them),
 * proves nothing. */
static bool etags_differ(struct slice announced, struct slice found)
{
	if (is_plain_md5(announced) && is_plain_md5(found))
		return !slice_eq_nocase(announced, found);
	if (is_multipart(announced) && is_multipart(found))
		return !slice_eq_nocase(announced, found);
	return false;
}

static void tell_difference(struct unit *u, const struct os_object *info)
{
	char text[sizeof(u->why)];

	if (u->has_size && u->size != info->size)
		snprintf(text, sizeof(text), "the event says %llu bytes, the object has %llu",
			(unsigned long long)u->size, (unsigned long long)info->size);
	else
		snprintf(text, sizeof(text),
			"the event says ETag '" SLICE_FMT "', the object has '" SLICE_FMT "'",
			SLICE_ARG(u->etag), SLICE_ARG(info->etag));
	unit_refuse(u, "", text);
}

static void skip(struct making *m, struct unit *u, enum unit_fetch why)
{
	u->fetch = why;
	m->skipping = true;
}

/* When the time guard is over, the bundle is closed with the members that it has. When it has none
 * yet, one more object is tried. */
static bool time_is_up(const struct making *m)
{
	return m->job->close_boot_ms && m->bundle->n_members &&
	       clock_boot_ms(m->job->clock) >= m->job->close_boot_ms;
}

static void turn_begins(struct making *m)
{
	m->waited_ms = m->waited_bytes = 0;
}

/* When the object is the only one, nobody waits for it. When many objects are slow, the store is
 * slow, and setting objects aside does not help. */
static bool may_set_aside(const struct making *m)
{
	return m->job->alone_bytes && m->n_candidates > 1 && m->n_aside < BUNDLE_SLOW_MAX;
}

/* Others wait for this object: it goes in a bundle of its own. Stops get_many when bytes of the
 * object are in the archive already; else the others go on. */
static enum rc set_aside(struct making *m, size_t i, const char *why, struct err *err)
{
	struct unit *u = m->units[i];

	u->fetch = FETCH_ALONE;
	unit_refuse(u, "", why);
	m->broken = m->set_aside = m->in_member;
	m->is_held = false;
	m->n_aside++;
	m->n_candidates--;
	turn_begins(m);
	log_event(EV_OBJECT_ALONE, LF_SLICE(key, u->object.key), LF_U64(object_bytes, u->size),
		LF_STR(cause, why));
	return err_set(err, m->broken ? RC_CORRUPT : RC_SKIP, "'" SLICE_FMT "' is set aside",
		SLICE_ARG(u->object.key));
}

/* Only the time between callbacks counts, because during a callback the store waits for the
 * bundle. */
static bool is_slow(struct making *m, size_t n_bytes)
{
	bool slow;

	m->waited_ms += clock_boot_ms(m->job->clock) - m->left_boot_ms;
	m->waited_bytes += n_bytes;
	if (m->waited_ms < BUNDLE_SLOW_MS)
		return false;
	slow = m->waited_bytes < BUNDLE_SLOW_BYTES;
	turn_begins(m);
	return slow && may_set_aside(m);
}

static void leave(struct making *m)
{
	if (m->job->alone_bytes)
		m->left_boot_ms = clock_boot_ms(m->job->clock);
}

/* The object gives no bytes. */
static enum rc member_waiting(void *arg, size_t i, struct err *err)
{
	struct making *m = arg;
	enum rc rc = m->job->tick(m->job->tick_arg, err);

	if (rc == RC_OK && m->job->alone_bytes && is_slow(m, 0))
		rc = set_aside(m, i, "the store gives its bytes too slowly", err);
	leave(m);
	return rc;
}

/* Begins the object in the archive. */
static enum rc begin_in_archive(struct making *m, size_t i, struct err *err)
{
	struct unit *u = m->units[i];
	enum rc rc = pack_member_begin(m->pack, u->name, m->member_size, err);

	if (rc == RC_REFUSED) {
		unit_refuse(u, "UNSAFE_S3_KEY_PATH", err->text);
		skip(m, u, FETCH_NONE);
		return RC_OK;
	}
	m->in_member = rc == RC_OK;
	if (rc == RC_OK)
		stages_member_begin(
			&m->stages, u->name, &u->object, m->member_size, pack_tar_bytes(m->pack));
	return rc;
}

static enum rc member_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	struct making *m = arg;
	struct unit *u = m->units[i];
	uint64_t rounded = (info->size + 511) / 512 * 512;

	m->skipping = false;
	if (time_is_up(m)) {
		m->bundle->closed_by_time = true;
		return err_set(err, RC_AGAIN, "time is up");
	}
	if ((u->has_size && u->size != info->size) || etags_differ(u->etag, info->etag)) {
		tell_difference(u, info);
		skip(m, u, FETCH_MISMATCH);
		return RC_OK;
	}
	if (m->job->object_max_bytes && info->size > m->job->object_max_bytes) {
		unit_refuse_size(u, info->size, m->job->object_max_bytes);
		skip(m, u, FETCH_NONE);
		return RC_OK;
	}
	if (!u->has_size && m->bundle->n_members &&
		m->rounded_bytes + rounded > m->job->max_bytes) {
		skip(m, u, FETCH_OVER);
		return RC_OK;
	}
	if (info->size >= m->job->alone_bytes && may_set_aside(m))
		return set_aside(m, i, "it is large", err);
	m->rounded_bytes += rounded;
	m->member_size = m->member_left = info->size;
	m->is_held = info->size <= BUNDLE_HELD_BYTES;
	buf_reset(&m->held);
	return m->is_held ? RC_OK : begin_in_archive(m, i, err);
}

/* Notes why the unit is not in the bundle. Damage is final: reading the object again would give the
 * same bytes, so the object is rejected now. */
static void note_failure(struct unit *u, enum unit_fetch fetch, const struct err *why)
{
	char text[sizeof(u->why)];

	u->fetch = fetch;
	if (!why || !err_is(why, ERR_DAMAGED)) {
		unit_refuse(u, "", why ? why->text : "");
		return;
	}
	snprintf(text, sizeof(text), "%.90s: put the object again, or restore the data folder",
		why->text);
	unit_refuse(u, "object-damaged", text);
}

/* Stops get_many; bundle_make knows by m->broken that it is to begin again. */
static enum rc break_off(struct making *m, struct unit *u, enum unit_fetch fetch,
	const struct err *why, struct err *err)
{
	note_failure(u, fetch, why);
	m->broken = true;
	return err_set(err, RC_CORRUPT, "'" SLICE_FMT "' broke off", SLICE_ARG(u->object.key));
}

static enum rc to_archive(struct making *m, struct slice bytes, struct err *err)
{
	enum rc rc = pack_data(m->pack, bytes, err);

	if (rc == RC_OK) {
		stages_member_data(&m->stages, bytes);
		m->bundle->member_bytes += bytes.n;
	}
	return rc;
}

static enum rc member_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	struct making *m = arg;
	enum rc rc = RC_OK;

	if (m->skipping)
		return RC_OK;
	if (m->is_held && bytes.n > m->member_left) {
		m->is_held = false;
		note_failure(m->units[i], FETCH_MISMATCH, &other_bytes);
		leave(m);
		return RC_SKIP;
	}
	m->member_left -= bytes.n < m->member_left ? bytes.n : m->member_left;
	if (m->job->alone_bytes && is_slow(m, bytes.n) && m->member_left)
		return set_aside(m, i, "the store gives its bytes too slowly", err);
	if (m->is_held)
		buf_add_slice(&m->held, bytes);
	else
		rc = to_archive(m, bytes, err);
	if (rc == RC_CORRUPT)
		rc = break_off(m, m->units[i], FETCH_MISMATCH, &other_bytes, err);
	else if (rc == RC_OK)
		rc = m->job->tick(m->job->tick_arg, err);
	leave(m);
	return rc;
}

/* The store refuses the credentials: they expired or were changed, or the clock is wrong. No object
 * is at fault, and the store would refuse every object. */
static bool is_about_us(const struct err *why)
{
	static const char *const codes[] = {"ExpiredToken", "InvalidAccessKeyId", "InvalidToken",
		"RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch",
		"TokenRefreshRequired"};

	for (size_t i = 0; why && i < sizeof(codes) / sizeof(codes[0]); i++)
		if (err_is(why, codes[i]))
			return true;
	return false;
}

static enum unit_fetch fetch_of(enum rc outcome, const struct err *why)
{
	switch (outcome) {
	case RC_ABSENT:
		return FETCH_MISSING;
	case RC_REFUSED:
		return is_about_us(why) ? FETCH_TRANSIENT : FETCH_DENIED;
	case RC_CORRUPT:
		return FETCH_MISMATCH;
	default:
		return FETCH_TRANSIENT;
	}
}

static enum rc member_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	struct making *m = arg;
	struct unit *u = m->units[i];
	bool was_held = m->is_held;
	enum rc rc = RC_OK;

	m->is_held = false;
	turn_begins(m);
	leave(m);
	if (outcome == RC_FATAL) {
		if (why)
			*err = *why;
		return outcome;
	}
	if (m->skipping) {
		m->skipping = false;
		return RC_OK;
	}
	if (outcome != RC_OK) {
		if (m->in_member)
			return break_off(m, u,
				outcome == RC_CORRUPT ? FETCH_MISMATCH : FETCH_TRANSIENT, why,
				err);
		note_failure(u, fetch_of(outcome, why), why);
		return m->job->tick(m->job->tick_arg, err);
	}
	if (was_held && m->held.n != m->member_size) {
		note_failure(u, FETCH_MISMATCH, &other_bytes);
		return RC_OK;
	}
	if (was_held)
		rc = begin_in_archive(m, i, err);
	if (m->skipping) { /* its name is not allowed in an archive */
		m->skipping = false;
		return RC_OK;
	}
	if (rc == RC_OK && was_held)
		rc = to_archive(m, buf_slice(&m->held), err);
	if (rc == RC_OK)
		rc = pack_member_end(m->pack, err);
	m->in_member = false;
	if (rc == RC_CORRUPT)
		return break_off(m, u, FETCH_MISMATCH, &other_bytes, err);
	if (rc == RC_OK)
		rc = stages_member_end(&m->stages, err);
	if (rc == RC_OK) {
		u->fetch = FETCH_PACKED;
		m->bundle->n_members++;
	}
	return rc;
}

static enum rc to_stage(void *arg, struct slice bytes, struct err *err)
{
	struct making *m = arg;

	return stages_write(&m->stages, bytes, err);
}

static enum rc finish(struct making *m, struct err *err)
{
	struct bundle *b = m->bundle;
	enum rc rc = pack_finish(m->pack, &b->size_bytes, b->sha256, err);

	return rc == RC_OK ? stages_finish(&m->stages, b->size_bytes, b->sha256, &b->staged, err)
			   : rc;
}

/* The units still wanted, as get_many wants them. */
static struct object_id *wanted(
	struct arena *a, struct unit **units, size_t n, struct unit **ret_units, size_t *ret_n)
{
	struct object_id *ids = arena_array(a, n, sizeof(*ids));
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (units[i]->fetch != FETCH_NONE || units[i]->code[0])
			continue;
		ids[k] = units[i]->object;
		ret_units[k++] = units[i];
	}
	*ret_n = k;
	return ids;
}

/* The most that a member takes on disk. An object without an announced size takes its room as it
 * comes. */
static uint64_t room_of(const struct unit *u)
{
	uint64_t size = u->has_size ? u->size : 0;

	return size + size / 1000 + MEMBER_ROOM_BYTES;
}

static struct os_room room_for(struct unit **units, size_t n)
{
	struct os_room room = {.least = UINT64_MAX, .most = BUNDLE_ROOM_BYTES};

	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = room_of(units[i]);

		room.most += bytes;
		if (bytes > room.largest)
			room.largest = bytes;
		if (bytes < room.least)
			room.least = bytes;
	}
	room.least += BUNDLE_ROOM_BYTES;
	room.largest += BUNDLE_ROOM_BYTES;
	return room;
}

static void tell_wait(
	const struct making *m, const struct unit *largest, size_t n, uint64_t free_bytes)
{
	char cause[160];

	snprintf(cause, sizeof(cause),
		"the largest of them needs %llu bytes of disk, and %llu are free for all",
		(unsigned long long)(room_of(largest) + BUNDLE_ROOM_BYTES),
		(unsigned long long)free_bytes);
	log_event(EV_BUNDLE_WAITS, LF_SLICE(bundle, m->job->plan->key), LF_U64(objects, n),
		LF_SLICE(key, largest->object.key), LF_STR(cause, cause));
}

/* Keeps, in their order, those units that fit in `bytes`; the others wait. */
static void leave_out(
	struct making *m, struct object_id *ids, size_t *n, uint64_t bytes)
{
	uint64_t left = bytes > BUNDLE_ROOM_BYTES ? bytes - BUNDLE_ROOM_BYTES : 0;
	struct unit *largest = NULL;
	size_t k = 0, all = *n;

	for (size_t i = 0; i < all; i++) {
		struct unit *u = m->units[i];

		if (room_of(u) > left) {
			u->fetch = FETCH_NO_ROOM;
			unit_refuse(u, "", "there is no room on disk for a bundle with this object");
			if (!largest || room_of(u) > room_of(largest))
				largest = u;
			continue;
		}
		left -= room_of(u);
		ids[k] = ids[i];
		m->units[k++] = u;
	}
	*n = k;
	if (largest)
		tell_wait(m, largest, all - k, bytes);
}

/* When the store has no room for the whole bundle, the bundle is made of the members that fit. The
 * other units wait, and hold up nothing. */
static enum rc ask_room(struct making *m, struct object_id *ids, size_t *n, struct err *err)
{
	struct os_room room = room_for(m->units, *n);
	uint64_t bytes = 0;
	struct err why = {0};
	enum rc rc = *n ? stages_room(&m->stages, &room, &bytes, &why) : RC_OK;

	if (rc == RC_AGAIN && err_is(&why, "ENOSPC"))
		rc = RC_OK; /* bytes is what is free */
	else if (rc != RC_OK && err)
		*err = why;
	if (rc == RC_OK && *n && bytes < room.most)
		leave_out(m, ids, n, bytes);
	return rc;
}

static enum rc make_once(struct making *m, struct unit **units, size_t n, struct err *err)
{
	struct os_sink sink = {member_begin, member_data, member_end, m, member_waiting};
	struct arena a = ARENA_INIT;
	struct object_id *ids;
	size_t n_wanted;
	enum rc rc;

	m->units = arena_array(&a, n, sizeof(struct unit *));
	ids = wanted(&a, units, n, m->units, &n_wanted);
	m->pack = pack_new(
		m->job->compression, m->job->pool, m->job->memory, to_stage, m);
	rc = stages_begin(&m->stages, m->job->distribution, m->job->plan, m->job->archive_bucket,
		m->job->is_direct, err);
	if (rc == RC_OK)
		rc = ask_room(m, ids, &n_wanted, err);
	m->n_candidates = n_wanted;
	leave(m);
	if (rc == RC_OK && n_wanted)
		rc = os_get_many(m->job->landing, ids, n_wanted, &sink, err);
	if (m->bundle->closed_by_time && !m->broken)
		rc = RC_OK;
	for (size_t i = 0; rc == RC_OK && i < n_wanted; i++) {
		if (m->units[i]->fetch == FETCH_NONE && !m->units[i]->code[0])
			/* the object was not begun, or the store did not report its end */
			m->units[i]->fetch =
				m->bundle->closed_by_time ? FETCH_OVER : FETCH_TRANSIENT;
	}
	if (rc == RC_OK && m->bundle->n_members)
		rc = finish(m, err);
	pack_free(m->pack);
	stages_free(&m->stages);
	arena_release(&a);
	return rc;
}

/* Before another attempt every packed unit is wanted again. */
static void forget_packed(struct unit **units, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (units[i]->fetch == FETCH_PACKED)
			units[i]->fetch = FETCH_NONE;
	}
}

enum rc bundle_make(const struct bundle_job *job, struct unit **units, size_t n,
	struct bundle *ret_bundle, struct err *err)
{
	unsigned n_broken = 0, n_aside = 0;
	enum rc rc = RC_AGAIN;

	for (size_t i = 0; i < n; i++)
		units[i]->fetch = FETCH_NONE;
	while (n_broken <= BUNDLE_RESTARTS) {
		struct making m = {.job = job, .bundle = ret_bundle, .n_aside = n_aside};

		buf_init(&m.held, BUNDLE_HELD_BYTES);
		*ret_bundle = (struct bundle){0};
		buf_init(&ret_bundle->staged, LG_STAGED_MAX);
		rc = make_once(&m, units, n, err);
		buf_release(&m.held);
		n_aside = m.n_aside;
		if (!m.broken)
			break;
		bundle_release(ret_bundle);
		forget_packed(units, n);
		if (stages_discard(job->distribution, job->plan, job->archive_bucket, err) != RC_OK)
			return err_set(err, RC_AGAIN, "a broken stage could not be discarded");
		n_broken += !m.set_aside;
		rc = err_set(err, RC_AGAIN, "objects broke off in %u attempts", n_broken);
	}
	if (rc != RC_OK)
		bundle_release(ret_bundle);
	return rc;
}
