/*
 * seal: small secrets at rest, AES-256-GCM (NIST SP 800-38D) from libcrypto.
 *
 * A sealed text is 12 random bytes (the nonce), the ciphertext, and 16 bytes of tag. The context is
 * not part of it, but must be the same when it is opened: it says where the secret belongs. One key
 * may seal 2^32 texts, and baler seals far fewer.
 */
#ifndef BALER_BASE_SEAL_H
#define BALER_BASE_SEAL_H

#include "base/buf.h"
#include "base/err.h"

#define SEAL_KEY_BYTES 32
#define SEAL_OVERHEAD_BYTES 28

/* Appends to out; the bytes must fit. */
void seal(const unsigned char key[SEAL_KEY_BYTES], struct slice context, struct slice text,
	struct buf *out);
/* Appends the text. RC_CORRUPT: another key, another context, or changed bytes; nothing is
 * appended then. */
enum rc seal_open(const unsigned char key[SEAL_KEY_BYTES], struct slice context,
	struct slice sealed, struct buf *out, struct err *err);

#endif
