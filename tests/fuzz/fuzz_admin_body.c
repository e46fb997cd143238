/* Bodies of the admin API: what is taken has its form, all else is refused as an argument. */
#include "fuzz.h"
#include "gateway/admin/admin_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = slice_of(data, size), note;
	struct arena a = ARENA_INIT;
	struct op_change *changes = NULL;
	enum key_role role;
	struct err err = {0};
	uint64_t number;
	size_t n = 0;
	enum rc rc = admin_body_ids(body, &a, &changes, &n, &err);

	MUST(rc == RC_OK || (rc == RC_REFUSED && err_is(&err, "InvalidArgument") && err.text[0]));
	MUST(n <= OP_BATCH_MAX);
	for (size_t i = 0; i < n; i++)
		MUST(op_id_parse(slice_str(changes[i].id), &number));
	rc = admin_body_key(body, &a, &role, &note, &err);
	MUST(rc == RC_OK || (rc == RC_REFUSED && err_is(&err, "InvalidArgument")));
	MUST(rc != RC_OK || (role > ROLE_NONE && role < N_ROLES && note.n < size));
	arena_release(&a);
	return 0;
}
