/* Memory that runs out while an event is read says nothing about the event: it is received
 * again. */
#include "check.h"

#include <stdlib.h>

#include "base/json.h"
#include "world.h"

static unsigned n_failing; /* so many calls of json_parse from now on find no memory */
enum rc __real_json_parse(struct slice text, size_t max_bytes, json_t **ret_root, struct err *err);
enum rc __wrap_json_parse(struct slice text, size_t max_bytes, json_t **ret_root, struct err *err);

/* The linker puts this in the place of json_parse (--wrap). */
enum rc __wrap_json_parse(struct slice text, size_t max_bytes, json_t **ret_root, struct err *err)
{
	if (n_failing == 0)
		return __real_json_parse(text, max_bytes, ret_root, err);
	n_failing--;
	return err_code(err, RC_AGAIN, "no-memory", "no memory for JSON of %zu bytes", text.n);
}

static void events_that_no_memory_was_there_for_ship_later(void **state)
{
	struct world w;
	struct prng prng = prng_seeded(2);
	struct pipeline_config cfg;
	struct pipeline *p;

	(void)state;
	world_open(&w, 1);
	cfg = world_config(&w, &prng);
	p = pipeline_new(&cfg);
	for (size_t i = 0; i < 20; i++)
		world_announce(&w, world_put(&w, i % 2 ? "data/a" : "data/b", 10));
	/* some messages come more than once, and more often than a queue would deliver poison */
	n_failing = 35;
	assert_true(world_run(&w, p, 5000));
	world_harvest(&w);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(world_times_shipped(&w, i), 1);
	assert_int_equal(world_queue(&w).dead, 0);
	assert_int_equal(n_failing, 0);
	pipeline_free(p);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_that_no_memory_was_there_for_ship_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
