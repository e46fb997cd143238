#include "adapter/local/engine/checkpointer.h"

#include <pthread.h>
#include <stdlib.h>

struct checkpointer {
	struct db *db;
	struct db_conn *conn; /* a reader's: it may checkpoint, not write */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t change;
	bool is_wanted, closing; /* under lock */
	int moved;               /* under lock */
};

enum rc checkpoint_pass(struct db_conn *conn, int *ret_moved, struct err *err)
{
	int in_log = 0, moved = 0;
	int code = sqlite3_wal_checkpoint_v2(
		db_handle(conn), NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);

	if (code != SQLITE_OK)
		return db_error(db_handle(conn), code, err);
	*ret_moved = moved;
	return RC_OK;
}

bool checkpoint_ends_log(struct db_conn *conn)
{
	sqlite3 *handle = db_handle(conn);
	struct err err;
	int code;

	sqlite3_busy_timeout(handle, 0);
	code = sqlite3_wal_checkpoint_v2(handle, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
	sqlite3_busy_timeout(handle, DB_BUSY_MS);
	if (code != SQLITE_OK)
		db_error(handle, code, &err); /* does not return from a failed fsync */
	return code == SQLITE_OK;
}

static void *checkpointer_thread(void *arg)
{
	struct checkpointer *c = arg;
	struct err err;

	pthread_mutex_lock(&c->lock);
	while (!c->closing) {
		int moved = 0;

		if (!c->is_wanted) {
			pthread_cond_wait(&c->change, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		/* The next pass does what this one could not. */
		checkpoint_pass(c->conn, &moved, &err);
		pthread_mutex_lock(&c->lock);
		c->moved = moved;
		c->is_wanted = false;
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct checkpointer *checkpointer_new(struct db *db)
{
	struct checkpointer *c = xcalloc(1, sizeof(*c));

	c->db = db;
	c->conn = db_reader(db);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->change, NULL);
	if (pthread_create(&c->thread, NULL, checkpointer_thread, c) != 0)
		die("cannot start the checkpointer's thread");
	pthread_setname_np(c->thread, "checkpointer");
	return c;
}

void checkpointer_free(struct checkpointer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	pthread_cond_signal(&c->change);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	db_reader_return(c->db, c->conn);
	pthread_cond_destroy(&c->change);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void checkpointer_start(struct checkpointer *c)
{
	pthread_mutex_lock(&c->lock);
	c->is_wanted = true;
	pthread_cond_signal(&c->change);
	pthread_mutex_unlock(&c->lock);
}

bool checkpointer_is_idle(struct checkpointer *c, int *ret_moved)
{
	bool idle;

	pthread_mutex_lock(&c->lock);
	idle = !c->is_wanted;
	*ret_moved = c->moved;
	pthread_mutex_unlock(&c->lock);
	return idle;
}
