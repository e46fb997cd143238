#include "gateway/http/connections.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/err.h"

enum state { IDLE, SENDING, SERVED, ENDED };

struct connection {
	int fd; /* -1: a free place; under lock */
	struct clock *clock;
	_Atomic int state;
	_Atomic uint64_t since_boot_ms; /* when the state began */
	_Atomic uint64_t heard_boot_ms; /* that, or the last byte of a body */
	_Atomic uint64_t bytes;         /* of the body */
};

struct connections {
	pthread_mutex_t lock;
	unsigned max, n_places;
	unsigned n_taken; /* under lock */
	uint64_t idle_ms;
	struct clock *clock;
	struct connection places[];
};

struct connections *connections_new(unsigned max, uint64_t idle_ms, struct clock *clock)
{
	unsigned n = max + CONNECTIONS_SLACK;
	struct connections *cs = xcalloc(1, sizeof(*cs) + n * sizeof(cs->places[0]));

	pthread_mutex_init(&cs->lock, NULL);
	cs->max = max;
	cs->n_places = n;
	cs->idle_ms = idle_ms;
	cs->clock = clock;
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

/* Its thread of the library sees the end of input, and closes it. false: it is not in the state any more that it was judged by. */
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

/* How long it has done nothing that keeps it from having to go; 0: it may not be ended. */
static uint64_t uselessness(struct connection *c, int state, uint64_t now)
{
	uint64_t heard = atomic_load(&c->heard_boot_ms), ms = now > heard ? now - heard : 0;

	switch (state) {
	case IDLE:
		return UINT64_MAX / 2 + ms; /* before any that sends */
	case SENDING:
		return ms >= CONNECTION_SILENCE_MS ? ms : 0;
	default:
		return 0;
	}
}

/* The one that has to go first, and its state; *ret_n_ended: how many go already. NULL: nobody has to. */
static struct connection *find_useless_locked(
	struct connections *cs, int *ret_state, unsigned *ret_n_ended)
{
	uint64_t now = clock_boot_ms(cs->clock), most = 0;
	struct connection *useless = NULL;

	*ret_n_ended = 0;
	for (unsigned i = 0; i < cs->n_places; i++) {
		struct connection *c = &cs->places[i];
		int state = atomic_load(&c->state);
		uint64_t ms = c->fd >= 0 ? uselessness(c, state, now) : 0;

		*ret_n_ended += c->fd >= 0 && state == ENDED;
		if (ms > most) {
			most = ms;
			useless = c;
			*ret_state = state;
		}
	}
	return useless;
}

static void make_room_locked(struct connections *cs)
{
	struct connection *useless;
	unsigned n_ended;
	int state = IDLE;

	do
		useless = find_useless_locked(cs, &state, &n_ended);
	while (useless && cs->n_taken - n_ended >= cs->max && !end_locked(useless, state));
}

bool connections_take(struct connections *cs, int fd)
{
	struct connection *c;

	pthread_mutex_lock(&cs->lock);
	/* one the library could not begin to serve was closed without a word: its number comes again */
	c = find_locked(cs, fd);
	if (!c) {
		if (cs->n_taken >= cs->max)
			make_room_locked(cs);
		c = find_locked(cs, -1);
		cs->n_taken += c != NULL;
	}
	if (c) {
		c->fd = fd;
		atomic_store(&c->state, IDLE);
		enter(c, IDLE);
	}
	pthread_mutex_unlock(&cs->lock);
	return c != NULL;
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

static bool is_over(const struct connections *cs, struct connection *c, int state, uint64_t now)
{
	uint64_t since = atomic_load(&c->since_boot_ms), ms = now > since ? now - since : 0;

	switch (state) {
	case IDLE:
		return ms > cs->idle_ms;
	case SENDING:
		return ms > cs->idle_ms &&
		       atomic_load(&c->bytes) < ms / 1000 * CONNECTION_RATE_MIN_BYTES;
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

		if (c->fd >= 0 && is_over(cs, c, state, now))
			end_locked(c, state);
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

bool connection_is_served(struct connection *c)
{
	return enter(c, SERVED);
}

void connection_rests(struct connection *c)
{
	enter(c, IDLE);
}
