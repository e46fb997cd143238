#include "gateway/http/service.h"

#include "base/prng.h"

/* threads for copies: three of them may be stuck and copies still go on, and they are too few to
 * starve the server */
#define WORKERS 4
#define OPERATORS 2
#define WATCHERS 2
/* threads for listings: one long listing holds up no other, and the server's threads keep their
 * share of the processor */
#define READERS 2

static const char *const default_domains[] = {"localhost", NULL};

void service_init(struct service *s, const struct gateway_config *config,
	void (*begin)(struct request *r))
{
	unsigned char random[HOST_ID_BYTES / 2];
	struct prng prng = prng_system();

	s->begin = begin;
	s->store = config->store;
	s->op = config->op;
	s->alarms = config->alarms;
	s->queue = config->queue;
	s->events_token = config->events_token;
	s->metrics_token = config->metrics_token;
	s->memory = config->memory;
	s->metrics = config->metrics;
	s->keys = config->keys;
	s->key_store = config->key_store;
	s->buckets = (struct role_buckets){
		config->landing_bucket, config->distribution_bucket, config->archive_bucket};
	s->clock = config->clock ? config->clock : clock_system();
	s->is_https = config->tls_cert != NULL;
	s->region = config->region ? config->region : "us-east-1";
	s->base_domains = config->base_domains ? config->base_domains : default_domains;
	s->id_seed = prng_u64(&prng);
	prng_bytes(&prng, random, sizeof(random));
	hex_encode(random, sizeof(random), s->host_id);
	sigv4_keys_init(&s->signing_keys);
	pthread_mutex_init(&s->digests.lock, NULL);
	s->workers = work_pool_new(WORKERS, "gateway-copy");
	s->reads = work_pool_new(READERS, "gateway-reads");
	s->admin = work_pool_new(OPERATORS, "gateway-admin");
	s->status = work_pool_new(WATCHERS, "gateway-status");
	s->invoker = config->invoker;
	s->invocations = s->invoker ? work_pool_new(INVOCATIONS_MAX, "invoke") : NULL;
}

void service_release(struct service *s)
{
	work_pool_free(s->workers);
	work_pool_free(s->reads);
	work_pool_free(s->admin);
	work_pool_free(s->status);
	work_pool_free(s->invocations);
	for (size_t i = 0; i < s->digests.n; i++)
		digest_free(s->digests.idle[i]);
	pthread_mutex_destroy(&s->digests.lock);
	sigv4_keys_release(&s->signing_keys);
}

void service_pools(const struct service *s, struct service_pool ret_pools[SERVICE_POOLS])
{
	ret_pools[0] = (struct service_pool){"copies", work_pool_look(s->workers)};
	ret_pools[1] = (struct service_pool){"reads", work_pool_look(s->reads)};
	ret_pools[2] = (struct service_pool){"admin", work_pool_look(s->admin)};
	ret_pools[3] = (struct service_pool){"status", work_pool_look(s->status)};
}

void service_new_id(struct service *s, char out[REQUEST_ID_BYTES + 1])
{
	static const char digits[] = "0123456789ABCDEF";
	/* an odd multiplier is a bijection: no id comes twice */
	uint64_t n = atomic_fetch_add(&s->n_requests, 1) * 0x9e3779b97f4a7c15u + s->id_seed;

	for (int i = 0; i < REQUEST_ID_BYTES; i++, n = n >> 4 | n << 60)
		out[i] = digits[n & 15];
	out[REQUEST_ID_BYTES] = '\0';
}

struct digest *service_take_digest(struct service *s, unsigned algs)
{
	struct digest *d = NULL;

	pthread_mutex_lock(&s->digests.lock);
	if (s->digests.n)
		d = s->digests.idle[--s->digests.n];
	pthread_mutex_unlock(&s->digests.lock);
	if (!d)
		return digest_new(algs);
	digest_reset(d, algs);
	return d;
}

void service_give_digest(struct service *s, struct digest *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&s->digests.lock);
	if (s->digests.n < DIGEST_POOL_MAX) {
		s->digests.idle[s->digests.n++] = d;
		d = NULL;
	}
	pthread_mutex_unlock(&s->digests.lock);
	digest_free(d);
}
