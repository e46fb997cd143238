/* Who goes into the next plan; when messages are settled, and as what. */
#include "check.h"

#include <stdio.h>

#include "core/batcher.h"
#include "core/hand.h"
#include "world.h"

#define N 30

struct fixture {
	struct unit units[N];
	char text[N][16];
};

/* Units u0 … with names n0 … and 100 bytes each. */
static void make_units(struct fixture *f, struct batcher *b, size_t n)
{
	memset(f, 0, sizeof(*f));
	for (size_t i = 0; i < n; i++) {
		snprintf(f->text[i], sizeof(f->text[i]), "n%zu", i);
		f->units[i].identity = f->units[i].name = slice_str(f->text[i]);
		f->units[i].size = 100;
		f->units[i].due_boot_ms = 1000 + i;
		batcher_add(b, &f->units[i]);
	}
}

static size_t take(struct batcher *b, struct arena *a, struct unit ***ret, bool *ret_by_bytes)
{
	return batcher_take(b, a, ret, ret_by_bytes);
}

static void takes_in_order_of_arrival_up_to_the_count(void **state)
{
	struct fixture f;
	struct batcher b;
	struct arena a = ARENA_INIT;
	struct unit **u;
	bool by_bytes;

	(void)state;
	batcher_init(&b, 10, 1 << 20);
	make_units(&f, &b, 15);
	assert_true(batcher_full(&b));
	assert_int_equal(batcher_due_boot_ms(&b), 1000);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 10);
	for (size_t i = 0; i < 10; i++)
		assert_ptr_equal(u[i], &f.units[i]);
	assert_false(by_bytes);
	assert_false(batcher_full(&b));
	assert_int_equal(batcher_due_boot_ms(&b), 1010);
	assert_null(batcher_find(&b, slice_str("n3")));
	assert_ptr_equal(batcher_find(&b, slice_str("n12")), &f.units[12]);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 5);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 0);
	assert_true(batcher_due_boot_ms(&b) == UINT64_MAX);
	batcher_release(&b);
	arena_release(&a);
}

static void bytes_are_counted_in_blocks_of_512(void **state)
{
	struct fixture f;
	struct batcher b;
	struct arena a = ARENA_INIT;
	struct unit **u;
	bool by_bytes;

	(void)state;
	batcher_init(&b, 100, 4 * 512);
	make_units(&f, &b, 6);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 4); /* exactly the limit still fits */
	assert_true(by_bytes);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 2);
	assert_false(by_bytes);
	batcher_release(&b);
	arena_release(&a);
}

static void sizes_that_overflow_do_no_harm(void **state)
{
	struct fixture f;
	struct batcher b;
	struct arena a = ARENA_INIT;
	struct unit **u;
	bool by_bytes;

	(void)state;
	batcher_init(&b, 100, 4 * 512);
	memset(&f, 0, sizeof(f));
	f.units[0].identity = slice_str("a");
	f.units[0].size = UINT64_MAX;
	f.units[1].identity = slice_str("b");
	f.units[1].size = UINT64_MAX - 600;
	batcher_add(&b, &f.units[0]);
	batcher_add(&b, &f.units[1]);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 1);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 1);
	batcher_release(&b);
	arena_release(&a);
}

static void of_one_name_the_later_waits(void **state)
{
	struct fixture f;
	struct batcher b;
	struct arena a = ARENA_INIT;
	struct unit **u;
	bool by_bytes;

	(void)state;
	batcher_init(&b, 100, 1 << 20);
	make_units(&f, &b, 5);
	f.units[2].name = f.units[0].name;
	f.units[3].name = f.units[0].name;
	assert_int_equal(take(&b, &a, &u, &by_bytes), 3);
	assert_ptr_equal(u[2], &f.units[4]);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 1);
	assert_ptr_equal(u[0], &f.units[2]);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 1);
	assert_ptr_equal(u[0], &f.units[3]);
	batcher_release(&b);
	arena_release(&a);
}

static void suspects_go_first_and_in_shrinking_company(void **state)
{
	struct fixture f;
	struct batcher b;
	struct arena a = ARENA_INIT;
	struct unit **u;
	bool by_bytes;

	(void)state;
	batcher_init(&b, 1000, 1 << 20);
	assert_int_equal(batcher_company(&b, 2), 1000);
	assert_int_equal(batcher_company(&b, 3), 100);
	assert_int_equal(batcher_company(&b, 4), 10);
	assert_int_equal(batcher_company(&b, 5), 1);
	assert_int_equal(batcher_company(&b, 100), 1);
	make_units(&f, &b, 5);
	batcher_clear(&b);
	for (size_t i = 0; i < 5; i++) {
		f.units[i].attempts = i < 2 ? 5 : 0;
		batcher_add(&b, &f.units[i]);
	}
	assert_true(batcher_full(&b)); /* nobody waits a window for them */
	assert_int_equal(take(&b, &a, &u, &by_bytes), 1);
	assert_ptr_equal(u[0], &f.units[0]);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 1);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 3);
	batcher_release(&b);
	arena_release(&a);
}

/* A queue with messages "0" … and a hand that holds them, each with n_records. */
struct hands {
	struct world w;
	struct hand hand;
	struct delivery *d[4];
};

static void take_messages(struct hands *h, size_t n, size_t n_records)
{
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	size_t got;

	world_open(&h->w, 1);
	hand_init(&h->hand, 0, NULL);
	for (size_t i = 0; i < n; i++)
		world_send(&h->w, "m");
	assert_int_equal(eq_receive(h->w.queue, &a, n, 0, 9000, &m, &got, NULL), RC_OK);
	assert_int_equal(got, n);
	for (size_t i = 0; i < n; i++)
		h->d[i] = hand_take(&h->hand, &m[i], n_records, 0);
	arena_release(&a);
}

static void end(struct hands *h)
{
	hand_release(&h->hand);
	world_close(&h->w);
}

static void those_that_go_alone_are_taken_one_by_one_and_hold_up_nobody(void **state)
{
	struct fixture f;
	struct batcher b;
	struct arena a = ARENA_INIT;
	struct unit **u;
	bool by_bytes;

	(void)state;
	batcher_init(&b, 10, 1 << 20);
	assert_int_equal(batcher_take_alone(&b, &a, &u), 0);
	make_units(&f, &b, 3);
	assert_false(batcher_has_alone(&b));
	for (size_t i = 3; i < 5; i++) {
		snprintf(f.text[i], sizeof(f.text[i]), "n%zu", i);
		f.units[i] = (struct unit){.identity = slice_str(f.text[i]),
			.name = slice_str(f.text[i]),
			.size = 1 << 30,
			.due_boot_ms = 1,
			.is_alone = true};
		batcher_add(&b, &f.units[i]);
	}
	assert_true(batcher_has_alone(&b));
	assert_int_equal(batcher_n(&b), 3);
	assert_int_equal(batcher_due_boot_ms(&b), 1000); /* the window is that of the others */
	assert_ptr_equal(batcher_find(&b, slice_str("n4")), &f.units[4]);
	assert_int_equal(take(&b, &a, &u, &by_bytes), 3);
	for (size_t i = 3; i < 5; i++) {
		assert_int_equal(batcher_take_alone(&b, &a, &u), 1);
		assert_ptr_equal(u[0], &f.units[i]);
		assert_null(batcher_find(&b, slice_str(f.text[i])));
	}
	assert_int_equal(batcher_take_alone(&b, &a, &u), 0);
	assert_false(batcher_has_alone(&b));
	batcher_release(&b);
	arena_release(&a);
}

static void the_graver_verdict_wins_when_all_are_in(void **state)
{
	static const struct verdict ack = {.kind = VERDICT_ACK},
				    dead = {.kind = VERDICT_DEAD, .code = "x", .reason = "y"},
				    retry = {.kind = VERDICT_RETRY, .delay_ms = 500};
	struct hands h;
	struct eq_stat st;

	(void)state;
	take_messages(&h, 3, 2);
	delivery_decide(&h.hand, h.d[0], &ack);
	delivery_decide(&h.hand, h.d[1], &dead);
	delivery_decide(&h.hand, h.d[2], &retry);
	assert_int_equal(hand_settle(&h.hand, h.w.queue, NULL), RC_OK);
	assert_int_equal(h.hand.n, 3); /* each has a record open */
	delivery_decide(&h.hand, h.d[0], &ack);
	delivery_decide(&h.hand, h.d[1], &ack);
	delivery_decide(&h.hand, h.d[2], &dead);
	assert_int_equal(hand_settle(&h.hand, h.w.queue, NULL), RC_OK);
	assert_int_equal(h.hand.n, 0);
	st = world_queue(&h.w);
	assert_int_equal(st.dead, 1);
	assert_int_equal(st.in_flight, 1); /* the one to be retried, hidden for 500 ms */
	h.w.clock.boot_ms += 500;
	assert_int_equal(world_queue(&h.w).visible, 1);
	end(&h);
}

/* At its last receive a fault of its own buries it with its reason; one that is not its own does
 * not. */
static void the_last_failure_of_its_own_is_a_dead_letter_with_the_reason(void **state)
{
	static const struct verdict own = {.kind = VERDICT_RETRY,
					    .code = "access-denied",
					    .reason = "no",
					    .delay_ms = 9,
					    .counted = true},
				    other = {.kind = VERDICT_RETRY, .delay_ms = 5};
	struct slice body, code;
	struct hands h;

	(void)state;
	take_messages(&h, 4, 2);
	h.hand.max_receives = 2;
	for (size_t i = 0; i < 4; i++) {
		h.d[i]->receive_count = i == 2 ? 1 : 2;
		/* either order: the fault of its own counts */
		delivery_decide(&h.hand, h.d[i], i == 1 || i == 3 ? &other : &own);
		delivery_decide(&h.hand, h.d[i], i == 1 ? &own : &other);
	}
	assert_int_equal(hand_settle(&h.hand, h.w.queue, NULL), RC_OK);
	assert_int_equal(world_queue(&h.w).dead, 2);
	assert_int_equal(h.hand.n_dead, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(mem_event_queue_dead(h.w.queue, i, &body, &code));
		assert_slice_is(code, "access-denied");
	}
	end(&h);
}

static void of_two_delays_the_shorter_holds(void **state)
{
	static const struct verdict first = {.kind = VERDICT_RETRY, .delay_ms = 900},
				    second = {.kind = VERDICT_RETRY, .delay_ms = 300};
	struct hands h;

	(void)state;
	take_messages(&h, 2, 2);
	for (size_t i = 0; i < 2; i++) {
		delivery_decide(&h.hand, h.d[i], i ? &first : &second);
		delivery_decide(&h.hand, h.d[i], i ? &second : &first);
	}
	assert_int_equal(hand_settle(&h.hand, h.w.queue, NULL), RC_OK);
	h.w.clock.boot_ms += 299;
	assert_int_equal(world_queue(&h.w).visible, 0);
	h.w.clock.boot_ms += 1;
	assert_int_equal(world_queue(&h.w).visible, 2);
	end(&h);
}

static void what_is_in_hand_stays_invisible(void **state)
{
	struct hands h;

	(void)state;
	take_messages(&h, 2, 1);
	h.hand.extended_boot_ms = h.w.clock.boot_ms;
	for (int i = 0; i < 20; i++) {
		h.w.clock.boot_ms += 3000;
		assert_int_equal(
			hand_extend(&h.hand, h.w.queue, &h.w.clock.port, 9000, NULL), RC_OK);
		assert_int_equal(world_queue(&h.w).visible, 0);
	}
	end(&h);
}

static void handing_back_is_at_once_and_uncounted(void **state)
{
	struct arena a = ARENA_INIT;
	struct eq_message *m;
	struct hands h;
	size_t n;

	(void)state;
	take_messages(&h, 2, 3);
	hand_back(&h.hand);
	assert_int_equal(hand_settle(&h.hand, h.w.queue, NULL), RC_OK);
	assert_int_equal(eq_receive(h.w.queue, &a, 10, 0, 9000, &m, &n, NULL), RC_OK);
	assert_int_equal(n, 2);
	assert_int_equal(m[0].receive_count, 1);
	arena_release(&a);
	end(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_in_order_of_arrival_up_to_the_count),
		cmocka_unit_test(bytes_are_counted_in_blocks_of_512),
		cmocka_unit_test(sizes_that_overflow_do_no_harm),
		cmocka_unit_test(of_one_name_the_later_waits),
		cmocka_unit_test(suspects_go_first_and_in_shrinking_company),
		cmocka_unit_test(those_that_go_alone_are_taken_one_by_one_and_hold_up_nobody),
		cmocka_unit_test(the_graver_verdict_wins_when_all_are_in),
		cmocka_unit_test(the_last_failure_of_its_own_is_a_dead_letter_with_the_reason),
		cmocka_unit_test(of_two_delays_the_shorter_holds),
		cmocka_unit_test(what_is_in_hand_stays_invisible),
		cmocka_unit_test(handing_back_is_at_once_and_uncounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
