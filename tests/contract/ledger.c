#include "contract.h"

#include <stdio.h>

static struct plan_id id_of(unsigned n)
{
	struct plan_id id = {{0}};

	memcpy(id.bytes, &n, sizeof(n));
	id.bytes[15] = 0xa5;
	return id;
}

static void nonce_of(unsigned n, unsigned char out[LG_NONCE_BYTES])
{
	memset(out, 0, LG_NONCE_BYTES);
	memcpy(out, &n, sizeof(n));
}

/* Plan n, with nonce n. */
static struct lg_plan plan_of(unsigned n)
{
	struct lg_plan plan = {.id = id_of(n),
		.state = PLAN_OPEN,
		.heartbeat = 7,
		.owner = slice_str("worker-a"),
		.bucket = slice_str("distribution"),
		.key = slice_str("2026/01/02/03/bundle-x.tar.gz"),
		.opened_wall_ms = 1234567890123};

	nonce_of(n, plan.nonce);
	return plan;
}

static void open_plan(struct ledger *lg, unsigned n)
{
	struct lg_plan plan = plan_of(n);

	assert_int_equal(lg_plan_open(lg, &plan, NULL), RC_OK);
}

static enum rc seal_plan(struct ledger *lg, unsigned n)
{
	struct lg_seal seal = {.staged = slice_of("staged\0record", 13),
		.size_bytes = 4242,
		.n_slots = 9,
		.excluded = slice_of("\x62\x00", 2)}; /* slots 1, 5 and 6 */
	struct plan_id id = id_of(n);
	unsigned char nonce[LG_NONCE_BYTES];

	memset(seal.sha256, 0x5c, sizeof(seal.sha256));
	nonce_of(n, nonce);
	return lg_plan_seal(lg, &id, nonce, &seal, NULL);
}

static enum plan_state state_of(struct ledger *lg, unsigned n)
{
	struct arena a = ARENA_INIT;
	struct plan_id id = id_of(n);
	struct lg_plan plan;

	assert_int_equal(lg_plan_get(lg, &a, &id, &plan, NULL), RC_OK);
	arena_release(&a);
	return plan.state;
}

static struct object_id object_of(const char *key)
{
	return (struct object_id){slice_str("landing"), slice_str(key), slice_str("v1")};
}

static enum rc claim_one(struct ledger *lg, unsigned plan, const char *key, uint32_t slot,
	struct lg_object *ret_record)
{
	struct arena a = ARENA_INIT;
	struct plan_id id = id_of(plan);
	struct lg_claim c = {.object = object_of(key), .slot = slot};

	assert_int_equal(lg_claim_many(lg, &a, &id, &c, 1, NULL), RC_OK);
	*ret_record = c.record;
	ret_record->reason = (struct slice){0};
	arena_release(&a);
	return c.result;
}

static enum rc swap_one(struct ledger *lg, unsigned from, unsigned to, const char *key,
	uint32_t slot, struct lg_object *ret_record)
{
	struct arena a = ARENA_INIT;
	struct plan_id id = id_of(to);
	struct lg_claim c = {.object = object_of(key), .slot = slot, .from = id_of(from)};

	assert_int_equal(lg_swap_many(lg, &a, &id, &c, 1, NULL), RC_OK);
	*ret_record = c.record;
	ret_record->reason = (struct slice){0};
	arena_release(&a);
	return c.result;
}

static enum rc reject_one(struct ledger *lg, unsigned plan, const char *key, const char *reason)
{
	struct plan_id id = id_of(plan);
	struct lg_reject r = {.object = object_of(key), .reason = slice_str(reason)};

	assert_int_equal(lg_reject_many(lg, &id, &r, 1, NULL), RC_OK);
	return r.result;
}

static bool claimed(const struct lg_object *rec, unsigned plan, uint32_t slot, uint32_t attempts)
{
	struct plan_id id = id_of(plan);

	return rec->state == LG_CLAIMED && memcmp(&rec->plan, &id, sizeof(id)) == 0 &&
	       rec->slot == slot && rec->attempts == attempts;
}

static void lg1_a_write_whose_condition_is_false_changes_nothing(void **state)
{
	struct contract_world *w = *state;
	struct plan_id absent = id_of(99);
	unsigned char nonce[LG_NONCE_BYTES] = {0};
	struct lg_object rec;

	assert_int_equal(lg_plan_abort(w->ledger, &absent, LG_ANY_HEARTBEAT, NULL), RC_CONFLICT);
	assert_int_equal(lg_plan_done(w->ledger, &absent, NULL), RC_CONFLICT);
	assert_int_equal(lg_plan_beat(w->ledger, &absent, nonce, 1, NULL), RC_CONFLICT);
	open_plan(w->ledger, 1);
	assert_int_equal(claim_one(w->ledger, 1, "k", 0, &rec), RC_OK);
	assert_int_equal(swap_one(w->ledger, 2, 3, "k", 8, &rec), RC_CONFLICT);
	assert_true(claimed(&rec, 1, 0, 1));
}

static void lg2_a_plan_reads_back_as_written(void **state)
{
	struct contract_world *w = *state;
	struct lg_plan want = plan_of(1), got;
	struct arena a = ARENA_INIT;

	assert_int_equal(lg_plan_get(w->ledger, &a, &want.id, &got, NULL), RC_ABSENT);
	open_plan(w->ledger, 1);
	assert_int_equal(lg_plan_get(w->ledger, &a, &want.id, &got, NULL), RC_OK);
	assert_memory_equal(&got.id, &want.id, sizeof(got.id));
	assert_memory_equal(got.nonce, want.nonce, LG_NONCE_BYTES);
	assert_int_equal(got.state, PLAN_OPEN);
	assert_int_equal(got.heartbeat, 7);
	assert_true(slice_eq(got.owner, want.owner));
	assert_true(slice_eq(got.bucket, want.bucket));
	assert_true(slice_eq(got.key, want.key));
	assert_int_equal(got.opened_wall_ms, want.opened_wall_ms);
	arena_release(&a);
}

static void lg2_a_seal_reads_back_as_written(void **state)
{
	struct contract_world *w = *state;
	struct plan_id id = id_of(1);
	struct arena a = ARENA_INIT;
	struct lg_plan got;

	open_plan(w->ledger, 1);
	assert_int_equal(seal_plan(w->ledger, 1), RC_OK);
	assert_int_equal(lg_plan_get(w->ledger, &a, &id, &got, NULL), RC_OK);
	assert_int_equal(got.state, PLAN_SEALED);
	assert_true(slice_eq(got.seal.staged, slice_of("staged\0record", 13)));
	assert_int_equal(got.seal.size_bytes, 4242);
	assert_int_equal(got.seal.sha256[31], 0x5c);
	assert_int_equal(got.seal.n_slots, 9);
	assert_true(slice_eq(got.seal.excluded, slice_of("\x62\x00", 2)));
	assert_int_equal(lg_count_excluded(got.seal.excluded), 3);
	assert_true(lg_is_excluded(got.seal.excluded, 5));
	assert_false(lg_is_excluded(got.seal.excluded, 8));
	assert_int_equal(lg_plan_done(w->ledger, &id, NULL), RC_OK);
	assert_int_equal(lg_plan_get(w->ledger, &a, &id, &got, NULL), RC_OK);
	assert_int_equal(lg_count_excluded(got.seal.excluded), 3);
	arena_release(&a);
}

static void lg2_an_object_record_reads_back(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct object_id id = object_of("k");
	struct lg_object rec;

	assert_int_equal(lg_object_get(w->ledger, &a, &id, &rec, NULL), RC_ABSENT);
	open_plan(w->ledger, 1);
	assert_int_equal(claim_one(w->ledger, 1, "k", 4, &rec), RC_OK);
	assert_int_equal(lg_object_get(w->ledger, &a, &id, &rec, NULL), RC_OK);
	assert_true(claimed(&rec, 1, 4, 1));
	arena_release(&a);
}

static void lg2_identities_that_only_look_alike_are_kept_apart(void **state)
{
	struct contract_world *w = *state;
	const struct object_id ids[] = {{slice_str("ab"), slice_str("c"), slice_str("d")},
		{slice_str("a"), slice_str("bc"), slice_str("d")},
		{slice_str("ab"), slice_str("cd"), slice_str("")},
		{slice_str("ab"), slice_str("c/"), slice_str("d")},
		{slice_str("ab"), slice_str("C"), slice_str("d")},
		{slice_str("ab"), slice_str("c"), slice_str("D")}};
	struct plan_id plan = id_of(1);
	struct arena a = ARENA_INIT;

	open_plan(w->ledger, 1);
	for (uint32_t i = 0; i < 6; i++) {
		struct lg_claim c = {.object = ids[i], .slot = i};

		assert_int_equal(lg_claim_many(w->ledger, &a, &plan, &c, 1, NULL), RC_OK);
		assert_int_equal(c.result, RC_OK);
	}
	arena_release(&a);
}

static void lg3_everything_written_is_there_after_a_crash(void **state)
{
	struct contract_world *w = *state;
	struct lg_object rec;

	if (!w->crash) {
		print_message("not applicable: the adapter survives nothing\n");
		skip();
	}
	for (unsigned n = 1; n <= 3; n++)
		open_plan(w->ledger, n);
	assert_int_equal(claim_one(w->ledger, 1, "k", 3, &rec), RC_OK);
	assert_int_equal(claim_one(w->ledger, 2, "gone", 0, &rec), RC_OK);
	assert_int_equal(reject_one(w->ledger, 2, "gone", "object-missing"), RC_OK);
	assert_int_equal(seal_plan(w->ledger, 2), RC_OK);
	w->crash(w);
	assert_int_equal(state_of(w->ledger, 1), PLAN_OPEN);
	assert_int_equal(state_of(w->ledger, 2), PLAN_SEALED);
	assert_int_equal(claim_one(w->ledger, 3, "k", 0, &rec), RC_CONFLICT);
	assert_true(claimed(&rec, 1, 3, 1));
	assert_int_equal(claim_one(w->ledger, 3, "gone", 0, &rec), RC_CONFLICT);
	assert_int_equal(rec.state, LG_REJECTED);
}

static void lg4_a_plan_is_opened_once(void **state)
{
	struct contract_world *w = *state;
	struct lg_plan plan = plan_of(1);

	open_plan(w->ledger, 1);
	assert_int_equal(lg_plan_open(w->ledger, &plan, NULL), RC_CONFLICT);
	assert_int_equal(seal_plan(w->ledger, 1), RC_OK);
	assert_int_equal(lg_plan_open(w->ledger, &plan, NULL), RC_CONFLICT);
	assert_int_equal(state_of(w->ledger, 1), PLAN_SEALED);
}

/* Brings plan n from nothing to the state. */
static void plan_in(struct ledger *lg, unsigned n, enum plan_state state)
{
	struct plan_id id = id_of(n);

	open_plan(lg, n);
	if (state == PLAN_SEALED || state == PLAN_DONE)
		assert_int_equal(seal_plan(lg, n), RC_OK);
	if (state == PLAN_DONE)
		assert_int_equal(lg_plan_done(lg, &id, NULL), RC_OK);
	if (state == PLAN_ABORTED)
		assert_int_equal(lg_plan_abort(lg, &id, LG_ANY_HEARTBEAT, NULL), RC_OK);
}

static enum rc move_to(struct ledger *lg, unsigned n, const char *verb)
{
	struct plan_id id = id_of(n);

	switch (verb[0]) {
	case 's':
		return seal_plan(lg, n);
	case 'd':
		return lg_plan_done(lg, &id, NULL);
	case 'a':
		return lg_plan_abort(lg, &id, LG_ANY_HEARTBEAT, NULL);
	default:
		return lg_plan_void(lg, &id, NULL);
	}
}

static void lg14_a_seal_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *bits;
		size_t n;
		uint32_t n_slots;
		enum rc rc;
	} cases[] = {{"\x62", 1, 9, RC_REFUSED}, {"\x62\x00\x00", 3, 9, RC_REFUSED},
		{"\x62\x02", 2, 9, RC_REFUSED}, /* slot 9 of 9 */
		{"\x62\x01", 2, 9, RC_OK}, {"\xff", 1, 8, RC_OK}, {"", 0, 100000, RC_OK}};
	static unsigned char large[LG_STAGED_MAX + 1];
	struct contract_world *w = *state;
	struct plan_id id;
	struct lg_seal seal;
	unsigned char nonce[LG_NONCE_BYTES];

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		open_plan(w->ledger, i + 1);
		id = id_of(i + 1);
		nonce_of(i + 1, nonce);
		seal = (struct lg_seal){.staged = slice_str("s"),
			.n_slots = cases[i].n_slots,
			.excluded = slice_of(cases[i].bits, cases[i].n)};
		assert_int_equal(lg_plan_seal(w->ledger, &id, nonce, &seal, NULL), cases[i].rc);
	}
	id = id_of(1); /* still open */
	nonce_of(1, nonce);
	seal = (struct lg_seal){.staged = slice_of(large, sizeof(large)), .n_slots = 1};
	assert_int_equal(lg_plan_seal(w->ledger, &id, nonce, &seal, NULL), RC_REFUSED);
}

static void lg5_plans_move_only_as_allowed(void **state)
{
	static const struct {
		enum plan_state from, to;
		const char *verb;
	} allowed[] = {{PLAN_OPEN, PLAN_SEALED, "seal"}, {PLAN_OPEN, PLAN_ABORTED, "abort"},
		{PLAN_SEALED, PLAN_DONE, "done"}, {PLAN_SEALED, PLAN_ABORTED, "void"}};
	static const enum plan_state from[] = {PLAN_OPEN, PLAN_SEALED, PLAN_DONE, PLAN_ABORTED};
	static const char *const verbs[] = {"seal", "abort", "done", "void"};
	struct contract_world *w = *state;
	unsigned n = 0;

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 4; j++) {
			enum plan_state to = from[i];

			for (size_t k = 0; k < 4; k++) {
				if (allowed[k].from == from[i] && allowed[k].verb[0] == verbs[j][0])
					to = allowed[k].to;
			}
			plan_in(w->ledger, ++n, from[i]);
			assert_int_equal(move_to(w->ledger, n, verbs[j]),
				to == from[i] ? RC_CONFLICT : RC_OK);
			assert_int_equal(state_of(w->ledger, n), to);
		}
	}
}

static void lg6_only_the_nonce_beats_and_seals(void **state)
{
	struct contract_world *w = *state;
	struct lg_seal seal = {.n_slots = 1};
	struct plan_id id = id_of(1);
	unsigned char mine[LG_NONCE_BYTES], other[LG_NONCE_BYTES];

	nonce_of(1, mine);
	nonce_of(2, other);
	open_plan(w->ledger, 1);
	assert_int_equal(lg_plan_beat(w->ledger, &id, other, 8, NULL), RC_CONFLICT);
	assert_int_equal(lg_plan_seal(w->ledger, &id, other, &seal, NULL), RC_CONFLICT);
	assert_int_equal(lg_plan_beat(w->ledger, &id, mine, 8, NULL), RC_OK);
	assert_int_equal(seal_plan(w->ledger, 1), RC_OK);
	assert_int_equal(lg_plan_beat(w->ledger, &id, mine, 9, NULL), RC_CONFLICT);
	assert_int_equal(seal_plan(w->ledger, 1), RC_CONFLICT);
}

static void lg6_abort_is_fenced_by_the_heartbeat(void **state)
{
	struct contract_world *w = *state;
	struct plan_id id = id_of(1);
	unsigned char nonce[LG_NONCE_BYTES];

	nonce_of(1, nonce);
	open_plan(w->ledger, 1);
	assert_int_equal(lg_plan_beat(w->ledger, &id, nonce, 8, NULL), RC_OK);
	assert_int_equal(lg_plan_abort(w->ledger, &id, 7, NULL), RC_CONFLICT);
	assert_int_equal(state_of(w->ledger, 1), PLAN_OPEN);
	assert_int_equal(lg_plan_abort(w->ledger, &id, 8, NULL), RC_OK);
	assert_int_equal(lg_plan_beat(w->ledger, &id, nonce, 9, NULL), RC_CONFLICT);
}

static void lg7_a_claim_is_put_once(void **state)
{
	struct contract_world *w = *state;
	struct lg_object rec;

	open_plan(w->ledger, 1);
	open_plan(w->ledger, 2);
	assert_int_equal(claim_one(w->ledger, 1, "k", 5, &rec), RC_OK);
	assert_true(claimed(&rec, 1, 5, 1));
	assert_int_equal(claim_one(w->ledger, 2, "k", 6, &rec), RC_CONFLICT);
	assert_true(claimed(&rec, 1, 5, 1));
	assert_int_equal(claim_one(w->ledger, 1, "k", 6, &rec), RC_CONFLICT);
	assert_true(claimed(&rec, 1, 5, 1));
}

static void lg8_swap_moves_from_the_named_plan_only(void **state)
{
	struct contract_world *w = *state;
	struct lg_object rec;

	for (unsigned n = 1; n <= 3; n++)
		open_plan(w->ledger, n);
	assert_int_not_equal(swap_one(w->ledger, 1, 2, "k", 0, &rec), RC_OK); /* nothing to swap */
	assert_int_equal(claim_one(w->ledger, 1, "k", 5, &rec), RC_OK);
	assert_int_equal(swap_one(w->ledger, 1, 2, "k", 7, &rec), RC_OK);
	assert_true(claimed(&rec, 2, 7, 2));
	assert_int_equal(swap_one(w->ledger, 1, 3, "k", 8, &rec), RC_CONFLICT);
	assert_true(claimed(&rec, 2, 7, 2));
	assert_int_equal(swap_one(w->ledger, 2, 3, "k", 8, &rec), RC_OK);
	assert_true(claimed(&rec, 3, 8, 3));
}

static void lg8_an_uncounted_swap_keeps_attempts(void **state)
{
	struct contract_world *w = *state;
	struct plan_id two = id_of(2);
	struct lg_claim c = {.object = object_of("k"), .slot = 4, .from = id_of(1), .uncounted = true};
	struct arena a = ARENA_INIT;
	struct lg_object rec;

	open_plan(w->ledger, 1);
	open_plan(w->ledger, 2);
	assert_int_equal(claim_one(w->ledger, 1, "k", 0, &rec), RC_OK);
	assert_int_equal(lg_swap_many(w->ledger, &a, &two, &c, 1, NULL), RC_OK);
	assert_int_equal(c.result, RC_OK);
	assert_true(claimed(&c.record, 2, 4, 1));
	arena_release(&a);
}

static void lg9_reject_is_for_the_holder_and_for_ever(void **state)
{
	struct contract_world *w = *state;
	struct object_id id = object_of("k");
	struct arena a = ARENA_INIT;
	struct lg_object rec;

	open_plan(w->ledger, 1);
	open_plan(w->ledger, 2);
	assert_int_not_equal(reject_one(w->ledger, 1, "k", "x"), RC_OK); /* not claimed */
	assert_int_equal(claim_one(w->ledger, 1, "k", 0, &rec), RC_OK);
	assert_int_equal(reject_one(w->ledger, 2, "k", "x"), RC_CONFLICT);
	assert_int_equal(reject_one(w->ledger, 1, "k", "object-missing"), RC_OK);
	assert_int_equal(reject_one(w->ledger, 1, "k", "another"), RC_CONFLICT);
	assert_int_equal(swap_one(w->ledger, 1, 2, "k", 0, &rec), RC_CONFLICT);
	assert_int_equal(claim_one(w->ledger, 2, "k", 0, &rec), RC_CONFLICT);
	assert_int_equal(rec.state, LG_REJECTED);
	assert_int_equal(lg_object_get(w->ledger, &a, &id, &rec, NULL), RC_OK);
	assert_true(slice_eq_str(rec.reason, "object-missing"));
	arena_release(&a);
}

static void lg10_object_records_outlive_their_plans(void **state)
{
	struct contract_world *w = *state;
	struct plan_id done = id_of(1), aborted = id_of(2);
	struct lg_object rec;

	open_plan(w->ledger, 1);
	open_plan(w->ledger, 2);
	open_plan(w->ledger, 3);
	assert_int_equal(claim_one(w->ledger, 1, "shipped", 0, &rec), RC_OK);
	assert_int_equal(claim_one(w->ledger, 2, "freed", 0, &rec), RC_OK);
	assert_int_equal(seal_plan(w->ledger, 1), RC_OK);
	assert_int_equal(lg_plan_done(w->ledger, &done, NULL), RC_OK);
	assert_int_equal(lg_plan_abort(w->ledger, &aborted, LG_ANY_HEARTBEAT, NULL), RC_OK);
	assert_int_equal(lg_plan_discarded(w->ledger, &aborted, NULL), RC_OK);
	assert_int_equal(claim_one(w->ledger, 3, "shipped", 0, &rec), RC_CONFLICT);
	assert_int_equal(claim_one(w->ledger, 3, "freed", 0, &rec), RC_CONFLICT);
}

/* Pages of two; counts how often each of plans 1 … 9 comes; returns how many came. */
static size_t scan_all(struct ledger *lg, unsigned states, unsigned seen[10])
{
	struct arena a = ARENA_INIT;
	struct plan_id after, *resume = NULL;
	struct lg_plan *plans;
	size_t n, total = 0;

	memset(seen, 0, 10 * sizeof(*seen));
	for (int page = 0; page < 20; page++) {
		assert_int_equal(lg_scan(lg, &a, states, resume, 2, &plans, &n, NULL), RC_OK);
		assert_true(n <= 2);
		if (n == 0)
			break;
		for (size_t i = 0; i < n; i++) {
			unsigned number;

			memcpy(&number, plans[i].id.bytes, sizeof(number));
			assert_true(number < 10);
			assert_true(plans[i].state & states);
			seen[number]++;
		}
		total += n;
		after = plans[n - 1].id;
		resume = &after;
	}
	arena_release(&a);
	return total;
}

static void lg11_scan_gives_every_plan_in_the_states_asked_for(void **state)
{
	struct contract_world *w = *state;
	static const enum plan_state states[] = {
		PLAN_OPEN, PLAN_SEALED, PLAN_DONE, PLAN_ABORTED, PLAN_OPEN, PLAN_SEALED, PLAN_OPEN};
	unsigned seen[10];

	for (unsigned n = 0; n < 7; n++)
		plan_in(w->ledger, n + 1, states[n]);
	assert_int_equal(scan_all(w->ledger, PLAN_OPEN, seen), 3);
	assert_true(seen[1] == 1 && seen[5] == 1 && seen[7] == 1);
	assert_int_equal(scan_all(w->ledger, PLAN_OPEN | PLAN_SEALED | PLAN_ABORTED, seen), 6);
	assert_int_equal(seen[3], 0);
}

static void lg11_scan_gives_the_whole_record(void **state)
{
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct lg_plan *plans;
	size_t n;

	plan_in(w->ledger, 1, PLAN_SEALED);
	assert_int_equal(lg_scan(w->ledger, &a, PLAN_SEALED, NULL, 10, &plans, &n, NULL), RC_OK);
	assert_int_equal(n, 1);
	assert_true(slice_eq_str(plans[0].bucket, "distribution"));
	assert_true(slice_eq_str(plans[0].key, "2026/01/02/03/bundle-x.tar.gz"));
	assert_true(slice_eq(plans[0].seal.staged, slice_of("staged\0record", 13)));
	assert_int_equal(plans[0].seal.n_slots, 9);
	assert_int_equal(lg_count_excluded(plans[0].seal.excluded), 3);
	arena_release(&a);
}

static void lg12_a_discarded_plan_is_not_scanned_again(void **state)
{
	struct contract_world *w = *state;
	struct plan_id open = id_of(1), aborted = id_of(2);
	unsigned seen[10];

	plan_in(w->ledger, 1, PLAN_OPEN);
	plan_in(w->ledger, 2, PLAN_ABORTED);
	assert_int_equal(lg_plan_discarded(w->ledger, &open, NULL), RC_CONFLICT);
	assert_int_equal(lg_plan_discarded(w->ledger, &aborted, NULL), RC_OK);
	assert_int_equal(scan_all(w->ledger, PLAN_OPEN | PLAN_ABORTED, seen), 1);
	assert_int_equal(seen[1], 1);
	assert_int_equal(state_of(w->ledger, 2), PLAN_ABORTED);
}

static void lg13_each_entry_of_a_batch_has_its_own_result(void **state)
{
	enum { N = 250 };
	struct contract_world *w = *state;
	struct arena a = ARENA_INIT;
	struct lg_claim *claims = arena_array(&a, N, sizeof(*claims));
	struct plan_id two = id_of(2);
	struct lg_object rec;

	open_plan(w->ledger, 1);
	open_plan(w->ledger, 2);
	assert_int_equal(claim_one(w->ledger, 1, "key-7", 0, &rec), RC_OK);
	for (uint32_t i = 0; i < N; i++) {
		claims[i].object = object_of(arena_printf(&a, "key-%u", i));
		claims[i].slot = i;
	}
	assert_int_equal(lg_claim_many(w->ledger, &a, &two, claims, N, NULL), RC_OK);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(claims[i].result, i == 7 ? RC_CONFLICT : RC_OK);
	assert_true(claimed(&claims[7].record, 1, 0, 1));
	assert_int_equal(lg_claim_many(w->ledger, &a, &two, claims, 0, NULL), RC_OK);
	arena_release(&a);
}

int contract_ledger(const struct contract_factory *f)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TEST(lg1_a_write_whose_condition_is_false_changes_nothing),
		CONTRACT_TEST(lg2_a_plan_reads_back_as_written),
		CONTRACT_TEST(lg2_a_seal_reads_back_as_written),
		CONTRACT_TEST(lg2_an_object_record_reads_back),
		CONTRACT_TEST(lg2_identities_that_only_look_alike_are_kept_apart),
		CONTRACT_TEST(lg3_everything_written_is_there_after_a_crash),
		CONTRACT_TEST(lg4_a_plan_is_opened_once),
		CONTRACT_TEST(lg14_a_seal_that_does_not_fit_is_refused),
		CONTRACT_TEST(lg5_plans_move_only_as_allowed),
		CONTRACT_TEST(lg6_only_the_nonce_beats_and_seals),
		CONTRACT_TEST(lg6_abort_is_fenced_by_the_heartbeat),
		CONTRACT_TEST(lg7_a_claim_is_put_once),
		CONTRACT_TEST(lg8_swap_moves_from_the_named_plan_only),
		CONTRACT_TEST(lg8_an_uncounted_swap_keeps_attempts),
		CONTRACT_TEST(lg9_reject_is_for_the_holder_and_for_ever),
		CONTRACT_TEST(lg10_object_records_outlive_their_plans),
		CONTRACT_TEST(lg11_scan_gives_every_plan_in_the_states_asked_for),
		CONTRACT_TEST(lg11_scan_gives_the_whole_record),
		CONTRACT_TEST(lg12_a_discarded_plan_is_not_scanned_again),
		CONTRACT_TEST(lg13_each_entry_of_a_batch_has_its_own_result),
	};

	contract_use(f);
	return cmocka_run_group_tests_name(f->name, tests, NULL, NULL);
}
