/*
 * world: a landing, a distribution and an archive bucket, a queue and a ledger in memory, on a
 * clock that moves only when told to; and what a test does with them: put objects and announce
 * them, run pipelines, take bundles out and look inside.
 */
#ifndef BALER_TESTS_KIT_WORLD_H
#define BALER_TESTS_KIT_WORLD_H

#include "adapter/mem/mem.h"
#include "base/prng.h"
#include "core/pipeline.h"

#define WORLD_LANDING "landing"
#define WORLD_DISTRIBUTION "distribution"
#define WORLD_ARCHIVE "archive"

#define WORLD_TICKERS_MAX 64

struct world_ticker {
	struct ticker *ticker;
	uint64_t boot_offset_ms; /* how far the ticker's own clock is ahead of this one */
	/* while true the ticker does not run, as in a process that is suspended; NULL: never */
	const bool *is_frozen;
};

struct world_clock {
	struct clock port;
	uint64_t boot_ms, wall_ms;
	struct world_ticker tickers[WORLD_TICKERS_MAX]; /* run while the clock moves */
	size_t n_tickers;
};

void world_clock_add(struct world_clock *w, struct world_ticker t);
void world_clock_remove(struct world_clock *w, const struct ticker *t);

/* An object version that was put and, perhaps, announced. Its body is its own: no two versions
 * share one. */
struct world_object {
	struct object_id id;
	struct slice body;
	struct slice name;  /* canonical; empty when the key is refused */
	struct slice event; /* the message that announces it */
	bool removed;
};

/* One member of one published bundle. */
struct world_member {
	struct slice bundle_key;
	struct slice name;
	struct slice body;
};

struct world_bundle {
	struct slice key, version;
	struct slice headers;
	uint64_t size, published_wall_ms;
	unsigned char sha256[32]; /* of the bytes, as found */
	size_t n_members;
};

struct world {
	struct world_clock clock;
	struct prng prng;
	struct object_store *store;
	struct event_queue *queue;
	struct ledger *ledger;
	struct arena arena;
	struct world_object *objects;
	size_t n_objects, cap_objects;
	struct world_bundle *bundles; /* harvested */
	size_t n_bundles, cap_bundles;
	struct world_member *members;
	size_t n_members, cap_members;
};

void world_open(struct world *w, uint64_t seed);
void world_close(struct world *w);

/* A configuration over the world's ports, fit for a virtual clock. prng is the pipeline's own. */
struct pipeline_config world_config(struct world *w, struct prng *prng);

/* Puts an object with a body of about n bytes; does not announce it. Returns its index. */
size_t world_put(struct world *w, const char *key, size_t n);
/* Sends its event; any number of times. */
void world_announce(struct world *w, size_t i);
void world_send(struct world *w, const char *text);
/* Removes the exact version. */
void world_remove(struct world *w, size_t i);

/* Steps until the queue is empty and nothing is in hand, or max steps; false when that was not
 * enough. */
bool world_run(struct world *w, struct pipeline *p, size_t max_steps);

/* The bytes of an object that is there. ret_headers may be NULL. */
struct slice world_read(struct world *w, const struct object_id *id, struct slice *ret_headers);
/* Reads every bundle version that is new since the last harvest. */
void world_harvest(struct world *w);
/* As a consumer: harvests, then deletes every bundle, for good. */
void world_consume(struct world *w);
/* In how many harvested bundles object i is, whole and under its name. */
size_t world_times_shipped(const struct world *w, size_t i);
/* How many dead letters have the event of object i; *ret_code of the last. */
size_t world_times_dead(struct world *w, size_t i, struct slice *ret_code);
struct eq_stat world_queue(struct world *w);

#endif
