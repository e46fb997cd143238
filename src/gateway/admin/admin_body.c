#include "gateway/admin/admin_body.h"

#include "base/json.h"
#include "model/s3_event.h"

#define KEY_BODY_MAX_BYTES 4096

static enum rc parse(struct slice body, size_t max, const char *form, json_t **ret_root, struct err *err)
{
	enum rc rc = json_parse(body, max, ret_root, err);

	return rc == RC_REFUSED ? err_code(err, rc, "InvalidArgument", "the body must be %s", form) : rc;
}

enum rc admin_body_id(struct slice text, struct op_change *ret_change, struct err *err)
{
	uint64_t number;

	if (!op_id_parse(text, &number))
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"'%.*s' is not the id of a dead letter: 16 hex digits",
			(int)(text.n > 100 ? 100 : text.n), (const char *)text.p);
	op_id_format(number, ret_change->id);
	return RC_OK;
}

enum rc admin_body_ids(struct slice body, struct arena *a, struct op_change **ret_changes,
	size_t *ret_n, struct err *err)
{
	struct op_change *changes;
	json_t *root = NULL;
	const json_t *ids;
	size_t n;
	enum rc rc = parse(body, S3_EVENT_MAX_BYTES, "{\"ids\":[…]}", &root, err);

	if (rc != RC_OK)
		return rc;
	ids = json_object_get(root, "ids");
	n = json_array_size(ids);
	if (!json_is_array(ids) || n > OP_BATCH_MAX) {
		json_decref(root);
		return err_code(err, RC_REFUSED, "InvalidArgument",
			"the body must be {\"ids\":[…]} with at most %d ids", OP_BATCH_MAX);
	}
	changes = arena_array(a, n, sizeof(*changes));
	for (size_t i = 0; i < n && rc == RC_OK; i++) {
		const json_t *id = json_array_get(ids, i);

		rc = admin_body_id(slice_of(json_string_value(id), json_string_length(id)),
			&changes[i], err);
	}
	json_decref(root);
	if (rc != RC_OK)
		return rc;
	*ret_changes = changes;
	*ret_n = n;
	return RC_OK;
}

enum rc admin_body_key(struct slice body, struct arena *a, enum key_role *ret_role,
	struct slice *ret_note, struct err *err)
{
	enum key_role role;
	const json_t *note;
	json_t *root = NULL;
	enum rc rc = parse(body, KEY_BODY_MAX_BYTES, "{\"role\":…,\"note\":…}", &root, err);

	if (rc != RC_OK)
		return rc;
	role = key_role_parse(json_member_str(root, "role"));
	note = json_object_get(root, "note");
	if (role == ROLE_NONE)
		rc = err_code(err, RC_REFUSED, "InvalidArgument",
			"\"role\" must be supplier, consumer, processor or admin");
	else if (note && !json_is_string(note))
		rc = err_code(err, RC_REFUSED, "InvalidArgument", "\"note\" must be a string");
	if (rc == RC_OK) {
		*ret_role = role;
		*ret_note = arena_slice(a, json_member_str(root, "note"));
	}
	json_decref(root);
	return rc;
}
