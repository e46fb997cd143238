/*
 * operator over the data folder. Contract: port/operator.h. Reads take a reading connection;
 * redrive and drop are one operation of the committer's, audited in its transaction.
 */
#ifndef BALER_ADAPTER_LOCAL_OPERATOR_OPERATOR_H
#define BALER_ADAPTER_LOCAL_OPERATOR_OPERATOR_H

#include "adapter/local/local_internal.h"
#include "port/operator.h"

struct local_operator {
	struct op_port base;
	struct local *local;
	char *version, *landing_bucket, *event_prefix, *distribution_bucket;
	char *archive_bucket; /* NULL: none */
	bool is_landing_local;
	uint64_t start_boot_ms;
};

static inline struct local_operator *operator_of(struct op_port *op)
{
	return (struct local_operator *)op;
}

/* operator_dead.c */
enum rc operator_dead_list(struct op_port *op, struct arena *a, const char *after, size_t max,
	struct op_dead_page *ret_page, struct err *err);
enum rc operator_dead_get(struct op_port *op, struct arena *a, const char *id,
	struct op_dead *ret_dead, struct err *err);
enum rc operator_redrive(
	struct op_port *op, const char *who, struct op_change *changes, size_t n, struct err *err);
enum rc operator_drop(
	struct op_port *op, const char *who, struct op_change *changes, size_t n, struct err *err);

/* operator_unknown.c */
enum rc operator_unknown(struct op_port *op, const struct object_id *objects, size_t n,
	bool *ret_unknown, struct err *err);

/* operator_where.c */
enum rc operator_where(struct op_port *op, struct arena *a, const struct object_id *object,
	struct op_where *ret_where, struct err *err);

/* An object's record; slices in a. */
struct operator_record {
	bool is_found;
	unsigned state; /* enum lg_object_state */
	uint64_t slot;
	uint32_t attempts;
	struct slice plan, reason;
};
enum rc operator_record_read(struct db_conn *conn, struct arena *a, const struct object_id *object,
	struct operator_record *ret_record, struct err *err);

/* The plan of a claim, with the fields that decide membership. */
struct plan_facts {
	bool is_found;
	unsigned state;           /* enum plan_state */
	struct slice bucket, key; /* where the bundle goes; in a */
	uint64_t size;
	bool is_member; /* Whether this slot is a member: docs/protocol.md section 2, 3. */
};
enum rc operator_plan_facts(struct db_conn *conn, struct arena *a, struct slice plan, uint64_t slot,
	struct plan_facts *ret_facts, struct err *err);

#endif
