#include "base/completion.h"

void completion_init(struct completion *c)
{
	c->is_done = false;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->done, NULL);
}

void completion_signal(struct completion *c)
{
	/* The signal is given under the lock: after the unlock the struct may be gone. */
	pthread_mutex_lock(&c->lock);
	c->is_done = true;
	pthread_cond_signal(&c->done);
	pthread_mutex_unlock(&c->lock);
}

void completion_wait(struct completion *c)
{
	pthread_mutex_lock(&c->lock);
	while (!c->is_done)
		pthread_cond_wait(&c->done, &c->lock);
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&c->done);
	pthread_mutex_destroy(&c->lock);
}
