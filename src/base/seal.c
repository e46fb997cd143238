#include "base/seal.h"

#include <openssl/evp.h>

#include "base/prng.h"

#define NONCE_BYTES 12
#define TAG_BYTES 16
#define TEXT_MAX 4096

static EVP_CIPHER_CTX *begin(
	const unsigned char *key, const unsigned char *nonce, struct slice context, int encrypts)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int n;

	if (!c || EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, encrypts) != 1 ||
		EVP_CipherUpdate(c, NULL, &n, context.p, (int)context.n) != 1)
		die("libcrypto lacks AES-256-GCM");
	return c;
}

void seal(const unsigned char key[SEAL_KEY_BYTES], struct slice context, struct slice text,
	struct buf *out)
{
	unsigned char nonce[NONCE_BYTES], bytes[TEXT_MAX], tag[TAG_BYTES];
	struct prng random = prng_system();
	EVP_CIPHER_CTX *c;
	int n = 0, rest = 0;

	if (text.n > TEXT_MAX)
		die("seal: a text of %zu bytes", text.n);
	prng_bytes(&random, nonce, sizeof(nonce));
	c = begin(key, nonce, context, 1);
	if (EVP_CipherUpdate(c, bytes, &n, text.p, (int)text.n) != 1 ||
		EVP_CipherFinal_ex(c, bytes + n, &rest) != 1 ||
		EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) != 1)
		die("seal: libcrypto failed");
	EVP_CIPHER_CTX_free(c);
	buf_add(out, nonce, sizeof(nonce));
	buf_add(out, bytes, (size_t)n);
	buf_add(out, tag, sizeof(tag));
}

enum rc seal_open(const unsigned char key[SEAL_KEY_BYTES], struct slice context,
	struct slice sealed, struct buf *out, struct err *err)
{
	unsigned char bytes[TEXT_MAX], tag[TAG_BYTES];
	EVP_CIPHER_CTX *c;
	size_t length;
	int n = 0, rest = 0;
	bool ok;

	if (sealed.n < SEAL_OVERHEAD_BYTES || sealed.n > SEAL_OVERHEAD_BYTES + TEXT_MAX)
		return err_set(err, RC_CORRUPT, "a sealed text of %zu bytes", sealed.n);
	length = sealed.n - SEAL_OVERHEAD_BYTES;
	memcpy(tag, sealed.p + NONCE_BYTES + length, TAG_BYTES);
	c = begin(key, sealed.p, context, 0);
	ok = EVP_CipherUpdate(c, bytes, &n, sealed.p + NONCE_BYTES, (int)length) == 1 &&
	     EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1 &&
	     EVP_CipherFinal_ex(c, bytes + n, &rest) == 1;
	EVP_CIPHER_CTX_free(c);
	if (ok)
		buf_add(out, bytes, length);
	explicit_bzero(bytes, sizeof(bytes));
	return ok ? RC_OK : err_set(err, RC_CORRUPT, "it does not open with this key");
}
