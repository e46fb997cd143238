/*
 * tls: the certificate of the server, which may be renewed while connections come and go. The only
 * file that includes GnuTLS.
 *
 * A handshake uses the pair that is current when it begins. Earlier pairs stay in memory until
 * tls_free, because a slow handshake may still sign with one: some KiB for each renewal. tls_renew
 * is called by one thread; the rest by any.
 */
#ifndef BALER_GATEWAY_HTTP_TLS_H
#define BALER_GATEWAY_HTTP_TLS_H

#include "base/buf.h"
#include "base/err.h"

struct tls;

/* PEM, copied, the server's certificate first. RC_REFUSED: GnuTLS cannot use one of them. */
enum rc tls_new(const char *cert, const char *key, struct tls **ret_tls, struct err *err);
/* Handshakes from now on show these. When refused everything stays as it was. */
enum rc tls_renew(struct tls *t, const char *cert, const char *key, struct err *err);
/* When no connection is left. NULL is fine. */
void tls_free(struct tls *t);

/* For the HTTP library: session is a gnutls_session_t before its handshake; it borrows t. */
void tls_attach(struct tls *t, void *session);
/* Sends what fits into the socket's buffer, after the handshake; what does not fit is lost. */
void tls_send(void *session, struct slice bytes);
/* A gnutls_certificate_retrieve_function2, for attached sessions. */
void *tls_retrieve_function(void);

#endif
