/*
 * ledger_audit: checks whether store, ledger, queue and bundles agree with the invariants of
 * docs/protocol.md. Each breach is one finding.
 *
 * lost       a version in landing that is nowhere: it is no member of a sealed or done plan, not
 *            rejected, not claimed by an open plan, and no message or dead letter names it (I2)
 * duplicate  an object that is published twice: two records for one slot, a member that another
 *            plan has too, an object that is rejected and yet a member (I1)
 * orphan     a published bundle whose plan is unknown or was never sealed (I3), a done plan whose
 *            bundle was never published (I5), a record whose plan does not exist (I6), a stage of
 *            no plan (I8), a member without a record (I4), a manifest of no bundle, an archived
 *            bundle that was never published (I12)
 * missing    a published bundle that is not in the archive, or an archived one without its
 *            manifest (I12)
 * damaged    a bundle, or a member of it, with other bytes or other members than were sealed (I4);
 *            a manifest that does not say what is in its bundle, where, and of which objects (I12);
 *            a stored body (an object of any bucket, a part, a stage) or a record of one that is
 *            not what was stored, or cannot be read, and pages of the database (I13)
 * illegal    a plan or record in a state that does not exist (I7), a plan that is not finished
 *            and that nobody will finish (I11)
 *
 * Of I9 and I10 only the outcome can be seen: a member without its record, a rejected member, an
 * object that is lost or in two bundles.
 *
 * What cannot be known any more is no finding. Bundles and sources that were taken away by now are
 * only counted. Retention (kept_ms) may have removed the record of a member whose source is gone,
 * a plan, and the memory of its publishing. A bundle of a direct invocation has no plan: its
 * metadata says that it comes from one, and the store knows that it published it. It is compared
 * with its manifest and its sources, and counted. Work that is under way is no finding either:
 * docs/protocol.md, steps 5 to 10.
 *
 * Memory: one plan's records and one manifest (an object id and about 300 bytes for each of at
 * most 100,000 slots). Not thread-safe; blocks.
 */
#ifndef BALER_VERIFY_LEDGER_AUDIT_H
#define BALER_VERIFY_LEDGER_AUDIT_H

#include "port/audit_source.h"

/* docs/protocol.md, section 4: at least 45 days */
#define LEDGER_AUDIT_KEPT_MS (45ull * 24 * 3600 * 1000)
/* a direct invocation has ended by then, alive or dead */
#define LEDGER_AUDIT_DIRECT_MS (3600ull * 1000)

enum finding_kind {
	FINDING_LOST,
	FINDING_DUPLICATE,
	FINDING_ORPHAN,
	FINDING_MISSING,
	FINDING_DAMAGED,
	FINDING_ILLEGAL,
	FINDING_KINDS
};

struct finding {
	enum finding_kind kind;
	const char *invariant;            /* "I1" … */
	/* an object, or a bundle; NULL: a plan alone. version may be empty */
	const struct object_id *object;
	const struct plan_id *plan;       /* NULL: none */
	const char *text;                 /* one sentence */
};

struct ledger_audit_summary {
	/* versions in landing, and where they are */
	uint64_t versions, members, rejected, claimed, waiting, dead;
	/* open and sealed: of the plans, not finished yet */
	uint64_t plans, open, sealed, claims, stages;
	uint64_t bundles, bundles_gone, bundle_bytes; /* read whole; gone before they could be */
	uint64_t bundle_members, sources_compared;
	/* stored bodies that were read, besides bundles and manifests; and how many of them have no
	 * checksums */
	uint64_t bodies, unchecked;
	uint64_t direct, manifests;     /* archived bundles of direct invocations; manifests read */
	/* of distribution and archive; bytes of bundles alone, for the progress */
	uint64_t objects, bytes_done;
	uint64_t findings[FINDING_KINDS];
	uint64_t n_findings;
};

enum ledger_audit_phase { AUDIT_VERSIONS, AUDIT_PLANS, AUDIT_RECORDS, AUDIT_BODIES, AUDIT_BUNDLES };

struct ledger_audit_options {
	struct audit_source *source;
	uint64_t now_wall_ms;
	uint64_t kept_ms; /* the server's retention of ledger records; 0: for ever */
	void (*found)(void *arg, const struct finding *finding);
	/* Often; may be NULL. */
	void (*progress)(void *arg, enum ledger_audit_phase phase, const struct ledger_audit_summary *now);
	void *arg;
};

/* "lost" … */
const char *finding_kind_name(enum finding_kind kind);

/* RC_OK: the audit took place, and the summary has its results. Any other code: it could not go
 * on. */
enum rc ledger_audit(const struct ledger_audit_options *options,
	struct ledger_audit_summary *ret_summary, struct err *err);

#endif
