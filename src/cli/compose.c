#include "cli/compose.h"

#include <pthread.h>
#include <stdlib.h>

#include "adapter/local/local.h"
#include "base/sync.h"
#include "gateway/gateway.h"
#include "obs/log.h"
#include "wire/uri.h"

struct composition {
	const struct serve_options *options;
	struct local *local;
	struct gateway *gateway;
	const struct root_key *key;
};

static enum rc open_local(struct composition *c, struct err *err)
{
	const struct serve_options *o = c->options;
	const char *prefix = o->event_prefix;
	struct local_config config = {
		.folder = o->data,
		.clock = clock_system(),
		.region = o->region,
		.notify = {.bucket = o->landing_bucket, .prefixes = &prefix, .n_prefixes = 1},
		.max_receives = (uint32_t)o->max_receives,
	};

	return local_open(&config, &c->local, err);
}

/* Waits for one submitted write. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done;
	enum rc rc;
	struct err err;
};

static void wake(void *arg, const struct bs_result *result)
{
	struct waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	w->rc = result->rc;
	w->err = result->err;
	w->is_done = true;
	pthread_cond_signal(&w->done);
	pthread_mutex_unlock(&w->lock);
}

static enum rc make_bucket(struct bucket_store *bs, const char *name, struct err *err)
{
	struct waiter w = {.lock = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};
	struct bs_bucket bucket;

	if (bs_call(bs, bucket_get, slice_str(name), &bucket, err) == RC_OK)
		return RC_OK;
	bs_call(bs, bucket_create, slice_str(name), BS_ENABLED, ((struct bs_done){wake, &w}));
	pthread_mutex_lock(&w.lock);
	while (!w.is_done)
		pthread_cond_wait(&w.done, &w.lock);
	pthread_mutex_unlock(&w.lock);
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

	for (size_t i = 0; i < 3 && rc == RC_OK; i++)
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
	return rc;
}

enum rc compose_open(
	const struct serve_options *options, struct composition **ret_c, struct err *err)
{
	struct composition *c = xcalloc(1, sizeof(*c));
	enum rc rc;

	c->options = options;
	rc = check_buckets(options, err);
	if (rc == RC_OK)
		rc = open_local(c, err);
	if (rc == RC_OK)
		rc = make_buckets(c, err);
	if (rc != RC_OK) {
		compose_close(c, 0);
		return rc;
	}
	*ret_c = c;
	return RC_OK;
}

static struct slice root_secret(void *arg, const char *access_key)
{
	const struct root_key *key = arg;

	return strcmp(access_key, key->access) == 0 ? slice_str(key->secret) : (struct slice){0};
}

enum rc compose_listen(struct composition *c, const char *host, uint16_t port,
	const struct root_key *key, uint16_t *ret_port, struct err *err)
{
	struct gateway_config config = {
		.store = local_bucket_store(c->local),
		.keys = {root_secret, (void *)(uintptr_t)key},
		.clock = clock_system(),
		.listen_host = host,
		.port = port,
		.region = c->options->region,
	};
	enum rc rc = gateway_start(&config, &c->gateway, err);

	if (rc == RC_OK)
		*ret_port = gateway_port(c->gateway);
	return rc;
}

void compose_bundle(struct composition *c)
{
	(void)c;
}

void compose_close(struct composition *c, uint64_t deadline_ms)
{
	if (!c)
		return;
	if (c->gateway)
		gateway_stop(c->gateway, deadline_ms);
	if (c->local)
		local_close(c->local);
	free(c);
}
