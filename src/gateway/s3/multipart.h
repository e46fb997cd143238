/* multipart: what the operations on multipart uploads have in common. */
#ifndef BALER_GATEWAY_S3_MULTIPART_H
#define BALER_GATEWAY_S3_MULTIPART_H

#include "gateway/http/request.h"

/* How the object's checksum is made from its parts'; alg 0: none was asked for. */
struct upload_checksum {
	enum digest_alg alg;
	enum checksum_type type;
};

/* The parameter uploadId. RC_ABSENT NoSuchUpload when it cannot be an id of this gateway. */
enum rc multipart_read_id(struct request *r, struct slice *ret_id, struct err *err);
/* The parameter partNumber, 1 to 10,000. RC_REFUSED InvalidArgument. */
enum rc multipart_read_number(struct request *r, uint32_t *ret_number, struct err *err);
/* The headers that CreateMultipartUpload was given, from the upload. */
struct upload_checksum multipart_checksum(struct slice upload_headers);
/* The checksum to compute over a part of this upload. RC_REFUSED InvalidRequest: the part
 * declares another. */
enum rc multipart_part_alg(struct request *r, struct slice id, enum digest_alg declared,
	enum digest_alg *ret_alg, struct err *err);

#endif
