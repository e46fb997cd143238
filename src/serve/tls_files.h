/* tls_files: the certificate and the private key of 'baler serve', read and checked before
 * anything listens. */
#ifndef BALER_SERVE_TLS_FILES_H
#define BALER_SERVE_TLS_FILES_H

#include "base/err.h"

struct tls_files {
	char *cert, *key; /* PEM; NULL: no TLS */
};

/* Paths; both or neither may be NULL. RC_REFUSED, naming the file: half a pair, not there, a key
 * others may read, or what base/pem.h refuses. */
enum rc tls_files_load(
	const char *cert, const char *key, struct tls_files *ret_files, struct err *err);
/* Wipes the key. */
void tls_files_release(struct tls_files *files);

#endif
