/*
 * auth: the one verifier. Every request passes it before its route is even looked for; nothing
 * else in the gateway reads credentials.
 */
#ifndef BALER_GATEWAY_ACCESS_AUTH_H
#define BALER_GATEWAY_ACCESS_AUTH_H

#include "gateway/http/request.h"

/* The two halves, for who has to read the body in between (invoke.h): the claim, of which
 * nothing may be trusted; and whether it is so for this service. */
enum rc auth_parse(struct request *r, struct err *err);
enum rc auth_verify(struct request *r, const char *service, struct err *err);

/* Whether the access key of the claim exists. Nothing more can be checked before a body whose hash
 * was not declared, and strangers must not hold scarce resources for such a body. RC_REFUSED
 * InvalidAccessKeyId, as auth_verify. */
enum rc auth_check_key(const struct request *r, struct err *err);

/* Both for "s3". RC_OK: r->auth is true, r->is_authenticated and r->role set. Else RC_REFUSED or
 * RC_ABSENT with S3's code. */
enum rc auth_check(struct request *r, struct err *err);

#endif
