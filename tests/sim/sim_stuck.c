/*
 * sim_stuck: for every call of the ports: while the calls about one victim fail for ever,
 * everything else comes out in time, and nothing is lost or published twice; when the failure ends,
 * the victim comes out too.
 *
 *	SIM_VERB=publish sim_stuck	only the cases of this verb, each with its figures
 *
 * The bound of the others is the window and 2 s. Without any failure an object takes the window, up
 * to 0.2 s until an idle intake and an idle maker look again, and about 0.05 s for the calls of its
 * bundle. A victim in the same batch can add the time in which the ledger's calls are settled
 * (PLAN_SETTLE_TRIES and CLAIM_ROUNDS: 0.62 s each), once for the claim and once for another plan.
 *
 * What a failure cannot be confined to one item for, and why:
 * receive and scan have one answer for all items: they fail for one worker, and another worker does
 * its work. put, list, copy, bucket_region, send and stat are called by no pipeline.
 */
#include <stdio.h>
#include <stdlib.h>

#include "obs/log.h"
#include "trickle.h"

#define IN_TIME_MS (TRICKLE_WINDOW_MS + 2000)
/* A scan comes at most one and a half intervals after the last one. */
#define SCAN_MAX_MS (TRICKLE_SCAN_MS * 3 / 2)
/* A lease until the plan is judged, the scan that notices, and a new bundle. */
#define FENCED_MS (TRICKLE_LEASE_MS + 2 * SCAN_MAX_MS + IN_TIME_MS)
/* The waiting time of a void is two leases here; then the message, which is looked at once a
 * lease. */
#define VOIDED_MS (2 * TRICKLE_LEASE_MS + 2 * SCAN_MAX_MS + TRICKLE_LEASE_MS + IN_TIME_MS)
#define WAITS TRICKLE_NEVER_MS /* it may wait until the failure ends */

/* The alarm comes after 5 minutes for what may end by itself. */
#define LASTS_MS 100000
#define LASTS_UNTIL_ALARM_MS 330000

enum kinds {
	REFUSED = 1,
	AGAIN = 2,
	UNKNOWN = 4,
	APPLIED = 8, /* applied, and answered with RC_UNKNOWN */
	CORRUPT = 16,
	DAMAGED = 32, /* RC_CORRUPT with the code ERR_DAMAGED: the bytes are lost */
	READ = REFUSED | AGAIN,
	WRITE = REFUSED | AGAIN | UNKNOWN | APPLIED,
};

struct strike {
	const char *verbs, *bucket;
	enum trickle_story story;
	unsigned kinds;
	/* Within this time: the members of the victim's plan, while the failure lasts. */
	uint64_t company_ms;
	bool victim_waits; /* else it comes out as its company does */
	bool has_alarm;    /* stuck-plan names the bundle */
	/* counted against the victim and its company, at most; against others: 1, the first */
	uint32_t attempts;
};

static const struct strike strikes[] = {
	/* ledger, about a plan. The owner gives such a plan up, and makes another. */
	{"plan_open", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	{"plan_seal", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	/* The plan does not beat, so that it is taken for dead: that counts, as of a process that
	 * lost its ledger. */
	{"plan_beat", NULL, STORY_LONG, REFUSED | AGAIN | UNKNOWN, TRICKLE_LONG_MS + FENCED_MS, false, false, 2},
	/* Published, and never recorded so: I5 holds, and an operator is told. */
	{"plan_done", NULL, STORY_NONE, REFUSED | AGAIN | UNKNOWN | CORRUPT, IN_TIME_MS, false, true, 1},
	{"plan_done", NULL, STORY_NONE, APPLIED, IN_TIME_MS, false, false, 1},
	/* Claims are freed by the abort alone: while it fails, all that the plan has claimed
	 * waits. */
	{"plan_abort", NULL, STORY_GHOST, REFUSED | AGAIN | UNKNOWN, WAITS, true, false, 2},
	{"plan_abort", NULL, STORY_GIVE_UP, REFUSED | AGAIN | UNKNOWN, WAITS, true, false, 1},
	{"plan_abort", NULL, STORY_GIVE_UP, APPLIED, FENCED_MS, false, false, 1},
	/* Whose the victim is cannot be known. */
	{"plan_get", NULL, STORY_GHOST, READ, IN_TIME_MS, true, false, 2},
	/* Of an aborted plan nothing of value is left. */
	{"plan_discarded", NULL, STORY_GIVE_UP, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	{"plan_void", NULL, STORY_VOID, REFUSED | AGAIN | UNKNOWN | CORRUPT, WAITS, true, true, 2},
	{"plan_void", NULL, STORY_VOID, APPLIED, VOIDED_MS, false, false, 2},

	/* ledger, about an object. */
	{"claim", NULL, STORY_NONE, REFUSED | AGAIN | UNKNOWN, IN_TIME_MS, true, false, 1},
	{"claim", NULL, STORY_NONE, APPLIED, IN_TIME_MS, false, false, 1},
	{"swap", NULL, STORY_GHOST, REFUSED | AGAIN | UNKNOWN, IN_TIME_MS, true, false, 2},
	{"swap", NULL, STORY_GHOST, APPLIED, FENCED_MS, false, false, 2},
	{"swap", NULL, STORY_GIVE_UP, REFUSED | AGAIN | UNKNOWN, IN_TIME_MS, true, false, 1},
	{"reject", NULL, STORY_GONE, WRITE | CORRUPT, IN_TIME_MS, true, false, 1},
	{"reject object_get", NULL, STORY_GONE, REFUSED | AGAIN | CORRUPT, IN_TIME_MS, true, false, 1},

	/* object store, about an object */
	{"get_many", NULL, STORY_NONE, REFUSED | AGAIN | UNKNOWN | CORRUPT | DAMAGED, IN_TIME_MS, true, false, 1},

	/* object store, about a bundle's key */
	{"stage_begin", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	{"stage_room", NULL, STORY_NONE, READ | CORRUPT, IN_TIME_MS, false, false, 1},
	{"stage_write", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	{"stage_finish", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	{"stage_copy", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	{"publish", NULL, STORY_NONE, REFUSED | AGAIN | UNKNOWN | CORRUPT, WAITS, true, true, 1},
	{"publish", NULL, STORY_TWICE, REFUSED | AGAIN | UNKNOWN | CORRUPT, WAITS, true, true, 1},
	{"publish", WORLD_DISTRIBUTION, STORY_NONE, REFUSED | AGAIN | UNKNOWN | CORRUPT, WAITS, true, true, 1},
	{"publish", WORLD_DISTRIBUTION, STORY_NONE, APPLIED, IN_TIME_MS, false, true, 1},
	{"publish", WORLD_DISTRIBUTION, STORY_NONE, DAMAGED, VOIDED_MS, false, false, 2},
	{"discard", NULL, STORY_GIVE_UP, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	/* A void needs the discard, because what is left of the stage must not be published
	 * later. */
	{"discard", NULL, STORY_VOID, REFUSED | AGAIN | UNKNOWN | CORRUPT, WAITS, true, true, 2},
	{"head", NULL, STORY_VOID, READ | CORRUPT, VOIDED_MS, false, false, 2},
	{"delete_many", NULL, STORY_VOID, WRITE | CORRUPT, VOIDED_MS, false, false, 2},

	/* queue, about a message */
	{"ack", NULL, STORY_NONE, WRITE | CORRUPT, IN_TIME_MS, false, false, 1},
	/* The message comes back by itself after its visibility timeout. */
	{"hide", NULL, STORY_GHOST, WRITE | CORRUPT, TRICKLE_VISIBILITY_MS + FENCED_MS, false, false, 2},
	{"dead_letter", NULL, STORY_GONE, WRITE | CORRUPT, IN_TIME_MS, true, false, 1},
};

/* One answer for everything. With one worker nothing could go on without receive. */
static const struct strike whole_calls[] = {
	{"receive", NULL, STORY_NONE, REFUSED | AGAIN | UNKNOWN, IN_TIME_MS, false, false, 1},
	{"scan", NULL, STORY_NONE, READ | CORRUPT, IN_TIME_MS, false, false, 1},
};

/* The ledger says that a record is damaged. That does not end: its objects become dead letters,
 * because nobody can tell whether they were bundled. */
static const struct strike damaged_records[] = {
	{"claim", NULL, STORY_NONE, CORRUPT, WAITS, true, false, 1},
	{"swap", NULL, STORY_GHOST, CORRUPT, WAITS, true, false, 2},
	{"plan_get", NULL, STORY_GHOST, CORRUPT, WAITS, true, false, 2},
	{"plan_abort", NULL, STORY_GHOST, CORRUPT, WAITS, true, false, 2},
	{"plan_abort", NULL, STORY_GIVE_UP, CORRUPT, WAITS, true, false, 1},
};

static unsigned runs, failed;
static const char *only_verb;

static bool judge(const struct strike *s, bool is_ended, const struct trickle_result *r, char *why)
{
	uint64_t others_ms = IN_TIME_MS + (s->story == STORY_LONG ? TRICKLE_LONG_MS : 0);

	if (!r->n_met)
		snprintf(why, ORACLE_WHY_MAX, "the fault met no call");
	else if (r->others_ms > others_ms)
		snprintf(why, ORACLE_WHY_MAX, "object %zu took longer than %llu ms", r->worst, (unsigned long long)others_ms);
	else if (r->company_ms > s->company_ms)
		snprintf(why, ORACLE_WHY_MAX, "the victim's company took too long");
	else if (!s->victim_waits && r->victim_ms > s->company_ms)
		snprintf(why, ORACLE_WHY_MAX, "the victim took too long");
	else if (s->has_alarm && !r->is_named)
		snprintf(why, ORACLE_WHY_MAX, "no alarm names the bundle");
	else if (!s->has_alarm && r->has_alarm)
		snprintf(why, ORACLE_WHY_MAX, "an alarm without a reason");
	else if (r->victim_attempts > s->attempts || r->others_attempts > 1)
		snprintf(why, ORACLE_WHY_MAX, "%u attempts are counted against the victim, %u against others",
			r->victim_attempts, r->others_attempts);
	else if (is_ended && r->n_dead)
		snprintf(why, ORACLE_WHY_MAX, "%zu healthy messages became dead letters", r->n_dead);
	else
		return true;
	return false;
}

static void print_ms(const char *name, uint64_t ms)
{
	if (ms == TRICKLE_NEVER_MS)
		printf(", %s never", name);
	else
		printf(", %s %llu ms", name, (unsigned long long)ms);
}

static void strike(const struct strike *s, unsigned kind, size_t n_workers, bool is_ended)
{
	struct trickle_case c = {.verbs = s->verbs,
		.bucket = s->bucket,
		.story = s->story,
		.answer = kind == REFUSED               ? RC_REFUSED
			  : kind == AGAIN               ? RC_AGAIN
			  : kind & (CORRUPT | DAMAGED)  ? RC_CORRUPT
							: RC_UNKNOWN,
		.code = kind == DAMAGED ? ERR_DAMAGED : NULL,
		.is_applied = kind == APPLIED,
		.lasts_ms = s->has_alarm ? LASTS_UNTIL_ALARM_MS : LASTS_MS,
		.n_workers = n_workers};
	struct trickle_result r;
	char why[ORACLE_WHY_MAX];
	bool ok = trickle_run(&c, is_ended, &r, why) && judge(s, is_ended, &r, why);

	runs++;
	failed += !ok;
	if (ok && !only_verb)
		return;
	printf("%s in '%s', story %d, %zu workers, %s%s%s", s->verbs, s->bucket ? s->bucket : "any", (int)s->story,
		n_workers, rc_name(c.answer), c.is_applied ? " but applied" : "", c.code ? " (damaged)" : "");
	print_ms("others", r.others_ms);
	print_ms("company", r.company_ms);
	print_ms("victim", r.victim_ms);
	printf(", %zu calls%s%s\n", r.n_met, ok ? "" : ": ", ok ? "" : why);
}

static void strike_all(const struct strike *list, size_t n, size_t first_workers, bool is_ended)
{
	for (size_t i = 0; i < n; i++) {
		if (only_verb && strcmp(only_verb, list[i].verbs) != 0)
			continue;
		for (size_t w = first_workers; w <= TRICKLE_WORKERS_MAX; w++)
			for (unsigned kind = REFUSED; kind <= DAMAGED; kind *= 2)
				if (list[i].kinds & kind)
					strike(&list[i], kind, w, is_ended);
	}
}

int main(void)
{
	only_verb = getenv("SIM_VERB");
	log_configure(getenv("SIM_LOG") ? LOG_DEBUG : LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	strike_all(strikes, sizeof(strikes) / sizeof(*strikes), 1, true);
	strike_all(whole_calls, sizeof(whole_calls) / sizeof(*whole_calls), 2, true);
	strike_all(damaged_records, sizeof(damaged_records) / sizeof(*damaged_records), 1, false);
	printf("%u runs, %u failed\n", runs, failed);
	return failed ? 1 : 0;
}
