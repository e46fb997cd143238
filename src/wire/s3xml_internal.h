/*
 * s3xml_internal: small tools of the readers in s3xml_server.c and s3xml_client*.c.
 */
#ifndef BALER_WIRE_S3XML_INTERNAL_H
#define BALER_WIRE_S3XML_INTERNAL_H

#include "wire/s3xml.h"

/* Items of one size in an arena; grows by doubling, the old halves stay behind in the arena. */
struct s3xml_list {
	size_t size; /* of one item, bytes */
	void *items;
	size_t n, cap;
};
void s3xml_list_add(struct s3xml_list *list, struct arena *arena, const void *item);
/* NULL when empty. */
const void *s3xml_list_last(const struct s3xml_list *list);

/* Without white space at the ends (indentation; none of the values it is used for has any). */
struct slice s3xml_trim(struct slice s);
bool s3xml_to_bool(struct slice s, bool *ret_value);

/* --- the client's --- */

/*
 * Every reader below sees paths without the root ("Contents/Key", "" for the root's own end);
 * this frame checks the root and turns an <Error> into the failure it is.
 */
struct s3xml_frame {
	const char *const *roots;                      /* NULL-terminated */
	enum rc (*start)(void *arg, const char *path); /* may be NULL */
	enum rc (*end)(void *arg, const char *path, struct slice text, struct err *err);
	void *arg;
	bool is_root_seen, is_error;
	char code[ERR_CODE_MAX];
	char message[256];
};

enum rc s3xml_frame_read(struct slice document, struct s3xml_frame *f, struct err *err);
/* The rest of a path after the root's name. */
const char *s3xml_below_root(const char *path);

/* RC_CORRUPT MalformedXML. */
enum rc s3xml_corrupt(struct err *err, const char *why);
/* Copies in the arena; empty ones have p == NULL. */
struct slice s3xml_keep(struct arena *arena, struct slice text);
struct slice s3xml_keep_etag(struct arena *arena, struct slice text);
/* A key in a listing with encoding-type=url, in place. */
enum rc s3xml_url_decode(struct arena *arena, struct slice *text, struct err *err);
/* Values; RC_CORRUPT when they are none. */
enum rc s3xml_to_u64(struct slice text, uint64_t *ret, struct err *err);
enum rc s3xml_need_bool(struct slice text, bool *ret, struct err *err);
enum rc s3xml_to_wall_ms(struct slice text, uint64_t *ret, struct err *err);

#endif
