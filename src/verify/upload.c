#include "verify/upload.h"

#include <stdlib.h>

#include "base/sync.h"

/* One thread: takes the next file until there is none. The first failure is kept; the other threads
 * go on. */
struct upload_thread {
	struct work work;
	struct upload *upload;
	struct arena arena; /* of the versions */
	enum rc rc;
	struct err err;
};

struct body {
	struct generator generator;
	struct upload *upload;
};

static enum rc read_generated(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct body *b = arg;

	(void)err;
	*ret_n = generator_read(&b->generator, out, max);
	atomic_fetch_add(&b->upload->n_bytes, *ret_n);
	return RC_OK;
}

static enum rc rewind_generated(void *arg, struct err *err)
{
	struct body *b = arg;

	(void)err;
	atomic_fetch_sub(&b->upload->n_bytes, b->generator.offset);
	b->generator.offset = 0;
	return RC_OK;
}

/* After an ambiguous answer: is it there? */
static enum rc look_up(struct upload_thread *t, const struct manifest_entry *e,
	struct os_object *ret_info, struct err *err)
{
	struct object_id id = {t->upload->bucket, e->key, {0}};
	struct err ignored;
	enum rc rc = os_head(t->upload->store, &id, &t->arena, ret_info, &ignored);

	if (rc == RC_OK && ret_info->size == e->size)
		return RC_OK;
	return err_ctx(err, RC_UNKNOWN, "perhaps applied, but not there");
}

/* Deletes the version itself and adds no delete marker, because its event names the version. */
static enum rc delete_victim(struct upload_thread *t, const struct manifest_entry *e,
	struct slice version, struct err *err)
{
	struct object_id id = {t->upload->bucket, e->key, version};
	enum rc one = RC_OK, rc = os_delete_many(t->upload->store, id.bucket, &id, 1, &one, err);

	if (rc == RC_OK && one != RC_OK)
		rc = err_set(err, one, "it cannot be deleted");
	return rc;
}

static void upload_one(struct upload_thread *t, size_t i)
{
	struct upload *u = t->upload;
	const struct manifest_entry *e = &u->manifest->entries[i];
	struct body body = {.upload = u};
	struct os_source source = {
		.read = read_generated, .arg = &body, .rewind = rewind_generated};
	struct os_object info = {0};
	struct err err = {0};
	enum rc rc;

	generator_init(&body.generator, u->kind, e->key, e->size);
	rc = os_put(u->store, u->bucket, e->key,
		slice_str("content-type:application/octet-stream\n"), e->size, &source, &t->arena,
		&info, &err);
	if (rc == RC_UNKNOWN)
		rc = look_up(t, e, &info, &err);
	u->versions[i] = info.version;
	u->etags[i] = info.etag;
	if (rc == RC_OK && i == u->victim)
		rc = delete_victim(t, e, info.version, &err);
	if (rc != RC_OK && t->rc == RC_OK) {
		t->rc = rc;
		t->err = err;
	}
}

static void run_upload(struct work *w)
{
	struct upload_thread *t = (struct upload_thread *)w;
	size_t i;

	while ((i = atomic_fetch_add(&t->upload->next, 1)) < t->upload->end) {
		upload_one(t, i);
		atomic_fetch_add(&t->upload->n_done, 1);
	}
}

void upload_start(struct upload *u)
{
	u->threads = xcalloc(u->n_threads, sizeof(*u->threads));
	u->versions = xcalloc(u->manifest->n, sizeof(*u->versions));
	u->etags = xcalloc(u->manifest->n, sizeof(*u->etags));
	atomic_store(&u->n_done, 0);
	atomic_store(&u->n_bytes, 0);
	atomic_store(&u->next, u->first);
	u->pool = work_pool_new(u->n_threads, "upload");
	for (unsigned i = 0; i < u->n_threads; i++) {
		u->threads[i] = (struct upload_thread){.work.run = run_upload, .upload = u};
		work_pool_submit(u->pool, &u->threads[i].work);
	}
}

enum rc upload_wait(struct upload *u, struct err *err)
{
	work_pool_free(u->pool);
	u->pool = NULL;
	for (unsigned i = 0; i < u->n_threads; i++) {
		if (u->threads[i].rc == RC_OK)
			continue;
		if (err)
			*err = u->threads[i].err;
		return u->threads[i].rc;
	}
	return RC_OK;
}

void upload_release(struct upload *u)
{
	for (unsigned i = 0; u->threads && i < u->n_threads; i++)
		arena_release(&u->threads[i].arena);
	free(u->threads);
	free(u->versions);
	free(u->etags);
	u->threads = NULL;
	u->versions = u->etags = NULL;
}

struct hashing {
	struct manifest *manifest;
	enum generator_kind kind;
	atomic_size_t next, n_done;
};

struct hash_thread {
	struct work work;
	struct hashing *hashing;
};

static void run_hash(struct work *w)
{
	struct hashing *h = ((struct hash_thread *)w)->hashing;
	size_t i;

	while ((i = atomic_fetch_add(&h->next, 1)) < h->manifest->n) {
		manifest_hash(h->manifest, i, h->kind);
		atomic_fetch_add(&h->n_done, 1);
	}
}

void manifest_hash_all(struct manifest *m, enum generator_kind kind, unsigned n_threads,
	struct clock *clock, void (*tell)(void *arg, size_t n_done), void *arg)
{
	struct hashing h = {.manifest = m, .kind = kind};
	struct hash_thread *threads = xcalloc(n_threads, sizeof(*threads));
	struct work_pool *pool = work_pool_new(n_threads, "hash");
	uint64_t pause_ms = 1;
	size_t n_done;

	for (unsigned i = 0; i < n_threads; i++) {
		threads[i] = (struct hash_thread){{.run = run_hash}, &h};
		work_pool_submit(pool, &threads[i].work);
	}
	while ((n_done = atomic_load(&h.n_done)) < m->n) {
		tell(arg, n_done);
		clock_sleep_ms(clock, pause_ms);
		pause_ms = pause_ms < 50 ? 2 * pause_ms : 50;
	}
	work_pool_free(pool);
	free(threads);
}
