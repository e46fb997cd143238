/* pem: whether a certificate and a private key fit each other; libcrypto judges. */
#ifndef BALER_BASE_PEM_H
#define BALER_BASE_PEM_H

#include "base/buf.h"
#include "base/err.h"

/* The first certificate is the server's. RC_REFUSED: one is not PEM, the key is encrypted, they
 * do not belong together, or the certificate's time is over or not yet come. cert_name and
 * key_name are for the sentence. */
enum rc pem_check_pair(struct slice cert, const char *cert_name, struct slice key,
	const char *key_name, struct err *err);

#endif
