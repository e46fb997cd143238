/* Access keys, as the operator's API makes, shows and revokes them. The root key is none of these. */
#include "base/json.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"

#define KEY_BODY_MAX_BYTES 4096

static void add_key(struct buf *out, const struct key_info *k, const char *secret)
{
	buf_addf(out, "{\"access_key\":\"%s\"", k->access_key);
	if (secret)
		buf_addf(out, ",\"secret_key\":\"%s\"", secret);
	buf_addf(out, ",\"role\":\"%s\",\"note\":", key_role_name(k->role));
	json_add_string(out, slice_str(k->note));
	buf_add_str(out, ",\"created\":");
	admin_add_time(out, k->created_wall_ms);
	buf_add_str(out, ",\"revoked\":");
	admin_add_time(out, k->revoked_wall_ms);
	buf_add_char(out, '}');
}

/* note points into root. */
static enum rc read_body(
	const json_t *root, enum key_role *ret_role, struct slice *ret_note, struct err *err)
{
	const json_t *note = json_object_get(root, "note");

	*ret_role = key_role_parse(json_member_str(root, "role"));
	if (*ret_role == ROLE_NONE)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"\"role\" must be supplier, consumer, processor or admin");
	if (note && !json_is_string(note))
		return err_code(err, RC_REFUSED, "InvalidArgument", "\"note\" must be a string");
	*ret_note = json_member_str(root, "note");
	return RC_OK;
}

static enum rc add_job(struct request *r, struct err *err)
{
	char secret[KEY_SECRET_MAX + 1];
	struct key_info info;
	enum key_role role;
	struct slice note;
	json_t *root = NULL;
	enum rc rc = json_parse(buf_slice(&r->body.document), KEY_BODY_MAX_BYTES, &root, err);

	if (rc)
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"the body must be {\"role\":…,\"note\":…}");
	rc = read_body(root, &role, &note, err);
	if (!rc)
		rc = ks_add(r->service->key_store, role, note, &info, secret, err);
	json_decref(root);
	if (rc)
		return rc;
	add_key(&r->reply.document, &info, secret);
	buf_add_char(&r->reply.document, '\n');
	explicit_bzero(secret, sizeof(secret));
	return RC_OK;
}

enum rc admin_key_add(struct request *r, struct err *err)
{
	(void)err;
	reply_header_str(r, "Cache-Control", "no-store");
	return admin_run(r, add_job);
}

static enum rc list_job(struct request *r, struct err *err)
{
	struct buf *out = &r->reply.document;
	struct key_info *keys;
	size_t n;
	enum rc rc = ks_list(r->service->key_store, &r->arena, &keys, &n, err);

	if (rc)
		return rc;
	buf_add_str(out, "{\"keys\":[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(out, ',');
		add_key(out, &keys[i], NULL);
	}
	buf_add_str(out, "]}\n");
	return RC_OK;
}

enum rc admin_key_list(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, list_job);
}

static enum rc revoke_job(struct request *r, struct err *err)
{
	struct key_info info;
	enum rc rc = ks_revoke(
		r->service->key_store, arena_strdup(&r->arena, admin_path_id(r)), &info, err);

	if (rc == RC_ABSENT)
		return err_code(err, rc, "NoSuchAccessKey",
			"there is no such access key; the root key cannot be revoked here");
	if (rc)
		return rc;
	add_key(&r->reply.document, &info, NULL);
	buf_add_char(&r->reply.document, '\n');
	return RC_OK;
}

enum rc admin_key_revoke(struct request *r, struct err *err)
{
	(void)err;
	return admin_run(r, revoke_job);
}
