/*
 * compose: puts the parts of a server together. compose.c is the one file that names concrete
 * adapters.
 *
 * compose_open makes the data folder's stores and the default buckets; compose_listen starts the S3
 * endpoint; compose_bundle starts the threads that bundle. compose_close undoes all of this in
 * reverse: new requests are refused, and requests in hand are finished.
 */
#ifndef BALER_SERVE_COMPOSE_H
#define BALER_SERVE_COMPOSE_H

#include "serve/options.h"
#include "serve/root_key.h"
#include "serve/tls_files.h"

struct composition;

enum rc compose_open(const struct serve_options *options, struct composition **ret_c, struct err *err);
/* tls: NULL for plain HTTP; copied. host and port to listen on; *ret_port is the one taken. key
 * must outlive the composition. */
enum rc compose_listen(struct composition *c, const char *host, uint16_t port, const struct root_key *key,
	const struct tls_files *tls, uint16_t *ret_port, struct err *err);
/* Connections from now on are shown this pair. RC_REFUSED: it cannot be used; the old one stays. */
enum rc compose_renew_tls(struct composition *c, const struct tls_files *tls, struct err *err);
void compose_bundle(struct composition *c);
/* Whether bundling ended because it could not go on; then the process sends itself SIGTERM. */
bool compose_failed(const struct composition *c);
/* Closes within about deadline_ms, which is the time that requests in hand get. */
void compose_close(struct composition *c, uint64_t deadline_ms);

#endif
