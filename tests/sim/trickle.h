/*
 * trickle: whole workers, each with its intake, scanner, makers and heartbeat as fibers, over one
 * world in memory, while objects are announced a few at a time; and one victim whose calls fail for
 * ever or are slow. Measures how long everything else takes.
 *
 * The victim is one object (with its message), and the first plan that claims this object (with its
 * bundle's key). A verb that names an object or a message meets the fault when it is about that
 * object; a verb that names a plan or a key, when it is about that plan.
 */
#ifndef BALER_TESTS_SIM_TRICKLE_H
#define BALER_TESTS_SIM_TRICKLE_H

#include "oracle.h"

#define TRICKLE_WORKERS_MAX 2
#define TRICKLE_NEVER_MS UINT64_MAX

/* All of these are milliseconds of virtual time. */
#define TRICKLE_WINDOW_MS 1000
#define TRICKLE_LEASE_MS 5000
#define TRICKLE_SCAN_MS 2000
#define TRICKLE_VISIBILITY_MS 20000
#define TRICKLE_LONG_MS (5 * TRICKLE_LEASE_MS / 2)

/* What has happened to the victim before its calls fail, so that the verb is called for it at
 * all. */
enum trickle_story {
	STORY_NONE,
	STORY_GONE,    /* the object was deleted before it was bundled: it will be rejected */
	STORY_GIVE_UP, /* the stage of its first plan fails once: the owner gives this plan up */
	STORY_GHOST,   /* an owner claimed it and died: the plan is open and does not beat */
	STORY_VOID,    /* the stage of its sealed bundle is taken away: the seal is undone */
	/* its event comes again with each later burst, as of a queue that repeats it */
	STORY_TWICE,
	/* the stages of its first plan and of the next two take TRICKLE_LONG_MS: the plans must
	 * beat */
	STORY_LONG,
};

struct trickle_case {
	const char *verbs;  /* one, or several with a space between */
	const char *bucket; /* only the calls about this bucket; NULL: all */
	enum trickle_story story;
	/* How the calls about the victim fail, until the failure ends. RC_OK: they do not. */
	enum rc answer;
	const char *code; /* the standard code of that failure; NULL: none */
	bool is_applied;  /* the call has its effect, and the answer is RC_UNKNOWN all the same */
	/* How long they take: before the effect, and between the effect and the answer. */
	uint64_t slow_before_ms, slow_after_ms;
	uint64_t lasts_ms; /* from the start until the failure ends */
	size_t n_workers;
};

struct trickle_result {
	/* The longest time from an announcement to its bundle, of all but the victim and those that
	 * share the victim plan; of those that share it; of the victim. TRICKLE_NEVER_MS: not
	 * before the failure ended. */
	uint64_t others_ms, company_ms, victim_ms;
	size_t n_others, n_company, n_met; /* calls that met the fault */
	size_t worst; /* the object that others_ms is of */
	/* Counted against an object at most, of the victim and its company, and of the others: 8
	 * are poison. */
	uint32_t victim_attempts, others_attempts;
	bool is_named; /* while it failed: the alarm stuck-plan named the victim's bundle */
	bool has_alarm; /* while it failed: there was such an alarm at all */
	size_t n_dead; /* messages that became dead letters, but the victim's */
};

/* One run. false: why says which promise is broken. is_ended: the failure is one that ends, so the
 * victim must end too. */
bool trickle_run(const struct trickle_case *c, bool is_ended, struct trickle_result *ret, char why[ORACLE_WHY_MAX]);

#endif
