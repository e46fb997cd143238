/*
 * Who has to go when there is no room, and whose time is over: the rules on a clock of the test's own; then the same at a server
 * that listens, with people who dribble, fall silent, or just sit there (docs/security.md, 24 and 25).
 */
#include "check.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/gateway.h"
#include "gateway/http/connections.h"

#define IDLE_MS 60000
#define N_PEERS 8

static uint64_t now_ms;

static uint64_t now(struct clock *c)
{
	(void)c;
	return now_ms;
}

static struct clock test_clock = {.wall_ms = now, .boot_ms = now};

struct peers {
	struct connections *cs;
	int theirs[N_PEERS], ours[N_PEERS];
};

static struct peers peers_new(unsigned max)
{
	struct peers p = {.cs = connections_new(max, IDLE_MS, &test_clock)};

	now_ms = 1000000;
	for (int i = 0; i < N_PEERS; i++) {
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		p.theirs[i] = pair[0];
		p.ours[i] = pair[1];
	}
	return p;
}

static void peers_free(struct peers *p)
{
	for (int i = 0; i < N_PEERS; i++) {
		close(p->theirs[i]);
		close(p->ours[i]);
	}
	connections_free(p->cs);
}

static bool is_ended(const struct peers *p, int i)
{
	char byte;

	return recv(p->theirs[i], &byte, 1, MSG_DONTWAIT) == 0;
}

static struct connection *take(struct peers *p, int i)
{
	now_ms += 10;
	assert_true(connections_take(p->cs, p->ours[i]));
	return connections_find(p->cs, p->ours[i]);
}

static void the_longest_idle_makes_room(void **state)
{
	struct peers p = peers_new(3);
	struct connection *first, *second;

	(void)state;
	first = take(&p, 0);
	second = take(&p, 1);
	take(&p, 2);
	connection_sends(first);
	now_ms += 10;
	connection_is_served(first);
	now_ms += 10;
	connection_rests(first); /* idle later than the others */
	take(&p, 3);
	assert_true(is_ended(&p, 1) && !is_ended(&p, 0) && !is_ended(&p, 2));
	assert_true(connections_are_ending(p.cs));
	connections_drop(p.cs, second);
	assert_false(connections_are_ending(p.cs));
	take(&p, 4);
	assert_true(is_ended(&p, 2) && !is_ended(&p, 0));
	peers_free(&p);
}

static void who_works_stays_and_the_silent_go(void **state)
{
	struct peers p = peers_new(2);
	struct connection *sender, *silent;

	(void)state;
	sender = take(&p, 0);
	silent = take(&p, 1);
	connection_sends(silent);
	connection_sends(sender);
	take(&p, 2); /* nobody is idle: into the slack */
	assert_false(is_ended(&p, 0) || is_ended(&p, 1) || is_ended(&p, 2));
	connection_is_served(connections_find(p.cs, p.ours[2]));
	now_ms += CONNECTION_SILENCE_MS;
	connection_sent(sender, 100);
	take(&p, 3);
	assert_true(is_ended(&p, 1));
	assert_false(is_ended(&p, 0) || is_ended(&p, 2) || is_ended(&p, 3));
	peers_free(&p);
}

/* What came in at the last moment is not begun: its answer would reach nobody, and its PUT would be done all the same. */
static void who_was_ended_begins_nothing_more(void **state)
{
	struct peers p = peers_new(2);
	struct connection *idle, *silent;

	(void)state;
	silent = take(&p, 0);
	assert_true(connection_sends(silent));
	idle = take(&p, 1);
	take(&p, 2);
	now_ms += CONNECTION_SILENCE_MS;
	connection_is_served(connections_find(p.cs, p.ours[2]));
	take(&p, 3);
	assert_true(is_ended(&p, 0) && is_ended(&p, 1));
	assert_false(connection_sends(idle));
	assert_false(connection_is_served(silent));
	connection_rests(silent);
	connections_drop(p.cs, idle);
	assert_true(connections_are_ending(p.cs));
	peers_free(&p);
}

/* Also when it has to ask more than once, as those that were ended are still there. */
static void a_new_one_ends_one_and_not_more(void **state)
{
	struct peers p = peers_new(3);
	int fd = 1000000;

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS_SLACK + 1; i++, now_ms++)
		assert_true(connections_take(p.cs, fd++));
	take(&p, 0);
	take(&p, 1);
	for (int i = 0; i < 3; i++)
		assert_false(connections_take(p.cs, p.ours[2]));
	assert_false(is_ended(&p, 0) || is_ended(&p, 1));
	peers_free(&p);
}

static void when_all_work_new_ones_are_refused(void **state)
{
	struct connections *cs = connections_new(1, IDLE_MS, &test_clock);
	int fd = 1000000; /* none of ours: shutting it down does nothing */

	(void)state;
	assert_int_equal(connections_limit(cs), 1 + CONNECTIONS_SLACK);
	for (unsigned i = 0; i < connections_limit(cs); i++, fd++) {
		assert_true(connections_take(cs, fd));
		connection_is_served(connections_find(cs, fd));
	}
	assert_false(connections_take(cs, fd));
	assert_false(connections_are_ending(cs));
	connections_drop(cs, connections_find(cs, 1000003));
	assert_true(connections_take(cs, fd));
	/* closed by the library without a word: the number comes again and has no second place */
	assert_true(connections_take(cs, fd));
	connections_free(cs);
}

static void time_is_over(void **state)
{
	struct peers p = peers_new(N_PEERS);
	struct connection *slow, *quick, *served;

	(void)state;
	take(&p, 0); /* says nothing, or dribbles at a head */
	slow = take(&p, 1);
	quick = take(&p, 2);
	served = take(&p, 3);
	connection_sends(slow);
	connection_sends(quick);
	connection_sends(served);
	connection_is_served(served);
	now_ms += IDLE_MS - 1000;
	take(&p, 4);
	connections_sweep(p.cs);
	for (int i = 0; i < 5; i++)
		assert_false(is_ended(&p, i));
	connection_sent(slow, IDLE_MS / 1000 * CONNECTION_RATE_MIN_BYTES - 1);
	connection_sent(quick, (IDLE_MS / 1000 + 2) * CONNECTION_RATE_MIN_BYTES);
	now_ms += 1500;
	connections_sweep(p.cs);
	assert_true(is_ended(&p, 0) && is_ended(&p, 1));
	assert_false(is_ended(&p, 2) || is_ended(&p, 3) || is_ended(&p, 4));
	peers_free(&p);
}

/* --- a server --- */

static const struct bucket_store_ops no_ops;
static struct bucket_store no_store = {&no_ops};

static bool no_key(void *arg, const char *access_key, struct key_grant *ret_grant)
{
	(void)arg;
	(void)access_key;
	(void)ret_grant;
	return false;
}

static struct gateway *start(unsigned connections_max)
{
	struct gateway_config config = {.store = &no_store,
		.keys = {no_key, NULL},
		.connections_max = connections_max,
		.idle_timeout_s = 1};
	struct gateway *gw = NULL;
	struct err err = {0};

	assert_int_equal(gateway_start(&config, &gw, &err), RC_OK);
	return gw;
}

static int dial(const struct gateway *gw)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(gateway_port(gw))};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	send(fd, text, strlen(text), MSG_NOSIGNAL); /* it may be closed already: so be it */
}

/* Up to 10 s. */
static bool is_closed_by_them(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	char bytes[4096];

	while (poll(&p, 1, 10000) == 1)
		if (recv(fd, bytes, sizeof(bytes), 0) <= 0)
			return true;
	return false;
}

static bool is_well(const struct gateway *gw)
{
	char answer[16] = "";
	struct pollfd p;
	int fd = dial(gw);

	say(fd, "GET /-/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	p = (struct pollfd){fd, POLLIN, 0};
	if (poll(&p, 1, 10000) == 1)
		recv(fd, answer, sizeof(answer) - 1, 0);
	close(fd);
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

/* Says one byte every 100 ms until it is closed. */
static bool dribbles_in_vain(int fd, const char *byte)
{
	struct pollfd p = {fd, POLLIN, 0};
	char bytes[4096];

	for (int i = 0; i < 100; i++) {
		say(fd, byte);
		if (poll(&p, 1, 100) == 1 && recv(fd, bytes, sizeof(bytes), 0) <= 0)
			return true;
	}
	return false;
}

static void who_dribbles_or_is_silent_is_let_go(void **state)
{
	static const char body[] =
		"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n";
	struct gateway *gw = start(0);
	int silent = dial(gw), head = dial(gw), expects = dial(gw), slow = dial(gw);

	(void)state;
	say(head, "GET /bucket/key HTTP/1.1\r\nHost: x\r\nx-filler: ");
	assert_true(dribbles_in_vain(head, "a"));
	say(slow, body);
	say(slow, "\r\n");
	assert_true(dribbles_in_vain(slow, "a"));
	say(expects, body);
	say(expects, "Expect: 100-continue\r\n\r\n");
	assert_true(is_closed_by_them(expects));
	assert_true(is_closed_by_them(silent));
	assert_true(is_well(gw));
	close(silent);
	close(head);
	close(expects);
	close(slow);
	gateway_stop(gw, 1000);
}

/* 0.9.75 of the library stands still for ever when its own limit is reached: here it never is. */
static void many_more_than_the_limit_hinder_nobody(void **state)
{
	enum { N = 300 };
	struct gateway *gw = start(50);
	int fds[N];

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < N; i++) {
			fds[i] = dial(gw);
			if (i % 2)
				say(fds[i], "GET /x HTTP/1.1\r\nHost");
		}
		assert_true(is_well(gw));
		for (int i = 0; i < N; i++)
			close(fds[i]);
		assert_true(is_well(gw));
	}
	gateway_stop(gw, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_longest_idle_makes_room),
		cmocka_unit_test(who_works_stays_and_the_silent_go),
		cmocka_unit_test(who_was_ended_begins_nothing_more),
		cmocka_unit_test(a_new_one_ends_one_and_not_more),
		cmocka_unit_test(when_all_work_new_ones_are_refused),
		cmocka_unit_test(time_is_over),
		cmocka_unit_test(who_dribbles_or_is_silent_is_let_go),
		cmocka_unit_test(many_more_than_the_limit_hinder_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
