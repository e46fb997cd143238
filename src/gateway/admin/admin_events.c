/*
 * POST /-/events: notifications of other stores into the queue. Answered 200 only after they are durable there, so that the
 * sender's own retries lose nothing; a notification that comes twice is a duplicate for the ledger.
 */
#include "base/json.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "model/s3_event.h"
#include "obs/log.h"

#define RECORD_BYTES_MAX (16u << 10)

/* One message of each record: for a notification longer than a message may be. */
static enum rc send_records(struct request *r, const struct s3_event *event, struct err *err)
{
	struct slice *bodies = arena_array(&r->arena, event->n_records, sizeof(*bodies));
	enum rc *results = arena_array(&r->arena, event->n_records, sizeof(*results)), rc = RC_OK;
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
	return rc ? rc : eq_send(r->service->queue, bodies, event->n_records, results, err);
}

static enum rc events_job(struct request *r, struct err *err)
{
	struct slice body = buf_slice(&r->body.document);
	struct s3_event event;
	enum rc result = RC_OK, rc = s3_event_parse(&r->arena, body, &event, err);

	if (rc)
		return rc;
	if (event.n_records) {
		rc = eq_send(r->service->queue, &body, 1, &result, err);
		if (!rc && result == RC_REFUSED)
			rc = send_records(r, &event, err);
	}
	if (rc)
		return rc;
	buf_addf(&r->reply.document, "{\"accepted\":%zu}\n", event.n_records);
	return RC_OK;
}

/* SNS asks first whether the topic is wanted. We fetch no address that a stranger names: the log tells it to the operator. */
static bool is_confirmation(struct slice body)
{
	struct slice url;
	json_t *root;
	bool yes;

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
	if (r->body.document.n > ADMIN_EVENTS_MAX_BYTES)
		return err_code(err, RC_REFUSED, "MaxMessageLengthExceeded",
			"a notification may have at most %u bytes", ADMIN_EVENTS_MAX_BYTES);
	if (is_confirmation(buf_slice(&r->body.document))) {
		buf_add_str(&r->reply.document, "{\"accepted\":0}\n");
		return reply_json(r, 200);
	}
	return admin_run(r, events_job);
}
