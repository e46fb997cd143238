/* The suite of buckets over adapter/local. */
#include "buckets.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapter/local/local.h"
#include "base/file.h"

struct own {
	char root[64];
	char folder[96]; /* below root */
	unsigned generation;
	struct local *local;
};

static void start(struct bucket_world *w)
{
	static const char *const prefixes[] = {EVENT_PREFIX};
	struct own *own = w->own;
	struct local_config cfg = {
		.folder = own->folder,
		.clock = clock_system(),
		.region = "us-east-1",
		.notify = {.bucket = LANDING, .prefixes = prefixes, .n_prefixes = 1},
		.max_receives = 5,
	};
	struct err err;

	if (local_open(&cfg, &own->local, &err) != RC_OK)
		die("open '%s': %s", own->folder, err.text);
	w->bs = local_bucket_store(own->local);
	w->queue = local_event_queue(own->local);
}

static void reopen(struct bucket_world *w)
{
	struct own *own = w->own;

	local_close(own->local);
	start(w);
}

/* What kill -9 leaves is what the kernel has: a copy taken while the adapter is open. Nothing is in
 * hand, so nothing moves meanwhile but an idle checkpoint, which writes into the database only what
 * the log has too: so the log is copied last. */
static void crash(struct bucket_world *w)
{
	struct own *own = w->own;
	char next[96], command[1024];

	snprintf(next, sizeof(next), "%s/%u", own->root, ++own->generation);
	snprintf(command, sizeof(command),
		"cp -rp %s %s && cp -p %s/baler.db-wal %s/ && rm -f %s/baler.db-shm", own->folder,
		next, own->folder, next, next);
	if (system(command) != 0)
		die("cannot copy '%s'", own->folder);
	local_close(own->local);
	memcpy(own->folder, next, sizeof(next));
	start(w);
}

static size_t n_files;

static int count(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	n_files += flag == FTW_F;
	return 0;
}

/* Removals run on a pool: two equal counts with a pause between. */
static size_t files(struct bucket_world *w)
{
	struct own *own = w->own;
	char path[128];
	size_t last;

	snprintf(path, sizeof(path), "%s/blobs", own->folder);
	n_files = SIZE_MAX;
	for (int i = 0; i < 100; i++) {
		last = n_files;
		n_files = 0;
		nftw(path, count, 16, FTW_PHYS);
		if (n_files == last)
			break;
		usleep(30000);
	}
	return n_files;
}

static void open_world(struct bucket_world *w)
{
	struct own *own = xcalloc(1, sizeof(*own));

	snprintf(own->root, sizeof(own->root), "/tmp/baler-buckets-XXXXXX");
	if (!mkdtemp(own->root))
		die("cannot make '%s'", own->root);
	snprintf(own->folder, sizeof(own->folder), "%s/0", own->root);
	*w = (struct bucket_world){.own = own, .reopen = reopen, .crash = crash, .files = files};
	start(w);
}

static void close_world(struct bucket_world *w)
{
	struct own *own = w->own;
	struct err err;

	local_close(own->local);
	file_remove_tree(own->root, &err);
	free(own);
}

int main(void)
{
	static const struct bucket_factory local = {"local", open_world, close_world};

	return contract_buckets(&local);
}
