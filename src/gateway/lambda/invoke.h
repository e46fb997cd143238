/*
 * invoke: Lambda's API for one function, on the same endpoint:
 *
 *   POST /2015-03-31/functions/NAME/invocations
 *        X-Amz-Invocation-Type: RequestResponse (200), Event (202), DryRun (204)
 *   GET  /2015-03-31/functions/NAME/configuration
 *
 * The key needs ACTION_INVOKE (roles.h). A request belongs to this API when its credential is for
 * the service "lambda"; a bucket called "2015-03-31" stays a bucket. Clients of Lambda need not
 * give the body's hash in a header. Then the body is read first (INVOKE_PAYLOAD_MAX_BYTES, at most
 * INVOCATIONS_MAX at a time), and the signature over it is checked before the body is parsed. A
 * failure of the function itself is answered 200 with X-Amz-Function-Error; a refusal of the API
 * has x-amzn-ErrorType and {"Type":…,"message":…}.
 *
 * Each run has a thread of its own, INVOCATIONS_MAX at most; beyond that the answer is 429
 * TooManyRequestsException.
 */
#ifndef BALER_GATEWAY_LAMBDA_INVOKE_H
#define BALER_GATEWAY_LAMBDA_INVOKE_H

#include "gateway/http/dialect.h"

extern const struct dialect lambda_dialect;

#endif
