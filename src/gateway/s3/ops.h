/* ops: the operations that the route table calls. Each of their files says what it does. */
#ifndef BALER_GATEWAY_S3_OPS_H
#define BALER_GATEWAY_S3_OPS_H

#include "gateway/http/request.h"

/* buckets.c */
enum rc op_list_buckets(struct request *r, struct err *err);
enum rc op_create_bucket(struct request *r, struct err *err);
enum rc op_head_bucket(struct request *r, struct err *err);
enum rc op_delete_bucket(struct request *r, struct err *err);
enum rc op_get_location(struct request *r, struct err *err);
enum rc op_get_versioning(struct request *r, struct err *err);
enum rc op_put_versioning(struct request *r, struct err *err);
/* RC_OK when r's bucket exists; *ret_bucket may be NULL. */
enum rc bucket_check(struct request *r, struct bs_bucket *ret_bucket, struct err *err);

/* <Owner> or <Initiator>: who everything here belongs to. */
void write_owner(struct buf *out, const char *element);

/* probes.c: subresources that cannot be set here, and that clients ask for before they start */
enum rc op_get_acl(struct request *r, struct err *err);
enum rc op_put_acl(struct request *r, struct err *err);
enum rc op_get_absent(struct request *r, struct err *err);
enum rc op_get_object_tagging(struct request *r, struct err *err);
enum rc op_get_request_payment(struct request *r, struct err *err);

/* objects.c */
enum rc op_put_object_begin(struct request *r, struct err *err);
enum rc op_put_object(struct request *r, struct err *err);
enum rc op_delete_object(struct request *r, struct err *err);

/* read.c: GetObject and HeadObject */
enum rc op_get_object(struct request *r, struct err *err);

/* copy.c */
enum rc op_copy_object(struct request *r, struct err *err);
enum rc op_copy_part(struct request *r, struct err *err);

/* delete_many.c */
enum rc op_delete_objects(struct request *r, struct err *err);

/* listing.c, versions.c */
enum rc op_list_objects(struct request *r, struct err *err); /* v1 and v2 */
enum rc op_list_versions(struct request *r, struct err *err);

/* uploads.c */
enum rc op_create_upload(struct request *r, struct err *err);
enum rc op_abort_upload(struct request *r, struct err *err);
enum rc op_list_uploads(struct request *r, struct err *err);
enum rc op_list_parts(struct request *r, struct err *err);

/* parts.c, complete.c */
enum rc op_upload_part_begin(struct request *r, struct err *err);
enum rc op_upload_part(struct request *r, struct err *err);
enum rc op_complete_upload(struct request *r, struct err *err);

#endif
