/*
 * memory: the ceiling of this process's memory (--memory), divided into shares.
 *
 * Every buffer whose number grows with what others do (connections, bodies, documents, messages,
 * bundles, pages of the database) is counted in one of these shares. A share that is used up never
 * grows: a request for more is refused or waits, and the other shares are not affected. memory.c
 * has the division and the reason of each share in one table.
 */
#ifndef BALER_SERVE_MEMORY_H
#define BALER_SERVE_MEMORY_H

#include "base/budget.h"
#include "base/err.h"

#define MEMORY_MIN_BYTES (UINT64_C(96) << 20)
#define MEMORY_MAX_BYTES (UINT64_C(1) << 40)

enum memory_share {
	MEMORY_CONNECTIONS,
	MEMORY_REQUESTS,
	MEMORY_BODIES,
	MEMORY_MESSAGES,
	MEMORY_BUNDLES,
	MEMORY_DATABASE,
	MEMORY_SHARES
};

struct memory {
	uint64_t ceiling_bytes;
	struct budget shares[MEMORY_SHARES];
};

/* RC_REFUSED: below MEMORY_MIN_BYTES. */
enum rc memory_divide(struct memory *m, uint64_t ceiling_bytes, struct err *err);
/* Tells the C library to give freed memory back: few heaps for many threads, large blocks mapped
 * one by one. Before any thread. */
void memory_configure_malloc(void);

#endif
