#include "adapter/local/keys/keys.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"

#define FILE_MAX_BYTES 128

static enum rc path_of(const char *folder, char *path, size_t max, struct err *err)
{
	if ((size_t)snprintf(path, max, "%s/" MASTER_KEY_FILE, folder) < max)
		return RC_OK;
	return err_set(err, RC_REFUSED, "'%s' is too long a path", folder);
}

static enum rc parse(const char *path, unsigned char key[SEAL_KEY_BYTES], struct err *err)
{
	struct buf text;
	struct slice hex;
	enum rc rc;

	buf_init(&text, FILE_MAX_BYTES);
	rc = file_read_plain(path, &text, err);
	hex = buf_slice(&text);
	if (hex.n && hex.p[hex.n - 1] == '\n')
		hex.n--;
	if (rc == RC_OK && !hex_decode(hex, key, SEAL_KEY_BYTES))
		rc = err_set(err, RC_CORRUPT, "'%s' is not a line of %d hex digits", path,
			2 * SEAL_KEY_BYTES);
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_release(&text);
	return rc;
}

enum rc keys_master_read(
	const char *folder, unsigned char key[SEAL_KEY_BYTES], bool *ret_found, struct err *err)
{
	char path[4096];
	struct stat st;
	enum rc rc = path_of(folder, path, sizeof(path), err);

	*ret_found = rc == RC_OK && stat(path, &st) == 0;
	if (!*ret_found)
		return rc;
	if (!S_ISREG(st.st_mode))
		return err_set(err, RC_REFUSED, "'%s' is not a plain file", path);
	if (st.st_mode & 077)
		return err_set(err, RC_REFUSED, "'%s' may be read by others; chmod 600 it", path);
	return parse(path, key, err);
}

enum rc keys_master_make(const char *folder, unsigned char key[SEAL_KEY_BYTES], struct err *err)
{
	struct prng random = prng_system();
	char path[4096], hex[2 * SEAL_KEY_BYTES + 1];
	enum rc rc = path_of(folder, path, sizeof(path), err);

	if (rc != RC_OK)
		return rc;
	prng_bytes(&random, key, SEAL_KEY_BYTES);
	hex_encode(key, SEAL_KEY_BYTES, hex);
	hex[2 * SEAL_KEY_BYTES] = '\n';
	rc = file_replace(path, slice_of(hex, sizeof(hex)), 0600, err);
	explicit_bzero(hex, sizeof(hex));
	return rc;
}

/* Where the secret belongs, so that rows cannot lend each other secrets or take another role. */
static struct slice context_of(
	const char *access_key, enum key_role role, char out[KEY_ACCESS_MAX + 32])
{
	return slice_of(out,
		(size_t)snprintf(out, KEY_ACCESS_MAX + 32, "%s/%u", access_key, (unsigned)role));
}

void keys_seal(const unsigned char master[SEAL_KEY_BYTES], const char *access_key,
	enum key_role role, const char *secret, struct buf *out)
{
	char context[KEY_ACCESS_MAX + 32];

	seal(master, context_of(access_key, role, context), slice_str(secret), out);
}

enum rc keys_unseal(const unsigned char master[SEAL_KEY_BYTES], const char *access_key,
	enum key_role role, struct slice sealed, char out[KEY_SECRET_MAX + 1], struct err *err)
{
	char context[KEY_ACCESS_MAX + 32];
	struct buf text;
	enum rc rc;

	buf_init(&text, KEY_SECRET_MAX);
	rc = seal_open(master, context_of(access_key, role, context), sealed, &text, err);
	if (rc == RC_OK && (text.overflow || !text.n))
		rc = err_set(err, RC_CORRUPT, "its length cannot be");
	if (rc == RC_OK)
		memcpy(out, buf_cstr(&text), text.n + 1);
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_release(&text);
	return err_ctx(err, rc, "secret of access key '%s'", access_key);
}
