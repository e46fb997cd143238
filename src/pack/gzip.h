/*
 * gzip: a compressing sink. The only files that include libdeflate and ISA-L's deflate belong to
 * it.
 *
 * The output is one gzip member (RFC 1952), because Python's tarfile in mode "r|gz", and others,
 * read no second member. The input is cut at fixed offsets into blocks of GZIP_BLOCK_BYTES. Each
 * block is compressed by itself to whole bytes of the one deflate stream. So several blocks are
 * compressed at once on a pool, and the bytes depend only on the mode and the input: not on the
 * number of threads, not on how writes are divided, not on time (MTIME 0, OS 255, no name). Another
 * version of a library may give other bytes, and so may ISA-L (mode fast) on a processor that is
 * not an x86 with SSE4.2.
 *
 * Memory: at most 2 blocks in flight per thread of the pool (1 without a pool), each 2 MiB: one of
 * input, and a little more than one of output; and one encoder per thread: 1 MiB, in mode best 9
 * MiB. So a stream on 2 threads takes 10 MiB, on 8 threads 40 MiB. All of it is counted in the
 * budget that the stream is given. When the budget has no room the stream uses fewer blocks, but
 * always one. A write waits for the oldest block when all blocks are in use.
 *
 * Threads: one caller at a time, which must not be a thread of the pool. Output goes to the
 * callback on the caller's thread, in order, from inside gzip_write and gzip_finish.
 */
#ifndef BALER_PACK_GZIP_H
#define BALER_PACK_GZIP_H

#include "base/budget.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/sync.h"

#define GZIP_BLOCK_BYTES ((size_t)1 << 20)

enum gzip_mode {
	GZIP_BALANCED, /* libdeflate 6 */
	GZIP_FAST,     /* ISA-L 1 */
	GZIP_BEST,     /* libdeflate 12 */
	GZIP_NONE,     /* stored: still gzip */
};

#define GZIP_MODES 4

/* "balanced", "fast", "best", "none". */
const char *gzip_mode_name(enum gzip_mode mode);
/* false when text is none of the names; case matters. */
bool gzip_mode_parse(struct slice text, enum gzip_mode *ret_mode);

/* Takes compressed bytes, borrowed until it returns. Any code but RC_OK ends the stream. */
typedef enum rc (*gzip_write_fn)(void *arg, struct slice bytes, struct err *err);

struct gzip;

/* Bytes of memory that keep one thread busy: a block, and the encoder. */
uint64_t gzip_thread_bytes(enum gzip_mode mode);

/* pool may be NULL (then blocks are compressed inside gzip_write). pool and memory must outlive the
 * gzip; memory NULL: no limit. Never NULL. */
struct gzip *gzip_new(enum gzip_mode mode, struct work_pool *pool, struct budget *memory,
	gzip_write_fn write, void *arg);
/* Copies bytes in. Returns what the callback returned when it failed; from then on every call
 * fails so. */
enum rc gzip_write(struct gzip *z, struct slice bytes, struct err *err);
/* Compresses and gives out the rest; once. Also for an empty stream. */
enum rc gzip_finish(struct gzip *z, struct err *err);
/* Waits for blocks in flight and drops them. NULL is fine. */
void gzip_free(struct gzip *z);

#endif
