/* ledger_audit_internal: what ledger_audit.c (records), ledger_audit_bundle.c (bytes) and
 * ledger_audit_archive.c (where a bundle comes from, whether the archive has it, what its
 * manifest says) share. */
#ifndef BALER_VERIFY_LEDGER_AUDIT_INTERNAL_H
#define BALER_VERIFY_LEDGER_AUDIT_INTERNAL_H

#include "verify/ledger_audit.h"
#include "verify/ledger_audit_manifest.h"

#define AUDIT_MANIFESTS "manifests/" /* an archived bundle's manifest: this, its key, ".json" */
#define AUDIT_MANIFEST_SUFFIX ".json"

struct auditor {
	const struct ledger_audit_options *o;
	struct audit_source *source;
	struct ledger_audit_summary sum;
	/* The archived copy whose members were judged last: distribution's of the same bytes
	 * needs no second look. */
	char judged_key[BUNDLE_KEY_MAX];
	uint64_t judged_bytes;
	unsigned char judged_sha256[SHA256_BYTES];
};

enum bundle_origin {
	ORIGIN_NONE, /* nobody sealed it, and that is reported already */
	ORIGIN_PLAN,
	ORIGIN_DIRECT,  /* an invocation, which leaves no plan */
	ORIGIN_AGED,    /* its plan may be gone by now */
	/* the archive's, of a plan that was voided; the scanner will take it away */
	ORIGIN_LEAVING,
};

struct bundle_reading {
	struct auditor *a;
	const struct audit_version *version;
	struct arena arena;
	enum bundle_origin origin;
	struct plan_id id;         /* of its key */
	struct audit_plan plan;    /* ORIGIN_PLAN */
	struct object_id *objects; /* by slot; key.p == NULL: no record */
	uint64_t slot;             /* of the next member */
	uint64_t n_members;
	bool has_manifest;
	struct object_id manifest_id;
	struct audit_manifest manifest;
	unsigned n_deviations; /* of the manifest */
};

void auditor_note(struct auditor *a, enum finding_kind kind, const char *invariant,
	const struct object_id *object, const struct plan_id *plan, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
void auditor_progress(struct auditor *a, enum ledger_audit_phase phase);

/* Whether what dates from then may have been removed from the ledger. */
static inline bool auditor_may_be_gone(const struct auditor *a, uint64_t wall_ms)
{
	return a->o->kept_ms && wall_ms + a->o->kept_ms <= a->o->now_wall_ms;
}

/* Whether an invocation that began then may still be at work. */
static inline bool auditor_may_be_at_work(const struct auditor *a, uint64_t wall_ms)
{
	return wall_ms + LEDGER_AUDIT_DIRECT_MS > a->o->now_wall_ms;
}

static inline bool plan_is_final(const struct audit_plan *p)
{
	return p->state == PLAN_SEALED || p->state == PLAN_DONE;
}

/* Membership: slot < n_slots and slot not in excluded. */
bool plan_has_member(const struct audit_plan *p, uint64_t slot);

/* The key of the bundle that a manifest is about; p == NULL: no manifest's name. */
struct slice audit_bundle_of(struct slice key);
struct slice audit_manifest_of(struct arena *a, struct slice bundle_key);

/* ledger_audit_body.c: every stored body that is neither a bundle nor a manifest. */
enum rc audit_bodies(struct auditor *a, struct err *err);

/* ledger_audit_bundle.c: every bundle that is still there. */
enum rc audit_bundles(struct auditor *a, struct err *err);

/* ledger_audit_archive.c */
/* Sets origin, and with ORIGIN_PLAN plan. */
enum rc audit_origin(struct bundle_reading *r, struct err *err);
/* Whether the archive has everything that it should have of the bundle; reads the manifest when the
 * bundle is judged by it. */
enum rc audit_archived(struct bundle_reading *r, struct err *err);
/* Checks an archived manifest by itself: whether its bundle exists. */
enum rc audit_manifest_object(struct auditor *a, const struct audit_version *v, struct err *err);
/* Checks one member with the record of its slot (NULL: none is known). Returns the manifest's entry
 * of the member, or NULL. */
const struct audit_member *audit_manifest_member(
	struct bundle_reading *r, const struct untar_member *m, const struct object_id *record);
/* All members have been seen; the bundle has these bytes. */
void audit_manifest_end(struct bundle_reading *r);
void audit_manifest_bytes(struct bundle_reading *r, uint64_t size, const unsigned char *sha256);
void audit_manifest_close(struct bundle_reading *r);

#endif
