/*
 * audit_source: store, ledger and queue as an auditor reads them. An audit changes nothing and
 * holds up nobody.
 *
 * [AS-1] The audit reads one snapshot, which is taken when it is opened; only open reads the bytes
 *        as they are now.
 * [AS-2] versions, claim_find, stages and traces may be called until release; the other functions
 *        until close.
 * [AS-3] Visits come one after the other, on the caller's thread; their slices live during the
 *        visit. A visit may call any other function. When a visit returns another code than RC_OK,
 *        the walk ends with that code.
 * [AS-4] A row that cannot be right (an id of the wrong length) is visited with what can be read of
 *        it; it is not left out.
 *
 * One thread uses an audit_source. Calls block.
 */
#ifndef BALER_PORT_AUDIT_SOURCE_H
#define BALER_PORT_AUDIT_SOURCE_H

#include "port/ledger.h"

struct audit_version {
	/* version: as the ledger calls it, "seq:…" for one without versionId */
	struct object_id id;
	uint64_t size_bytes, modified_wall_ms;
	bool is_marker;
	/* The three below: of bundles only. */
	bool is_archived; /* in the archive bucket, not in distribution */
	bool is_current;  /* what a GET of the key gives */
	/* its metadata says that a direct invocation made it; anybody can write that metadata */
	bool is_direct;
};

struct audit_plan {
	struct plan_id id;
	bool has_id;    /* 16 bytes */
	uint64_t state; /* an enum plan_state, or whatever number the row has */
	bool is_live;   /* the scanner still looks after it: neither done nor given up and tidied */
	struct slice bucket, key;
	uint64_t opened_wall_ms;
	bool has_seal; /* the four below are there */
	uint64_t size_bytes;
	unsigned char sha256[LG_SHA256_BYTES];
	uint64_t n_slots;
	struct slice excluded; /* a bitmap: slot s is bit s % 8 of byte s / 8; empty: none */
};

struct audit_claim {
	struct object_id object;
	uint64_t state; /* an enum lg_object_state, or whatever number the row has */
	struct plan_id plan;
	bool has_plan_id; /* 16 bytes */
	uint64_t slot;
	struct slice reason;
};

struct audit_stage {
	struct slice bucket, key;
	bool is_published;
	bool is_direct; /* its metadata says so */
	uint64_t staged_wall_ms;
};

enum audit_body_kind {
	AUDIT_BODY_OBJECT,
	AUDIT_BODY_PART,
	AUDIT_BODY_STAGE,
	AUDIT_BODY_MESSAGE,
	AUDIT_BODY_DEAD_LETTER,
	/* record of an object; visited only when it is damaged, as AUDIT_BODY_PLAN is */
	AUDIT_BODY_RECORD,
	AUDIT_BODY_PLAN,   /* object: its bundle */
	AUDIT_BODY_DATABASE
};

/* Something stored that can be checked by itself. */
struct audit_body {
	enum audit_body_kind kind;
	/* A part has its upload's bucket and key, and its number. A stage has the bucket and key
	 * under which it is to be published. A message and a dead letter have only their id, as
	 * number. */
	struct object_id object;
	uint64_t number;
	uint64_t size_bytes;
	uint64_t handle[2]; /* the source's own */
};

/* Where an object's message is. */
enum audit_trace {
	AUDIT_WAITING = 1,     /* in the queue */
	AUDIT_DEAD = 2,        /* a dead letter */
	AUDIT_BY_OPERATOR = 4, /* taken away by a person, which is on record */
};

typedef enum rc audit_version_fn(void *arg, const struct audit_version *version, struct err *err);
typedef enum rc audit_plan_fn(void *arg, const struct audit_plan *plan, struct err *err);
typedef enum rc audit_claim_fn(void *arg, const struct audit_claim *claim, struct err *err);
typedef enum rc audit_body_fn(void *arg, const struct audit_body *body, struct err *err);
typedef enum rc audit_stage_fn(void *arg, const struct audit_stage *stage, struct err *err);

struct audit_source;

struct audit_source_ops {
	/* Versions of the landing bucket below the event prefix, with delete markers. */
	enum rc (*versions)(
		struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err);
	/* Objects of the distribution and archive buckets, and of any other that a plan's bundle
	 * went to; no delete markers. In order of keys, of one key the archive's first. */
	enum rc (*bundles)(
		struct audit_source *s, audit_version_fn *visit, void *arg, struct err *err);
	enum rc (*plans)(struct audit_source *s, audit_plan_fn *visit, void *arg, struct err *err);
	/* In order of plan and slot; of one plan only; and of the objects of any bucket with
	 * this key. */
	enum rc (*claims)(struct audit_source *s, audit_claim_fn *visit, void *arg, struct err *err);
	enum rc (*claims_of_plan)(struct audit_source *s, const struct plan_id *plan,
		audit_claim_fn *visit, void *arg, struct err *err);
	enum rc (*claims_of_key)(struct audit_source *s, struct slice key, audit_claim_fn *visit,
		void *arg, struct err *err);
	enum rc (*stages)(
		struct audit_source *s, audit_stage_fn *visit, void *arg, struct err *err);
	/* RC_ABSENT. Slices are in a. */
	enum rc (*claim_find)(struct audit_source *s, struct arena *a, const struct object_id *object,
		struct audit_claim *ret_claim, struct err *err);
	enum rc (*plan_find)(struct audit_source *s, struct arena *a, const struct plan_id *id,
		struct audit_plan *ret_plan, struct err *err);
	/* *ret_traces: an OR of enum audit_trace. */
	enum rc (*traces)(struct audit_source *s, const struct object_id *object,
		unsigned *ret_traces, struct err *err);
	/* The object that a GET of the key gives, in a bucket that bundles walks. RC_ABSENT. Slices
	 * are in a. */
	enum rc (*current)(struct audit_source *s, struct arena *a, struct slice bucket,
		struct slice key, struct audit_version *ret_version, struct err *err);
	/* Whether the store has any version or delete marker of the key, or (*ret_by_stage) knows
	 * that it published a stage there, which no client can fake. */
	enum rc (*was_published)(struct audit_source *s, struct slice bucket, struct slice key,
		bool *ret_was, bool *ret_by_stage, struct err *err);
	/* The moment is let go: a live server can trim its log again. */
	enum rc (*release)(struct audit_source *s, struct err *err);
	/* The bytes, for reading from their start; the caller closes. RC_ABSENT: the version is
	 * gone by now. RC_CORRUPT: the version is there, and its bytes are damaged. */
	enum rc (*open)(struct audit_source *s, const struct object_id *object, int *ret_fd,
		struct err *err);
	/* Everything that has bytes, of every bucket, as it is now and not as in the snapshot:
	 * versions, parts, stages that are not published, messages and dead letters; and last,
	 * once, the database. check_body reads all bytes of one. RC_CORRUPT: they are not those
	 * that were stored. RC_ABSENT: it is gone by now. *ret_has_sums: false when it has no
	 * checksums, so that only the size could be checked. */
	enum rc (*bodies)(struct audit_source *s, audit_body_fn *visit, void *arg, struct err *err);
	enum rc (*check_body)(struct audit_source *s, const struct audit_body *body,
		bool *ret_has_sums, struct err *err);
	void (*close)(struct audit_source *s);
};

struct audit_source {
	const struct audit_source_ops *ops;
	struct slice distribution_bucket, archive_bucket;
	/* visits to come, for progress */
	uint64_t n_versions, n_plans, n_claims, n_bodies, n_bundles;
	uint64_t bundle_bytes; /* without the manifests */
};

/* One-line dispatch. */
#define audit_call(s, verb, ...) ((s)->ops->verb((s), __VA_ARGS__))

static inline void audit_close(struct audit_source *s)
{
	if (s)
		s->ops->close(s);
}

#endif
