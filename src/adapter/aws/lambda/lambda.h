/*
 * lambda: the port "function" over the Invoke API of AWS Lambda, which baler's own gateway
 * speaks too.
 *
 * A call is POST /2015-03-31/functions/NAME/invocations, signed for the service "lambda", with
 * X-Amz-Log-Type: Tail when the caller wants the log. Source: AWS Lambda API reference, "Invoke".
 * A payload and an answer have at most LAMBDA_PAYLOAD_MAX bytes each.
 */
#ifndef BALER_ADAPTER_AWS_LAMBDA_LAMBDA_H
#define BALER_ADAPTER_AWS_LAMBDA_LAMBDA_H

#include "adapter/aws/identity/credentials.h"
#include "port/function.h"

#define LAMBDA_PAYLOAD_MAX (6u << 20)
#define LAMBDA_LOG_MAX 8192 /* bytes after decoding; Lambda sends 4 KB */

/* Copies what it needs of settings. RC_REFUSED: the endpoint or the CA bundle cannot be used. */
enum rc lambda_open(const struct aws_settings *settings, struct function **ret_fn, struct err *err);

#endif
