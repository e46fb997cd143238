#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/local/audit/local_audit.h"
#include "base/digest.h"
#include "life_internal.h"
#include "verify/ledger_audit.h"

#define STEPS_MAX 2000
#define BUNDLES_MAX 100

struct verdict {
	const struct life_promise *p;
	size_t when;
	unsigned n_bundles[LIFE_OBJECTS]; /* that hold the object */
	bool good;
};

__attribute__((format(printf, 2, 3))) static void blame(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	v->good = false;
}

static enum rc sink_begin(void *arg, size_t i, const struct os_object *info, struct err *err)
{
	(void)arg, (void)i, (void)info, (void)err;
	return RC_OK;
}

static enum rc sink_data(void *arg, size_t i, struct slice bytes, struct err *err)
{
	(void)i, (void)err;
	buf_add_slice(arg, bytes);
	return RC_OK;
}

static enum rc sink_end(
	void *arg, size_t i, enum rc outcome, const struct err *why, struct err *err)
{
	(void)arg, (void)i;
	if (outcome != RC_OK && why)
		*err = *why;
	return outcome;
}

static enum rc get(struct life *w, struct arena *a, const struct object_id *id,
	struct slice *ret_bytes, struct err *err)
{
	struct buf out;
	struct os_sink sink = {sink_begin, sink_data, sink_end, &out};
	enum rc rc;

	buf_init(&out, 64u << 20);
	rc = os_get_many(w->store, id, 1, &sink, err);
	*ret_bytes = arena_slice(a, buf_slice(&out));
	buf_release(&out);
	return rc;
}

enum rc life_bundles(struct life *w, struct arena *a, struct life_bundle **ret, size_t *ret_n)
{
	struct os_list_query query = {
		.bucket = slice_str(LIFE_DISTRIBUTION), .max = BUNDLES_MAX, .versions = true};
	struct os_list_page page;
	struct err err;
	enum rc rc = os_list(w->store, &query, a, &page, &err);

	if (rc != RC_OK)
		return rc;
	*ret = arena_array(a, page.n, sizeof(**ret));
	*ret_n = page.n;
	for (size_t i = 0; i < page.n && rc == RC_OK; i++) {
		struct object_id id = {query.bucket, page.objects[i].key, page.objects[i].version};
		struct digest *d = digest_new(DIGEST_SHA256);

		(*ret)[i].key = id.key;
		rc = get(w, a, &id, &(*ret)[i].bytes, &err);
		digest_update(d, (*ret)[i].bytes);
		digest_final(d, DIGEST_SHA256, (*ret)[i].sha256);
		digest_free(d);
	}
	return rc;
}

static void run_until_idle(struct life *w, struct verdict *v)
{
	struct eq_stat stat = {.visible = 1};
	enum pipeline_status status = PIPELINE_WORKED;
	struct err err = {0};

	w->p = pipeline_new(&w->cfg);
	for (int i = 0; i < STEPS_MAX && status != PIPELINE_FATAL; i++) {
		status = pipeline_step(w->p, &err);
		if (eq_stat(w->cfg.ports.queue, &stat, &err) == RC_OK && status == PIPELINE_IDLE &&
			!stat.visible && !stat.in_flight)
			break;
	}
	if (status == PIPELINE_FATAL)
		blame(v, "the aggregator cannot go on: %s", err.text);
	if (stat.visible || stat.in_flight || stat.dead)
		blame(v, "%llu messages visible, %llu in flight, %llu dead",
			(unsigned long long)stat.visible, (unsigned long long)stat.in_flight,
			(unsigned long long)stat.dead);
	pipeline_free(w->p);
}

static void count_member(struct verdict *v, struct archive *ar, struct archive_entry *entry)
{
	size_t n = (size_t)archive_entry_size(entry), number;
	struct arena a = ARENA_INIT;
	char *p = arena_alloc(&a, n + 1);
	bool whole = archive_read_data(ar, p, n) == (la_ssize_t)n;

	p[n] = '\0';
	if (!whole || sscanf(p, "object %9zu", &number) != 1 || number >= LIFE_OBJECTS ||
		!slice_eq(slice_of(p, n), life_body(&a, number)))
		blame(v, "a bundle holds '%s', which nobody put", archive_entry_pathname(entry));
	else
		v->n_bundles[number]++;
	arena_release(&a);
}

static void count_members(struct verdict *v, const struct life_bundle *b)
{
	struct archive *ar = archive_read_new();
	struct archive_entry *entry;
	int code;

	archive_read_support_filter_gzip(ar);
	archive_read_support_format_tar(ar);
	if (archive_read_open_memory(ar, b->bytes.p, b->bytes.n) != ARCHIVE_OK)
		blame(v, "bundle " SLICE_FMT " cannot be opened", SLICE_ARG(b->key));
	while ((code = archive_read_next_header(ar, &entry)) == ARCHIVE_OK)
		count_member(v, ar, entry);
	if (code != ARCHIVE_EOF)
		blame(v, "bundle " SLICE_FMT ": %s", SLICE_ARG(b->key), archive_error_string(ar));
	archive_read_free(ar);
}

static void judge_bundles(struct life *w, struct verdict *v)
{
	struct arena a = ARENA_INIT;
	struct life_bundle *b;
	size_t n = 0, found = 0;

	if (life_bundles(w, &a, &b, &n) != RC_OK)
		blame(v, "the bundles cannot be read");
	for (size_t i = 0; i < n; i++)
		count_members(v, &b[i]);
	for (size_t k = 0; k < v->p->n_seen; k++) {
		found = 0;
		for (size_t i = 0; i < n; i++)
			found += slice_eq_str(b[i].key, v->p->seen[k].key) &&
				 memcmp(b[i].sha256, v->p->seen[k].sha256, 32) == 0;
		if (v->p->seen[k].when < v->when && found != 1)
			blame(v, "bundle %s was seen and is gone or another", v->p->seen[k].key);
	}
	arena_release(&a);
}

static void judge_object(struct life *w, struct verdict *v, size_t i)
{
	struct object_id id = {
		slice_str(LIFE_LANDING), slice_str(v->p->key[i]), slice_str(v->p->version[i])};
	bool acked = v->p->acked[i] && v->p->acked_when[i] < v->when;
	struct arena a = ARENA_INIT;
	struct slice bytes;
	struct err err = {0};

	if (acked && (get(w, &a, &id, &bytes, &err) != RC_OK || !slice_eq(bytes, life_body(&a, i))))
		blame(v, "object %zu was acknowledged and is gone or another: %s", i, err.text);
	if (v->n_bundles[i] > 1 || (acked && v->n_bundles[i] != 1))
		blame(v, "object %zu, %sacknowledged, is in %u bundles", i, acked ? "" : "not ",
			v->n_bundles[i]);
	arena_release(&a);
}

static void on_finding(void *arg, const struct finding *f)
{
	blame(arg, "audit: %s %s: %s", finding_kind_name(f->kind), f->invariant, f->text);
}

static void judge_ledger(const char *folder, struct verdict *v)
{
	struct local_audit_config cfg = {
		folder, LIFE_LANDING, "data/", LIFE_DISTRIBUTION, LIFE_ARCHIVE};
	struct ledger_audit_options options = {
		.now_wall_ms = clock_wall_ms(clock_system()), .found = on_finding, .arg = v};
	struct ledger_audit_summary summary;
	struct err err;

	if (local_audit_open(&cfg, &options.source, &err) != RC_OK ||
		ledger_audit(&options, &summary, &err) != RC_OK) {
		blame(v, "audit: %s", err.text);
		return;
	}
	audit_close(options.source);
}

static size_t count_files(const char *folder)
{
	char path[PATH_MAX];
	size_t n = 0;

	for (int i = 0; i < 256; i++) {
		struct dirent *e;
		DIR *dir;

		snprintf(path, sizeof(path), "%s/blobs/%02x", folder, i);
		dir = opendir(path);
		while (dir && (e = readdir(dir)))
			n += e->d_name[0] != '.';
		if (dir)
			closedir(dir);
	}
	return n;
}

static void judge_blobs(const char *folder, struct verdict *v)
{
	static const char sql[] =
		"SELECT count(*), (SELECT count(*) FROM stage WHERE published = 0) FROM blob";
	size_t n_files = count_files(folder);
	sqlite3_stmt *st = NULL;
	sqlite3 *db = NULL;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/baler.db", folder);
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK ||
		sqlite3_step(st) != SQLITE_ROW)
		blame(v, "the database cannot be asked: %s", sqlite3_errmsg(db));
	else if ((size_t)sqlite3_column_int64(st, 0) != n_files || sqlite3_column_int64(st, 1))
		blame(v, "%lld blob rows, %zu files, %lld stages are left",
			(long long)sqlite3_column_int64(st, 0), n_files,
			(long long)sqlite3_column_int64(st, 1));
	sqlite3_finalize(st);
	sqlite3_close(db);
}

bool life_is_kept(const char *folder, const struct life_promise *p, size_t when)
{
	struct verdict v = {.p = p, .when = when, .good = true};
	struct life w;
	struct err err;

	if (life_open(&w, folder, &err) != RC_OK) {
		blame(&v, "the folder cannot be opened: %s", err.text);
		return false;
	}
	life_buckets(&w);
	run_until_idle(&w, &v);
	judge_bundles(&w, &v);
	for (size_t i = 0; i < LIFE_OBJECTS; i++)
		judge_object(&w, &v, i);
	local_close(w.local);
	judge_ledger(folder, &v);
	judge_blobs(folder, &v);
	return v.good;
}
