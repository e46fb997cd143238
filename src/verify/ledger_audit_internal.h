/* ledger_audit_internal: what ledger_audit.c (records) and ledger_audit_bundle.c (bytes) share. */
#ifndef BALER_VERIFY_LEDGER_AUDIT_INTERNAL_H
#define BALER_VERIFY_LEDGER_AUDIT_INTERNAL_H

#include "verify/ledger_audit.h"

struct auditor {
	const struct ledger_audit_options *o;
	struct audit_source *source;
	struct ledger_audit_summary sum;
	struct object_id bundle_id; /* the bundle being read */
};

void auditor_note(struct auditor *a, enum finding_kind kind, const char *invariant,
	const struct object_id *object, const struct plan_id *plan, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
void auditor_progress(struct auditor *a, enum ledger_audit_phase phase);

static inline bool plan_is_final(const struct audit_plan *p)
{
	return p->state == PLAN_SEALED || p->state == PLAN_DONE;
}

/* Membership: slot < n_slots and slot not in excluded. */
bool plan_has_member(const struct audit_plan *p, uint64_t slot);

/* ledger_audit_bundle.c: every bundle that is still there. */
enum rc audit_bundles(struct auditor *a, struct err *err);

#endif
