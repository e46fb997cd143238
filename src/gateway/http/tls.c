#include "gateway/http/tls.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"

#define CHAIN_MAX 16

struct pair {
	struct pair *older;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned n_chain;
	gnutls_privkey_t key;
};

struct tls {
	_Atomic(struct pair *) current; /* the newest; the others hang behind it */
};

static gnutls_datum_t datum_of(const char *text)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static void pair_free(struct pair *p)
{
	for (unsigned i = 0; i < p->n_chain; i++)
		gnutls_pcert_deinit(&p->chain[i]);
	if (p->key)
		gnutls_privkey_deinit(p->key);
	free(p);
}

static enum rc pair_new(const char *cert, const char *key, struct pair **ret_pair, struct err *err)
{
	gnutls_datum_t cert_text = datum_of(cert), key_text = datum_of(key);
	struct pair *p = xcalloc(1, sizeof(*p));
	unsigned n = CHAIN_MAX;
	int failed =
		gnutls_pcert_list_import_x509_raw(p->chain, &n, &cert_text, GNUTLS_X509_FMT_PEM, 0);

	p->n_chain = failed < 0 ? 0 : n;
	if (failed >= 0)
		failed = gnutls_privkey_init(&p->key);
	if (failed >= 0)
		failed = gnutls_privkey_import_x509_raw(
			p->key, &key_text, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (failed < 0) {
		pair_free(p);
		return err_set(err, RC_REFUSED, "the certificate or its key cannot be used: %s",
			gnutls_strerror(failed));
	}
	*ret_pair = p;
	return RC_OK;
}

enum rc tls_new(const char *cert, const char *key, struct tls **ret_tls, struct err *err)
{
	struct tls *t = xcalloc(1, sizeof(*t));
	enum rc rc = tls_renew(t, cert, key, err);

	if (rc == RC_OK)
		*ret_tls = t;
	else
		free(t);
	return rc;
}

enum rc tls_renew(struct tls *t, const char *cert, const char *key, struct err *err)
{
	struct pair *p;
	enum rc rc = pair_new(cert, key, &p, err);

	if (rc != RC_OK)
		return rc;
	p->older = atomic_load(&t->current);
	atomic_store(&t->current, p);
	return RC_OK;
}

void tls_free(struct tls *t)
{
	struct pair *p = t ? atomic_load(&t->current) : NULL;

	while (p) {
		struct pair *older = p->older;

		pair_free(p);
		p = older;
	}
	free(t);
}

void tls_attach(struct tls *t, void *session)
{
	gnutls_session_set_ptr(session, t);
}

void tls_send(void *session, struct slice bytes)
{
	while (bytes.n) {
		ssize_t n = gnutls_record_send(session, bytes.p, bytes.n);

		if (n <= 0)
			return;
		bytes = slice_of(bytes.p + n, bytes.n - (size_t)n);
	}
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *issuers, int n_issuers,
	const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret_chain,
	unsigned *ret_n, gnutls_privkey_t *ret_key)
{
	struct tls *t = gnutls_session_get_ptr(session);
	struct pair *p = atomic_load(&t->current);

	(void)issuers;
	(void)n_issuers;
	(void)algorithms;
	(void)n_algorithms;
	*ret_chain = p->chain;
	*ret_n = p->n_chain;
	*ret_key = p->key;
	return 0;
}

void *tls_retrieve_function(void)
{
	return (void *)retrieve;
}
