/*
 * admin_run: what the operations below /-/ have in common.
 */
#ifndef BALER_GATEWAY_ADMIN_ADMIN_RUN_H
#define BALER_GATEWAY_ADMIN_ADMIN_RUN_H

#include "gateway/http/request.h"

#define ADMIN_ROOT "/-/"
#define ADMIN_EVENTS_MAX_BYTES (1u << 20)

/* Whether the request is POST /events, the short form of POST /-/events. In S3 it would be a form
 * upload into a bucket called "events", which is refused here; all other requests to such a bucket
 * are requests of S3. */
bool admin_is_short_events(const struct request *r);
/* The path behind ADMIN_ROOT. */
struct slice admin_path(const struct request *r);
/* The last part of the path, where a route has one. */
struct slice admin_path_id(const struct request *r);

/* Runs job on the admin pool; the job writes r->reply.document, which is then sent with status
 * 200. */
enum rc admin_run(struct request *r, enum rc (*job)(struct request *r, struct err *err));
/* The same on the pool of status and metrics, which waits for nothing that changes something. */
enum rc admin_run_status(struct request *r, enum rc (*job)(struct request *r, struct err *err));
/* The same with another end than JSON. */
enum rc admin_run_status_to(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	enum rc (*finish)(struct request *r, struct err *err));

/* Who asks, for the audit. */
const char *admin_who(const struct request *r);

#endif
