/*
 * closer: reads the rest of what a client sends on a socket that has been answered and will be
 * closed.
 *
 * Closing a socket while the client is still sending resets the connection, and the client may lose
 * the answer that it was just given (RFC 9112, section 9.6). Therefore the sockets of refused
 * uploads are read on, and the bytes are dropped, until the client has closed, or for CLOSER_MS or
 * max_bytes. There are at most CLOSER_MAX such sockets; beyond that sockets are closed at once.
 *
 * A thread of the closer does all of it. closer_take may be called by any thread and does not
 * block.
 */
#ifndef BALER_GATEWAY_HTTP_CLOSER_H
#define BALER_GATEWAY_HTTP_CLOSER_H

#include <stdint.h>

#include "base/err.h"

#define CLOSER_MAX 64
#define CLOSER_MS 2000
/* max_bytes of a stranger, and of a client that named a key: a client that sends an invocation
 * which is a little too large (6 MiB) would otherwise lose the 413. */
#define CLOSER_STRANGER_BYTES (256u << 10)
#define CLOSER_KNOWN_BYTES (8u << 20)

struct closer;

/* RC_FATAL: there is no descriptor or no thread. */
enum rc closer_start(struct closer **ret_closer, struct err *err);
/* Nothing more will be sent on fd, which stays the caller's: the closer reads a copy of it. */
void closer_take(struct closer *l, int fd, uint64_t max_bytes);
/* Closes all sockets and ends the thread. NULL is allowed. */
void closer_stop(struct closer *l);

#endif
