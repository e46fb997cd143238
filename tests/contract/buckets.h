/*
 * buckets: the suite of port/bucket_store.h. An adapter's program gives a factory and calls
 * contract_buckets; the result is the number of failed tests. The helpers block until done has been
 * called.
 */
#ifndef BALER_TESTS_CONTRACT_BUCKETS_H
#define BALER_TESTS_CONTRACT_BUCKETS_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "port/bucket_store.h"
#include "port/event_queue.h"

#define LANDING "landing"   /* versioned; the notify rule's, with prefix "data/" */
#define PLAIN "plain"       /* never versioned */
#define EVENT_PREFIX "data/"
#define PART_BYTES (5u << 20)

/* A fresh store with the two buckets; made anew for each test. */
struct bucket_world {
	struct bucket_store *bs;
	struct event_queue *queue; /* where the events go */
	void (*reopen)(struct bucket_world *w); /* closed properly */
	void (*crash)(struct bucket_world *w);  /* as kill -9 leaves it */
	/* bodies kept outside the database, once removals have settled */
	size_t (*files)(struct bucket_world *w);
	void *own;
};

struct bucket_factory {
	const char *name;
	void (*open)(struct bucket_world *w);
	void (*close)(struct bucket_world *w);
};

int contract_buckets(const struct bucket_factory *f);
int contract_buckets_use(const struct bucket_factory *f); /* before the first test */
int contract_buckets_list(void);
int contract_buckets_multipart(void);

int buckets_setup(void **state);
int buckets_teardown(void **state);
#define BUCKETS_TEST(fn) cmocka_unit_test_setup_teardown(fn, buckets_setup, buckets_teardown)

/* The result of the last write; slices are copies in arena. */
struct written {
	enum rc rc;
	struct err err;
	struct bs_object object;
	struct arena arena;
};

/* A write that has been submitted. */
struct pending;
struct pending *pending_new(void);
struct bs_done pending_done(struct pending *p);
/* frees p; the result lives until buckets_teardown */
struct written *pending_wait(struct pending *p);

/* Patterned bytes, n of them, on the heap; kind makes them differ. */
unsigned char *pattern(size_t n, unsigned kind);
void etag_of(struct slice body, char out[BS_ETAG_MAX]);

struct written *make_bucket(struct bucket_world *w, const char *name, enum bs_versioning versioning);
struct written *set_versioning(struct bucket_world *w, const char *name, enum bs_versioning versioning);
struct written *put_if(struct bucket_world *w, const char *bucket, const char *key, struct slice body,
	struct bs_condition condition);
struct written *put(struct bucket_world *w, const char *bucket, const char *key, const char *body);
struct written *put_bytes(struct bucket_world *w, const char *bucket, const char *key, size_t n, unsigned kind);
struct written *delete_one(struct bucket_world *w, const char *bucket, const char *key, const char *version,
	struct bs_deletion *ret_deletion);

/* RC_OK: compares all bytes. */
void reads_as(struct bucket_world *w, const char *bucket, const char *key, const char *version, const char *body);
void reads_bytes(struct bucket_world *w, const char *bucket, const char *key, const char *version, struct slice body);
void reader_gives(struct bs_reader *r, struct slice body);
void fails_as(struct bucket_world *w, const char *bucket, const char *key, const char *version, enum rc rc,
	const char *code);
struct bs_reader *open_reader(struct bucket_world *w, const char *bucket, const char *key, const char *version);
/* Messages in the queue, received and hidden. */
size_t events(struct bucket_world *w, struct arena *a, struct eq_message **ret_messages);

#define assert_rc(expr, want)                                                                        \
	do {                                                                                         \
		struct written *w_ = (expr);                                                         \
		if (w_->rc != (want))                                                                \
			fail_msg("%s: %s, not %s", w_->err.text, rc_name(w_->rc), rc_name(want));    \
	} while (0)
#define assert_fails(expr, want, want_code)                                                          \
	do {                                                                                         \
		struct written *w_ = (expr);                                                         \
		assert_int_equal(w_->rc, want);                                                      \
		assert_string_equal(w_->err.code, want_code);                                        \
	} while (0)

#endif
