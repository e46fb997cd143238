/* object_store: the structs that the two files of this object store share. */
#ifndef BALER_ADAPTER_MEM_OBJECT_STORE_H
#define BALER_ADAPTER_MEM_OBJECT_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "adapter/mem/mem.h"
#include "base/table.h"

#define BODY_MAX ((size_t)1 << 30)

/* The bytes of a version, counted, because a reader can hold them while the version is deleted. */
struct blob {
	atomic_int refs;
	struct buf bytes;
};

struct version {
	char id[24];
	char etag[33];
	struct blob *blob; /* NULL: a delete marker */
	char *headers;
	size_t headers_n;
	uint64_t modified_wall_ms;
};

/* INVARIANT: versions are in the order of their commits. A key without versions counts as
 * absent. */
struct key {
	struct slice name;
	struct version *versions;
	size_t n, cap;
};

struct bucket {
	char *name;
	bool versioned;
	struct key **keys; /* sorted by name when sorted */
	size_t n, cap;
	bool sorted;
	struct table by_name;
};

enum stage_state { STAGE_OPEN, STAGE_FINISHED, STAGE_PUBLISHED, STAGE_GONE };

struct upload {
	enum stage_state state;
	char *bucket;
	struct slice key;
	struct buf bytes;
	char *headers;
	size_t headers_n;
};

struct mem_store {
	struct object_store port;
	struct clock *clock;
	pthread_mutex_t lock;
	struct bucket **buckets;
	size_t n_buckets;
	struct upload **uploads; /* index: the number in the staged record */
	size_t n_uploads, cap_uploads;
	uint64_t last_version;
};

/* Grows the array so that it has room for one more element after n. */
void *mem_grown(void *array, size_t n, size_t *cap, size_t size);
/* Takes over the bytes of b. */
struct blob *mem_blob_of(struct buf *b);
struct bucket *mem_find_bucket(const struct mem_store *s, struct slice name);
struct key *mem_make_key(struct bucket *b, struct slice name);
/* Adds a version (blob NULL: a delete marker). Without versioning the new version replaces all
 * others. */
struct version *mem_add_version_locked(struct mem_store *s, struct bucket *b, struct key *k,
	struct blob *blob, struct slice headers);
enum rc mem_absent(struct err *err, const char *code);

/* The port's operations on stages, in object_store_stage.c. */
enum rc mem_stage_begin(struct object_store *port, struct slice bucket, struct slice key,
	struct os_stage **ret_stage, struct err *err);
enum rc mem_stage_write(struct os_stage *port, struct slice bytes, struct err *err);
enum rc mem_stage_finish(
	struct os_stage *port, struct slice headers, struct buf *ret_staged, struct err *err);
enum rc mem_stage_copy(struct os_stage *port, struct slice bucket, struct slice key,
	struct slice headers, struct buf *ret_staged, struct err *err);
void mem_stage_free(struct os_stage *port);
enum rc mem_publish(struct object_store *port, struct slice bucket, struct slice key,
	struct slice staged, struct err *err);
enum rc mem_discard(
	struct object_store *port, struct slice bucket, struct slice key, struct err *err);

#endif
