/* I13: what is stored is what was put. Reads every body of every bucket; bundles and manifests are
 * read later and compared with what was sealed. */
#include "model/bundle_key.h"
#include "verify/ledger_audit_internal.h"

static bool is_judged_later(const struct auditor *a, const struct audit_body *b)
{
	const struct audit_source *s = a->source;
	struct plan_id id;

	if (b->kind != AUDIT_BODY_OBJECT)
		return false;
	if (slice_eq(b->object.bucket, s->archive_bucket) &&
		slice_has_prefix(b->object.key, slice_str(AUDIT_MANIFESTS)))
		return true;
	return (slice_eq(b->object.bucket, s->archive_bucket) ||
		       slice_eq(b->object.bucket, s->distribution_bucket)) &&
	       bundle_key_parse(b->object.key, &id);
}

static void note_damage(struct auditor *a, const struct audit_body *b, const struct err *err)
{
	switch (b->kind) {
	case AUDIT_BODY_OBJECT:
		auditor_note(a, FINDING_DAMAGED, "I13", &b->object, NULL, "%s", err->text);
		break;
	case AUDIT_BODY_PART:
		auditor_note(a, FINDING_DAMAGED, "I13", &b->object, NULL,
			"part %llu of an upload: %s", (unsigned long long)b->number, err->text);
		break;
	case AUDIT_BODY_STAGE:
		auditor_note(a, FINDING_DAMAGED, "I13", &b->object, NULL,
			"a stage that is not published: %s", err->text);
		break;
	case AUDIT_BODY_RECORD:
	case AUDIT_BODY_PLAN:
		auditor_note(a, FINDING_DAMAGED, "I13", &b->object, NULL, "its %s in the ledger: %s",
			b->kind == AUDIT_BODY_RECORD ? "record" : "plan", err->text);
		break;
	case AUDIT_BODY_MESSAGE:
	case AUDIT_BODY_DEAD_LETTER:
		auditor_note(a, FINDING_DAMAGED, "I13", NULL, NULL, "the %s %016llx: %s",
			b->kind == AUDIT_BODY_MESSAGE ? "message" : "dead letter",
			(unsigned long long)b->number, err->text);
		break;
	case AUDIT_BODY_DATABASE:
		auditor_note(a, FINDING_DAMAGED, "I13", NULL, NULL, "the database: %s", err->text);
		break;
	}
}

static enum rc judge_body(void *arg, const struct audit_body *b, struct err *err)
{
	struct auditor *a = arg;
	struct err why = {0};
	bool has_sums = true;
	enum rc rc;

	if (is_judged_later(a, b))
		return RC_OK;
	rc = audit_call(a->source, check_body, b, &has_sums, &why);
	if (rc == RC_ABSENT) /* deleted, published or completed meanwhile */
		return RC_OK;
	if (b->kind != AUDIT_BODY_DATABASE) {
		a->sum.bodies++;
		a->sum.unchecked += !has_sums;
		auditor_progress(a, AUDIT_BODIES);
	}
	if (rc == RC_CORRUPT) {
		note_damage(a, b, &why);
		return RC_OK;
	}
	if (rc != RC_OK && err)
		*err = why;
	return rc;
}

enum rc audit_bodies(struct auditor *a, struct err *err)
{
	return audit_call(a->source, bodies, judge_body, a, err);
}
