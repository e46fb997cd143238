/* The thread that makes passes. When is boot time: a wall clock that was ahead for an hour must
 * not put the next pass off for a year. */
#include <stdlib.h>

#include "adapter/local/retention/retention_clock.h"
#include "adapter/local/retention/retention_internal.h"
#include "base/ticker.h"
#include "obs/log.h"

#define HOUR_MS 3600000u
#define DAY_MS (24 * HOUR_MS)
#define LOOK_MS 1000u /* the clocks are looked at that often */
#define SOON_MS 60000u /* after the start, and after a pass that failed */

struct local_retention {
	struct local *local;
	struct retention_config cfg; /* its strings are ours */
	struct ticker *ticker;
	atomic_bool stop; /* ends a pass between two batches */
	/* the ticker's own */
	struct retention_clock clock;
	uint64_t pause_ms; /* between passes */
	uint64_t next_boot_ms,
		ledger_boot_ms; /* when the next pass is due, and the next one over the ledger */
};

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t pause_of(const struct retention_config *cfg)
{
	const uint64_t all[] = {cfg->landing_ms, cfg->distribution_ms, cfg->uploads_ms,
		cfg->ledger_ms, cfg->dead_letters_ms};
	uint64_t pause = HOUR_MS;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i])
			pause = at_most(pause, all[i] / 10);
	return pause < 1000 ? 1000 : pause;
}

static void tell(const struct retention_report *did)
{
	if (did->versions || did->markers || did->uploads || did->dead_letters || did->records ||
		did->plans || did->pages)
		log_event(EV_RETENTION, LF_U64(removed_versions, did->versions),
			LF_U64(removed_markers, did->markers), LF_U64(removed_uploads, did->uploads),
			LF_U64(removed_dead_letters, did->dead_letters), LF_U64(removed_records, did->records),
			LF_U64(removed_plans, did->plans), LF_U64(freed_pages, did->pages),
			LF_U64(longest_ms, did->longest_ms));
}

static enum rc make_pass(struct local_retention *r, uint64_t now_boot_ms, struct err *err)
{
	struct pass p = {.local = r->local, .cfg = &r->cfg, .stop = &r->stop};
	bool with_ledger = now_boot_ms >= r->ledger_boot_ms;
	enum rc rc = pass_run(&p, with_ledger, err);

	if (rc == RC_OK && with_ledger)
		r->ledger_boot_ms = now_boot_ms + at_most(r->cfg.ledger_ms / 10, DAY_MS);
	tell(&p.report);
	return rc;
}

/* Both at one moment: a machine may be suspended between two calls. */
static void read_clocks(struct clock *clock, uint64_t *ret_wall_ms, uint64_t *ret_boot_ms)
{
	do {
		*ret_boot_ms = clock_boot_ms(clock);
		*ret_wall_ms = clock_wall_ms(clock);
	} while (clock_boot_ms(clock) - *ret_boot_ms > 1000);
}

/* A look at the clocks, and a pass if one is due. */
static void work(struct local_retention *r)
{
	uint64_t wall_ms, boot_ms, ahead_ms;
	struct err err = {0};
	enum rc rc;

	read_clocks(r->local->clock, &wall_ms, &boot_ms);
	ahead_ms = retention_clock_look(&r->clock, wall_ms, boot_ms);
	if (ahead_ms)
		log_event(EV_RETENTION_HELD, LF_U64(ahead_hours, ahead_ms / HOUR_MS),
			LF_U64(hold_hours, RETENTION_HOLD_MS / HOUR_MS));
	rc = retention_clock_save(&r->clock, r->local, &err);
	if (boot_ms >= r->next_boot_ms && !r->clock.hold_ms) {
		if (rc == RC_OK)
			rc = make_pass(r, boot_ms, &err);
		r->next_boot_ms = clock_boot_ms(r->local->clock) +
				  (rc == RC_OK ? r->pause_ms : at_most(r->pause_ms, SOON_MS));
		if (rc != RC_OK)
			log_event(EV_RETENTION_FAILED, LF_STR(cause, err.text));
	}
}

static uint64_t tick(void *arg)
{
	work(arg);
	return LOOK_MS;
}

struct local_retention *local_retention_start(
	struct local *local, const struct retention_config *cfg)
{
	struct local_retention *r = xcalloc(1, sizeof(*r));
	struct err err = {0};

	r->local = local;
	r->cfg = *cfg;
	r->cfg.landing_bucket = xstrdup(cfg->landing_bucket);
	r->cfg.event_prefix = xstrdup(cfg->event_prefix);
	r->cfg.distribution_bucket = xstrdup(cfg->distribution_bucket);
	r->pause_ms = pause_of(cfg);
	r->next_boot_ms = clock_boot_ms(local->clock) + at_most(r->pause_ms, SOON_MS);
	if (retention_clock_load(&r->clock, local, &err) != RC_OK)
		die("%s", err.text);
	r->ticker = ticker_start(local->clock, "retention", 0, tick, r);
	return r;
}

void local_retention_stop(struct local_retention *r)
{
	if (!r)
		return;
	atomic_store(&r->stop, true);
	ticker_stop(r->ticker);
	free((char *)(uintptr_t)r->cfg.landing_bucket);
	free((char *)(uintptr_t)r->cfg.event_prefix);
	free((char *)(uintptr_t)r->cfg.distribution_bucket);
	free(r);
}
