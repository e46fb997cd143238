/*
 * Who has to go when there is no room, and whose time is over: the rules on a clock of the test's
 * own; then the same at a server that listens, with people who dribble, fall silent, or just sit
 * there (docs/security.md, 24 and 25).
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

/* What the test says that each peer has taken of its answer: by descriptor. */
static struct {
	uint64_t bytes;
	bool pending;
} taken[256];

static void progress(int fd, uint64_t *ret_bytes, bool *ret_pending)
{
	*ret_bytes = fd < 256 ? taken[fd].bytes : 0;
	*ret_pending = fd < 256 && taken[fd].pending;
}

struct peers {
	struct connections *cs;
	int theirs[N_PEERS], ours[N_PEERS];
};

static struct peers peers_new(unsigned max)
{
	struct peers p = {.cs = connections_new(max, IDLE_MS, &test_clock, progress)};

	now_ms = 1000000;
	memset(taken, 0, sizeof(taken));
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

static bool take_from(struct connections *cs, int fd, unsigned address)
{
	struct sockaddr_in from = {.sin_family = AF_INET};

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + address);
	return connections_take(cs, fd, (struct sockaddr *)&from);
}

/* A stranger of an address of its own, so that no address has too many. */
static struct connection *take(struct peers *p, int i)
{
	now_ms += 10;
	assert_true(take_from(p->cs, p->ours[i], (unsigned)i));
	return connections_find(p->cs, p->ours[i]);
}

static struct connection *take_known(struct peers *p, int i)
{
	struct connection *c = take(p, i);

	connection_is_known(c);
	return c;
}

/* Whatever they do, but for a request that is whole: a known connection stays. */
static void strangers_are_the_first_to_go(void **state)
{
	struct peers p = peers_new(4);
	struct connection *sender, *reader, *drained;

	(void)state;
	take_known(&p, 0); /* idle, and older than all */
	sender = take(&p, 1);
	connection_sends(sender);
	reader = take(&p, 2);
	connection_answers(reader);
	drained = take(&p, 3);
	connection_drains(drained);
	connection_sent(sender, 1000000);
	take_known(&p, 4);
	assert_true(is_ended(&p, 1) && !is_ended(&p, 2) && !is_ended(&p, 3));
	connections_drop(p.cs, sender);
	take_known(&p, 5);
	assert_true(is_ended(&p, 2) && !is_ended(&p, 3));
	connections_drop(p.cs, reader);
	take_known(&p, 6);
	assert_true(is_ended(&p, 3) && !is_ended(&p, 0));
	assert_int_equal(connections_count(p.cs).ended_for_room, 3);
	peers_free(&p);
}

/* Its request may change something: it is done, and answered. */
static void a_request_that_is_whole_is_not_ended(void **state)
{
	struct peers p = peers_new(2);

	(void)state;
	connection_works(take(&p, 0));
	take_known(&p, 1);
	take(&p, 2);
	assert_true(!is_ended(&p, 0) && is_ended(&p, 1));
	peers_free(&p);
}

static void an_address_has_its_share(void **state)
{
	struct peers p = peers_new(6);

	(void)state;
	take(&p, 7); /* the oldest of all, from elsewhere */
	for (int i = 0; i < 4; i++, now_ms++)
		assert_true(take_from(p.cs, p.ours[i], 100));
	assert_true(is_ended(&p, 0) && !is_ended(&p, 1) && !is_ended(&p, 7));
	/* known ones are not counted */
	for (int i = 1; i < 4; i++)
		connection_is_known(connections_find(p.cs, p.ours[i]));
	assert_true(take_from(p.cs, p.ours[4], 100));
	assert_false(is_ended(&p, 1) || is_ended(&p, 2) || is_ended(&p, 3) || is_ended(&p, 7));
	peers_free(&p);
}

/* Who comes from an address of its own is not ended for those who come from one. */
static void the_crowded_address_makes_room(void **state)
{
	struct peers p = peers_new(4);

	(void)state;
	take(&p, 0);
	assert_true(take_from(p.cs, p.ours[1], 100));
	now_ms++;
	assert_true(take_from(p.cs, p.ours[2], 100));
	take(&p, 3); /* strangers have three quarters: one goes, though there is a place */
	assert_true(!is_ended(&p, 0) && is_ended(&p, 1) && !is_ended(&p, 2));
	peers_free(&p);
}

static void the_longest_idle_makes_room(void **state)
{
	struct peers p = peers_new(3);
	struct connection *first, *second;

	(void)state;
	first = take_known(&p, 0);
	second = take_known(&p, 1);
	take_known(&p, 2);
	connection_sends(first);
	now_ms += 10;
	connection_works(first);
	now_ms += 10;
	connection_rests(first); /* idle later than the others */
	take_known(&p, 3);
	assert_true(is_ended(&p, 1) && !is_ended(&p, 0) && !is_ended(&p, 2));
	assert_true(connections_are_ending(p.cs));
	connections_drop(p.cs, second);
	assert_false(connections_are_ending(p.cs));
	take_known(&p, 4);
	assert_true(is_ended(&p, 2) && !is_ended(&p, 0));
	peers_free(&p);
}

static void who_works_stays_and_the_silent_go(void **state)
{
	struct peers p = peers_new(2);
	struct connection *sender, *silent;

	(void)state;
	sender = take_known(&p, 0);
	silent = take_known(&p, 1);
	connection_sends(silent);
	connection_sends(sender);
	take_known(&p, 2); /* nobody is idle: into the slack */
	assert_false(is_ended(&p, 0) || is_ended(&p, 1) || is_ended(&p, 2));
	connection_works(connections_find(p.cs, p.ours[2]));
	now_ms += CONNECTION_SILENCE_MS;
	connection_sent(sender, 100);
	take_known(&p, 3);
	assert_true(is_ended(&p, 1));
	assert_false(is_ended(&p, 0) || is_ended(&p, 2) || is_ended(&p, 3));
	peers_free(&p);
}

/* Also known ones: who takes nothing of an answer holds its place no longer than who sends
 * nothing. */
static void who_does_not_read_makes_room(void **state)
{
	struct peers p = peers_new(2);
	struct connection *reads, *sleeps;

	(void)state;
	reads = take_known(&p, 0);
	sleeps = take_known(&p, 1);
	connection_answers(sleeps);
	connection_answers(reads);
	taken[p.ours[0]].pending = taken[p.ours[1]].pending = true;
	for (int s = 0; s < 6; s++) {
		now_ms += 1000;
		taken[p.ours[0]].bytes += 10;
		connections_sweep(p.cs);
	}
	take_known(&p, 2);
	assert_true(is_ended(&p, 1) && !is_ended(&p, 0));
	peers_free(&p);
}

/* What came in at the last moment is not begun: its answer would reach nobody, and its PUT would be
 * done all the same. */
static void who_was_ended_begins_nothing_more(void **state)
{
	struct peers p = peers_new(2);
	struct connection *idle, *silent;

	(void)state;
	silent = take_known(&p, 0);
	assert_true(connection_sends(silent));
	idle = take_known(&p, 1);
	take_known(&p, 2);
	now_ms += CONNECTION_SILENCE_MS;
	connection_works(connections_find(p.cs, p.ours[2]));
	take_known(&p, 3);
	assert_true(is_ended(&p, 0) && is_ended(&p, 1));
	assert_false(connection_sends(idle));
	assert_false(connection_works(silent));
	connection_rests(silent);
	connections_drop(p.cs, idle);
	assert_true(connections_are_ending(p.cs));
	peers_free(&p);
}

/* Also when it has to ask more than once, as those that were ended are still there. */
static void a_new_one_ends_one_and_not_more(void **state)
{
	struct peers p = peers_new(3);
	int fd = 1000000; /* none of ours: shutting it down does nothing */

	(void)state;
	for (unsigned i = 0; i < CONNECTIONS_SLACK + 1; i++, now_ms++, fd++) {
		assert_true(take_from(p.cs, fd, 0));
		connection_is_known(connections_find(p.cs, fd));
	}
	take_known(&p, 0);
	take_known(&p, 1);
	for (int i = 0; i < 3; i++)
		assert_false(take_from(p.cs, p.ours[2], 0));
	assert_false(is_ended(&p, 0) || is_ended(&p, 1));
	peers_free(&p);
}

static void when_all_work_new_ones_are_spares_then_refused(void **state)
{
	struct connections *cs = connections_new(1, IDLE_MS, &test_clock, progress);
	int fd = 1000000;

	(void)state;
	assert_int_equal(connections_limit(cs), 1 + CONNECTIONS_SLACK);
	for (unsigned i = 0; i < connections_limit(cs); i++, fd++) {
		struct connection *c;

		assert_true(take_from(cs, fd, 0));
		c = connections_find(cs, fd);
		connection_is_known(c);
		connection_works(c);
		assert_int_equal(connection_is_spare(cs, c), i > 0);
	}
	assert_false(take_from(cs, fd, 0));
	assert_false(connections_are_ending(cs));
	connections_drop(cs, connections_find(cs, 1000003));
	assert_true(take_from(cs, fd, 0));
	/* closed by the library without a word: the number comes again and has no second place */
	assert_true(take_from(cs, fd, 0));
	for (int i = 0; i < fd - 1000000; i++)
		if (i != 3)
			connections_drop(cs, connections_find(cs, 1000000 + i));
	assert_false(connection_is_spare(cs, connections_find(cs, fd))); /* there is room again */
	connections_free(cs);
}

static void time_is_over(void **state)
{
	struct peers p = peers_new(N_PEERS);
	struct connection *slow, *quick, *works;

	(void)state;
	take_known(&p, 0); /* says nothing, or dribbles at a head */
	slow = take_known(&p, 1);
	quick = take_known(&p, 2);
	works = take_known(&p, 3);
	connection_sends(slow);
	connection_sends(quick);
	connection_sends(works);
	connection_works(works);
	now_ms += IDLE_MS - 1000;
	take_known(&p, 4);
	connections_sweep(p.cs);
	for (int i = 0; i < 5; i++)
		assert_false(is_ended(&p, i));
	connection_sent(slow, IDLE_MS / 1000 * CONNECTION_RATE_MIN_BYTES - 1);
	connection_sent(quick, (IDLE_MS / 1000 + 2) * CONNECTION_RATE_MIN_BYTES);
	now_ms += 1500;
	connections_sweep(p.cs);
	assert_true(is_ended(&p, 0) && is_ended(&p, 1));
	assert_false(is_ended(&p, 2) || is_ended(&p, 3) || is_ended(&p, 4));
	assert_int_equal(connections_count(p.cs).ended_as_too_slow, 2);
	peers_free(&p);
}

static void a_refused_body_is_drained_for_a_while(void **state)
{
	struct peers p = peers_new(N_PEERS);
	struct connection *c = take(&p, 0);

	(void)state;
	connection_drains(c);
	for (unsigned ms = 0; ms < CONNECTION_DRAIN_MS + 1000; ms += 500) {
		now_ms += 500;
		connection_sent(c, 1u << 20); /* however much comes */
		connection_drains(c);
		connections_sweep(p.cs);
		assert_false(is_ended(&p, 0));
	}
	now_ms += 500;
	connections_sweep(p.cs);
	assert_true(is_ended(&p, 0));
	peers_free(&p);
}

/* Also where the answer is long: 256 bytes a second on average, once idle_ms are over, and only
 * while the answer waits for the peer. */
static void a_reader_must_take_bytes(void **state)
{
	struct peers p = peers_new(N_PEERS);

	(void)state;
	for (int i = 0; i < 3; i++) {
		connection_answers(take_known(&p, i));
		taken[p.ours[i]].pending = i != 2; /* the last one waits for us */
	}
	for (unsigned s = 0; s <= IDLE_MS / 1000 + 1; s++) {
		taken[p.ours[0]].bytes += CONNECTION_RATE_MIN_BYTES + 10;
		taken[p.ours[1]].bytes += CONNECTION_RATE_MIN_BYTES - 10;
		connections_sweep(p.cs);
		now_ms += 1000;
	}
	connections_sweep(p.cs);
	assert_true(!is_ended(&p, 0) && is_ended(&p, 1) && !is_ended(&p, 2));
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
		cmocka_unit_test(strangers_are_the_first_to_go),
		cmocka_unit_test(a_request_that_is_whole_is_not_ended),
		cmocka_unit_test(an_address_has_its_share),
		cmocka_unit_test(the_crowded_address_makes_room),
		cmocka_unit_test(the_longest_idle_makes_room),
		cmocka_unit_test(who_works_stays_and_the_silent_go),
		cmocka_unit_test(who_does_not_read_makes_room),
		cmocka_unit_test(who_was_ended_begins_nothing_more),
		cmocka_unit_test(a_new_one_ends_one_and_not_more),
		cmocka_unit_test(when_all_work_new_ones_are_spares_then_refused),
		cmocka_unit_test(time_is_over),
		cmocka_unit_test(a_refused_body_is_drained_for_a_while),
		cmocka_unit_test(a_reader_must_take_bytes),
		cmocka_unit_test(who_dribbles_or_is_silent_is_let_go),
		cmocka_unit_test(many_more_than_the_limit_hinder_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
