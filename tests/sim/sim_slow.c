/*
 * sim_slow: for every call of the ports: the calls about one victim take half a lease to ten
 * leases. Nothing is lost, nothing is published twice, no attempt is counted against what is
 * healthy, and everything else comes out in time.
 *
 *	SIM_VERB=publish sim_slow	only the cases of this verb, each with its figures
 *
 * The time passes before the call has its effect, or between the effect and the answer. Meanwhile
 * all other threads go on: those of the other worker, and the intake, the scanner, the other makers
 * and the heartbeat of the same one. Of one worker and two, each length is tried with one of these
 * two, in turn, because all combinations would take a minute.
 *
 * The bound of the others is the window and 2 s, as in sim_stuck. Only what shares the call with
 * the victim is slower, and the table says where: a plan is opened and claimed for all objects of a
 * batch together, and receive gives many messages in one answer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "obs/log.h"
#include "trickle.h"

#define IN_TIME_MS (TRICKLE_WINDOW_MS + 2000)
#define LASTS_MS 70000 /* a little longer than objects are announced */

/* What else waits for the slow call. */
enum waits { WAITS_NOTHING, WAITS_BATCH, WAITS_ANSWER };

struct slowness {
	const char *verbs;
	enum trickle_story story;
	enum waits others;
	/* counted against the victim and its company, at most; against others: 1, the first */
	uint32_t attempts;
};

static const struct slowness all[] = {
	/* The batch whose plan it is; it has claimed nothing yet. */
	{"plan_open", STORY_NONE, WAITS_BATCH, 1},
	{"plan_seal", STORY_NONE, WAITS_NOTHING, 1},
	{"plan_beat", STORY_LONG, WAITS_NOTHING, 2},
	{"plan_done", STORY_NONE, WAITS_NOTHING, 1},
	{"plan_abort", STORY_GHOST, WAITS_NOTHING, 2},
	{"plan_abort", STORY_GIVE_UP, WAITS_NOTHING, 1},
	{"plan_get", STORY_GHOST, WAITS_NOTHING, 2},
	{"plan_discarded", STORY_GIVE_UP, WAITS_NOTHING, 1},
	{"plan_void", STORY_VOID, WAITS_NOTHING, 2},
	{"claim", STORY_NONE, WAITS_NOTHING, 1},
	{"swap", STORY_GHOST, WAITS_NOTHING, 2},
	{"swap", STORY_GIVE_UP, WAITS_NOTHING, 1},
	{"reject", STORY_GONE, WAITS_NOTHING, 1},
	{"get_many", STORY_NONE, WAITS_NOTHING, 1},
	{"stage_begin", STORY_NONE, WAITS_NOTHING, 1},
	{"stage_room", STORY_NONE, WAITS_NOTHING, 1},
	{"stage_write", STORY_NONE, WAITS_NOTHING, 1},
	{"stage_finish", STORY_NONE, WAITS_NOTHING, 1},
	{"stage_copy", STORY_NONE, WAITS_NOTHING, 1},
	{"publish", STORY_NONE, WAITS_NOTHING, 1},
	{"publish", STORY_TWICE, WAITS_NOTHING, 1},
	{"discard", STORY_GIVE_UP, WAITS_NOTHING, 1},
	{"discard", STORY_VOID, WAITS_NOTHING, 2},
	{"head", STORY_VOID, WAITS_NOTHING, 2},
	{"delete_many", STORY_VOID, WAITS_NOTHING, 2},
	{"ack", STORY_NONE, WAITS_NOTHING, 1},
	{"hide", STORY_GHOST, WAITS_NOTHING, 2},
	{"hide", STORY_LONG, WAITS_NOTHING, 1},
	{"dead_letter", STORY_GONE, WAITS_NOTHING, 1},
	{"receive", STORY_NONE, WAITS_ANSWER, 1},
	{"scan", STORY_NONE, WAITS_NOTHING, 1},
};

static unsigned runs, failed;
static const char *only_verb;

static uint64_t bound_ms(const struct slowness *s, uint64_t slow_ms)
{
	switch (s->others) {
	case WAITS_NOTHING:
		return IN_TIME_MS + (s->story == STORY_LONG ? TRICKLE_LONG_MS : 0);
	case WAITS_BATCH:
		return slow_ms + IN_TIME_MS;
	case WAITS_ANSWER:
		return (slow_ms < TRICKLE_VISIBILITY_MS ? slow_ms : TRICKLE_VISIBILITY_MS) + IN_TIME_MS;
	}
	return 0;
}

static bool judge(const struct slowness *s, uint64_t slow_ms, const struct trickle_result *r, char *why)
{
	if (!r->n_met)
		snprintf(why, ORACLE_WHY_MAX, "no call was slow");
	else if (r->others_ms > bound_ms(s, slow_ms))
		snprintf(why, ORACLE_WHY_MAX, "object %zu took longer than %llu ms", r->worst,
			(unsigned long long)bound_ms(s, slow_ms));
	else if (r->victim_attempts > s->attempts || r->others_attempts > 1)
		snprintf(why, ORACLE_WHY_MAX, "%u attempts are counted against the victim, %u against others",
			r->victim_attempts, r->others_attempts);
	else if (r->n_dead)
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

static void run(const struct slowness *s, uint64_t slow_ms, bool is_before, size_t n_workers)
{
	struct trickle_case c = {.verbs = s->verbs,
		.story = s->story,
		.slow_before_ms = is_before ? slow_ms : 0,
		.slow_after_ms = is_before ? 0 : slow_ms,
		.lasts_ms = LASTS_MS,
		.n_workers = n_workers};
	struct trickle_result r;
	char why[ORACLE_WHY_MAX];
	bool ok = trickle_run(&c, true, &r, why) && judge(s, slow_ms, &r, why);

	runs++;
	failed += !ok;
	if (ok && !only_verb)
		return;
	printf("%s, story %d, %llu ms %s its effect, %zu workers", s->verbs, (int)s->story,
		(unsigned long long)slow_ms, is_before ? "before" : "after", n_workers);
	print_ms("others", r.others_ms);
	print_ms("company", r.company_ms);
	print_ms("victim", r.victim_ms);
	printf(", %zu calls, %u attempts%s%s\n", r.n_met, r.victim_attempts, ok ? "" : ": ", ok ? "" : why);
}

int main(void)
{
	static const unsigned half_leases[] = {1, 2, 4, 10, 20};

	only_verb = getenv("SIM_VERB");
	log_configure(getenv("SIM_LOG") ? LOG_DEBUG : LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		/* One worker has one intake: without receive nothing can go on. */
		size_t first = strcmp(all[i].verbs, "receive") == 0 ? 2 : 1;

		if (only_verb && strcmp(only_verb, all[i].verbs) != 0)
			continue;
		for (size_t k = 0; k < sizeof(half_leases) / sizeof(*half_leases); k++)
			for (size_t w = first; w <= TRICKLE_WORKERS_MAX; w++)
				run(&all[i], half_leases[k] * TRICKLE_LEASE_MS / 2, (k + w) % 2, w);
	}
	printf("%u runs, %u failed\n", runs, failed);
	return failed ? 1 : 0;
}
