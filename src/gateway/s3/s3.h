/*
 * s3: the dialect of everything that no other dialect claims.
 */
#ifndef BALER_GATEWAY_S3_S3_H
#define BALER_GATEWAY_S3_S3_H

#include "gateway/http/dialect.h"

extern const struct dialect s3_dialect;

#endif
