/* listing: what the listings of objects, versions and uploads have in common. */
#ifndef BALER_GATEWAY_S3_LISTING_H
#define BALER_GATEWAY_S3_LISTING_H

#include "gateway/http/request.h"

#define LISTING_MAX 1000 /* entries of a page; S3's limit: more is cut down to it */

struct listing {
	struct slice prefix, delimiter;
	uint64_t max;
	bool url_encode; /* encoding-type=url */
};

/* prefix, delimiter, encoding-type, and the page's size from the parameter named max_param. */
enum rc listing_read(
	struct request *r, const char *max_param, struct listing *ret, struct err *err);
/* Gives the page that query asks for. query has the place where the page begins; its bucket,
 * prefix, delimiter and size are set here. max 0: only checks that the bucket exists. */
enum rc listing_page(struct request *r, const struct listing *l, struct bs_list_query *query,
	struct bs_list_page *ret_page, struct err *err);
/* Runs job, which reads a page and writes it into reply.document, on the pool of reads, and
 * answers with that document. The operation's own state is r->op. */
enum rc listing_run(struct request *r, enum rc (*job)(struct request *r, struct err *err),
	struct err *err);
/* Whether marker is a common prefix of this listing: what lies below it was given already. */
bool listing_is_prefix(const struct listing *l, struct slice marker);
/* <CommonPrefixes>. */
void listing_write_prefix(struct buf *out, const struct listing *l, struct slice prefix);
/* <ETag>, <Size>, <StorageClass> and the checksum's kind, of an object that is no delete marker. */
void listing_write_content(struct buf *out, const struct bs_object *o);
/* <EncodingType>, when it was asked for. */
void listing_write_encoding(struct buf *out, const struct listing *l);

#endif
