/*
 * admin_body: reads the JSON bodies of the admin API. Pure functions, except for the arena.
 * RC_REFUSED InvalidArgument: the body has another form; RC_AGAIN: there is no memory for it.
 */
#ifndef BALER_GATEWAY_ADMIN_ADMIN_BODY_H
#define BALER_GATEWAY_ADMIN_ADMIN_BODY_H

#include "port/key_store.h"
#include "port/operator.h"

/* The id of a dead letter, written as op_id_format does. */
enum rc admin_body_id(struct slice text, struct op_change *ret_change, struct err *err);

/* {"ids":["…", …]}, at most OP_BATCH_MAX. */
enum rc admin_body_ids(struct slice body, struct arena *a, struct op_change **ret_changes,
	size_t *ret_n, struct err *err);

/* {"role":"…","note":"…"}, the note may be left out; at most 4,096 bytes. */
enum rc admin_body_key(struct slice body, struct arena *a, enum key_role *ret_role,
	struct slice *ret_note, struct err *err);

#endif
