/* ~/.aws/credentials and ~/.aws/config, in both dialects: what is found lies within the file. */
#include "adapter/aws/identity/profile.h"
#include "fuzz.h"

static void look(struct slice text, enum profile_dialect dialect, const char *name)
{
	struct profile_file file = {.path = "f", .text = text, .dialect = dialect};
	static const char *const keys[] = {
		"aws_access_key_id", "aws_secret_access_key", "region", "endpoint_url", ""};
	struct err err = {0};
	enum rc rc = profile_find(&file, name, &err);

	MUST(rc == RC_OK || ((rc == RC_ABSENT || rc == RC_REFUSED) && err.text[0]));
	for (size_t i = 0; rc == RC_OK && i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct slice value = profile_get(&file, name, keys[i]);

		MUST(value.n == 0 || (value.p >= text.p && value.p + value.n <= text.p + text.n));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);

	look(text, PROFILE_CREDENTIALS, "default");
	look(text, PROFILE_CONFIG, "default");
	look(text, PROFILE_CREDENTIALS, "a");
	look(text, PROFILE_CONFIG, "a");
	return 0;
}
