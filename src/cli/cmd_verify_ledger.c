/* baler verify --ledger: a data folder against the invariants of docs/protocol.md. */
#include "cli/cmd_verify_ledger.h"

#include <unistd.h>

#include "adapter/local/audit/local_audit.h"
#include "base/clock.h"
#include "base/json_write.h"
#include "cli/commands.h"
#include "cli/meter.h"
#include "cli/say.h"
#include "consumer/path.h"
#include "verify/ledger_audit.h"

#define FINDING_MAX_BYTES 65536

struct session {
	const struct audit_source *source;
	struct meter meter;
	bool has_phase;
	enum ledger_audit_phase phase;
	uint64_t start_boot_ms; /* of the phase */
	bool json;
	uint64_t n_shown, n_told;
};

static void show_json(struct session *s, const struct finding *f)
{
	struct buf out;

	buf_init(&out, FINDING_MAX_BYTES);
	if (s->n_shown++)
		buf_add_char(&out, ',');
	buf_add_char(&out, '{');
	json_str(&out, "kind", finding_kind_name(f->kind));
	json_str(&out, "invariant", f->invariant);
	if (f->object) {
		json_text(&out, "bucket", f->object->bucket);
		json_text(&out, "key", f->object->key);
		json_text(&out, "version", f->object->version);
	}
	if (f->plan)
		json_hex(&out, "plan", f->plan->bytes, PLAN_ID_BYTES);
	json_str(&out, "text", f->text);
	json_close_object(&out);
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

static void show_text(const struct finding *f)
{
	char plan[2 * PLAN_ID_BYTES + 1];

	say("%s %s", finding_kind_name(f->kind), f->invariant);
	if (f->object) {
		say(" s3://" SLICE_FMT "/" SLICE_FMT, SLICE_ARG(f->object->bucket),
			SLICE_ARG(f->object->key));
		if (f->object->version.n)
			say("?versionId=" SLICE_FMT, SLICE_ARG(f->object->version));
	}
	if (f->plan) {
		hex_encode(f->plan->bytes, PLAN_ID_BYTES, plan);
		say(" plan %s", plan);
	}
	say(": %s\n", f->text);
}

static void on_finding(void *arg, const struct finding *f)
{
	struct session *s = arg;

	if (s->json) {
		show_json(s, f);
		return;
	}
	meter_clear(&s->meter);
	show_text(f);
}

static const char *phase_name(enum ledger_audit_phase phase)
{
	static const char *const names[] = {
		[AUDIT_VERSIONS] = "versions",
		[AUDIT_PLANS] = "plans",
		[AUDIT_RECORDS] = "records",
		[AUDIT_BODIES] = "stored bodies",
		[AUDIT_BUNDLES] = "bundles and manifests",
	};

	return names[phase];
}

/* Each phase counts other things, so each has a rate of its own. */
static void on_progress(
	void *arg, enum ledger_audit_phase phase, const struct ledger_audit_summary *now)
{
	struct session *s = arg;
	uint64_t boot_ms = clock_boot_ms(clock_system());
	struct meter_reading reading = {0};

	if (!s->has_phase || s->phase != phase) {
		/* the meter has a thread, which reads the fields that are set next */
		meter_end(&s->meter);
		s->has_phase = true;
		s->phase = phase;
		s->start_boot_ms = boot_ms;
		s->meter.what = phase_name(phase);
	}
	reading.elapsed_ms = boot_ms - s->start_boot_ms;
	if (phase == AUDIT_VERSIONS)
		reading.n = s->source->n_versions, reading.n_done = now->versions;
	else if (phase == AUDIT_PLANS)
		reading.n = s->source->n_plans, reading.n_done = now->plans;
	else if (phase == AUDIT_BODIES)
		reading.n = s->source->n_bodies, reading.n_done = now->bodies;
	else if (phase == AUDIT_RECORDS)
		reading.n = s->source->n_claims, reading.n_done = now->claims;
	else
		reading = (struct meter_reading){.n = s->source->n_bundles,
			.n_done = now->objects,
			.bytes = s->source->bundle_bytes,
			.done_bytes = now->bytes_done,
			.elapsed_ms = reading.elapsed_ms};
	meter_show(&s->meter, &reading);
}

#define U(name) (unsigned long long)sum->name

static void sum_json(const struct ledger_audit_summary *sum, bool complete)
{
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = {{"versions", sum->versions}, {"members", sum->members},
		{"rejected", sum->rejected}, {"claimed", sum->claimed}, {"waiting", sum->waiting},
		{"dead", sum->dead}, {"plans", sum->plans}, {"open", sum->open},
		{"sealed", sum->sealed}, {"claims", sum->claims}, {"stages", sum->stages},
		{"bodies", sum->bodies}, {"unchecked", sum->unchecked}, {"bundles", sum->bundles},
		{"bundles_gone", sum->bundles_gone}, {"bundle_bytes", sum->bundle_bytes},
		{"bundle_members", sum->bundle_members},
		{"sources_compared", sum->sources_compared}, {"manifests", sum->manifests},
		{"direct", sum->direct}};
	struct buf out;

	buf_init(&out, 16384);
	json_close_array(&out);
	json_bool(&out, "complete", complete);
	json_u64(&out, "n_findings", sum->n_findings);
	for (int i = 0; i < FINDING_KINDS; i++)
		json_u64(&out, finding_kind_name((enum finding_kind)i), sum->findings[i]);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_u64(&out, counts[i].name, counts[i].n);
	json_close_object(&out);
	buf_add_char(&out, '\n');
	say_lines(stdout, buf_slice(&out));
	buf_release(&out);
}

static void sum_text(const struct ledger_audit_summary *sum)
{
	say("%llu versions: %llu in bundles, %llu rejected, %llu claimed, %llu waiting, %llu "
	       "dead letters\n",
		U(versions), U(members), U(rejected), U(claimed), U(waiting), U(dead));
	say("%llu plans (%llu open, %llu sealed), %llu records\n", U(plans), U(open), U(sealed),
		U(claims));
	say("%llu stored bodies read", U(bodies));
	if (sum->unchecked)
		say(", of which %llu have no checksums yet", U(unchecked));
	say("\n");
	say("%llu bundles read (%llu taken meanwhile), %llu members, %llu compared with their "
	       "sources, %llu manifests\n",
		U(bundles), U(bundles_gone), U(bundle_members), U(sources_compared), U(manifests));
	if (sum->direct)
		say("%llu bundles of direct invocations, which no ledger has: judged by their "
		       "manifests\n",
			U(direct));
	say("%llu findings", U(n_findings));
	for (int i = 0; i < FINDING_KINDS; i++)
		say("%s%llu %s", i ? ", " : ": ", U(findings[i]),
			finding_kind_name((enum finding_kind)i));
	say("\n");
}

/* How long it will take is not known. */
static void on_opening(void *arg)
{
	struct session *s = arg;
	uint64_t elapsed_ms = clock_boot_ms(clock_system()) - s->start_boot_ms;

	if (!s->meter.is_live || elapsed_ms < METER_AFTER_MS + s->n_told * 1000)
		return;
	s->n_told++;
	say_error("\rreading the ledger, %llu s\033[K",
		(unsigned long long)elapsed_ms / 1000);
	fflush(stderr);
	s->meter.has_line = true; /* the meter's to take away */
}

static enum rc open_folder(struct session *s, const struct local_audit_config *cfg,
	struct audit_source **ret_source, struct err *err)
{
	struct local_audit_config own = *cfg;
	enum rc rc;

	own.tick = on_opening;
	own.arg = s;
	rc = local_audit_open(&own, ret_source, err);
	meter_clear(&s->meter);
	return rc;
}

int verify_ledger(const struct local_audit_config *cfg, uint64_t kept_ms, bool json)
{
	struct session s = {.json = json, .start_boot_ms = clock_boot_ms(clock_system())};
	struct ledger_audit_summary sum = {0};
	struct audit_source *source = NULL;
	struct err err = {0};
	enum rc rc;

	meter_init(&s.meter, clock_system(), stderr, isatty(STDERR_FILENO), "");
	rc = open_folder(&s, cfg, &source, &err);
	s.source = source;
	if (rc == RC_OK && json)
		say("{\"findings\":[");
	if (rc == RC_OK)
		rc = ledger_audit(&(struct ledger_audit_options){.source = source,
					  .now_wall_ms = clock_wall_ms(clock_system()),
					  .kept_ms = kept_ms,
					  .found = on_finding,
					  .progress = on_progress,
					  .arg = &s},
			&sum, &err);
	meter_end(&s.meter);
	if (source && json)
		sum_json(&sum, rc == RC_OK);
	else if (rc == RC_OK)
		sum_text(&sum);
	fflush(stdout);
	audit_close(source);
	if (rc != RC_OK) {
		say_error("baler verify: %s\n", err.text);
		return EXIT_USAGE;
	}
	return sum.n_findings ? EXIT_FAILED : EXIT_OK;
}
