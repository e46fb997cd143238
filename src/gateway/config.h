/*
 * config: what a gateway is given when it starts, and the limits that every dialect shares.
 *
 * The store, the clock, the key lookup and the strings must outlive the gateway.
 */
#ifndef BALER_GATEWAY_CONFIG_H
#define BALER_GATEWAY_CONFIG_H

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

/* Bytes of one PUT, one part or one copy: Amazon S3 User Guide, "Uploading objects". */
#define GATEWAY_OBJECT_MAX_BYTES (5ull << 30)
/* Bytes of the names and values of all x-amz-meta-* together. */
#define GATEWAY_METADATA_MAX_BYTES 2048
/* Connections taken beyond connections_max for the moment that ending others takes. */
#define GATEWAY_CONNECTIONS_SLACK 64
/* The most that one connection takes: 64 KiB of the HTTP library, its struct, a small request; with
 * TLS also a session and its buffers. Measured with 1,000 connections that had been served and then
 * sent half a request: 70 KiB; 8 KiB are for a small answer. */
#define GATEWAY_CONNECTION_BYTES (78u << 10)
#define GATEWAY_TLS_BYTES (14u << 10)

static inline uint64_t gateway_connection_bytes(bool has_tls)
{
	return GATEWAY_CONNECTION_BYTES + (has_tls ? GATEWAY_TLS_BYTES : 0);
}

/* Who may ask: the secret and role of an access key, copied; false when it is unknown. Called on
 * server threads, must not block. What each role may do: roles.h. */
struct gateway_keys {
	bool (*find)(void *arg, const char *access_key, struct key_grant *ret_grant);
	void *arg;
};

/* Fills in everything except what the gateway counts itself. Called on the admin pool; may
 * block. */
struct gateway_metrics {
	enum rc (*fill)(void *arg, struct metrics *m, struct err *err);
	void *arg;
};

/* The shares of the process's memory that the gateway uses or shows. Borrowed; each may be NULL or
 * 0. */
struct gateway_memory {
	struct budget *connections; /* gateway_connection_bytes each; connections_max limits it */
	struct budget *requests;    /* documents and answers: http/charge.h */
	struct budget *messages;    /* for the values of an invocation's payload */
	uint64_t ceiling_bytes;
	const struct budget *shares;
	size_t n_shares;
	void (*look)(void *arg); /* before the shares are shown, on the admin pool; or NULL */
	void *look_arg;
};

/* The buckets by their task; each may be NULL: there is none of that kind. */
struct role_buckets {
	const char *landing, *distribution, *archive;
};

/* 0 in a number: its default. */
struct gateway_config {
	struct bucket_store *store;
	struct op_port *op;        /* the admin API; NULL: there is none */
	struct alarms *alarms;           /* shown with the status; NULL: none are */
	struct invoker *invoker;         /* Lambda's API (invoke.h); NULL: there is none */
	/* takes events from POST /-/events; NULL: events are refused */
	struct event_queue *queue;
	const char *events_token;        /* a bearer token that may send events; NULL: none may */
	struct gateway_memory memory;    /* shown with the status and the metrics */
	struct gateway_metrics metrics;  /* for GET /-/metrics; fill NULL: there is none */
	const char *metrics_token;       /* a bearer token that may read them; NULL: none may */
	struct gateway_keys keys;
	struct key_store *key_store; /* managed by the admin API; NULL: keys cannot be */
	/* The names of the buckets that the roles are about; NULL: there is no bucket of that
	 * kind. */
	const char *landing_bucket, *distribution_bucket, *archive_bucket;
	struct clock *clock;             /* NULL: the machine's */
	const char *listen_host;         /* NULL: "127.0.0.1" */
	uint16_t port;                   /* 0: a free one, see gateway_port */
	const char *region;              /* NULL: "us-east-1" */
	const char *const *base_domains; /* virtual hosting, NULL-terminated; NULL: {"localhost"} */
	/* PEM, both or neither, copied: with them only HTTPS is spoken, by TLS 1.2 or 1.3 with
	 * forward secrecy and AEAD ciphers. Checked by the caller (base/pem.h). */
	const char *tls_cert, *tls_key;
	/* without it and without TLS only loopback addresses are listened on */
	bool allow_plain_http;
	unsigned threads;                /* default min(CPUs, 4) */
	/* default 1,000; above it the one idle longest has to go */
	unsigned connections_max;
	unsigned connections_per_ip_max; /* default: no limit of its own */
	/* default 60; a client that sends no whole head, or almost nothing of a body, is
	 * disconnected after it */
	unsigned idle_timeout_s;
	size_t connection_memory_bytes;  /* default 64 KiB; bounds the headers */
};

#endif
