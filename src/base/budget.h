/*
 * budget: a named share of this process's memory, with the bytes that may be used, are used, and
 * were used at most.
 *
 * A budget only counts and answers. The caller decides what to do when the share is used up (refuse
 * a request, close a batch early, do without a larger buffer). A caller gives back as many bytes as
 * it took. Every function takes NULL for a budget without a limit, which counts nothing.
 *
 * Threads: any. max and name are set before the first use.
 */
#ifndef BALER_BASE_BUDGET_H
#define BALER_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct budget {
	const char *name; /* a literal */
	uint64_t max;     /* bytes */
	_Atomic uint64_t used, peak; /* bytes; may pass max by what budget_add took */
	_Atomic uint64_t refused;    /* how often something was not granted */
};

void budget_init(struct budget *b, const char *name, uint64_t max);

/* false: it does not fit, and nothing was taken. */
bool budget_take(struct budget *b, uint64_t n);
/* For what holds some bytes and wants n more: false when fewer bytes would then be free than it
 * holds. So one that is large is refused while small ones still get in, and many large ones
 * together never use a share up. One that is alone may have it all. (Choudhury and Hahne, "Dynamic
 * queue length thresholds", 1998, with a factor of 1.) */
bool budget_grow(struct budget *b, uint64_t holds, uint64_t n);
/* Takes what cannot be refused. */
void budget_add(struct budget *b, uint64_t n);
void budget_give(struct budget *b, uint64_t n);

/* Bytes that are free; UINT64_MAX without a limit. */
uint64_t budget_room(const struct budget *b);

#endif
