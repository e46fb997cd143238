/*
 * A data folder for tests of adapter/local: made, crashed, opened again, removed. On a clock that
 * is the machine's plus jumps.
 *
 * A crash is a copy of the folder as the kernel has it, taken while the adapter runs: what kill -9
 * leaves. The log is copied after the database: a checkpoint meanwhile writes only what the log has
 * too.
 */
#ifndef BALER_TESTS_UNIT_LOCAL_FIXTURE_H
#define BALER_TESTS_UNIT_LOCAL_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "adapter/local/local.h"
#include "base/file.h"
#include "port/bucket_store.h"

struct local_fixture {
	struct clock clock;
	_Atomic uint64_t ahead_ms;
	_Atomic int64_t wall_jump_ms; /* of the wall clock alone */
	char root[64];                /* temporary */
	char folder[96];              /* below root */
	unsigned generation;
	uint32_t max_receives;
	struct local *local;
};

static inline uint64_t fixture_wall_ms(struct clock *c)
{
	struct local_fixture *f = (struct local_fixture *)c;

	return clock_wall_ms(clock_system()) + f->ahead_ms + (uint64_t)f->wall_jump_ms;
}

static inline uint64_t fixture_boot_ms(struct clock *c)
{
	return clock_boot_ms(clock_system()) + ((struct local_fixture *)c)->ahead_ms;
}

/* Time jumps; nobody sleeps. */
static inline void fixture_pass(struct clock *c, uint64_t ms)
{
	((struct local_fixture *)c)->ahead_ms += ms;
}

static inline void fixture_start(struct local_fixture *f)
{
	struct local_config cfg = {.folder = f->folder,
		.clock = &f->clock,
		.region = "eu-central-1",
		.max_receives = f->max_receives};
	struct err err = {0};

	if (local_open(&cfg, &f->local, &err) != RC_OK)
		die("open '%s': %s", f->folder, err.text);
}

/* In memory where there is some (a container may have 64 MiB): no test here is about the disk's own
 * promises. */
static inline const char *fixture_place(void)
{
	struct statvfs fs;

	if (access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &fs) == 0 &&
		fs.f_bavail * fs.f_frsize > 1u << 30)
		return "/dev/shm";
	return "/tmp";
}

static inline void fixture_init(struct local_fixture *f, uint32_t max_receives)
{
	*f = (struct local_fixture){.clock = {fixture_wall_ms, fixture_boot_ms, fixture_pass},
		.max_receives = max_receives};
	snprintf(f->root, sizeof(f->root), "%s/baler-local-XXXXXX", fixture_place());
	if (!mkdtemp(f->root))
		die("cannot make '%s'", f->root);
	snprintf(f->folder, sizeof(f->folder), "%s/0", f->root);
	fixture_start(f);
}

/* The ports of before are gone; the folder is the copy. */
static inline void fixture_crash(struct local_fixture *f)
{
	char next[96], command[1024];

	snprintf(next, sizeof(next), "%s/%u", f->root, ++f->generation);
	snprintf(command, sizeof(command),
		"mkdir -m 700 %s && cd %s && tar cf - --warning=no-file-changed --exclude='*-wal' "
		"--exclude='*-shm' . |"
		" tar xf - -C %s && cp -p *-wal %s",
		next, f->folder, next, next);
	if (system(command) != 0)
		die("cannot copy '%s'", f->folder);
	local_close(f->local);
	snprintf(f->folder, sizeof(f->folder), "%s", next);
	fixture_start(f);
}

static inline void fixture_release(struct local_fixture *f)
{
	struct err err = {0};

	local_close(f->local);
	if (file_remove_tree(f->root, &err) != RC_OK)
		die("%s", err.text);
}

/* A write of the bucket store's, waited for. */
struct fixture_wait {
	pthread_mutex_t lock;
	pthread_cond_t end;
	bool ended; /* under lock */
	enum rc rc;
};

#define FIXTURE_WAIT                                                                               \
	{                                                                                          \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, RC_FATAL               \
	}

static inline void fixture_done(void *arg, const struct bs_result *result)
{
	struct fixture_wait *w = arg;

	pthread_mutex_lock(&w->lock);
	w->rc = result->rc;
	w->ended = true;
	pthread_cond_signal(&w->end);
	pthread_mutex_unlock(&w->lock);
}

static inline enum rc fixture_end(struct fixture_wait *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->ended)
		pthread_cond_wait(&w->end, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return w->rc;
}

static inline void fixture_bucket(
	struct local_fixture *f, const char *name, enum bs_versioning versioning)
{
	struct fixture_wait w = FIXTURE_WAIT;

	bs_call(local_bucket_store(f->local), bucket_create, slice_str(name), versioning,
		((struct bs_done){fixture_done, &w}));
	if (fixture_end(&w) != RC_OK)
		die("cannot make bucket '%s'", name);
}

#endif
