/*
 * service: what all requests of one gateway share. It is set up before the first request and only
 * read afterwards, except for parts that have their own lock.
 */
#ifndef BALER_GATEWAY_HTTP_SERVICE_H
#define BALER_GATEWAY_HTTP_SERVICE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/digest.h"
#include "base/sync.h"
#include "gateway/config.h"
#include "wire/sigv4.h"

/* The one owner there is, as ListBuckets and the listings show it. */
#define OWNER_ID "baler"
#define OWNER_NAME "baler"

#define DIGEST_POOL_MAX 64
#define HOST_ID_BYTES 32
#define REQUEST_ID_BYTES 16
/* Requests that wait for a thread of one pool; beyond these the answer is 503 SlowDown. */
#define POOL_WAITING_MAX 128
/* Work that takes longer is logged with the name of its pool. */
#define POOL_STUCK_MS 60000
#define INVOCATIONS_MAX 4 /* of the function, at a time */

struct request;
struct server;

/* Digests at rest: a new one costs two OpenSSL contexts, 1 µs. */
struct digest_pool {
	pthread_mutex_t lock;
	struct digest *idle[DIGEST_POOL_MAX]; /* under lock */
	size_t n;                             /* under lock */
};

struct service {
	struct bucket_store *store;
	struct op_port *op;        /* NULL: no admin API */
	struct alarms *alarms;     /* NULL: none are shown */
	struct invoker *invoker;   /* NULL: no Lambda API */
	struct event_queue *queue; /* NULL: no events from outside */
	const char *events_token, *metrics_token;
	struct gateway_memory memory;
	struct gateway_metrics metrics;
	struct gateway_keys keys;
	struct key_store *key_store; /* NULL: keys are not managed here */
	struct role_buckets buckets;
	struct clock *clock;
	const char *region;
	bool is_https; /* else plain HTTP is spoken */
	const char *const *base_domains;
	char host_id[HOST_ID_BYTES + 1]; /* x-amz-id-2: which process answered */
	uint64_t id_seed;
	struct sigv4_keys signing_keys;
	struct digest_pool digests;
	struct work_pool *workers; /* large copies */
	/* listings, and completing an upload, which reads up to 10,000 parts */
	struct work_pool *reads;
	/* the operator's requests and large events, which wait for commits */
	struct work_pool *admin;
	/* status and metrics alone, so that nothing else keeps them waiting */
	struct work_pool *status;
	struct work_pool *invocations; /* NULL without an invoker */
	_Atomic int n_invocations;     /* running, or their bodies on the way */
	_Atomic uint64_t n_requests, n_failures;
	atomic_bool stopping;
	/* The front's: called when the headers of a request are whole. */
	void (*begin)(struct request *r);
	/* The HTTP server's: stop calling a request until it is resumed; resume may come first
	 * from any thread. */
	struct server *server;
	void (*suspend)(struct request *r);
	void (*resume)(struct request *r);
};

/* begin: see struct service. */
void service_init(struct service *s, const struct gateway_config *config,
	void (*begin)(struct request *r));
void service_release(struct service *s);

/* The pools by name, for metrics and the log. */
#define SERVICE_POOLS 4
struct service_pool {
	const char *name;
	struct work_pool_state state;
};
void service_pools(const struct service *s, struct service_pool ret_pools[SERVICE_POOLS]);

/* x-amz-request-id: 16 of 0-9 A-Z, different for every request of this process. */
void service_new_id(struct service *s, char out[REQUEST_ID_BYTES + 1]);

struct digest *service_take_digest(struct service *s, unsigned algs);
void service_give_digest(struct service *s, struct digest *d);

#endif
