#include "verify/ledger_audit_manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "port/ledger.h"

#define LINE_BYTES                                                                                 \
	32768 /* a member is a key, a name and a version of at most 1,024 bytes each, escaped */

struct reader {
	FILE *file;
	struct audit_manifest *m;
	unsigned long n_line;
	char line[LINE_BYTES];
	size_t n; /* bytes of the line, without its end */
};

static enum rc malformed(const struct reader *r, struct err *err, const char *what)
{
	return err_set(err, RC_CORRUPT, "malformed at line %lu: %s", r->n_line, what);
}

static enum rc next_line(struct reader *r, struct err *err)
{
	r->n_line++;
	errno = 0;
	if (!fgets(r->line, sizeof(r->line), r->file))
		return ferror(r->file) ? err_errno(err, errno, "read")
				       : malformed(r, err, "it ends too early");
	r->n = strcspn(r->line, "\n");
	if (r->line[r->n] != '\n')
		return malformed(r, err, "the line is too long, or has no end");
	r->line[r->n] = '\0';
	return RC_OK;
}

static bool take_suffix(struct reader *r, const char *suffix)
{
	size_t n = strlen(suffix);

	if (r->n < n || memcmp(r->line + r->n - n, suffix, n) != 0)
		return false;
	r->n -= n;
	return true;
}

static bool get_text(
	struct audit_manifest *m, const json_t *object, const char *name, struct slice *ret)
{
	struct slice text = json_member_str(object, name);

	if (!text.p)
		return false;
	*ret = arena_slice(&m->arena, text);
	return true;
}

static bool get_number(const json_t *object, const char *name, uint64_t *ret)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret = (uint64_t)json_integer_value(value);
	return true;
}

static bool get_sha256(const json_t *object, unsigned char ret[SHA256_BYTES])
{
	return hex_decode(json_member_str(object, "sha256"), ret, SHA256_BYTES);
}

/* before, the line, after, as one object. */
static enum rc parse(
	struct reader *r, const char *before, const char *after, json_t **ret_root, struct err *err)
{
	struct buf text;
	struct err why = {0};
	enum rc rc;

	buf_init(&text, LINE_BYTES + 16);
	buf_addf(&text, "%s%.*s%s", before, (int)r->n, r->line, after);
	rc = json_parse(buf_slice(&text), text.n, ret_root, &why);
	buf_release(&text);
	if (rc == RC_OK && json_is_object(*ret_root))
		return RC_OK;
	if (rc == RC_AGAIN)
		return err_set(err, rc, "%s", why.text);
	if (rc == RC_OK)
		json_decref(*ret_root);
	return malformed(r, err, rc == RC_OK ? "not an object" : why.text);
}

static enum rc read_head(struct reader *r, struct err *err)
{
	struct audit_manifest *m = r->m;
	uint64_t version = 0;
	json_t *root;
	bool is_whole;
	enum rc rc = next_line(r, err);

	if (rc == RC_OK && !take_suffix(r, "["))
		rc = malformed(r, err, "no members begin there");
	if (rc == RC_OK)
		rc = parse(r, "", "[]}", &root, err);
	if (rc != RC_OK)
		return rc;
	is_whole = get_number(root, "version", &version) && get_text(m, root, "plan", &m->plan) &&
		   get_text(m, root, "bucket", &m->bucket) &&
		   get_text(m, root, "bundle", &m->bundle) && json_object_get(root, "members");
	m->is_direct = json_is_true(json_object_get(root, "direct"));
	json_decref(root);
	if (!is_whole)
		return malformed(r, err, "version, plan, bucket, bundle or members are missing");
	return version == 1 ? RC_OK : malformed(r, err, "of a version that is not known");
}

static bool get_member(struct audit_manifest *m, const json_t *root, struct audit_member *e)
{
	return get_text(m, root, "name", &e->name) &&
	       get_text(m, root, "bucket", &e->source.bucket) &&
	       get_text(m, root, "key", &e->source.key) &&
	       get_text(m, root, "versionId", &e->source.version) &&
	       get_number(root, "size", &e->size_bytes) &&
	       get_number(root, "offset", &e->offset_bytes) && get_sha256(root, e->sha256);
}

static enum rc read_member(struct reader *r, bool *ret_last, struct err *err)
{
	struct audit_manifest *m = r->m;
	struct audit_member e = {0};
	json_t *root;
	bool is_whole;
	enum rc rc = next_line(r, err);

	if (rc != RC_OK)
		return rc;
	*ret_last = take_suffix(r, "],");
	if (!*ret_last && !take_suffix(r, ","))
		return malformed(r, err, "the line ends neither a member nor all");
	rc = parse(r, "", "", &root, err);
	if (rc != RC_OK)
		return rc;
	is_whole = get_member(m, root, &e);
	json_decref(root);
	if (!is_whole)
		return malformed(r, err,
			"name, bucket, key, versionId, size, sha256 or offset is missing or wrong");
	if (m->n == LG_BATCH_MAX)
		return malformed(r, err, "more members than a bundle can have");
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 64;
		m->members = xrealloc(m->members, m->cap * sizeof(*m->members));
	}
	m->members[m->n++] = e;
	return RC_OK;
}

static enum rc read_tail(struct reader *r, struct err *err)
{
	struct audit_manifest *m = r->m;
	json_t *root;
	bool is_whole;
	enum rc rc = next_line(r, err);

	if (rc == RC_OK)
		rc = parse(r, "{", "", &root, err);
	if (rc != RC_OK)
		return rc;
	is_whole = get_number(root, "size", &m->size_bytes) && get_sha256(root, m->sha256);
	json_decref(root);
	if (!is_whole)
		return malformed(r, err, "the bundle's size or sha256 is missing or wrong");
	return fgetc(r->file) == EOF ? RC_OK : malformed(r, err, "there is more behind its end");
}

static int by_offset(const void *x, const void *y)
{
	const struct audit_member *a = *(struct audit_member *const *)x;
	const struct audit_member *b = *(struct audit_member *const *)y;

	if (a->offset_bytes != b->offset_bytes)
		return a->offset_bytes < b->offset_bytes ? -1 : 1;
	return a < b ? -1 : a > b; /* an empty one and its next may be at one place */
}

static enum rc index_members(struct reader *r, struct err *err)
{
	struct audit_manifest *m = r->m;

	m->by_offset = arena_array(&m->arena, m->n, sizeof(struct audit_member *));
	for (size_t i = 0; i < m->n; i++) {
		m->by_offset[i] = &m->members[i];
		if (table_put(&m->by_name, m->members[i].name, &m->members[i])) {
			r->n_line = i + 2;
			return malformed(r, err, "a second member of one name");
		}
	}
	qsort(m->by_offset, m->n, sizeof(struct audit_member *), by_offset);
	return RC_OK;
}

enum rc audit_manifest_read(int fd, struct audit_manifest *m, struct err *err)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	bool is_last = false;
	int own = dup(fd);
	enum rc rc;

	*m = (struct audit_manifest){.digest = digest_new(DIGEST_SHA256)};
	r->m = m;
	r->file = own >= 0 ? fdopen(own, "r") : NULL;
	rc = r->file ? read_head(r, err) : err_errno(err, errno, "read a manifest");
	while (rc == RC_OK && !is_last)
		rc = read_member(r, &is_last, err);
	if (rc == RC_OK)
		rc = read_tail(r, err);
	if (rc == RC_OK)
		rc = index_members(r, err);
	if (r->file)
		fclose(r->file);
	else if (own >= 0)
		close(own);
	free(r);
	return rc;
}

static size_t skip_to(struct audit_manifest *m, const struct audit_member *e, size_t n)
{
	uint64_t gap = e->offset_bytes - m->n_plain;

	if (gap > n)
		return n;
	m->is_inside = true;
	m->n_left = e->size_bytes;
	digest_reset(m->digest, DIGEST_SHA256);
	return (size_t)gap;
}

void audit_manifest_plain(struct audit_manifest *m, struct slice bytes)
{
	while (m->at < m->n) {
		struct audit_member *e = m->by_offset[m->at];
		size_t n;

		if (!m->is_inside && e->offset_bytes < m->n_plain) {
			m->at++; /* within the one before it: leads nowhere */
			continue;
		}
		if (!m->is_inside) {
			n = skip_to(m, e, bytes.n);
		} else {
			n = m->n_left < bytes.n ? (size_t)m->n_left : bytes.n;
			digest_update(m->digest, slice_of(bytes.p, n));
			m->n_left -= n;
		}
		m->n_plain += n;
		bytes = slice_of(bytes.p + n, bytes.n - n);
		if (m->is_inside && m->n_left == 0) {
			digest_final(m->digest, DIGEST_SHA256, e->tried_sha256);
			e->is_tried = true;
			m->is_inside = false;
			m->at++;
		} else if (bytes.n == 0) {
			return;
		}
	}
	m->n_plain += bytes.n;
}

struct audit_member *audit_manifest_seen(
	struct audit_manifest *m, const struct untar_member *member)
{
	struct audit_member *e = table_get(&m->by_name, member->name);

	if (!e)
		return NULL;
	e->is_seen = true;
	e->seen_bytes = member->size;
	memcpy(e->seen_sha256, member->sha256, SHA256_BYTES);
	return e;
}

void audit_manifest_release(struct audit_manifest *m)
{
	digest_free(m->digest);
	table_release(&m->by_name);
	free(m->members);
	arena_release(&m->arena);
	*m = (struct audit_manifest){0};
}
