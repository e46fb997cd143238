/*
 * POST /-/events: notifications of other stores into the queue. Answered 200 only after they are
 * durable there, so that the sender's own retries lose nothing; a notification that comes twice
 * is a duplicate for the ledger. Notifications that arrive together share a commit, as PUTs do.
 */
#include "base/json.h"
#include "base/json_write.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "model/s3_event.h"
#include "obs/log.h"

#define RECORD_BYTES_MAX (16u << 10)
/* read on the server's thread, in some 100 us; longer ones on the admin pool */
#define SMALL_BYTES (16u << 10)

struct notification {
	size_t n_records;
	struct slice *bodies; /* the messages */
	size_t n_bodies;
};

/* Makes one message of each record, for a notification that is longer than a message may be. */
static enum rc split(struct request *r, const struct s3_event *event, struct slice *bodies, struct err *err)
{
	enum rc rc = RC_OK;
	struct buf text;

	buf_init(&text, RECORD_BYTES_MAX);
	for (size_t i = 0; i < event->n_records && !rc; i++) {
		buf_reset(&text);
		if (s3_event_write(&text, &event->records[i], r->service->region, r->id))
			bodies[i] = arena_slice(&r->arena, buf_slice(&text));
		else
			rc = err_code(err, RC_REFUSED, "InvalidArgument",
				"record %zu is longer than %u bytes", i, RECORD_BYTES_MAX);
	}
	buf_release(&text);
	return rc;
}

/* On a thread of the queue's. */
static void sent(void *arg, enum rc rc, const struct err *err)
{
	struct bs_done done = request_job_done(arg);
	struct bs_result result = {.rc = rc};

	if (rc != RC_OK)
		result.err = *err;
	done.fn(done.arg, &result);
}

static enum rc reply_accepted(struct request *r, size_t n_records)
{
	json_open_object(&r->reply.document, NULL);
	json_u64(&r->reply.document, "accepted", n_records);
	json_close_object(&r->reply.document);
	buf_add_char(&r->reply.document, '\n');
	return reply_json(r, 200);
}

static enum rc accepted(struct request *r, struct err *err)
{
	const struct notification *n = r->op;

	(void)err;
	return reply_accepted(r, n->n_records);
}

/* r->op: what is to be sent. */
static enum rc read_notification(struct request *r, struct err *err)
{
	struct notification *n = arena_alloc(&r->arena, sizeof(*n));
	struct slice body = buf_slice(&r->body.document);
	size_t max = r->service->queue->body_max;
	bool is_long = max && body.n > max;
	struct s3_event event;
	enum rc rc = s3_event_parse(&r->arena, body, &event, err);

	r->op = n;
	if (rc || event.n_records == 0)
		return rc;
	n->n_records = event.n_records;
	n->n_bodies = is_long ? event.n_records : 1;
	n->bodies = arena_array(&r->arena, n->n_bodies, sizeof(*n->bodies));
	n->bodies[0] = body;
	return is_long ? split(r, &event, n->bodies, err) : RC_OK;
}

static void start(struct request *r)
{
	const struct notification *n = r->op;

	if (n->n_bodies)
		eq_send_start(r->service->queue, n->bodies, n->n_bodies, (struct eq_sent){sent, r});
	else
		sent(r, RC_OK, NULL);
}

static enum rc events_job(struct request *r, struct err *err)
{
	enum rc rc = read_notification(r, err);

	if (!rc)
		start(r);
	return rc;
}

/* SNS asks first whether the topic is wanted. We fetch no address that a stranger names: the log
 * tells it to the operator. */
static bool is_confirmation(struct slice body)
{
	struct slice url;
	json_t *root;
	bool yes;

	/* most have none, and need not be read twice */
	if (!memmem(body.p, body.n, "SubscribeURL", 12))
		return false;
	if (json_parse(body, ADMIN_EVENTS_MAX_BYTES, &root, NULL) != RC_OK)
		return false;
	url = json_member_str(root, "SubscribeURL");
	yes = slice_eq_str(json_member_str(root, "Type"), "SubscriptionConfirmation") && url.n;
	if (yes)
		log_event(EV_EVENTS_CONFIRM, LF_SLICE(topic, json_member_str(root, "TopicArn")),
			LF_SLICE(url, url));
	json_decref(root);
	return yes;
}

enum rc admin_events(struct request *r, struct err *err)
{
	enum rc rc;

	if (r->body.document.n > ADMIN_EVENTS_MAX_BYTES)
		return err_code(err, RC_REFUSED, "MaxMessageLengthExceeded",
			"a notification may have at most %u bytes", ADMIN_EVENTS_MAX_BYTES);
	if (is_confirmation(buf_slice(&r->body.document))) {
		return reply_accepted(r, 0);
	}
	if (r->body.document.n > SMALL_BYTES) {
		request_run_on(r, r->service->admin, events_job, accepted);
		return RC_OK;
	}
	rc = read_notification(r, err);
	if (rc)
		return rc;
	request_wait(r, accepted);
	start(r);
	return RC_OK;
}
