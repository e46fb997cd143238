#include "core/messages.h"

#include <assert.h>
#include <stdio.h>

/* A queue that gives each message once. The receipt is its index. */
struct once {
	struct event_queue port;
	struct message_in *messages;
	size_t n, n_given;
	struct clock *clock;
};

static struct once *self(struct event_queue *q)
{
	return (struct once *)q;
}

static enum rc once_receive(struct event_queue *q, struct arena *a, size_t max, uint64_t wait_ms,
	uint64_t visibility_ms, struct eq_message **ret_messages, size_t *ret_n, struct err *err)
{
	struct once *o = self(q);

	(void)visibility_ms;
	(void)err;
	*ret_n = o->n - o->n_given < max ? o->n - o->n_given : max;
	if (*ret_n == 0)
		clock_sleep_ms(o->clock, wait_ms); /* [EQ-8] */
	*ret_messages = arena_array(a, *ret_n, sizeof(**ret_messages));
	for (size_t i = 0; i < *ret_n; i++) {
		size_t index = o->n_given++;
		char *receipt = arena_printf(a, "%zu", index);

		(*ret_messages)[i] = (struct eq_message){.id = o->messages[index].id,
			.receipt = slice_str(receipt),
			.body = arena_slice(a, o->messages[index].body),
			.receive_count = 1};
	}
	return RC_OK;
}

static enum rc once_ack(struct event_queue *q, const struct slice *receipts, size_t n,
	enum rc *results, struct err *err)
{
	(void)err;
	for (size_t i = 0; i < n; i++) {
		uint64_t index = 0;

		results[i] = RC_REFUSED;
		if (!slice_to_u64(receipts[i], &index) || index >= self(q)->n)
			continue;
		self(q)->messages[index].must_come_back = false;
		results[i] = RC_OK;
	}
	return RC_OK;
}

static enum rc once_hide(struct event_queue *q, const struct eq_hide *hides, size_t n,
	enum rc *results, struct err *err)
{
	(void)q;
	(void)hides;
	(void)err;
	for (size_t i = 0; i < n; i++)
		results[i] = RC_OK;
	return RC_OK;
}

static enum rc once_dead_letter(struct event_queue *q, const struct eq_dead *dead, size_t n,
	enum rc *results, struct err *err)
{
	(void)q;
	(void)dead;
	(void)err;
	for (size_t i = 0; i < n; i++)
		results[i] = RC_OK;
	return RC_OK;
}

static enum rc once_send(struct event_queue *q, const struct slice *bodies, size_t n,
	enum rc *results, struct err *err)
{
	(void)q;
	(void)bodies;
	(void)results;
	return n ? err_set(err, RC_REFUSED, "nothing is sent to messages in hand") : RC_OK;
}

static enum rc once_stat(struct event_queue *q, struct eq_stat *ret_stat, struct err *err)
{
	(void)err;
	*ret_stat = (struct eq_stat){.visible = self(q)->n - self(q)->n_given};
	return RC_OK;
}

static void once_close(struct event_queue *q)
{
	(void)q;
}

/* Runs until no message is in hand and none is left to receive. */
static enum rc run(struct pipeline *p, struct once *o, struct clock *clock, uint64_t end_boot_ms,
	const atomic_bool *stopping, struct err *err)
{
	enum pipeline_status status = PIPELINE_WORKED;

	while (status != PIPELINE_FATAL && status != PIPELINE_STOPPED) {
		bool over = o->n_given == o->n && pipeline_stats(p).in_hand == 0;

		if (over || atomic_load(stopping) || clock_boot_ms(clock) >= end_boot_ms)
			pipeline_stop(p);
		status = pipeline_step(p, err);
	}
	return status == PIPELINE_FATAL ? RC_FATAL : RC_OK;
}

enum rc messages_run(const struct pipeline_config *cfg, struct message_in *messages, size_t n,
	uint64_t end_boot_ms, const atomic_bool *stopping, struct err *err)
{
	static const struct event_queue_ops ops = {once_receive, once_ack, once_hide,
		once_dead_letter, once_send, once_stat, once_close};
	struct once once = {
		.port = {.ops = &ops, .can_uncount = true}, .messages = messages, .n = n, .clock = cfg->ports.clock};
	struct pipeline_config mine = *cfg;
	struct pipeline *p;
	enum rc rc;

	assert(n <= MESSAGES_MAX && !cfg->sole_owner);
	for (size_t i = 0; i < n; i++)
		messages[i].must_come_back = true;
	mine.ports.queue = &once.port;
	mine.batch_window_ms = 0;
	mine.receive_wait_ms = 1;
	mine.receive_pause_ms = 0;
	mine.max_receives = 0;
	p = pipeline_new(&mine);
	rc = run(p, &once, cfg->ports.clock, end_boot_ms, stopping, err);
	pipeline_free(p);
	for (size_t i = 0; rc != RC_OK && i < n; i++)
		messages[i].must_come_back = true;
	return rc;
}
