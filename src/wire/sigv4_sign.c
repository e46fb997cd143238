#include "wire/sigv4_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "wire/uri.h"

/* Headers that proxies and HTTP libraries add or change. */
static bool is_never_signed(struct slice name)
{
	static const char *const names[] = {"authorization", "connection", "expect", "keep-alive",
		"proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
		"transfer-encoding", "upgrade", "user-agent", "x-amzn-trace-id"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq_nocase(name, slice_str(names[i])))
			return true;
	return false;
}

/* A request with the headers that signing adds, and the names to sign. */
struct job {
	struct header headers[SIGV4_MAX_HEADERS];
	struct sigv4_request req;
	char signed_headers[SIGV4_SIGNED_HEADERS_MAX_BYTES + 1];
	char amz_date[DATE_BASIC_BYTES], date[9];
	char scope[SIGV4_SCOPE_MAX];
	unsigned char key[SHA256_BYTES], signature[SHA256_BYTES];
	struct buf canonical;
};

static void add_header(struct job *job, const char *name, struct slice value)
{
	job->headers[job->req.n_headers++] = (struct header){slice_str(name), value};
}

static int name_cmp(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void lower(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s | 32);
}

/* The names in lower case, sorted, each once, joined by ';'. */
static enum rc list_names(struct job *job, struct err *err)
{
	struct slice names[SIGV4_MAX_HEADERS];
	char lowered[SIGV4_SIGNED_HEADERS_MAX_BYTES + 1];
	size_t n = 0, used = 0, at = 0;

	for (size_t i = 0; i < job->req.n_headers; i++) {
		struct slice name = job->headers[i].name;

		if (is_never_signed(name))
			continue;
		if (name.n > SIGV4_SIGNED_HEADERS_MAX_BYTES - used - n)
			return err_set(
				err, RC_REFUSED, "the headers' names are too long to be signed");
		memcpy(lowered + used, name.p, name.n);
		names[n++] = slice_of(lowered + used, name.n);
		used += name.n;
	}
	lowered[used] = '\0';
	lower(lowered);
	qsort(names, n, sizeof(names[0]), name_cmp);
	for (size_t i = 0; i < n; i++) {
		if (i && slice_eq(names[i], names[i - 1]))
			continue;
		if (at)
			job->signed_headers[at++] = ';';
		memcpy(job->signed_headers + at, names[i].p, names[i].n);
		at += names[i].n;
	}
	job->signed_headers[at] = '\0';
	return RC_OK;
}

static enum rc start(struct job *job, const struct sigv4_request *req,
	const struct sigv4_signer *signer, struct err *err)
{
	if (req->n_headers > SIGV4_MAX_HEADERS - 3)
		return err_set(err, RC_REFUSED, "%zu headers are too many", req->n_headers);
	if (!header_find(req->headers, req->n_headers, "host", NULL))
		return err_set(err, RC_REFUSED, "a request without Host cannot be signed");
	if (signer->access_key.n > SIGV4_ACCESS_KEY_MAX_BYTES ||
		signer->secret.n > SIGV4_SECRET_MAX_BYTES ||
		strlen(signer->region) > SIGV4_REGION_MAX_BYTES ||
		strlen(signer->service) > SIGV4_SERVICE_MAX_BYTES)
		return err_set(err, RC_REFUSED, "key, region or service is too long");
	job->req = *req;
	job->req.headers = job->headers;
	if (req->n_headers)
		memcpy(job->headers, req->headers, req->n_headers * sizeof(req->headers[0]));
	date_basic_format(signer->now_wall_ms, job->amz_date);
	snprintf(job->date, sizeof(job->date), "%.8s", job->amz_date);
	sigv4_scope(job->date, signer->region, signer->service, job->scope);
	buf_init(&job->canonical, SIGV4_CANONICAL_MAX_BYTES);
	return RC_OK;
}

static enum rc finish(struct job *job, const struct sigv4_signer *signer, const char *payload_text,
	bool is_presigned, struct err *err)
{
	char text[SIGV4_STRING_MAX];
	enum rc rc = sigv4_canonical_request(&job->canonical, &job->req,
		strcmp(signer->service, "s3") == 0, job->signed_headers, payload_text, is_presigned,
		err);

	if (rc != RC_OK)
		return rc;
	sigv4_string_to_sign(job->amz_date, job->scope, buf_slice(&job->canonical), text);
	sigv4_key(
		signer->keys, signer->secret, job->date, signer->region, signer->service, job->key);
	hmac_sha256(slice_of(job->key, sizeof(job->key)), slice_str(text), job->signature);
	return RC_OK;
}

static void stop(struct job *job)
{
	buf_release(&job->canonical);
	explicit_bzero(job->key, sizeof(job->key));
}

static void fill_headers(
	struct sigv4_headers *h, const struct job *job, const struct sigv4_signer *signer)
{
	sigv4_seed_set(&h->seed, job->key, job->amz_date, job->scope, job->signature);
	buf_init(&h->authorization, 4096);
	buf_addf(&h->authorization,
		"AWS4-HMAC-SHA256 Credential=%.*s/%s, SignedHeaders=%s, Signature=%s",
		(int)signer->access_key.n, (const char *)signer->access_key.p, job->scope,
		job->signed_headers, h->seed.signature);
}

enum rc sigv4_sign(const struct sigv4_request *req, const struct sigv4_signer *signer,
	const char *payload_hash, struct sigv4_headers *ret_headers, struct err *err)
{
	bool is_s3 = strcmp(signer->service, "s3") == 0;
	struct job job;
	enum rc rc = start(&job, req, signer, err);

	if (rc != RC_OK)
		return rc;
	add_header(&job, "x-amz-date", slice_str(job.amz_date));
	if (is_s3)
		add_header(&job, "x-amz-content-sha256", slice_str(payload_hash));
	if (signer->token.n)
		add_header(&job, "x-amz-security-token", signer->token);
	rc = list_names(&job, err);
	if (rc == RC_OK)
		rc = finish(&job, signer, payload_hash, false, err);
	if (rc == RC_OK) {
		memset(ret_headers, 0, sizeof(*ret_headers));
		memcpy(ret_headers->amz_date, job.amz_date, sizeof(job.amz_date));
		if (is_s3)
			snprintf(ret_headers->content_sha256, sizeof(ret_headers->content_sha256),
				"%s", payload_hash);
		fill_headers(ret_headers, &job, signer);
	}
	stop(&job);
	return rc;
}

void sigv4_headers_release(struct sigv4_headers *h)
{
	buf_release(&h->authorization);
	explicit_bzero(&h->seed, sizeof(h->seed));
}

/* The query with all X-Amz- parameters but the signature. */
static void add_presign_params(struct buf *out, const struct job *job,
	const struct sigv4_signer *signer, uint32_t expires_s)
{
	if (job->req.query.n) {
		buf_add_slice(out, job->req.query);
		buf_add_char(out, '&');
	}
	buf_add_str(out, "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=");
	uri_encode(out, signer->access_key, false);
	buf_add_str(out, "%2F");
	uri_encode(out, slice_str(job->scope), false);
	buf_addf(out, "&X-Amz-Date=%s&X-Amz-Expires=%u", job->amz_date, (unsigned)expires_s);
	if (signer->token.n) {
		buf_add_str(out, "&X-Amz-Security-Token=");
		uri_encode(out, signer->token, false);
	}
	buf_add_str(out, "&X-Amz-SignedHeaders=");
	uri_encode(out, slice_str(job->signed_headers), false);
}

enum rc sigv4_presign(const struct sigv4_request *req, const struct sigv4_signer *signer,
	uint32_t expires_s, struct buf *out, struct err *err)
{
	char hex[2 * SHA256_BYTES + 1];
	struct buf query;
	struct job job;
	enum rc rc = start(&job, req, signer, err);

	if (rc != RC_OK)
		return rc;
	buf_init(&query, 32 * 1024);
	rc = list_names(&job, err);
	if (rc != RC_OK)
		goto out;
	add_presign_params(&query, &job, signer, expires_s);
	job.req.query = buf_slice(&query);
	rc = finish(&job, signer, "UNSIGNED-PAYLOAD", true, err);
	if (rc != RC_OK)
		goto out;
	hex_encode(job.signature, sizeof(job.signature), hex);
	buf_addf(&query, "&X-Amz-Signature=%s", hex);
	if (query.overflow || !buf_add_slice(out, buf_slice(&query)))
		rc = err_set(err, RC_REFUSED, "the presigned query is too long");
out:
	buf_release(&query);
	stop(&job);
	return rc;
}
