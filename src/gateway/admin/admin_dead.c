/* Dead letters, as the operator's API shows and changes them. */
#include <stdio.h>

#include "base/digest.h"
#include "base/json_write.h"
#include "gateway/admin/admin_body.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"
#include "model/s3_event.h"
#include "wire/uri.h"

#define PAGE_DEFAULT 100

/* The objects that the message names, if it can be read, because people look for keys. */
static void add_objects(struct buf *out, struct slice message)
{
	struct arena a = ARENA_INIT;
	struct s3_event event = {0};

	json_open_array(out, "objects");
	if (s3_event_parse(&a, message, &event, NULL) != RC_OK)
		event.n_records = 0;
	for (size_t i = 0; i < event.n_records; i++) {
		const struct object_id *o = &event.records[i].object;

		json_open_object(out, NULL);
		json_text(out, "bucket", o->bucket);
		json_text(out, "key", o->key);
		json_text(out, "version", o->version);
		json_close_object(out);
	}
	json_close_array(out);
	arena_release(&a);
}

static void add_dead(struct buf *out, const struct op_dead *d, bool with_message)
{
	json_open_object(out, NULL);
	json_str(out, "id", d->id);
	json_text(out, "code", d->code);
	json_text(out, "reason", d->reason);
	json_u64(out, "attempts", d->attempts);
	json_time(out, "sent", d->sent_wall_ms);
	json_time(out, "died", d->died_wall_ms);
	add_objects(out, d->message);
	if (with_message) {
		json_text(out, "message", d->message);
		if (!utf8_valid(d->message)) { /* then the text above is not the whole message */
			json_name(out, "message_base64");
			buf_add_char(out, '"');
			base64_encode(out, d->message);
			buf_add_char(out, '"');
		}
	}
	json_close_object(out);
}

static enum rc list_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct op_dead_page page;
	struct slice after;
	uint64_t max;
	enum rc rc;

	if ((rc = request_param(r, "after", &after, err)) ||
		(rc = request_param_u64(r, "max", PAGE_DEFAULT, OP_PAGE_MAX, &max, err)))
		return rc;
	rc = op_dead_list(
		r->service->op, &r->arena, arena_strdup(&r->arena, after), max, &page, err);
	if (rc)
		return rc;
	json_open_object(out, NULL);
	json_open_array(out, "dead_letters");
	for (size_t i = 0; i < page.n; i++)
		add_dead(out, &page.dead[i], false);
	json_close_array(out);
	json_bool(out, "truncated", page.truncated);
	json_str(out, "last", page.last);
	json_close_object(out);
	buf_add_char(out, '\n');
	return RC_OK;
}

enum rc admin_dead_list(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, list_job);
}

static enum rc get_job(struct request *r, struct err *err)
{
	struct op_dead dead;
	enum rc rc = op_dead_get(
		r->service->op, &r->arena, arena_strdup(&r->arena, admin_path_id(r)), &dead, err);

	if (rc)
		return rc;
	add_dead(&r->reply.document, &dead, true);
	buf_add_char(&r->reply.document, '\n');
	return RC_OK;
}

enum rc admin_dead_get(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, get_job);
}

static void add_change(struct buf *out, const struct op_change *c)
{
	json_open_object(out, NULL);
	json_str(out, "id", c->id);
	json_str(out, "outcome", op_outcome_name(c->outcome));
	json_u64(out, "reopened", c->n_reopened);
	if (c->message_id[0])
		json_str(out, "message_id", c->message_id);
	if (c->why[0])
		json_str(out, "why", c->why);
	json_close_object(out);
}

static enum rc redrive_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct op_change *changes;
	size_t n;
	enum rc rc = admin_body_ids(
		buf_slice(&r->body.document), &r->arena, &changes, &n, err);

	if (!rc)
		rc = op_redrive(r->service->op, admin_who(r), changes, n, err);
	if (rc)
		return rc;
	json_open_object(out, NULL);
	json_open_array(out, "results");
	for (size_t i = 0; i < n; i++)
		add_change(out, &changes[i]);
	json_close_array(out);
	json_close_object(out);
	buf_add_char(out, '\n');
	return RC_OK;
}

enum rc admin_dead_redrive(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, redrive_job);
}

static enum rc drop_job(struct request *r, struct err *err)
{
	struct op_change change = {0};
	enum rc rc = admin_body_id(admin_path_id(r), &change, err);

	if (!rc)
		rc = op_drop(r->service->op, admin_who(r), &change, 1, err);
	if (!rc && change.outcome == OP_NOT_THERE)
		rc = err_code(err, RC_ABSENT, "NoSuchDeadLetter", "there is no dead letter '%s'",
			change.id);
	if (rc)
		return rc;
	add_change(&r->reply.document, &change);
	buf_add_char(&r->reply.document, '\n');
	return RC_OK;
}

enum rc admin_dead_drop(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, drop_job);
}
