#include "adapter/mem/object_store.h"

#include <stdlib.h>

struct mem_stage {
	struct os_stage port;
	struct mem_store *store;
	struct upload *upload;
	size_t number;
};

static struct mem_store *self(struct object_store *os)
{
	return (struct mem_store *)os;
}

enum rc mem_stage_begin(struct object_store *port, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err)
{
	struct mem_store *s = self(port);
	struct mem_stage *stage;
	struct upload *u;

	pthread_mutex_lock(&s->lock);
	if (!mem_find_bucket(s, bucket)) {
		pthread_mutex_unlock(&s->lock);
		return mem_absent(err, "NoSuchBucket");
	}
	u = xcalloc(1, sizeof(*u));
	u->bucket = slice_dup(bucket);
	u->key = slice_of(slice_dup(key), key.n);
	buf_init(&u->bytes, BODY_MAX);
	s->uploads = mem_grown(s->uploads, s->n_uploads, &s->cap_uploads, sizeof(struct upload *));
	stage = xcalloc(1, sizeof(*stage));
	*stage = (struct mem_stage){{s->port.ops}, s, u, s->n_uploads};
	s->uploads[s->n_uploads++] = u;
	pthread_mutex_unlock(&s->lock);
	*ret_stage = &stage->port;
	return RC_OK;
}

enum rc mem_stage_write(struct os_stage *port, struct slice bytes, struct err *err)
{
	struct mem_stage *stage = (struct mem_stage *)port;
	enum rc rc = RC_OK;

	pthread_mutex_lock(&stage->store->lock);
	if (stage->upload->state != STAGE_OPEN)
		rc = err_code(err, RC_ABSENT, "NoSuchUpload", "the stage was discarded");
	else if (!buf_add_slice(&stage->upload->bytes, bytes))
		rc = err_set(err, RC_REFUSED, "a bundle above %zu bytes", BODY_MAX);
	pthread_mutex_unlock(&stage->store->lock);
	return rc;
}

enum rc mem_stage_finish(
	struct os_stage *port, struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct mem_stage *stage = (struct mem_stage *)port;
	struct upload *u = stage->upload;
	bool open;

	pthread_mutex_lock(&stage->store->lock);
	open = u->state == STAGE_OPEN;
	if (open) {
		u->state = STAGE_FINISHED;
		u->headers = slice_dup(headers);
		u->headers_n = headers.n;
	}
	pthread_mutex_unlock(&stage->store->lock);
	if (!open)
		return err_code(err, RC_ABSENT, "NoSuchUpload", "the stage was discarded");
	if (!buf_addf(ret_staged, "%zu", stage->number))
		return err_set(err, RC_REFUSED, "no room for the staged record");
	return RC_OK;
}

enum rc mem_stage_copy(struct os_stage *port, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err)
{
	struct mem_stage *from = (struct mem_stage *)port;
	struct os_stage *copy;
	enum stage_state state;
	enum rc rc = mem_stage_begin(&from->store->port, bucket, key, &copy, err);

	if (rc != RC_OK)
		return rc;
	pthread_mutex_lock(&from->store->lock);
	state = from->upload->state;
	if (state == STAGE_FINISHED)
		buf_add_slice(&((struct mem_stage *)copy)->upload->bytes,
			buf_slice(&from->upload->bytes));
	else
		((struct mem_stage *)copy)->upload->state = STAGE_GONE;
	pthread_mutex_unlock(&from->store->lock);
	if (state == STAGE_FINISHED)
		rc = mem_stage_finish(copy, headers, ret_staged, err);
	else if (state == STAGE_OPEN)
		rc = err_set(err, RC_REFUSED, "a stage is copied once it is finished");
	else
		rc = err_code(err, RC_ABSENT, "NoSuchUpload", "the stage was discarded");
	mem_stage_free(copy);
	return rc;
}

void mem_stage_free(struct os_stage *port)
{
	free(port);
}

enum rc mem_publish(struct object_store *port, struct slice bucket, struct slice key,
	struct slice staged, struct err *err)
{
	struct mem_store *s = self(port);
	struct upload *u = NULL;
	uint64_t number;
	enum rc rc = RC_OK;

	pthread_mutex_lock(&s->lock);
	if (slice_to_u64(staged, &number) && number < s->n_uploads)
		u = s->uploads[number];
	if (!u || !slice_eq_str(bucket, u->bucket) || !slice_eq(key, u->key)) {
		rc = err_code(err, RC_ABSENT, "NoSuchUpload", "no such stage");
	} else if (u->state == STAGE_FINISHED) {
		struct bucket *b = mem_find_bucket(s, bucket);

		mem_add_version_locked(s, b, mem_make_key(b, key), mem_blob_of(&u->bytes),
			slice_of(u->headers, u->headers_n));
		u->state = STAGE_PUBLISHED;
	} else if (u->state != STAGE_PUBLISHED) {
		rc = err_code(err, RC_ABSENT, "NoSuchUpload", "the stage was discarded");
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

enum rc mem_discard(
	struct object_store *port, struct slice bucket, struct slice key, struct err *err)
{
	struct mem_store *s = self(port);

	(void)err;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_uploads; i++) {
		struct upload *u = s->uploads[i];

		if (u->state > STAGE_FINISHED || !slice_eq_str(bucket, u->bucket) ||
			!slice_eq(key, u->key))
			continue;
		u->state = STAGE_GONE;
		buf_release(&u->bytes);
	}
	pthread_mutex_unlock(&s->lock);
	return RC_OK;
}

bool mem_object_store_stage(struct object_store *port, size_t i, struct slice *ret_key)
{
	struct mem_store *s = self(port);
	bool found = false;

	pthread_mutex_lock(&s->lock);
	for (size_t j = 0; !found && j < s->n_uploads; j++) {
		found = s->uploads[j]->state <= STAGE_FINISHED && i-- == 0;
		if (found)
			*ret_key = s->uploads[j]->key;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

size_t mem_object_store_n_stages(struct object_store *port)
{
	struct slice key;
	size_t n = 0;

	while (mem_object_store_stage(port, n, &key))
		n++;
	return n;
}
