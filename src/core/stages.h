/*
 * stages: everything that one bundle has in the store before its seal: the bundle itself and, when
 * there is an archive, a copy of it and its manifest.
 *
 * The stages are published in the order of the seal's record, the bundle last, so that a consumer
 * sees no bundle that the archive does not have. One thread uses a stages struct.
 */
#ifndef BALER_CORE_STAGES_H
#define BALER_CORE_STAGES_H

#include "core/manifest.h"
#include "port/object_store.h"

/* Metadata of everything that a direct invocation stages, because no ledger has its plan. */
#define STAGES_ORIGIN_HEADER "x-amz-meta-baler-origin"
#define STAGES_ORIGIN_DIRECT "direct-invocation"

struct stages {
	struct object_store *store;
	const struct lg_plan *plan;
	struct slice archive_bucket; /* empty: no archive */
	bool is_direct;
	struct os_stage *bundle, *manifest;
	struct digest *sha256; /* of the member that is being added; NULL without an archive */
	struct manifest_member member;
	size_t n_members;
	struct buf piece; /* lines of the manifest that are not yet written */
	struct arena arena;
};

/* Begins the bundle's stage, and the manifest's. After any code stages_free. */
enum rc stages_begin(struct stages *s, struct object_store *store, const struct lg_plan *plan,
	struct slice archive_bucket, bool is_direct, struct err *err);
/* Bytes of the largest object that a bundle can hold. The stage of a larger one would have a record
 * that fits no plan (LG_STAGED_MAX), so it could never be sealed. */
uint64_t stages_object_max(struct object_store *store, bool has_archive);
/* Room for the bundle and its manifest, before the first write: os_stage_room. */
enum rc stages_room(struct stages *s, const struct os_room *room, uint64_t *ret_bytes,
	struct err *err);
enum rc stages_write(struct stages *s, struct slice bytes, struct err *err);

/* For the manifest: a member, its bytes, and that it is whole. offset: of its data in the tar. */
void stages_member_begin(struct stages *s, struct slice name, const struct object_id *object,
	uint64_t size_bytes, uint64_t offset_bytes);
void stages_member_data(struct stages *s, struct slice bytes);
enum rc stages_member_end(struct stages *s, struct err *err);

/* Everything staged; *ret_staged is what the seal is to say (staged.h). */
enum rc stages_finish(struct stages *s, uint64_t size_bytes,
	const unsigned char sha256[SHA256_BYTES], struct buf *ret_staged, struct err *err);
/* The handles only. */
void stages_free(struct stages *s);

/* Removes every unpublished stage of the plan's keys. */
enum rc stages_discard(struct object_store *store, const struct lg_plan *plan,
	struct slice archive_bucket, struct err *err);
/* Takes out of the archive what a plan put there that will never be published. */
enum rc stages_unarchive(struct object_store *store, const struct lg_plan *plan,
	struct slice archive_bucket, struct err *err);

#endif
