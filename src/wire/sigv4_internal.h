/*
 * sigv4_internal: what the files of sigv4 share, and aws_chunked's chain.
 */
#ifndef BALER_WIRE_SIGV4_INTERNAL_H
#define BALER_WIRE_SIGV4_INTERNAL_H

#include "wire/sigv4.h"

#define SIGV4_SCOPE_MAX sizeof(((struct sigv4_seed *)0)->scope)
/* algorithm, date, scope, hash, line feeds, NUL */
#define SIGV4_STRING_MAX (24 + DATE_BASIC_BYTES + SIGV4_SCOPE_MAX + 2 * SHA256_BYTES + 8)

/* "20130524/us-east-1/s3/aws4_request" */
void sigv4_scope(
	const char *date, const char *region, const char *service, char out[SIGV4_SCOPE_MAX]);

void sigv4_string_to_sign(const char *amz_date, const char *scope, struct slice canonical_request,
	char out[SIGV4_STRING_MAX]);

/* Calls visit for each name of "a;b;c" until it returns false; false then. */
bool sigv4_names_each(
	const char *signed_headers, bool (*visit)(void *arg, struct slice name), void *arg);

/* Whether name (any case) is in the list. */
bool sigv4_names_have(const char *signed_headers, struct slice name);

/* Fills what chunks continue from. */
void sigv4_seed_set(struct sigv4_seed *seed, const unsigned char key[SHA256_BYTES],
	const char *amz_date, const char *scope, const unsigned char signature[SHA256_BYTES]);

/* --- parsing --- */

extern const char sigv4_algorithm[17]; /* "AWS4-HMAC-SHA256" */

/* RC_REFUSED with the carrier's own code. */
enum rc sigv4_claim_malformed(const struct sigv4_auth *auth, struct err *err, const char *why);
/* Each reads one field into auth, whose carrier is set. */
enum rc sigv4_claim_credential(struct sigv4_auth *auth, struct slice s, struct err *err);
enum rc sigv4_claim_signed_headers(struct sigv4_auth *auth, struct slice s, struct err *err);
enum rc sigv4_claim_signature(struct sigv4_auth *auth, struct slice s, struct err *err);
enum rc sigv4_claim_payload(struct sigv4_auth *auth, struct slice text, struct err *err);
/* InvalidRequest: this is SigV2. */
enum rc sigv4_claim_is_v2(struct err *err);

/* The X-Amz- parameters of a query, in this order. */
enum {
	Q_ALGORITHM,
	Q_CREDENTIAL,
	Q_DATE,
	Q_EXPIRES,
	Q_SIGNED_HEADERS,
	Q_SIGNATURE,
	Q_TOKEN,
	Q_PAYLOAD,
	SIGV4_Q_COUNT
};

struct sigv4_query_auth {
	struct slice raw[SIGV4_Q_COUNT]; /* p == NULL: absent */
	bool is_doubled;
	bool is_v2; /* AWSAccessKeyId, Signature */
};

enum rc sigv4_query_find(struct slice query, struct sigv4_query_auth *ret, struct err *err);
bool sigv4_query_has_auth(const struct sigv4_query_auth *q);
enum rc sigv4_query_parse(const struct sigv4_request *req, const struct sigv4_query_auth *q,
	struct sigv4_auth *auth, struct err *err);

#endif
