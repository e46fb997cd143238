/*
 * foreign_landing: the landing bucket's store when it is not ours (--landing-endpoint), with its keys and retries.
 */
#ifndef BALER_SERVE_FOREIGN_LANDING_H
#define BALER_SERVE_FOREIGN_LANDING_H

#include "port/object_store.h"
#include "serve/options.h"

/* Reads BALER_LANDING_… and wipes the secrets from the environment. RC_REFUSED: no keys, or an endpoint that is none. */
enum rc foreign_landing_open(
	const struct serve_options *o, struct object_store **ret_store, struct err *err);

#endif
