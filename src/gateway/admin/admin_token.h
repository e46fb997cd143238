/*
 * admin_token: the tokens that open /-/events and /-/metrics without a signature.
 */
#ifndef BALER_GATEWAY_ADMIN_ADMIN_TOKEN_H
#define BALER_GATEWAY_ADMIN_ADMIN_TOKEN_H

#include "gateway/http/request.h"

/* NOTHING: the request has no credential of any kind; NONE: it has one of another kind. */
enum admin_token { ADMIN_TOKEN_NOTHING, ADMIN_TOKEN_NONE, ADMIN_TOKEN_RIGHT, ADMIN_TOKEN_WRONG };
/* token NULL: no token is right. */
enum admin_token admin_token_shown(const struct request *r, const char *token);

#endif
