/*
 * blob_view: the file of a body, open for reading. No byte is given before the block that holds it
 * has been checked.
 *
 * It holds one descriptor, and a buffer of SUMS_BLOCK_BYTES only while a block is given in pieces
 * (a range that begins or ends inside the block). A caller who reads from a multiple of
 * SUMS_BLOCK_BYTES in multiples of it never needs the buffer. One thread at a time.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_BLOB_VIEW_H
#define BALER_ADAPTER_LOCAL_ENGINE_BLOB_VIEW_H

#include "adapter/local/engine/sums.h"

struct blob_view {
	int fd; /* -1: closed */
	uint64_t size;
	struct slice sums; /* empty: written by a baler that took none; not checked */
	unsigned char *block;
	uint64_t block_index;
};

#define BLOB_VIEW_CLOSED ((struct blob_view){.fd = -1})

/* Owns fd from here on, also when it fails. size, sums: what the rows say; sums is borrowed
 * until close. RC_CORRUPT ERR_DAMAGED: the file is longer or shorter; RC_FATAL. */
enum rc blob_view_open(
	struct blob_view *v, int fd, uint64_t size, struct slice sums, struct err *err);
/* Up to n bytes at offset to out; *ret_n is 0 only at the end. Fewer than n when a block further
 * on is damaged: then asking for that block is RC_CORRUPT ERR_DAMAGED. RC_FATAL: the disk cannot
 * be read. */
enum rc blob_view_read(struct blob_view *v, uint64_t offset, void *out, size_t n, size_t *ret_n,
	struct err *err);
/* The same judgement of the block at offset, which blob_view_read gives next without reading it
 * again. */
enum rc blob_view_check(struct blob_view *v, uint64_t offset, struct err *err);
/* Every byte. */
enum rc blob_view_check_all(struct blob_view *v, struct err *err);
void blob_view_close(struct blob_view *v);

#endif
