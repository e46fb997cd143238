/*
 * admin: what is below /-/ : the operator's API (JSON) and the door for other stores' events. No bucket can be called "-".
 *
 *   GET    /-/api/v1/status
 *   GET    /-/api/v1/deadletters?after=ID&max=N       one page; "last" is the newest id of all
 *   GET    /-/api/v1/deadletters/ID                   with the original message
 *   DELETE /-/api/v1/deadletters/ID
 *   POST   /-/api/v1/deadletters/redrive              {"ids":[…]}, at most 500
 *   GET    /-/api/v1/where?bucket=B&key=K&version=V
 *   POST   /-/api/v1/keys                             {"role":R,"note":N}; the only answer with the secret
 *   GET    /-/api/v1/keys
 *   DELETE /-/api/v1/keys/ACCESS_KEY                  revokes it
 *   GET    /-/metrics                                 Prometheus' text format
 *   POST   /-/events                                  S3 notifications, any dialect of model/s3_event.h; also as POST /events
 *
 * Every request is signed like those of S3; /-/events and /-/metrics also take a token, each its own (admin_token.c). Errors are
 * {"error":{"code":…,"message":…}}. Anything else below /-/ is 404 there, and only with a signature.
 * Calls of the operator port run on the pool service.admin: they may wait for a commit.
 */
#ifndef BALER_GATEWAY_ADMIN_ADMIN_H
#define BALER_GATEWAY_ADMIN_ADMIN_H

#include "gateway/http/request.h"

#define ADMIN_EVENTS_MAX_BYTES (1u << 20)

enum admin_right { ADMIN_OPERATE, ADMIN_SEND_EVENTS, ADMIN_KEYS, ADMIN_READ_METRICS };

/* Whether the request's path is below /-/ of this endpoint, not a key of a virtual host's bucket. */
bool admin_is_path(const struct request *r);
/* Authenticates and authorizes; sets r->route. In place of auth_check, read_name and route_find. */
enum rc admin_begin(struct request *r, struct err *err);
/* The one place that decides who may: RC_OK, or RC_REFUSED AccessDenied. r is authenticated. */
enum rc admin_allowed(const struct request *r, enum admin_right right, struct err *err);
/* Ends the request with the error document. */
void admin_error(struct request *r, enum rc rc, const struct err *err);

/* --- for the operations --- */

/* Runs job on the admin pool; the job writes r->reply.document, which is then sent with status 200. */
enum rc admin_run(struct request *r, enum rc (*job)(struct request *r, struct err *err));
/* The same with another end than JSON. */
enum rc admin_run_to(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	enum rc (*finish)(struct request *r, struct err *err));
/* The last part of the path, where a route has one. */
struct slice admin_path_id(const struct request *r);
/* "2026-11-23T11:15:00.123Z", quoted; null for 0. */
void admin_add_time(struct buf *out, uint64_t wall_ms);
/* Who asks, for the audit. */
const char *admin_who(const struct request *r);

/* NOTHING: no credential of any kind; NONE: one of another kind. token NULL: none is right. */
enum admin_token { ADMIN_TOKEN_NOTHING, ADMIN_TOKEN_NONE, ADMIN_TOKEN_RIGHT, ADMIN_TOKEN_WRONG };
enum admin_token admin_token_shown(const struct request *r, const char *token);

enum rc admin_dead_list(struct request *r, struct err *err);
enum rc admin_dead_get(struct request *r, struct err *err);
enum rc admin_dead_redrive(struct request *r, struct err *err);
enum rc admin_dead_drop(struct request *r, struct err *err);
enum rc admin_events(struct request *r, struct err *err);
enum rc admin_metrics(struct request *r, struct err *err);
enum rc admin_key_add(struct request *r, struct err *err);
enum rc admin_key_list(struct request *r, struct err *err);
enum rc admin_key_revoke(struct request *r, struct err *err);

#endif
