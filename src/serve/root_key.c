#include "serve/root_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/prng.h"
#include "serve/secret_env.h"

#define ACCESS_VARIABLE "BALER_ROOT_ACCESS_KEY"
#define SECRET_VARIABLE "BALER_ROOT_SECRET_KEY"
#define ACCESS_MIN 3
#define SECRET_MIN 8
#define FILE_MAX_BYTES 1024
#define PATH_BYTES 4096

/* The characters that fit a credential scope and a shell line. */
static bool is_plain(const char *s, const char *also)
{
	for (; *s; s++)
		if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
			    (*s >= 'A' && *s <= 'Z') || strchr(also, *s)))
			return false;
	return true;
}

static enum rc take(const char *access, const char *secret, struct root_key *key, struct err *err)
{
	size_t n_access = strlen(access), n_secret = strlen(secret);

	if (n_access < ACCESS_MIN || n_access > ROOT_ACCESS_KEY_MAX || !is_plain(access, "._-"))
		return err_set(err, RC_REFUSED,
			"the root access key must be %d to %d letters, digits, '.', '_', '-'",
			ACCESS_MIN, ROOT_ACCESS_KEY_MAX);
	if (n_secret < SECRET_MIN || n_secret > ROOT_SECRET_KEY_MAX ||
		!is_plain(secret, "!#%&()*+,-./:;<=>?@[]^_{|}~"))
		return err_set(err, RC_REFUSED,
			"the root secret key must be %d to %d printable characters without spaces "
			"and quotes",
			SECRET_MIN, ROOT_SECRET_KEY_MAX);
	memcpy(key->access, access, n_access + 1);
	memcpy(key->secret, secret, n_secret + 1);
	return RC_OK;
}

static enum rc from_environment(
	const char *access, const char *secret, struct root_key *key, struct err *err)
{
	enum rc rc;

	if (!access || !secret)
		return err_set(err, RC_REFUSED, "'%s' is set but '%s' is not: set both or neither",
			access ? ACCESS_VARIABLE : SECRET_VARIABLE,
			access ? SECRET_VARIABLE : ACCESS_VARIABLE);
	rc = take(access, secret, key, err);
	secret_env_wipe(ACCESS_VARIABLE);
	secret_env_wipe(SECRET_VARIABLE);
	return rc;
}

static enum rc from_file(const char *path, struct root_key *key, struct err *err)
{
	struct stat st;
	struct buf text;
	char *save, *access, *secret;
	enum rc rc;

	if (stat(path, &st) != 0)
		return RC_ABSENT;
	if (!S_ISREG(st.st_mode))
		return err_set(err, RC_REFUSED, "'%s' is not a plain file", path);
	if (st.st_mode & 077)
		return err_set(err, RC_REFUSED, "'%s' may be read by others; chmod 600 it", path);
	buf_init(&text, FILE_MAX_BYTES);
	rc = file_read_plain(path, &text, err);
	if (rc == RC_OK) {
		access = strtok_r((char *)(uintptr_t)buf_cstr(&text), "\n", &save);
		secret = strtok_r(NULL, "\n", &save);
		rc = access && secret
			     ? take(access, secret, key, err)
			     : err_set(err, RC_CORRUPT, "'%s' does not hold two lines", path);
	}
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_release(&text);
	return rc;
}

static enum rc make(const char *path, struct root_key *key, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	struct prng random = prng_system();
	unsigned char bytes[30];
	struct buf text;
	enum rc rc;

	memcpy(key->access, "BALER", 5);
	for (int i = 5; i < 20; i++)
		key->access[i] = letters[prng_below(&random, 32)];
	key->access[20] = '\0';
	prng_bytes(&random, bytes, sizeof(bytes));
	buf_init(&text, FILE_MAX_BYTES);
	base64_encode(&text, slice_of(bytes, sizeof(bytes)));
	snprintf(key->secret, sizeof(key->secret), "%s", buf_cstr(&text));
	buf_reset(&text);
	buf_addf(&text, "%s\n%s\n", key->access, key->secret);
	rc = file_replace(path, buf_slice(&text), 0600, err);
	explicit_bzero(text.p, text.cap);
	explicit_bzero(bytes, sizeof(bytes));
	buf_release(&text);
	key->is_new = key->is_kept = true;
	return rc;
}

static bool path_of(const char *folder, char *path, size_t max)
{
	return snprintf(path, max, "%s/root-key", folder) < (int)max;
}

void root_key_forget(const char *folder, const struct root_key *key)
{
	char path[PATH_BYTES];

	if (key->is_new && path_of(folder, path, sizeof(path)))
		unlink(path);
}

enum rc root_key_load(const char *folder, struct root_key *ret_key, struct err *err)
{
	const char *access = getenv(ACCESS_VARIABLE), *secret = getenv(SECRET_VARIABLE);
	char path[PATH_BYTES];
	enum rc rc;

	*ret_key = (struct root_key){0};
	if (access || secret)
		return from_environment(access, secret, ret_key, err);
	if (!path_of(folder, path, sizeof(path)))
		return err_set(err, RC_REFUSED, "'%s' is too long a path", folder);
	rc = from_file(path, ret_key, err);
	ret_key->is_kept = rc == RC_OK;
	return rc == RC_ABSENT ? make(path, ret_key, err) : rc;
}
