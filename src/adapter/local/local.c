#include "adapter/local/local_internal.h"

#include <stdlib.h>

#include "adapter/local/engine/db_memory.h"
#include "adapter/local/ledger/ledger.h"
#include "adapter/local/objects/object_store.h"
#include "adapter/local/queue/event_queue.h"

static void take_config(struct local *local, const struct local_config *cfg)
{
	const struct local_notify *notify = &cfg->notify;

	local->clock = cfg->clock;
	local->prng = prng_system();
	local->region = xstrdup(cfg->region);
	local->max_receives = cfg->max_receives;
	local->bodies = cfg->bodies;
	local->bucket_store.ops = &local_bucket_store_ops;
	if (!notify->bucket)
		return;
	local->notify_bucket = xstrdup(notify->bucket);
	local->notify_prefixes = xcalloc(notify->n_prefixes + 1, sizeof(char *));
	for (size_t i = 0; i < notify->n_prefixes; i++)
		local->notify_prefixes[local->n_notify_prefixes++] = xstrdup(notify->prefixes[i]);
}

enum rc local_open(const struct local_config *cfg, struct local **ret_local, struct err *err)
{
	struct local *local = xcalloc(1, sizeof(*local));
	enum rc rc;

	take_config(local, cfg);
	if (cfg->database_bytes)
		db_limit_memory(cfg->database_bytes);
	rc = db_open(cfg->folder, &local->db, err);
	if (rc == RC_OK)
		rc = blobs_open(cfg->folder, db_grants(local->db), &local->blobs, err);
	if (rc == RC_OK)
		rc = blobs_sweep(local->blobs, local->db, err);
	if (rc == RC_OK) {
		local->committer = committer_new(local->db, local->clock);
		local->damage = damage_new(local->committer, local->db, local->clock);
		local_ledger_open(local);
		local_store_open(local);
		rc = local_queue_open(local, err);
	}
	if (rc != RC_OK) {
		local_close(local);
		return rc;
	}
	local->fill = fill_start(local->db, local->committer, local->blobs);
	*ret_local = local;
	return RC_OK;
}

/* The committer ends first, because its last operations still give work to the blobs' pool. */
void local_close(struct local *local)
{
	if (!local)
		return;
	fill_stop(local->fill);
	eq_close(local->event_queue);
	lg_close(local->ledger);
	os_close(local->object_store);
	committer_free(local->committer);
	damage_free(local->damage);
	blobs_close(local->blobs);
	db_close(local->db);
	for (size_t i = 0; i < local->n_notify_prefixes; i++)
		free(local->notify_prefixes[i]);
	free(local->notify_prefixes);
	free(local->notify_bucket);
	free(local->region);
	free(local);
}

struct bucket_store *local_bucket_store(struct local *local)
{
	return &local->bucket_store;
}

void local_database_bytes(uint64_t *ret_used, uint64_t *ret_peak)
{
	db_memory(ret_used, ret_peak);
}

struct local_stat local_stat(struct local *local)
{
	struct committer_stat stat = committer_stat(local->committer);

	return (struct local_stat){.commits = stat.commits, .operations = stat.operations};
}
