/* The table of flights against a plain array, over random operations. */
#include "check.h"

#include "adapter/local/queue/flight.h"
#include "base/prng.h"

#define N_IDS 3000

struct model {
	bool present;
	enum flight_place place;
	uint64_t visible;
};

/* Ids as they are in life: ascending, with gaps; some far apart. */
static uint64_t id_of(size_t i)
{
	return (UINT64_C(1700000000000) << 20) + i * (i % 7 == 0 ? 1048576 : 1);
}

static void check_first(struct flight_table *t, const struct model *m, enum flight_place place)
{
	const struct flight *f = flight_first(t, place);
	size_t n = 0;

	for (size_t i = 0; i < N_IDS; i++) {
		if (!m[i].present || m[i].place != place)
			continue;
		n++;
		assert_non_null(f);
		if (place == FLIGHT_AWAY)
			assert_true(f->visible_boot_ms <= m[i].visible);
		else
			assert_true(f->id <= id_of(i));
	}
	assert_int_equal(flight_n(t, place), n);
}

static void one_step(struct flight_table *t, struct model *m, struct prng *r)
{
	size_t i = prng_below(r, N_IDS);
	struct flight *f = flight_find(t, id_of(i));

	assert_int_equal(f != NULL, m[i].present);
	if (!f) {
		f = flight_add(t, id_of(i));
	} else if (prng_below(r, 4) == 0) {
		assert_int_equal(f->id, id_of(i));
		flight_remove(t, f);
		m[i].present = false;
		return;
	}
	m[i] = (struct model){true, (enum flight_place)prng_below(r, 3),
		f->visible_boot_ms = prng_below(r, 1000)};
	/* A deadline changes only outside the heap. */
	flight_move(t, f, FLIGHT_NOWHERE);
	flight_move(t, f, m[i].place);
}

static void agrees_with_a_plain_array(void **state)
{
	static struct model m[N_IDS];
	struct prng r = prng_seeded(42);
	struct flight_table t;

	(void)state;
	flight_table_init(&t);
	for (int step = 0; step < 40000; step++) {
		one_step(&t, m, &r);
		if (step % 500 == 0) {
			check_first(&t, m, FLIGHT_AWAY);
			check_first(&t, m, FLIGHT_DUE);
		}
	}
	flight_table_release(&t);
}

static void holds_its_limit_and_is_reusable(void **state)
{
	struct flight_table t;

	(void)state;
	flight_table_init(&t);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < FLIGHTS_MAX; i++)
			flight_move(&t, flight_add(&t, id_of(i) * 2), FLIGHT_DUE);
		assert_int_equal(t.n, FLIGHTS_MAX);
		for (uint64_t last = 0; t.n > 0;) {
			struct flight *f = flight_first(&t, FLIGHT_DUE);

			assert_true(f->id > last);
			last = f->id;
			flight_remove(&t, f);
		}
	}
	flight_table_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agrees_with_a_plain_array),
		cmocka_unit_test(holds_its_limit_and_is_reusable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
