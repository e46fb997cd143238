/*
 * keys: what the two files of the key store share: keys.c the port, keys_file.c rows and the
 * master key.
 */
#ifndef BALER_ADAPTER_LOCAL_KEYS_KEYS_H
#define BALER_ADAPTER_LOCAL_KEYS_KEYS_H

#include "adapter/local/engine/schema.sql.h"
#include "adapter/local/local_internal.h"
#include "base/seal.h"
#include "port/key_store.h"

#define MASTER_KEY_FILE "master-key"

/* The file has one line of 64 hex digits. *ret_found false: there is no file. RC_REFUSED: other
 * users may read it; RC_CORRUPT. */
enum rc keys_master_read(
	const char *folder, unsigned char key[SEAL_KEY_BYTES], bool *ret_found, struct err *err);
/* At random, durable. */
enum rc keys_master_make(const char *folder, unsigned char key[SEAL_KEY_BYTES], struct err *err);

/* Seals the secret as it is stored. out must have room for KEY_SECRET_MAX + SEAL_OVERHEAD_BYTES. */
void keys_seal(const unsigned char master[SEAL_KEY_BYTES], const char *access_key,
	enum key_role role, const char *secret, struct buf *out);
/* RC_CORRUPT. */
enum rc keys_unseal(const unsigned char master[SEAL_KEY_BYTES], const char *access_key,
	enum key_role role, struct slice sealed, char out[KEY_SECRET_MAX + 1], struct err *err);

#endif
