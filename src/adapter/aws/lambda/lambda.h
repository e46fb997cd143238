/*
 * lambda: the port function over AWS Lambda's Invoke API, as AWS and baler's own gateway speak it:
 * POST /2015-03-31/functions/NAME/invocations, signed for the service lambda, X-Amz-Log-Type: Tail
 * when the log is wanted. Source: AWS Lambda API reference, "Invoke". A payload is at most
 * LAMBDA_PAYLOAD_MAX bytes, either way.
 */
#ifndef BALER_ADAPTER_AWS_LAMBDA_LAMBDA_H
#define BALER_ADAPTER_AWS_LAMBDA_LAMBDA_H

#include "adapter/aws/identity/credentials.h"
#include "port/function.h"

#define LAMBDA_PAYLOAD_MAX (6u << 20)
#define LAMBDA_LOG_MAX 8192 /* bytes, decoded; Lambda gives 4 KB */

/* settings are copied where they are needed. RC_REFUSED: a bad endpoint or CA bundle. */
enum rc lambda_open(const struct aws_settings *settings, struct function **ret_fn, struct err *err);

#endif
