/*
 * invoke: Lambda's API for one function, on the same endpoint:
 *
 *   POST /2015-03-31/functions/NAME/invocations      X-Amz-Invocation-Type: RequestResponse
 *   (200), Event (202), DryRun (204)
 *   GET  /2015-03-31/functions/NAME/configuration
 *
 * Keys with ACTION_INVOKE may (roles.h). Meant is a request whose credential is for the service
 * "lambda"; a bucket called "2015-03-31" stays a bucket. Clients of Lambda need not say the
 * body's hash in a header: then the body is read first (INVOKE_PAYLOAD_MAX_BYTES, at most
 * INVOCATIONS_MAX at a time) and the signature is checked over it before anything of it is
 * looked at. What the function itself fails at is 200 with X-Amz-Function-Error; refusals of the
 * API are x-amzn-ErrorType and {"Type":…,"message":…}.
 *
 * Runs are on threads of their own, INVOCATIONS_MAX at most; beyond that 429
 * TooManyRequestsException.
 */
#ifndef BALER_GATEWAY_LAMBDA_INVOKE_H
#define BALER_GATEWAY_LAMBDA_INVOKE_H

#include "gateway/http/dialect.h"

extern const struct dialect lambda_dialect;

#endif
