#include "gateway/http/connections.h"

#include <limits.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"

/* A client that still sends when the time of draining is over is answered at its next byte
 * (server.c). The sweep must not end the connection before that. */
#define DRAIN_GRACE_MS 1000

enum state { IDLE, SENDING, DRAINING, WORKING, ANSWERING, ENDED };

/* Addresses are counted by a hash: two that share one are taken for one, which costs fairness
 * alone. */
#define ADDRESS_BUCKETS 1024

struct connection {
	int fd; /* -1: a free place; under lock */
	struct clock *clock;
	uint64_t born_boot_ms; /* under lock */
	unsigned address;      /* its bucket; under lock */
	_Atomic bool is_spare;
	_Atomic uint64_t linger_bytes; /* 0: it does not linger */
	_Atomic bool is_known;
	_Atomic int state;
	_Atomic uint64_t since_boot_ms; /* when the state began */
	/* that time, or when the last byte of a body or of an answer moved */
	_Atomic uint64_t heard_boot_ms;
	_Atomic uint64_t bytes;         /* bytes of the body, or of the answer */
	uint64_t seen_since_boot_ms;    /* the sweep's, with the next: which answer it looks at */
	uint64_t seen_bytes, first_bytes;
	bool reader_lags; /* some of the answer waits for the peer to take it */
};

struct connections {
	pthread_mutex_t lock;
	unsigned max, n_places;
	unsigned n_taken;                /* under lock */
	struct connection_counts counts; /* under lock; known and strangers are not kept here */
	uint64_t idle_ms;
	struct clock *clock;
	connection_progress *progress;
	struct connection places[];
};

static void ask_kernel(int fd, uint64_t *ret_bytes, bool *ret_pending)
{
	struct tcp_info info = {0};
	socklen_t n = sizeof(info);
	int pending = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
		info.tcpi_bytes_acked = 0;
	if (ioctl(fd, SIOCOUTQ, &pending) != 0)
		pending = 0;
	*ret_bytes = info.tcpi_bytes_acked;
	*ret_pending = pending > 0;
}

struct connections *connections_new(
	unsigned max, uint64_t idle_ms, struct clock *clock, connection_progress *progress)
{
	unsigned n = max + CONNECTIONS_SLACK;
	struct connections *cs = xcalloc(1, sizeof(*cs) + n * sizeof(cs->places[0]));

	pthread_mutex_init(&cs->lock, NULL);
	cs->max = max;
	cs->n_places = n;
	cs->idle_ms = idle_ms;
	cs->clock = clock;
	cs->progress = progress ? progress : ask_kernel;
	for (unsigned i = 0; i < n; i++)
		cs->places[i] = (struct connection){.fd = -1, .clock = clock};
	return cs;
}

void connections_free(struct connections *cs)
{
	if (!cs)
		return;
	pthread_mutex_destroy(&cs->lock);
	free(cs);
}

unsigned connections_limit(const struct connections *cs)
{
	return cs->n_places;
}

static unsigned bucket_of(const struct sockaddr *address)
{
	uint64_t n = 0;

	if (address && address->sa_family == AF_INET)
		n = ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr;
	else if (address && address->sa_family == AF_INET6)
		memcpy(&n, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
			sizeof(n));
	n *= 0x9e3779b97f4a7c15u;
	return (unsigned)(n >> 32) % ADDRESS_BUCKETS;
}

/* false: it was ended, and stays so. */
static bool enter(struct connection *c, enum state state)
{
	uint64_t now = clock_boot_ms(c->clock);
	int was = atomic_load(&c->state);

	do {
		if (was == ENDED)
			return false;
		atomic_store(&c->since_boot_ms, now);
		atomic_store(&c->heard_boot_ms, now);
	} while (!atomic_compare_exchange_weak(&c->state, &was, (int)state));
	return true;
}

/* Shuts the socket down: the library's thread sees the end of input and closes the connection.
 * false: the connection has left the state in which it was judged. */
static bool end_locked(struct connection *c, int judged)
{
	if (!atomic_compare_exchange_strong(&c->state, &judged, ENDED))
		return false;
	shutdown(c->fd, SHUT_RDWR);
	return true;
}

static struct connection *find_locked(struct connections *cs, int fd)
{
	for (unsigned i = 0; i < cs->n_places; i++)
		if (cs->places[i].fd == fd)
			return &cs->places[i];
	return NULL;
}

/* --- who has to go --- */

static bool is_stranger(struct connection *c, int state)
{
	return state != ENDED && state != WORKING && !atomic_load(&c->is_known);
}

/* How long a known connection has done nothing that keeps it from having to go; 0: it may not be
 * ended. */
static uint64_t uselessness(struct connection *c, int state, uint64_t now)
{
	uint64_t heard = atomic_load(&c->heard_boot_ms), ms = now > heard ? now - heard : 0;

	switch (state) {
	case IDLE:
		return UINT64_MAX / 2 + ms; /* before any that sends or reads */
	case SENDING:
	case DRAINING:
	case ANSWERING:
		return ms >= CONNECTION_SILENCE_MS ? ms : 0;
	default:
		return 0;
	}
}

struct tally {
	unsigned n_ended; /* and not gone yet */
	unsigned n_strangers;
	unsigned n_of[ADDRESS_BUCKETS]; /* strangers by address */
	unsigned most_of_one;           /* the highest of these */
	struct connection *useless;     /* the known connection that has to go first; NULL: none */
	int useless_state;
};

static void tally_locked(struct connections *cs, struct tally *t)
{
	uint64_t now = clock_boot_ms(cs->clock), most = 0;

	*t = (struct tally){0};
	for (unsigned i = 0; i < cs->n_places; i++) {
		struct connection *c = &cs->places[i];
		int state = atomic_load(&c->state);
		uint64_t ms;

		if (c->fd < 0)
			continue;
		t->n_ended += state == ENDED;
		if (is_stranger(c, state)) {
			t->n_strangers++;
			if (++t->n_of[c->address] > t->most_of_one)
				t->most_of_one = t->n_of[c->address];
			continue;
		}
		ms = uselessness(c, state, now);
		if (ms > most) {
			most = ms;
			t->useless = c;
			t->useless_state = state;
		}
	}
}

#define EVERY_ADDRESS UINT_MAX

/* Ends the oldest stranger of one address, or of the address that has most. false: there is none
 * any more. */
static bool end_stranger_locked(struct connections *cs, const struct tally *t, unsigned address)
{
	struct connection *oldest = NULL;
	int oldest_state = IDLE;

	for (unsigned i = 0; i < cs->n_places; i++) {
		struct connection *c = &cs->places[i];
		int state = atomic_load(&c->state);

		if (c->fd < 0 || !is_stranger(c, state))
			continue;
		if (address == EVERY_ADDRESS ? t->n_of[c->address] < t->most_of_one
					     : c->address != address)
			continue;
		if (!oldest || c->born_boot_ms < oldest->born_boot_ms) {
			oldest = c;
			oldest_state = state;
		}
	}
	return oldest && end_locked(oldest, oldest_state);
}

static unsigned address_share(const struct connections *cs)
{
	return (cs->max + 1) / 2;
}

static unsigned strangers_share(const struct connections *cs)
{
	return (3 * cs->max + 3) / 4;
}

/* Ends one where the rules want it. Returns whether the new connection has a place of the
 * regular ones. */
static bool make_room_locked(struct connections *cs, unsigned address)
{
	struct tally t;
	bool is_full, has_ended = false;

	for (;;) {
		tally_locked(cs, &t);
		is_full = cs->n_taken - t.n_ended >= cs->max;
		if (t.n_of[address] >= address_share(cs))
			has_ended = end_stranger_locked(cs, &t, address);
		else if (t.n_strangers && (is_full || t.n_strangers >= strangers_share(cs)))
			has_ended = end_stranger_locked(cs, &t, EVERY_ADDRESS);
		else if (is_full && t.useless)
			has_ended = end_locked(t.useless, t.useless_state);
		else
			break;
		if (has_ended)
			break; /* else its state has changed meanwhile: look again */
	}
	cs->counts.ended_for_room += has_ended;
	return !is_full || has_ended;
}

bool connections_take(struct connections *cs, int fd, const struct sockaddr *address)
{
	unsigned bucket = bucket_of(address);
	bool is_regular = true;
	struct connection *c;

	pthread_mutex_lock(&cs->lock);
	/* a connection that the library could not begin to serve was closed without a call: its
	 * number is used again */
	c = find_locked(cs, fd);
	if (!c) {
		is_regular = make_room_locked(cs, bucket);
		c = find_locked(cs, -1);
		cs->n_taken += c != NULL;
	}
	if (c) {
		c->fd = fd;
		c->address = bucket;
		c->born_boot_ms = clock_boot_ms(cs->clock);
		atomic_store(&c->is_spare, !is_regular);
		atomic_store(&c->linger_bytes, 0);
		c->seen_since_boot_ms = 0;
		atomic_store(&c->is_known, false);
		atomic_store(&c->state, IDLE);
		enter(c, IDLE);
	}
	pthread_mutex_unlock(&cs->lock);
	return c != NULL;
}

void connections_refuse(struct connections *cs)
{
	pthread_mutex_lock(&cs->lock);
	cs->counts.refused++;
	pthread_mutex_unlock(&cs->lock);
}

bool connections_are_ending(struct connections *cs)
{
	bool found = false;

	pthread_mutex_lock(&cs->lock);
	for (unsigned i = 0; i < cs->n_places && !found; i++)
		found = cs->places[i].fd >= 0 && atomic_load(&cs->places[i].state) == ENDED;
	pthread_mutex_unlock(&cs->lock);
	return found;
}

/* --- whose time is over --- */

/* Reads how much of its answer the peer has taken. */
static void look_at_reader_locked(struct connections *cs, struct connection *c, uint64_t now)
{
	uint64_t since = atomic_load(&c->since_boot_ms), bytes;
	bool pending;

	cs->progress(c->fd, &bytes, &pending);
	if (c->seen_since_boot_ms != since) { /* another answer than at the last look */
		c->seen_since_boot_ms = since;
		c->seen_bytes = c->first_bytes = bytes;
	}
	if (bytes != c->seen_bytes || !pending)
		atomic_store(&c->heard_boot_ms, now);
	c->reader_lags = pending;
	c->seen_bytes = bytes;
	atomic_store(&c->bytes, bytes - c->first_bytes);
}

static bool is_too_slow(const struct connections *cs, struct connection *c, uint64_t ms)
{
	return ms > cs->idle_ms && atomic_load(&c->bytes) < ms / 1000 * CONNECTION_RATE_MIN_BYTES;
}

static bool is_over(const struct connections *cs, struct connection *c, int state, uint64_t now)
{
	uint64_t since = atomic_load(&c->since_boot_ms), ms = now > since ? now - since : 0;

	switch (state) {
	case IDLE:
		return ms > cs->idle_ms;
	case SENDING:
		return is_too_slow(cs, c, ms);
	case ANSWERING: /* unless it waits for us */
		return c->reader_lags && is_too_slow(cs, c, ms);
	case DRAINING:
		return ms > CONNECTION_DRAIN_MS + DRAIN_GRACE_MS;
	default:
		return false;
	}
}

void connections_sweep(struct connections *cs)
{
	uint64_t now = clock_boot_ms(cs->clock);

	pthread_mutex_lock(&cs->lock);
	for (unsigned i = 0; i < cs->n_places; i++) {
		struct connection *c = &cs->places[i];
		int state = atomic_load(&c->state);

		if (c->fd < 0)
			continue;
		if (state == ANSWERING)
			look_at_reader_locked(cs, c, now);
		if (is_over(cs, c, state, now))
			cs->counts.ended_as_too_slow += end_locked(c, state);
	}
	pthread_mutex_unlock(&cs->lock);
}

struct connection *connections_find(struct connections *cs, int fd)
{
	struct connection *c;

	pthread_mutex_lock(&cs->lock);
	c = find_locked(cs, fd);
	pthread_mutex_unlock(&cs->lock);
	return c;
}

void connections_drop(struct connections *cs, struct connection *c)
{
	pthread_mutex_lock(&cs->lock);
	c->fd = -1;
	cs->n_taken--;
	pthread_mutex_unlock(&cs->lock);
}

struct connection_counts connections_count(struct connections *cs)
{
	struct connection_counts counts;

	pthread_mutex_lock(&cs->lock);
	counts = cs->counts;
	for (unsigned i = 0; i < cs->n_places; i++) {
		struct connection *c = &cs->places[i];

		if (c->fd < 0)
			continue;
		if (atomic_load(&c->is_known))
			counts.known++;
		else
			counts.strangers++;
	}
	pthread_mutex_unlock(&cs->lock);
	return counts;
}

/* --- one connection --- */

bool connection_sends(struct connection *c)
{
	atomic_store(&c->bytes, 0);
	return enter(c, SENDING);
}

void connection_sent(struct connection *c, uint64_t bytes)
{
	atomic_store(&c->bytes, bytes);
	atomic_store(&c->heard_boot_ms, clock_boot_ms(c->clock));
}

void connection_drains(struct connection *c)
{
	if (atomic_load(&c->state) != DRAINING)
		enter(c, DRAINING);
}

bool connection_works(struct connection *c)
{
	return enter(c, WORKING);
}

void connection_answers(struct connection *c)
{
	atomic_store(&c->bytes, 0);
	enter(c, ANSWERING);
}

void connection_rests(struct connection *c)
{
	enter(c, IDLE);
}

void connection_is_known(struct connection *c)
{
	atomic_store(&c->is_known, true);
}

uint64_t connection_state_ms(const struct connection *c)
{
	uint64_t now = clock_boot_ms(c->clock), since = atomic_load(&c->since_boot_ms);

	return now > since ? now - since : 0;
}

bool connection_is_spare(struct connections *cs, struct connection *c)
{
	if (!atomic_load(&c->is_spare))
		return false;
	pthread_mutex_lock(&cs->lock);
	if (cs->n_taken <= cs->max)
		atomic_store(&c->is_spare, false);
	pthread_mutex_unlock(&cs->lock);
	return atomic_load(&c->is_spare);
}

void connection_cuts(struct connection *c, uint64_t linger_bytes)
{
	atomic_store(&c->linger_bytes, linger_bytes);
}

uint64_t connection_lingers(const struct connection *c)
{
	return atomic_load(&c->state) == ENDED ? 0 : atomic_load(&c->linger_bytes);
}
