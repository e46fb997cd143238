/*
 * gateway: the S3 endpoint over a bucket_store.
 *
 * Every request passes one verifier (SigV4) before anything of it is done; the only answers
 * without a signature are "ok" to GET /-/health and what the two tokens may do (admin.h). Nothing of a body is committed before its
 * signature, length, hash and checksums are right. A full disk is answered 507
 * InsufficientStorage rather than 503: it says what is wrong, and SDKs do not hammer a full disk
 * with retries.
 *
 * Threads: a pool of the HTTP server's plus two for large copies. No server thread waits for a
 * disk's fsync: a connection with a write in hand is suspended until the store calls back.
 * The store, the clock, the key lookup and the strings of the config must outlive the gateway.
 */
#ifndef BALER_GATEWAY_GATEWAY_H
#define BALER_GATEWAY_GATEWAY_H

#include "base/budget.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "obs/metrics.h"
#include "port/bucket_store.h"
#include "port/event_queue.h"
#include "port/key_store.h"
#include "port/invoker.h"
#include "port/operator.h"

#define GATEWAY_OBJECT_MAX_BYTES                                                                   \
	(5ull << 30)                    /* of one PUT, part or copy; the S3 user guide   \
					       */
#define GATEWAY_METADATA_MAX_BYTES 2048 /* x-amz-meta-*: names and values */

/* Who may ask: the secret and role of an access key, copied; false when it is unknown. Called on
 * server threads, must not block. What each role may do: roles.h. */
struct gateway_keys {
	bool (*find)(void *arg, const char *access_key, struct key_grant *ret_grant);
	void *arg;
};

/* Fills in all but what the gateway counts itself. Called on the admin pool; may block. */
struct gateway_metrics {
	enum rc (*fill)(void *arg, struct metrics *m, struct err *err);
	void *arg;
};

/* What is shown of the process's memory; no shares: nothing is. Borrowed. */
struct gateway_memory {
	uint64_t ceiling_bytes;
	const struct budget *shares;
	size_t n_shares;
};

/* 0 in a number: its default. */
struct gateway_config {
	struct bucket_store *store;
	struct op_port *op;        /* the admin API; NULL: there is none */
	struct alarms *alarms;           /* shown with the status; NULL: none are */
	struct invoker *invoker;         /* Lambda's API (invoke.h); NULL: there is none */
	struct event_queue *queue;       /* takes events from POST /-/events; NULL: nobody does */
	const char *events_token;        /* a bearer token that may send events; NULL: none may */
	struct gateway_memory memory;    /* shown with the status and the metrics */
	struct gateway_metrics metrics;  /* for GET /-/metrics; fill NULL: there is none */
	const char *metrics_token;       /* a bearer token that may read them; NULL: none may */
	struct gateway_keys keys;
	struct key_store *key_store; /* managed by the admin API; NULL: keys cannot be */
	/* What the roles' buckets are called; NULL: there is none of that kind. */
	const char *landing_bucket, *distribution_bucket, *archive_bucket;
	struct clock *clock;             /* NULL: the machine's */
	const char *listen_host;         /* NULL: "127.0.0.1" */
	uint16_t port;                   /* 0: a free one, see gateway_port */
	const char *region;              /* NULL: "us-east-1" */
	const char *const *base_domains; /* virtual hosting, NULL-terminated; NULL: {"localhost"} */
	/* PEM, both or neither, copied: with them only HTTPS is spoken, TLS 1.2 or later. Checked by
	 * the caller (base/pem.h). */
	const char *tls_cert, *tls_key;
	bool allow_plain_http; /* else without TLS only loopback addresses are listened on */
	unsigned threads;                /* default min(CPUs, 4) */
	unsigned connections_max;        /* default 1,000; above it the one idle longest has to go */
	unsigned connections_per_ip_max; /* default: no limit of its own */
	unsigned idle_timeout_s;         /* default 60; who sends no whole head, or next to nothing of a body, is let go */
	size_t connection_memory_bytes;  /* default 64 KiB; bounds the headers */
};

struct gateway;

/* Listens and serves. RC_REFUSED: the address is in use (code "EADDRINUSE"), unknown, not
 * ours, or not loopback and without TLS (code "PlainHttp"); RC_FATAL: no socket or thread to be had. */
enum rc gateway_start(
	const struct gateway_config *config, struct gateway **ret_gateway, struct err *err);

/* PEM of a renewed certificate and its key, checked by the caller: connections from now on are shown
 * it, those that are open go on as they are. RC_REFUSED: it cannot be used, or the gateway speaks plain
 * HTTP; the old one stays. Not by two threads at once. */
enum rc gateway_renew_tls(
	struct gateway *gw, const char *cert, const char *key, struct err *err);

/* The port listened on. */
uint16_t gateway_port(const struct gateway *gw);

/* Requests answered so far, and those of them answered 5xx. */
void gateway_counts(const struct gateway *gw, uint64_t *ret_requests, uint64_t *ret_failures);

/* Stops accepting, answers what is in hand for at most deadline_ms, closes every connection and
 * frees gw. New requests on open connections get 503. Writes given to the store are always
 * waited for. */
void gateway_stop(struct gateway *gw, uint64_t deadline_ms);

#endif
