/*
 * admin_ops: the operations, as the table of admin.c names them.
 */
#ifndef BALER_GATEWAY_ADMIN_ADMIN_OPS_H
#define BALER_GATEWAY_ADMIN_ADMIN_OPS_H

#include "gateway/http/exchange.h"

/* admin_status.c */
enum rc admin_status(struct request *r, struct err *err);
enum rc admin_where(struct request *r, struct err *err);

/* admin_dead.c */
enum rc admin_dead_list(struct request *r, struct err *err);
enum rc admin_dead_get(struct request *r, struct err *err);
enum rc admin_dead_redrive(struct request *r, struct err *err);
enum rc admin_dead_drop(struct request *r, struct err *err);

/* admin_events.c */
enum rc admin_events(struct request *r, struct err *err);

/* admin_metrics.c */
enum rc admin_metrics(struct request *r, struct err *err);

/* admin_keys.c */
enum rc admin_key_add(struct request *r, struct err *err);
enum rc admin_key_list(struct request *r, struct err *err);
enum rc admin_key_revoke(struct request *r, struct err *err);

#endif
