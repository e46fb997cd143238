/*
 * get_many: up to S3_GET_WINDOW GETs are in flight, and the objects are delivered in the order of
 * the request. The object whose turn it is (the head) goes to the sink as it arrives. Each object
 * after it fills a buffer of S3_GET_BUFFER bytes and is then paused until its turn. A request that
 * failed before its object began is made again by itself, if the sink says so, while all others go
 * on [OS-17].
 */
#include <stdlib.h>
#include <string.h>

#include "adapter/aws/s3/s3_call.h"
#include "model/object_headers.h"

#define S3_GET_WAIT_MS 250 /* how often the sink hears that the head gives no bytes */

struct get_run;

struct get_slot {
	struct get_run *run;
	const struct object_id *object;
	size_t index;
	struct s3_call call;
	struct buf query, window;
	size_t charged;  /* bytes of the budget */
	bool has_ended;  /* the request has ended; bytes in the buffer may be undelivered */
	bool is_resting; /* the request has failed and is made again at again_boot_ms */
	uint64_t again_boot_ms;
	bool is_skipped; /* the sink wants nothing more of the object [OS-16] */
	bool has_length; /* length_left is known */
	uint64_t length_left; /* of the body, by its Content-Length */
	bool has_begun;  /* the sink has been told of the object */
	enum rc outcome; /* valid when has_ended */
	struct err why;
	/* of the delivered bytes, when there is something to hold them against */
	struct digest *digest;
	struct checksum expected;
	bool by_etag; /* digest is an MD5, to be compared with md5 */
	unsigned char md5[16];
};

struct get_run {
	struct s3 *s3;
	struct http_lane *lane;
	const struct object_id *objects;
	const struct os_sink *sink;
	size_t n, head, next; /* how many objects are requested, delivered, started */
	struct arena arena;   /* for the description of the head */
	enum rc sink_rc;
	struct err sink_err;
	struct get_slot slots[S3_GET_WINDOW];
};

/* The checksum of the whole object, if the server sent one. A checksum of parts or of a range
 * does not count. */
static bool expect_checksum(struct get_slot *slot)
{
	for (const enum digest_alg *alg = checksum_algs; *alg; alg++) {
		struct slice text = s3_call_header(&slot->call, checksum_header(*alg));
		struct err ignored;

		if (text.n == 0 || checksum_parse(*alg, text, &slot->expected, &ignored) != RC_OK ||
			slot->expected.type != CHECKSUM_FULL_OBJECT)
			continue;
		slot->digest = digest_new(*alg);
		return true;
	}
	return false;
}

/* An ETag is the MD5 of the bytes, unless the object was put in parts (then it has a '-') or is
 * encrypted under a key of KMS or of the customer's (S3 API reference, "Object": ETag). */
static void expect_etag(struct get_slot *slot, struct slice etag)
{
	struct slice kms = slice_str("aws:kms");

	if (slice_has_prefix(s3_call_header(&slot->call, "x-amz-server-side-encryption"), kms) ||
		s3_call_header(&slot->call, "x-amz-server-side-encryption-customer-algorithm").n ||
		!hex_decode(etag, slot->md5, sizeof(slot->md5)))
		return;
	slot->by_etag = true;
	slot->digest = digest_new(DIGEST_MD5);
}

/* Notes what the sink has answered about the object. */
static enum rc note_sink(struct get_slot *slot, enum rc rc)
{
	if (rc == RC_SKIP)
		slot->is_skipped = true;
	else if (rc != RC_OK)
		slot->run->sink_rc = rc;
	return rc;
}

static enum rc begin(struct get_slot *slot)
{
	struct get_run *run = slot->run;
	struct os_object info;

	slot->has_begun = true;
	arena_release(&run->arena);
	run->arena = ARENA_INIT;
	s3_call_object(&slot->call, slot->object->key, &run->arena, &info);
	if (!expect_checksum(slot))
		expect_etag(slot, info.etag);
	return note_sink(slot, run->sink->begin(run->sink->arg, slot->index, &info, &run->sink_err));
}

static enum rc deliver(struct get_slot *slot, struct slice bytes)
{
	struct get_run *run = slot->run;
	enum rc rc = slot->has_begun ? RC_OK : begin(slot);

	if (rc != RC_OK || bytes.n == 0)
		return rc;
	if (slot->digest)
		digest_update(slot->digest, bytes);
	return note_sink(slot, run->sink->data(run->sink->arg, slot->index, bytes, &run->sink_err));
}

/* Room for n more bytes in the window of a slot whose turn has not come. A buffer doubles when it
 * grows. */
static bool has_room(struct get_slot *slot, size_t n)
{
	size_t need = slot->window.n + n, cap = slot->charged - S3_GET_SLOT_BYTES;

	if (need > S3_GET_BUFFER)
		return false;
	if (need <= cap)
		return true;
	cap = cap ? cap : 4096;
	while (cap < need)
		cap *= 2;
	cap += S3_GET_SLOT_BYTES - slot->charged;
	if (!budget_take(slot->run->s3->memory, cap))
		return false;
	slot->charged += cap;
	return true;
}

/* S3 always says how long an object is. Without a length the body could go on for ever, and
 * libcurl takes a length that is no number for none. Bytes that were refused for a pause come
 * again, so they are counted only when they are taken. */
static enum rc keep_within_length(struct get_slot *slot, size_t n, struct err *err)
{
	struct slice text = s3_call_header(&slot->call, "content-length");

	if (!slot->has_length && (!slice_to_u64(text, &slot->length_left) ||
					 slot->length_left > OBJECT_SIZE_MAX))
		return err_set(err, RC_CORRUPT, "the answer does not say how long the object is");
	slot->has_length = true;
	if (n > slot->length_left)
		return err_set(err, RC_CORRUPT, "the object is longer than its Content-Length");
	return RC_OK;
}

static enum rc on_data(void *arg, struct slice bytes, bool *ret_pause, struct err *err)
{
	struct get_slot *slot = arg;
	struct get_run *run = slot->run;
	enum rc rc;

	rc = keep_within_length(slot, bytes.n, err);
	if (rc != RC_OK)
		return rc;
	if (slot->index == run->head) {
		rc = deliver(slot, bytes);
		if (rc != RC_OK)
			*err = run->sink_err;
	} else if (!has_room(slot, bytes.n) || !buf_add_slice(&slot->window, bytes)) {
		*ret_pause = true;
	}
	if (rc == RC_OK && !*ret_pause)
		slot->length_left -= bytes.n;
	return rc;
}

/* Whether there is room for one more request. The head needs no leave. */
static bool may_start(struct get_run *run)
{
	if (run->next == run->n || run->next - run->head == S3_GET_WINDOW)
		return false;
	if (run->next != run->head)
		return budget_take(run->s3->memory, S3_GET_SLOT_BYTES);
	budget_add(run->s3->memory, S3_GET_SLOT_BYTES);
	return true;
}

static void slot_ended(struct get_slot *slot, enum rc outcome);

/* Makes the request, for the first time or again. */
static void slot_request(struct get_slot *slot)
{
	struct get_run *run = slot->run;
	enum rc rc;

	slot->is_resting = slot->has_length = false;
	buf_init(&slot->query, S3_URL_MAX);
	s3_query_version(&slot->query, slot->object->version);
	slot->call = (struct s3_call){
		.method = "GET",
		.bucket = slot->object->bucket,
		.key = slot->object->key,
		.query = buf_slice(&slot->query),
		.headers = slice_str("x-amz-checksum-mode:ENABLED\n"),
		.data = on_data,
		.arg = slot,
	};
	rc = s3_call_prepare(run->s3, &slot->call, &slot->why);
	if (rc == RC_OK)
		http_start(run->lane, &slot->call.http);
	else
		slot_ended(slot, rc);
}

static void slot_give_up_request(struct get_slot *slot)
{
	http_cancel(slot->run->lane, &slot->call.http);
	s3_call_release(&slot->call);
	buf_release(&slot->query);
}

static void slot_ended(struct get_slot *slot, enum rc outcome)
{
	const struct os_sink *sink = slot->run->sink;
	uint64_t wait_ms;

	slot->outcome = outcome;
	slot->has_ended = outcome != RC_AGAIN || slot->has_begun || !sink->retry ||
			  !sink->retry(sink->arg, slot->index, &slot->why, &wait_ms);
	if (slot->has_ended)
		return;
	slot_give_up_request(slot);
	buf_reset(&slot->window);
	slot->is_resting = true;
	slot->again_boot_ms = clock_boot_ms(slot->run->s3->clock) + wait_ms;
}

static void slot_start(struct get_run *run)
{
	struct get_slot *slot = &run->slots[run->next % S3_GET_WINDOW];

	*slot = (struct get_slot){
		.run = run, .object = &run->objects[run->next], .index = run->next};
	slot->charged = S3_GET_SLOT_BYTES;
	run->next++;
	buf_init(&slot->window, S3_GET_BUFFER);
	slot_request(slot);
}

static void slot_release(struct get_run *run, struct get_slot *slot)
{
	if (!slot->is_resting)
		slot_give_up_request(slot);
	buf_release(&slot->window);
	budget_give(run->s3->memory, slot->charged);
	slot->charged = 0;
	digest_free(slot->digest);
	slot->digest = NULL;
}

static struct get_slot *slot_of(struct get_run *run, const struct http_request *req)
{
	for (size_t i = run->head; i < run->next; i++) {
		struct get_slot *slot = &run->slots[i % S3_GET_WINDOW];

		if (!slot->is_resting && &slot->call.http == req)
			return slot;
	}
	return NULL;
}

/* Makes the requests again whose rest is over. Returns how long the next one rests, at most
 * S3_GET_WAIT_MS. */
static int request_again(struct get_run *run)
{
	uint64_t now = clock_boot_ms(run->s3->clock), next = now + S3_GET_WAIT_MS;

	for (size_t i = run->head; i < run->next; i++) {
		struct get_slot *slot = &run->slots[i % S3_GET_WINDOW];

		if (slot->is_resting && slot->again_boot_ms <= now)
			slot_request(slot);
		if (slot->is_resting && slot->again_boot_ms < next)
			next = slot->again_boot_ms;
	}
	return next > now ? (int)(next - now) : 0;
}

/* The turn of the head has come: deliver its buffer, and let the rest follow. */
static void turn(struct get_run *run, struct get_slot *slot)
{
	enum rc rc = RC_OK;

	if (slot->window.n)
		rc = deliver(slot, buf_slice(&slot->window));
	buf_reset(&slot->window);
	if (rc == RC_OK && !slot->has_ended)
		http_resume(run->lane, &slot->call.http);
}

static void check_digest(struct get_slot *slot)
{
	unsigned char md5[DIGEST_MAX_BYTES];
	struct checksum got;

	if (!slot->digest)
		return;
	if (slot->by_etag) {
		digest_final(slot->digest, DIGEST_MD5, md5);
		if (memcmp(md5, slot->md5, sizeof(slot->md5)) != 0)
			slot->outcome = err_code(&slot->why, RC_CORRUPT, "BadDigest",
				"'" SLICE_FMT "' does not have the MD5 that its ETag is",
				SLICE_ARG(slot->object->key));
		return;
	}
	got = checksum_of_digest(slot->digest, slot->expected.alg);
	if (!checksum_eq(&got, &slot->expected))
		slot->outcome = err_code(&slot->why, RC_CORRUPT, "BadDigest",
			"'" SLICE_FMT "' does not have its %s", SLICE_ARG(slot->object->key),
			checksum_name(slot->expected.alg));
}

/* The head's request has ended: its last bytes were delivered. */
static void finish(struct get_run *run, struct get_slot *slot)
{
	if (slot->outcome == RC_OK) {
		if (deliver(slot, (struct slice){0}) != RC_OK)
			return;
		check_digest(slot);
	}
	note_sink(slot, run->sink->end(run->sink->arg, slot->index, slot->outcome, &slot->why,
				&run->sink_err));
}

/* Lets requests go on for a while. */
static void progress(struct get_run *run, struct get_slot *head)
{
	struct http_request *req = http_wait_for(run->lane, request_again(run));
	struct get_slot *ended = req ? slot_of(run, req) : NULL;

	if (ended && !ended->is_skipped)
		slot_ended(ended, s3_call_outcome(&ended->call, &ended->why));
	else if (!req && run->sink_rc == RC_OK && !head->is_skipped && run->sink->waiting)
		note_sink(head, run->sink->waiting(run->sink->arg, head->index, &run->sink_err));
}

static enum rc run_all(struct get_run *run)
{
	while (run->head < run->n) {
		struct get_slot *head = &run->slots[run->head % S3_GET_WINDOW];

		while (may_start(run))
			slot_start(run);
		if (!head->is_resting)
			turn(run, head);
		if (run->sink_rc == RC_OK && !head->is_skipped && !head->has_ended) {
			progress(run, head);
			if (run->sink_rc == RC_OK && !head->is_skipped)
				continue;
		}
		if (run->sink_rc == RC_OK && !head->is_skipped)
			finish(run, head);
		if (run->sink_rc != RC_OK)
			return run->sink_rc;
		slot_release(run, head);
		run->head++;
	}
	return RC_OK;
}

enum rc s3_get_many(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	struct get_run *run = xcalloc(1, sizeof(*run));
	enum rc rc;

	run->s3 = (struct s3 *)os;
	run->objects = objects;
	run->n = n;
	run->sink = sink;
	run->lane = http_lane_take(run->s3->http);
	rc = run_all(run);
	for (size_t i = run->head; i < run->next; i++)
		slot_release(run, &run->slots[i % S3_GET_WINDOW]);
	http_lane_give(run->lane);
	if (rc != RC_OK && err)
		*err = run->sink_err;
	arena_release(&run->arena);
	free(run);
	return rc;
}
