/*
 * fetch: downloads one bundle from the bucket into a file, and compares the SHA-256 of its
 * bytes with its metadata content-sha256.
 */
#ifndef BALER_CONSUMER_FETCH_H
#define BALER_CONSUMER_FETCH_H

#include <stdatomic.h>

#include "base/digest.h"
#include "port/object_store.h"

/* How often a download that breaks off is tried. A download that cannot begin is retried by
 * the retry wrapper. */
#define FETCH_TRIES 3

struct fetch {
	struct object_store *store;
	struct object_id bundle; /* empty version: the latest */
	int fd;                  /* an empty file, which only this download writes */
	/* May be NULL. Bytes are added as they arrive, and subtracted when the download begins
	 * again. */
	_Atomic uint64_t *progress;
	const atomic_bool *stopping; /* may be NULL; true: stop soon */
	/* May be NULL: where the version that was downloaded is noted; empty when the store did not
	 * name one. */
	char *ret_version; /* VERSION_ID_MAX + 1 bytes */
};

/* RC_ABSENT: the bundle is gone. RC_CORRUPT: the bytes have another hash than the metadata
 * declares, or the metadata declares none. RC_AGAIN: every try broke off, the disk is full (code
 * "ENOSPC"), or stopping became true (code "ECANCELED"). */
enum rc fetch_bundle(const struct fetch *f, uint64_t *ret_bytes, struct err *err);

/* Compares a hash with the one that the metadata declares. RC_CORRUPT: they differ, or the
 * declared text is no SHA-256. */
enum rc fetch_check_hash(
	struct slice declared, const unsigned char hash[SHA256_BYTES], struct err *err);

#endif
