/*
 * s3_token: the token between two pages of a listing, and whether the pages go forward. Pure
 * functions.
 *
 * A server chooses the continuation token, so a server whose pages never end could keep a
 * listing busy for ever. The token that the caller of s3_list gets therefore also holds the last
 * key so far, and how many pages in a row have not gone beyond that key. Each page must begin
 * behind the last key ([OS-9]: byte order; ListObjectsV2 and ListObjectVersions in the S3 API
 * reference say the same of general purpose buckets); of versions a page may begin with the last
 * key again.
 *
 * The form is "<pages> <bytes of the key>\n<key><the server's token>"; the empty token stands
 * for the first page.
 */
#ifndef BALER_ADAPTER_AWS_S3_S3_TOKEN_H
#define BALER_ADAPTER_AWS_S3_S3_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

/* Pages in a row that end at the same key. Empty pages exist where many keys were deleted; of
 * one key there can be S3_TOKEN_STILL_MAX full pages of versions, two million. */
#define S3_TOKEN_STILL_MAX 2000

struct s3_token {
	uint64_t n_still;       /* pages in a row that did not go beyond last_key */
	struct slice last_key;  /* empty: no key so far */
	/* the token as the server gave it, or the markers of a page of versions */
	struct slice of_server;
};

/* Borrows from text. RC_REFUSED: not a token of s3_token_make. */
enum rc s3_token_read(struct slice text, struct s3_token *ret_token, struct err *err);
struct slice s3_token_make(const struct s3_token *token, struct arena *a);

/* Brings token forward over a page with these first and last keys (both empty: the page is
 * empty). RC_CORRUPT: the page does not begin behind the last key, or S3_TOKEN_STILL_MAX is
 * passed. is_versions: a page may begin with the last key. */
enum rc s3_token_advance(struct s3_token *token, struct slice first_key, struct slice last_key,
	bool is_versions, struct err *err);

#endif
