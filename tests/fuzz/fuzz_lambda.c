/* The payload of an invocation: whatever it is, the answer is JSON, and either an error of the
 * function or what the contract says. */
#include "base/json.h"
#include "fuzz.h"
#include "obs/log.h"
#include "serve/function.h"
#include "world.h"

static void must_be_an_answer(const struct invoke_answer *answer)
{
	struct err err = {0};
	json_t *root = NULL;

	MUST(!answer->payload.overflow && answer->tail_n <= INVOKE_TAIL_BYTES);
	MUST(json_parse(buf_slice(&answer->payload), INVOKE_PAYLOAD_MAX_BYTES, &root, &err) == RC_OK);
	if (answer->is_error)
		MUST(json_member_str(root, "errorType").n && json_member_str(root, "errorMessage").n);
	else
		MUST(json_is_array(json_object_get(root, "batchItemFailures")) ||
			json_is_integer(json_object_get(root, "processed_records")));
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const atomic_bool ready = true;
	static struct world w;
	static struct prng prng;
	static struct invoker *fn;
	struct invoke_answer answer;

	if (!fn) {
		log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
		world_open(&w, 1);
		prng = prng_seeded(1);
		fn = function_new(&(struct function_config){.pipeline = world_config(&w, &prng),
			.name = "f",
			.environment = "dev",
			.region = "us-east-1",
			.timeout_ms = 60000,
			.guard_ms = 10000,
			.ready = &ready});
	}
	fn->ops->invoke(fn, slice_of(data, size), &answer);
	must_be_an_answer(&answer);
	buf_release(&answer.payload);
	return 0;
}
