#include "verify/upload.h"

#include <stdlib.h>

#include "base/sync.h"

struct upload_job {
	struct work work;
	struct upload *upload;
	size_t entry;
	struct arena arena;
	struct slice version;
	enum rc rc;
	struct err err;
};

static enum rc read_generated(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	(void)err;
	*ret_n = generator_read(arg, out, max);
	return RC_OK;
}

static enum rc rewind_generated(void *arg, struct err *err)
{
	struct generator *g = arg;

	(void)err;
	g->offset = 0;
	return RC_OK;
}

/* After an ambiguous answer: is it there? */
static enum rc look_up(
	struct upload_job *job, const struct manifest_entry *e, struct os_object *info)
{
	struct object_id id = {job->upload->bucket, e->key, {0}};
	struct err err;
	enum rc rc = os_head(job->upload->store, &id, &job->arena, info, &err);

	return rc == RC_OK && info->size == e->size ? RC_OK : RC_UNKNOWN;
}

static void run_upload(struct work *w)
{
	struct upload_job *job = (struct upload_job *)w;
	struct upload *u = job->upload;
	const struct manifest_entry *e = &u->manifest->entries[job->entry];
	struct generator g;
	struct os_source source = {.read = read_generated, .arg = &g, .rewind = rewind_generated};
	struct os_object info = {0};

	generator_init(&g, u->kind, e->key, e->size);
	job->rc = os_put(u->store, u->bucket, e->key,
		slice_str("content-type:application/octet-stream\n"), e->size, &source, &job->arena,
		&info, &job->err);
	if (job->rc == RC_UNKNOWN)
		job->rc = look_up(job, e, &info);
	job->version = info.version;
	atomic_fetch_add(&u->n_done, 1);
}

void upload_start(struct upload *u)
{
	size_t n = u->manifest->n;

	u->jobs = xcalloc(n, sizeof(*u->jobs));
	u->versions = xcalloc(n, sizeof(*u->versions));
	atomic_store(&u->n_done, 0);
	u->pool = work_pool_new(u->n_threads, "upload");
	for (size_t i = 0; i < n; i++) {
		u->jobs[i].upload = u;
		u->jobs[i].entry = i;
		u->jobs[i].work.run = run_upload;
		work_pool_submit(u->pool, &u->jobs[i].work);
	}
}

enum rc upload_wait(struct upload *u, struct err *err)
{
	enum rc rc = RC_OK;

	work_pool_free(u->pool);
	u->pool = NULL;
	for (size_t i = 0; i < u->manifest->n; i++) {
		struct upload_job *job = &u->jobs[i];

		u->versions[i] = arena_slice(&u->arena, job->version);
		if (job->rc != RC_OK && rc == RC_OK) {
			rc = job->rc;
			if (err)
				*err = job->err;
		}
		arena_release(&job->arena);
	}
	free(u->jobs);
	u->jobs = NULL;
	return rc;
}

void upload_release(struct upload *u)
{
	free(u->versions);
	u->versions = NULL;
	arena_release(&u->arena);
}

struct hash_job {
	struct work work;
	struct manifest *manifest;
	enum generator_kind kind;
	size_t entry;
};

static void run_hash(struct work *w)
{
	struct hash_job *job = (struct hash_job *)w;

	manifest_hash(job->manifest, job->entry, job->kind);
}

void manifest_hash_all(struct manifest *m, enum generator_kind kind, unsigned n_threads)
{
	struct hash_job *jobs = xcalloc(m->n, sizeof(*jobs));
	struct work_pool *pool = work_pool_new(n_threads, "hash");

	for (size_t i = 0; i < m->n; i++) {
		jobs[i] = (struct hash_job){{.run = run_hash}, m, kind, i};
		work_pool_submit(pool, &jobs[i].work);
	}
	work_pool_free(pool);
	free(jobs);
}
