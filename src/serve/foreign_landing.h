/*
 * foreign_landing: the store of the landing bucket when another server has it
 * (--landing-endpoint), with its keys and retries.
 */
#ifndef BALER_SERVE_FOREIGN_LANDING_H
#define BALER_SERVE_FOREIGN_LANDING_H

#include "base/budget.h"
#include "port/object_store.h"
#include "serve/options.h"

/* memory: for objects in flight (s3.h). Reads the variables BALER_LANDING_… and removes the
 * secrets from the environment. RC_REFUSED: no keys are given, or the endpoint is not a URL. */
enum rc foreign_landing_open(const struct serve_options *o, struct budget *memory,
	struct object_store **ret_store, struct err *err);

#endif
