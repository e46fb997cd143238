/*
 * auth: the one verifier. Every request passes it before its route is even looked for; nothing
 * else in the gateway reads credentials.
 */
#ifndef BALER_GATEWAY_AUTH_H
#define BALER_GATEWAY_AUTH_H

#include "gateway/request.h"

/* RC_OK: r->auth is true, r->is_authenticated and r->role set. Else RC_REFUSED or RC_ABSENT with S3's
 * code. */
enum rc auth_check(struct request *r, struct err *err);

#endif
