/*
 * sigv4_internal: what the files of sigv4 share, and aws_chunked's chain.
 */
#ifndef BALER_WIRE_SIGV4_INTERNAL_H
#define BALER_WIRE_SIGV4_INTERNAL_H

#include "wire/sigv4.h"

#define SIGV4_SCOPE_MAX sizeof(((struct sigv4_seed *)0)->scope)
/* algorithm, date, scope, hash, line feeds, NUL */
#define SIGV4_STRING_MAX (24 + ISO_BASIC_BYTES + SIGV4_SCOPE_MAX + 2 * SHA256_BYTES + 8)

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

#endif
