#include "serve/tls_files.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/pem.h"

#define FILE_MAX_BYTES (1u << 20)

static enum rc read_text(const char *setting, const char *path, char **ret_text, struct err *err)
{
	struct buf text;
	enum rc rc;

	buf_init(&text, FILE_MAX_BYTES);
	rc = file_read_plain(path, &text, err);
	if (rc == RC_OK)
		*ret_text = slice_dup(buf_slice(&text));
	else
		rc = err_ctx(err, RC_REFUSED, "'--%s'", setting);
	if (text.p)
		explicit_bzero(text.p, text.cap);
	buf_release(&text);
	return rc;
}

static enum rc check_mode(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_mode & 077)
		return err_set(err, RC_REFUSED, "'%s' may be read by others; chmod 600 it", path);
	return RC_OK;
}

enum rc tls_files_load(
	const char *cert, const char *key, struct tls_files *ret_files, struct err *err)
{
	struct tls_files files = {0};
	enum rc rc;

	*ret_files = files;
	if (!cert && !key)
		return RC_OK;
	if (!cert || !key)
		return err_set(err, RC_REFUSED,
			"'--%s' is given but '--%s' is not: give both or neither",
			cert ? "tls-cert" : "tls-key", cert ? "tls-key" : "tls-cert");
	rc = read_text("tls-cert", cert, &files.cert, err);
	if (rc == RC_OK)
		rc = check_mode(key, err);
	if (rc == RC_OK)
		rc = read_text("tls-key", key, &files.key, err);
	if (rc == RC_OK)
		rc = pem_check_pair(slice_str(files.cert), cert, slice_str(files.key), key, err);
	if (rc == RC_OK)
		*ret_files = files;
	else
		tls_files_release(&files);
	return rc;
}

void tls_files_release(struct tls_files *files)
{
	if (files->key)
		explicit_bzero(files->key, strlen(files->key));
	free(files->key);
	free(files->cert);
	*files = (struct tls_files){0};
}
