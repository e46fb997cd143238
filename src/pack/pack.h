/*
 * pack: writes a tar.gz member by member: tar, gzip, and the size and SHA-256 of the output.
 *
 * pack_new; (pack_member_begin; pack_data…; pack_member_end)…; pack_finish; pack_free
 *
 * The same mode, names, sizes and data in the same order give the same bytes. Memory, threads and
 * blocking are gzip's (pack/gzip.h). Calls in another order are a mistake of the program, and
 * asserted.
 *
 * A pack that failed stays failed: after any code except RC_OK and a refused name, every call
 * returns that code again, and the written bytes are not a bundle.
 */
#ifndef BALER_PACK_PACK_H
#define BALER_PACK_PACK_H

#include "base/digest.h"
#include "pack/gzip.h"
#include "pack/tar.h"

struct pack;

/* write gets the bundle's bytes, in order, on the caller's thread. pool may be NULL. Never
 * NULL. */
struct pack *pack_new(enum gzip_mode mode, struct work_pool *pool, struct budget *memory,
	gzip_write_fn write, void *arg);

/* RC_REFUSED: tar.h does not take the name or size; nothing was written and the pack can go on.
 * Else the code that write returned. */
enum rc pack_member_begin(struct pack *p, struct slice name, uint64_t size_bytes, struct err *err);
/* RC_CORRUPT: more data than pack_member_begin declared. Else what write returned. */
enum rc pack_data(struct pack *p, struct slice bytes, struct err *err);
/* RC_CORRUPT: less data than declared. Else what write returned. */
enum rc pack_member_end(struct pack *p, struct err *err);

/* Ends the archive. After RC_OK all of it has gone through write. */
enum rc pack_finish(struct pack *p, uint64_t *ret_size_bytes,
	unsigned char ret_sha256[SHA256_BYTES], struct err *err);

/* Bytes of tar so far, before compression; with no member open this is what
 * MAX_BUNDLE_ON_DISK_MB bounds, plus one block (or up to five) of header per member. */
uint64_t pack_tar_bytes(const struct pack *p);

/* Finished or not; waits for blocks in flight. NULL is fine. */
void pack_free(struct pack *p);

#endif
