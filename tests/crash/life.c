#include "life.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk.h"
#include "life_internal.h"

#define HANG_SECONDS 60 /* a life takes a twentieth of a second */

static const size_t sizes[] = {0, 100, 4096, 20000, 200000};

struct life_promise *life_promise_new(void)
{
	struct life_promise *p =
		mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

struct slice life_body(struct arena *a, size_t i)
{
	size_t n = LIFE_MARK_BYTES + sizes[i % (sizeof(sizes) / sizeof(*sizes))];
	struct prng r = prng_seeded(i + 1);
	char mark[LIFE_MARK_BYTES + 1];
	unsigned char *p = arena_alloc(a, n);

	snprintf(mark, sizeof(mark), "object %09zu", i);
	prng_bytes(&r, p, n);
	memcpy(p, mark, LIFE_MARK_BYTES);
	return slice_of(p, n);
}

enum rc life_open(struct life *w, const char *folder, struct err *err)
{
	static const char *const prefixes[] = {"data/"};
	struct local_config cfg = {.folder = folder,
		.clock = clock_system(),
		.region = "us-east-1",
		.notify = {LIFE_LANDING, prefixes, 1},
		.max_receives = 1000};
	enum rc rc;

	log_configure(LOG_CRITICAL + 1, LOG_FORMAT_JSON);
	*w = (struct life){.prng = prng_system()};
	rc = local_open(&cfg, &w->local, err);
	if (rc != RC_OK)
		return rc;
	w->store = local_object_store(w->local);
	pipeline_config_init(&w->cfg);
	w->cfg.ports = (struct pipeline_ports){.landing = w->store,
		.distribution = w->store,
		.queue = local_event_queue(w->local),
		.ledger = local_ledger(w->local),
		.clock = clock_system(),
		.prng = &w->prng};
	w->cfg.owner = "crash";
	w->cfg.landing_bucket = LIFE_LANDING;
	w->cfg.distribution_bucket = LIFE_DISTRIBUTION;
	w->cfg.archive_bucket = LIFE_ARCHIVE;
	w->cfg.compression = GZIP_FAST;
	w->cfg.batch_max_objects = 3;
	w->cfg.batch_window_ms = 0;
	w->cfg.receive_wait_ms = 1;
	w->cfg.receive_pause_ms = 0;
	w->cfg.retry_base_ms = w->cfg.retry_max_ms = 1;
	w->cfg.sole_owner = true;
	return RC_OK;
}

struct made {
	pthread_mutex_t lock;
	pthread_cond_t end;
	bool ended;
	enum rc rc;
};

static void bucket_made(void *arg, const struct bs_result *result)
{
	struct made *m = arg;

	pthread_mutex_lock(&m->lock);
	m->rc = result->rc;
	m->ended = true;
	pthread_cond_signal(&m->end);
	pthread_mutex_unlock(&m->lock);
}

static enum rc make_bucket(struct life *w, const char *name)
{
	struct made m = {.lock = PTHREAD_MUTEX_INITIALIZER, .end = PTHREAD_COND_INITIALIZER};

	bs_call(local_bucket_store(w->local), bucket_create, slice_str(name), BS_ENABLED,
		((struct bs_done){bucket_made, &m}));
	pthread_mutex_lock(&m.lock);
	while (!m.ended)
		pthread_cond_wait(&m.end, &m.lock);
	pthread_mutex_unlock(&m.lock);
	return m.rc == RC_CONFLICT ? RC_OK : m.rc;
}

/* A fault may refuse one: it is tried again, as `baler serve` does at its next start. */
void life_buckets(struct life *w)
{
	static const char *const names[] = {LIFE_LANDING, LIFE_DISTRIBUTION, LIFE_ARCHIVE};

	for (size_t i = 0; i < 3; i++)
		if (make_bucket(w, names[i]) != RC_OK)
			make_bucket(w, names[i]);
}

static enum rc read_body(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct slice *left = arg;

	(void)err;
	*ret_n = left->n < max ? left->n : max;
	if (*ret_n)
		memcpy(out, left->p, *ret_n);
	*left = slice_of(left->p + *ret_n, left->n - *ret_n);
	return RC_OK;
}

static enum rc put(struct life *w, struct arena *a, const char *key, struct slice body,
	struct os_object *ret_info)
{
	struct os_source source = {.read = read_body, .arg = &body};
	struct err err;

	return os_put(w->store, slice_str(LIFE_LANDING), slice_str(key), (struct slice){0}, body.n,
		&source, a, ret_info, &err);
}

static void put_object(struct life *w, struct life_promise *p, size_t i)
{
	struct arena a = ARENA_INIT;
	struct os_object info;

	/* Some keys are written twice: another version, another bundle. */
	snprintf(p->key[i], sizeof(p->key[i]), "data/%zu", i % 7);
	if (put(w, &a, p->key[i], life_body(&a, i), &info) == RC_OK) {
		snprintf(p->version[i], sizeof(p->version[i]), SLICE_FMT, SLICE_ARG(info.version));
		p->acked_when[i] = disk_n_recorded();
		p->acked[i] = true;
	}
	arena_release(&a);
}

/* A blob that comes and goes. */
static void put_and_remove(struct life *w)
{
	struct object_id id = {.bucket = slice_str(LIFE_LANDING), .key = slice_str("other/blob")};
	struct arena a = ARENA_INIT;
	struct os_object info;
	struct err err;
	enum rc result;

	if (put(w, &a, "other/blob", life_body(&a, 4), &info) == RC_OK) {
		id.version = info.version;
		os_delete_many(w->store, id.bucket, &id, 1, &result, &err);
	}
	arena_release(&a);
}

static bool is_seen(const struct life_promise *p, struct slice key)
{
	for (size_t i = 0; i < p->n_seen; i++)
		if (slice_eq_str(key, p->seen[i].key))
			return true;
	return false;
}

/* What a consumer sees now. */
static void look(struct life *w, struct life_promise *p)
{
	struct arena a = ARENA_INIT;
	struct life_bundle *bundles;
	size_t n;

	if (life_bundles(w, &a, &bundles, &n) != RC_OK)
		n = 0;
	for (size_t i = 0; i < n && p->n_seen < LIFE_SEEN_MAX; i++) {
		if (is_seen(p, bundles[i].key))
			continue;
		p->seen[p->n_seen].when = disk_n_recorded();
		memcpy(p->seen[p->n_seen].sha256, bundles[i].sha256, 32);
		snprintf(p->seen[p->n_seen].key, sizeof(p->seen[0].key), SLICE_FMT,
			SLICE_ARG(bundles[i].key));
		p->n_seen++;
	}
	arena_release(&a);
}

static void aggregate(struct life *w, struct life_promise *p, int steps)
{
	enum pipeline_status status = PIPELINE_WORKED;
	struct err err;

	w->p = pipeline_new(&w->cfg);
	for (int i = 0; i < steps && status != PIPELINE_FATAL; i++) {
		status = pipeline_step(w->p, &err);
		look(w, p);
	}
	if (status == PIPELINE_FATAL)
		_exit(3); /* as `baler serve` ends */
	pipeline_free(w->p);
}

static void live_once(const char *folder, struct life_promise *p, size_t from, size_t to)
{
	struct life w;
	struct err err;

	disk_closing(false);
	if (life_open(&w, folder, &err) != RC_OK)
		_exit(2);
	life_buckets(&w);
	for (size_t i = from; i < to; i++)
		put_object(&w, p, i);
	put_and_remove(&w);
	aggregate(&w, p, 8);
	disk_closing(true);
	local_close(w.local);
}

static int wait_exit(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void quiet(void)
{
	struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	if (!freopen("/dev/null", "w", stderr))
		_exit(4);
}

void life_live(const char *folder, struct life_promise *p, int *ret_exit)
{
	pid_t child;

	memset(p, 0, sizeof(*p));
	child = fork();
	if (child == 0) {
		quiet();
		alarm(HANG_SECONDS);
		live_once(folder, p, 0, LIFE_OBJECTS / 2);
		live_once(folder, p, LIFE_OBJECTS / 2, LIFE_OBJECTS);
		_exit(0);
	}
	*ret_exit = wait_exit(child);
}

bool life_judge(const char *folder, const struct life_promise *p, size_t when)
{
	pid_t child = fork();

	if (child == 0) {
		alarm(HANG_SECONDS);
		_exit(life_is_kept(folder, p, when) ? 0 : 1);
	}
	return wait_exit(child) == 0;
}
