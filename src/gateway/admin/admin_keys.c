/* Access keys, as the operator's API makes, shows and revokes them. The root key is none of
 * these. */
#include "base/json_write.h"
#include "gateway/admin/admin_body.h"
#include "gateway/admin/admin_ops.h"
#include "gateway/admin/admin_run.h"

static void add_key(struct buf *out, const struct key_info *k, const char *secret)
{
	json_open_object(out, NULL);
	json_str(out, "access_key", k->access_key);
	if (secret)
		json_str(out, "secret_key", secret);
	json_str(out, "role", key_role_name(k->role));
	json_str(out, "note", k->note);
	json_time(out, "created", k->created_wall_ms);
	json_time(out, "revoked", k->revoked_wall_ms);
	json_close_object(out);
}

static enum rc add_job(struct request *r, struct err *err)
{
	char secret[KEY_SECRET_MAX + 1];
	struct key_info info;
	enum key_role role;
	struct slice note;
	enum rc rc = admin_body_key(
		buf_slice(&r->body.document), &r->arena, &role, &note, err);

	if (!rc)
		rc = ks_add(r->service->key_store, role, note, &info, secret, err);
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
	json_open_object(out, NULL);
	json_open_array(out, "keys");
	for (size_t i = 0; i < n; i++)
		add_key(out, &keys[i], NULL);
	json_close_array(out);
	json_close_object(out);
	buf_add_char(out, '\n');
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
