/*
 * ledger_audit: do store, ledger, queue and bundles agree with the invariants of docs/protocol.md? Each breach is one finding.
 *
 * lost       a version in landing that is nowhere: no member of a sealed or done plan, not rejected, not claimed by an open plan, no
 *            message waiting, no dead letter (I2)
 * duplicate  an object that is twice in what is published: two records for one slot, a member that another plan has too, an
 *            object that is rejected and yet a member (I1)
 * orphan     a published bundle whose plan is unknown or was never sealed (I3), a done plan whose bundle never was published (I5), a
 *            record whose plan does not exist (I6), a stage of no plan (I8), a member that no record accounts for (I4)
 * damaged    a bundle, or a member of it, that has other bytes or other members than were sealed (I4)
 * illegal    a plan or record in a state that there is not (I7)
 *
 * What cannot be told any more is not a finding: bundles and sources that were taken away by now are counted only; the record of a member
 * whose source is gone may have been removed by retention, and so may the plan of a bundle older than LEDGER_AUDIT_KEPT_MS.
 *
 * Memory: one plan's records (an object id for each of at most 100,000 slots). Not thread-safe; blocks.
 */
#ifndef BALER_VERIFY_LEDGER_AUDIT_H
#define BALER_VERIFY_LEDGER_AUDIT_H

#include "port/audit_source.h"

#define LEDGER_AUDIT_KEPT_MS (45ull * 24 * 3600 * 1000) /* docs/protocol.md, section 4: at least 45 days */

enum finding_kind {
	FINDING_LOST,
	FINDING_DUPLICATE,
	FINDING_ORPHAN,
	FINDING_DAMAGED,
	FINDING_ILLEGAL,
	FINDING_KINDS
};

struct finding {
	enum finding_kind kind;
	const char *invariant;            /* "I1" … */
	const struct object_id *object;   /* an object, or a bundle; NULL: a plan alone. version may be empty */
	const struct plan_id *plan;       /* NULL: none */
	const char *text;                 /* one sentence */
};

struct ledger_audit_summary {
	uint64_t versions, members, rejected, claimed, waiting, dead; /* versions in landing, and where they are */
	uint64_t plans, claims, stages;
	uint64_t bundles, bundles_gone, bundle_bytes; /* read whole; gone before they could be */
	uint64_t bundle_members, sources_compared;
	uint64_t findings[FINDING_KINDS];
	uint64_t n_findings;
};

enum ledger_audit_phase { AUDIT_VERSIONS, AUDIT_RECORDS, AUDIT_BUNDLES };

struct ledger_audit_options {
	struct audit_source *source;
	uint64_t now_wall_ms;
	void (*found)(void *arg, const struct finding *finding);
	/* Often; may be NULL. */
	void (*progress)(void *arg, enum ledger_audit_phase phase, const struct ledger_audit_summary *now);
	void *arg;
};

/* "lost" … */
const char *finding_kind_name(enum finding_kind kind);

/* RC_OK: the audit took place; the summary says what it came to. Else it could not go on. */
enum rc ledger_audit(const struct ledger_audit_options *options,
	struct ledger_audit_summary *ret_summary, struct err *err);

#endif
