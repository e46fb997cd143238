#include "base/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* Never asks at a terminal: an encrypted key is refused. */
static int no_password(char *out, int max, int is_writing, void *arg)
{
	(void)out;
	(void)max;
	(void)is_writing;
	(void)arg;
	return -1;
}

static X509 *read_cert(struct slice text)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

static EVP_PKEY *read_key(struct slice text)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	return key;
}

static enum rc check_time(const X509 *cert, const char *name, struct err *err)
{
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return err_set(err, RC_REFUSED, "'%s': the certificate has expired", name);
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) >= 0)
		return err_set(err, RC_REFUSED, "'%s': the certificate is not valid yet", name);
	return RC_OK;
}

enum rc pem_check_pair(struct slice cert_text, const char *cert_name, struct slice key_text,
	const char *key_name, struct err *err)
{
	X509 *cert = read_cert(cert_text);
	EVP_PKEY *key = read_key(key_text);
	enum rc rc = RC_OK;

	if (!cert)
		rc = err_set(err, RC_REFUSED, "'%s' holds no certificate in PEM", cert_name);
	else if (!key)
		rc = err_set(err, RC_REFUSED, "'%s' holds no private key in PEM without a password",
			key_name);
	else if (X509_check_private_key(cert, key) != 1)
		rc = err_set(err, RC_REFUSED,
			"the key in '%s' does not belong to the certificate in '%s'", key_name,
			cert_name);
	else
		rc = check_time(cert, cert_name, err);
	ERR_clear_error();
	EVP_PKEY_free(key);
	X509_free(cert);
	return rc;
}
