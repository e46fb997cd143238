/*
 * completion: one thread waits until another has done something for it, once.
 *
 * The waiting thread owns the struct, usually on its stack, and hands its address to the other
 * thread. The other thread writes its results where both know them and calls completion_signal as
 * its last act. completion_wait sees everything that was written before the signal. There is no
 * timeout: the other thread must always signal.
 */
#ifndef BALER_BASE_COMPLETION_H
#define BALER_BASE_COMPLETION_H

#include <pthread.h>
#include <stdbool.h>

struct completion {
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool is_done; /* under lock */
};

void completion_init(struct completion *c);
/* The last act of the other thread: the waiting thread may free the struct at once. */
void completion_signal(struct completion *c);
/* Blocks until the signal, then releases what completion_init took. Call it exactly once. */
void completion_wait(struct completion *c);

#endif
