#include "serve/compose.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/local/local.h"
#include "adapter/local/retention/retention.h"
#include "base/completion.h"
#include "base/sync.h"
#include "core/pipeline.h"
#include "core/reconcile.h"
#include "gateway/gateway.h"
#include "obs/alarm.h"
#include "obs/log.h"
#include "port/key_store.h"
#include "serve/foreign_landing.h"
#include "serve/function.h"
#include "serve/measure.h"
#include "serve/memory.h"
#include "serve/secret_env.h"
#include "serve/watch.h"
#include "serve/workers.h"
#include "wire/uri.h"

/* connections that one process may have, however much memory there is */
#define CONNECTIONS_MAX 10000

struct composition {
	const struct serve_options *options;
	struct memory memory;
	struct local *local;
	struct op_port *op;
	struct local_retention *retention;
	struct object_store *foreign_landing; /* NULL: landing is ours */
	struct key_store *keys;
	const struct root_key *root_key;
	struct gateway *gateway;
	struct alarms *alarms;
	struct watch *watch; /* what raises them */
	struct reconcile *reconcile;

	/* bundling */
	struct pipeline_config config; /* without queue and prng */
	struct invoker *function;
	atomic_bool is_recovered; /* the bundler's first step is done */
	char owner[32];
	struct prng prng;
	struct work_pool *pool;
	struct pipeline *pipeline;
	struct workers *workers;
	atomic_bool has_failed;
};

static enum rc open_local(struct composition *c, struct err *err)
{
	const struct serve_options *o = c->options;
	const char *prefix = o->event_prefix;
	struct local_config config = {
		.folder = o->data,
		.clock = clock_system(),
		.region = o->region,
		.notify = {.bucket = o->landing_endpoint ? NULL : o->landing_bucket,
			.prefixes = &prefix,
			.n_prefixes = 1},
		.max_receives = (uint32_t)o->max_receives,
		.bodies = &c->memory.shares[MEMORY_BODIES],
		.database_bytes = c->memory.shares[MEMORY_DATABASE].max,
	};
	size_t n;
	enum rc rc;

	rc = local_open(&config, &c->local, err);
	if (rc == RC_OK)
		rc = local_sweep_stages(c->local, &n, err);
	return rc == RC_AGAIN && c->local ? RC_OK : rc; /* no room on the disk: at the next start */
}

/* Waits for one submitted write. */
struct waiter {
	struct completion done;
	enum rc rc;
	struct err err;
};

static void wake(void *arg, const struct bs_result *result)
{
	struct waiter *w = arg;

	w->rc = result->rc;
	w->err = result->err;
	completion_signal(&w->done);
}

static enum rc make_bucket(struct bucket_store *bs, const char *name, struct err *err)
{
	struct waiter w;
	struct bs_bucket bucket;

	if (bs_call(bs, bucket_get, slice_str(name), &bucket, err) == RC_OK)
		return RC_OK;
	completion_init(&w.done);
	bs_call(bs, bucket_create, slice_str(name), BS_ENABLED, ((struct bs_done){wake, &w}));
	completion_wait(&w.done);
	if (w.rc != RC_OK)
		*err = w.err;
	return err_ctx(err, w.rc, "make bucket '%s'", name);
}

static enum rc make_buckets(struct composition *c, struct err *err)
{
	const char *const names[] = {c->options->landing_bucket, c->options->distribution_bucket,
		c->options->archive_bucket};
	struct bucket_store *bs = local_bucket_store(c->local);
	enum rc rc = RC_OK;

	for (size_t i = c->foreign_landing ? 1 : 0; i < 3 && rc == RC_OK; i++)
		rc = make_bucket(bs, names[i], err);
	return rc;
}

static enum rc check_bucket(const char *setting, const char *name, struct err *err)
{
	if (uri_bucket_valid(slice_str(name)))
		return RC_OK;
	return err_set(err, RC_REFUSED,
		"'--%s': '%s' is not a bucket name: 3 to 63 of a-z, 0-9, '.', '-', not like an IP "
		"address",
		setting, name);
}

static enum rc check_buckets(const struct serve_options *o, struct err *err)
{
	enum rc rc = check_bucket("landing-bucket", o->landing_bucket, err);

	if (rc == RC_OK)
		rc = check_bucket("distribution-bucket", o->distribution_bucket, err);
	if (rc == RC_OK)
		rc = check_bucket("archive-bucket", o->archive_bucket, err);
	if (rc == RC_OK && strcmp(o->landing_bucket, o->distribution_bucket) == 0)
		rc = err_set(err, RC_REFUSED,
			"'--landing-bucket' and '--distribution-bucket' are the same bucket");
	if (rc == RC_OK && (strcmp(o->archive_bucket, o->landing_bucket) == 0 ||
				   strcmp(o->archive_bucket, o->distribution_bucket) == 0))
		rc = err_set(err, RC_REFUSED,
			"'--archive-bucket' must be another bucket than landing and distribution");
	return rc;
}

static void start_retention(struct composition *c)
{
	const struct serve_options *o = c->options;
	struct retention_config config = {
		.landing_bucket = o->landing_bucket,
		.event_prefix = o->event_prefix,
		.distribution_bucket = o->distribution_bucket,
		.landing_ms = o->landing_endpoint ? 0 : o->landing_retention_ms,
		.distribution_ms = o->distribution_retention_ms,
		.uploads_ms = o->upload_retention_ms,
		.ledger_ms = o->ledger_retention_ms,
		.dead_letters_ms = o->dead_letter_retention_ms,
	};

	if (o->ledger_retention_ms && o->ledger_retention_ms < SERVE_LEDGER_SAFE_MS)
		log_event(EV_CONFIG_RISK, LF_STR(setting, "ledger-retention"),
			LF_U64(retention_days, o->ledger_retention_ms / 86400000),
			LF_STR(cause,
				"below 45 days an event that comes late can ship its object a "
				"second time"));
	c->retention = local_retention_start(c->local, &config);
}

static void open_operator(struct composition *c)
{
	struct local_operator_config config = {
		.version = BALER_VERSION,
		.landing_bucket = c->options->landing_bucket,
		.event_prefix = c->options->event_prefix,
		.distribution_bucket = c->options->distribution_bucket,
		.is_landing_local = !c->options->landing_endpoint,
		.archive_bucket = c->options->archive_bucket,
	};

	c->op = local_operator_new(c->local, &config);
}

/* At most as many as the memory allows. */
static unsigned compress_threads(const struct composition *c)
{
	uint64_t n = c->memory.shares[MEMORY_BUNDLES].max /
		     gzip_thread_bytes((enum gzip_mode)c->options->compression);

	return n < 1 ? 1 : n < cpu_count() ? (unsigned)n : cpu_count();
}

/* The settings that all pipelines of this process share. */
static void configure(struct composition *c)
{
	const struct serve_options *o = c->options;
	struct pipeline_config *config = &c->config;

	pipeline_config_init(config);
	snprintf(c->owner, sizeof(c->owner), "serve-%d", (int)getpid());
	c->prng = prng_system();
	c->pool = work_pool_new(compress_threads(c), "compress");
	config->ports = (struct pipeline_ports){
		.landing = c->foreign_landing ? c->foreign_landing : local_object_store(c->local),
		.distribution = local_object_store(c->local),
		.ledger = local_ledger(c->local),
		.clock = clock_system(),
		.pool = c->pool,
	};
	config->owner = c->owner;
	config->memory = &c->memory.shares[MEMORY_MESSAGES];
	config->bundle_memory = &c->memory.shares[MEMORY_BUNDLES];
	config->retention_ms = o->ledger_retention_ms;
	config->landing_bucket = o->landing_bucket;
	config->distribution_bucket = o->distribution_bucket;
	config->archive_bucket = o->archive_bucket;
	config->compression = (enum gzip_mode)o->compression;
	config->max_receives = (uint32_t)o->max_receives;
	config->batch_max_objects = o->batch_max_objects;
	config->batch_max_bytes = serve_bundle_max_bytes(o);
	config->batch_window_ms = o->batch_window_ms;
	/* a message must stay hidden while its batch fills and while its bundle is made */
	config->visibility_ms = o->visibility_timeout_ms;
	if (config->visibility_ms < o->batch_window_ms + config->lease_ms)
		config->visibility_ms = o->batch_window_ms + config->lease_ms;
}

static void open_function(struct composition *c)
{
	const struct serve_options *o = c->options;
	struct function_config config = {
		.pipeline = c->config,
		.name = o->function_name,
		.environment = o->environment,
		.region = o->region,
		.timeout_ms = o->invoke_timeout_ms,
		.guard_ms = o->timeout_guard_ms < o->invoke_timeout_ms ? o->timeout_guard_ms
								       : o->invoke_timeout_ms,
		.ready = &c->is_recovered,
	};

	c->function = function_new(&config);
}

enum rc compose_open(
	const struct serve_options *options, struct composition **ret_c, struct err *err)
{
	struct composition *c = xcalloc(1, sizeof(*c));
	enum rc rc;

	c->options = options;
	c->alarms = alarms_new();
	secret_env_wipe("BALER_EVENTS_TOKEN"); /* they are in options */
	secret_env_wipe("BALER_METRICS_TOKEN");
	rc = check_buckets(options, err);
	if (rc == RC_OK)
		rc = memory_divide(&c->memory, options->memory_bytes, err);
	if (rc == RC_OK)
		rc = serve_options_check(options, err);
	if (rc == RC_OK && options->landing_endpoint)
		rc = foreign_landing_open(
			options, &c->memory.shares[MEMORY_BUNDLES], &c->foreign_landing, err);
	if (rc == RC_OK)
		rc = open_local(c, err);
	if (rc == RC_OK)
		open_operator(c);
	if (rc == RC_OK)
		rc = make_buckets(c, err);
	if (rc == RC_OK)
		rc = local_keys_open(c->local, &c->keys, err);
	if (rc == RC_OK) {
		configure(c);
		open_function(c);
	}
	if (rc != RC_OK) {
		compose_close(c, 0);
		return rc;
	}
	*ret_c = c;
	return RC_OK;
}

/* The root key first: no stored key may take its name. */
static bool find_key(void *arg, const char *access_key, struct key_grant *ret_grant)
{
	const struct composition *c = arg;

	if (strcmp(access_key, c->root_key->access) != 0)
		return ks_find(c->keys, access_key, ret_grant);
	memcpy(ret_grant->secret, c->root_key->secret, sizeof(c->root_key->secret));
	ret_grant->role = ROLE_ADMIN;
	return true;
}

/* As many as the share has room for, those that are taken for a moment while others are being ended
 * included. */
static unsigned memory_connections(const struct memory *m, bool has_tls)
{
	uint64_t n = m->shares[MEMORY_CONNECTIONS].max / gateway_connection_bytes(has_tls);

	n = n > GATEWAY_CONNECTIONS_SLACK ? n - GATEWAY_CONNECTIONS_SLACK : 1;
	return (unsigned)(n < CONNECTIONS_MAX ? n : CONNECTIONS_MAX);
}

/* SQLite counts for itself. */
static void look_at_memory(void *arg)
{
	struct budget *database = &((struct composition *)arg)->memory.shares[MEMORY_DATABASE];
	uint64_t used, peak;

	local_database_bytes(&used, &peak);
	atomic_store(&database->used, used);
	atomic_store(&database->peak, peak);
}

static enum rc fill_metrics(void *arg, struct metrics *m, struct err *err)
{
	struct composition *c = arg;

	return measure(c->op, atomic_load(&c->is_recovered) ? c->pipeline : NULL, m, err);
}

enum rc compose_listen(struct composition *c, const char *host, uint16_t port,
	const struct root_key *key, const struct tls_files *tls, uint16_t *ret_port,
	struct err *err)
{
	struct gateway_config config = {
		.store = local_bucket_store(c->local),
		.op = c->op,
		.alarms = c->alarms,
		.invoker = c->function,
		.queue = local_event_queue(c->local),
		.events_token = c->options->events_token,
		.connections_max = memory_connections(&c->memory, tls != NULL),
		.memory = {.connections = &c->memory.shares[MEMORY_CONNECTIONS],
			.requests = &c->memory.shares[MEMORY_REQUESTS],
			.messages = &c->memory.shares[MEMORY_MESSAGES],
			.ceiling_bytes = c->memory.ceiling_bytes,
			.shares = c->memory.shares,
			.look = look_at_memory,
			.look_arg = c,
			.n_shares = MEMORY_SHARES},
		.metrics = {fill_metrics, c},
		.metrics_token = c->options->metrics_token,
		.keys = {find_key, c},
		.key_store = c->keys,
		.landing_bucket = c->options->landing_bucket,
		.distribution_bucket = c->options->distribution_bucket,
		.archive_bucket = c->options->archive_bucket,
		.tls_cert = tls ? tls->cert : NULL,
		.tls_key = tls ? tls->key : NULL,
		.allow_plain_http = c->options->allow_plain_http,
		.clock = clock_system(),
		.listen_host = host,
		.port = port,
		.region = c->options->region,
	};
	enum rc rc;

	c->root_key = key;
	rc = gateway_start(&config, &c->gateway, err);
	if (rc == RC_OK)
		*ret_port = gateway_port(c->gateway);
	return rc;
}

enum rc compose_renew_tls(struct composition *c, const struct tls_files *tls, struct err *err)
{
	return gateway_renew_tls(c->gateway, tls->cert, tls->key, err);
}

static void start_reconcile(struct composition *c)
{
	const struct serve_options *o = c->options;
	struct reconcile_config config = {
		.landing = c->foreign_landing,
		.op = c->op,
		.queue = local_event_queue(c->local),
		.bucket = o->landing_bucket,
		.prefix = o->event_prefix,
		.region = o->region,
		.interval_ms = o->reconcile_interval_ms,
		.after_ms = o->reconcile_after_ms,
		.ledger_ms = o->ledger_retention_ms,
	};

	if (c->foreign_landing && o->reconcile_interval_ms)
		c->reconcile = reconcile_start(&config);
}

void compose_bundle(struct composition *c)
{
	struct pipeline_config config = c->config;

	start_retention(c);
	config.ports.prng = &c->prng;
	config.ports.queue = local_event_queue(c->local);
	config.makers = WORKERS_MAKERS;
	config.sole_owner = true; /* the data folder's lock proves it */
	c->pipeline = pipeline_new(&config);
	c->workers = workers_start(
		c->pipeline, config.makers, &c->is_recovered, &c->has_failed);
	start_reconcile(c);
	c->watch = watch_start(c->op, c->pipeline, c->alarms);
}

bool compose_failed(const struct composition *c)
{
	return atomic_load(&c->has_failed);
}

void compose_close(struct composition *c, uint64_t deadline_ms)
{
	if (!c)
		return;
	watch_stop(c->watch);
	if (c->pipeline)
		pipeline_stop(c->pipeline);
	if (c->function)
		function_stop(c->function);
	if (c->gateway)
		gateway_stop(c->gateway, deadline_ms);
	/* this thread may wait for another store, and nothing else waits for this thread */
	reconcile_stop(c->reconcile);
	if (c->pipeline) {
		workers_join(c->workers);
		pipeline_free(c->pipeline);
	}
	work_pool_free(c->pool);
	local_retention_stop(c->retention);
	function_free(c->function);
	op_close(c->op);
	alarms_free(c->alarms);
	os_close(c->foreign_landing);
	ks_close(c->keys);
	if (c->local)
		local_close(c->local);
	free(c);
}
