#include "adapter/local/engine/grants.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "adapter/local/engine/room.h"
#include "base/clock.h"

struct grants {
	char folder[PATH_MAX];
	pthread_mutex_t lock;
	/* all under lock */
	uint64_t taken, log_bytes;
	bool has_refused;
	uint64_t refused_boot_ms, wait_boot_ms;
	char waiting[GRANTS_KEY_MAX];
	uint64_t needed, had;
};

struct grants *grants_new(const char *folder)
{
	struct grants *g = xcalloc(1, sizeof(*g));

	snprintf(g->folder, sizeof(g->folder), "%s", folder);
	pthread_mutex_init(&g->lock, NULL);
	return g;
}

void grants_free(struct grants *g)
{
	if (!g)
		return;
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static uint64_t now_boot_ms(void)
{
	return clock_boot_ms(clock_system());
}

/* A disk that cannot be asked (a folder on its way out) refuses nothing: the writes themselves
 * will. */
static uint64_t free_locked(const struct grants *g)
{
	uint64_t left = room_left(g->folder);
	uint64_t held = g->taken + g->log_bytes;

	return left > held ? left - held : 0;
}

uint64_t grants_take_some(struct grants *g, uint64_t least, uint64_t some, uint64_t most,
	uint64_t *ret_free)
{
	uint64_t got = 0, share;

	pthread_mutex_lock(&g->lock);
	*ret_free = free_locked(g);
	share = *ret_free / 2 > some ? *ret_free / 2 : some;
	if (share > *ret_free)
		share = *ret_free;
	if (*ret_free >= least)
		got = share < most ? share : most;
	g->taken += got;
	pthread_mutex_unlock(&g->lock);
	return got;
}

enum rc grants_take(struct grants *g, uint64_t bytes, struct err *err)
{
	uint64_t free_bytes;

	if (bytes == 0 || grants_take_some(g, bytes, bytes, bytes, &free_bytes))
		return RC_OK;
	return err_code(err, RC_AGAIN, "ENOSPC",
		"no room on disk: %llu bytes are needed, %llu are free", (unsigned long long)bytes,
		(unsigned long long)free_bytes);
}

void grants_give_back(struct grants *g, uint64_t bytes)
{
	pthread_mutex_lock(&g->lock);
	if (bytes > g->taken)
		die("disk room: more is given back than was taken");
	g->taken -= bytes;
	pthread_mutex_unlock(&g->lock);
}

uint64_t grants_taken(struct grants *g)
{
	uint64_t taken;

	pthread_mutex_lock(&g->lock);
	taken = g->taken;
	pthread_mutex_unlock(&g->lock);
	return taken;
}

void grants_note_log(struct grants *g, uint64_t bytes)
{
	pthread_mutex_lock(&g->lock);
	g->log_bytes = bytes;
	pthread_mutex_unlock(&g->lock);
}

void grants_note_refusal(struct grants *g)
{
	pthread_mutex_lock(&g->lock);
	g->has_refused = true;
	g->refused_boot_ms = now_boot_ms();
	pthread_mutex_unlock(&g->lock);
}

void grants_note_wait(struct grants *g, struct slice key, uint64_t needed, uint64_t free_bytes)
{
	pthread_mutex_lock(&g->lock);
	snprintf(g->waiting, sizeof(g->waiting), SLICE_FMT, SLICE_ARG(key));
	g->needed = needed;
	g->had = free_bytes;
	g->wait_boot_ms = now_boot_ms();
	pthread_mutex_unlock(&g->lock);
}

void grants_stat(struct grants *g, struct grants_stat *ret_stat)
{
	struct grants_stat s = {0};
	uint64_t now = now_boot_ms();
	struct statvfs st;

	if (statvfs(g->folder, &st) == 0)
		s.total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
	pthread_mutex_lock(&g->lock);
	s.free_bytes = free_locked(g);
	s.is_refusing = g->has_refused && now - g->refused_boot_ms < GRANTS_SHOWN_MS;
	if (g->waiting[0] && now - g->wait_boot_ms < GRANTS_WAIT_SHOWN_MS) {
		memcpy(s.waiting, g->waiting, sizeof(s.waiting));
		s.needed_bytes = g->needed;
		s.had_bytes = g->had;
	}
	pthread_mutex_unlock(&g->lock);
	*ret_stat = s;
}
