/*
 * gateway: the S3 endpoint over a bucket_store.
 *
 * Every request passes one verifier (SigV4) before anything is done for it. Without a signature
 * only GET /-/health is answered ("ok"), and the requests that the two tokens allow (admin.h).
 * Nothing of a body is committed before its signature, length, hash and checksums are right. A full
 * disk is answered 507 InsufficientStorage and not 503, because 507 says what is wrong, and SDKs do
 * not burden a full disk with retries.
 *
 * Threads: a pool of the HTTP server's, two for large copies, two for listings and for completing
 * uploads, which may read many rows, and one for the admin API. No server thread waits for an
 * fsync: a connection whose write is under way is suspended until the store calls back. The store,
 * the clock, the key lookup and the strings of the config must outlive the gateway.
 */
#ifndef BALER_GATEWAY_GATEWAY_H
#define BALER_GATEWAY_GATEWAY_H

#include "gateway/config.h"

struct gateway;

/* Listens and serves. RC_REFUSED: the address is in use (code "EADDRINUSE"), unknown, not of this
 * machine, or not loopback and without TLS (code "PlainHttp"). RC_FATAL: there is no socket or
 * thread. */
enum rc gateway_start(
	const struct gateway_config *config, struct gateway **ret_gateway, struct err *err);

/* PEM of a renewed certificate and its key, checked by the caller. New connections use it; open
 * connections keep theirs. RC_REFUSED: it cannot be used, or the gateway speaks plain HTTP; the old
 * one stays. Not by two threads at once. */
enum rc gateway_renew_tls(
	struct gateway *gw, const char *cert, const char *key, struct err *err);

/* The port listened on. */
uint16_t gateway_port(const struct gateway *gw);

/* Requests answered so far, and how many of them with 5xx. */
void gateway_counts(const struct gateway *gw, uint64_t *ret_requests, uint64_t *ret_failures);

/* Stops accepting, gives requests in hand at most deadline_ms to be answered, closes every
 * connection and frees gw. New requests on open connections get 503. Writes that the store has are
 * always waited for. */
void gateway_stop(struct gateway *gw, uint64_t deadline_ms);

#endif
