/*
 * admin: the paths below /-/ : the operator's API (JSON), the metrics, and the path to which other
 * stores send events. No bucket can be called "-".
 *
 *   GET    /-/api/v1/status
 *   GET    /-/api/v1/deadletters?after=ID&max=N  one page; "last" is the newest id of all
 *   GET    /-/api/v1/deadletters/ID              with the original message
 *   DELETE /-/api/v1/deadletters/ID
 *   POST   /-/api/v1/deadletters/redrive         {"ids":[…]}, at most 500
 *   GET    /-/api/v1/where?bucket=B&key=K&version=V
 *   POST   /-/api/v1/keys                        {"role":R,"note":N}; only this answer has the
 *          secret
 *   GET    /-/api/v1/keys
 *   DELETE /-/api/v1/keys/ACCESS_KEY             revokes it
 *   GET    /-/metrics                            Prometheus' text format
 *   POST   /-/events, POST /events               S3 notifications (model/s3_event.h)
 *
 * Every request is signed like those of S3. /-/events and /-/metrics also take a token, each its
 * own (admin_token.c). Errors are {"error":{"code":…,"message":…}}. Any other path below /-/ is
 * answered 404, and only to a request with a signature. Calls of the operator port run on the pool
 * service.admin, because they may wait for a commit.
 */
#ifndef BALER_GATEWAY_ADMIN_ADMIN_H
#define BALER_GATEWAY_ADMIN_ADMIN_H

#include "gateway/http/dialect.h"

extern const struct dialect admin_dialect;

#endif
