/* consumer/pull: a bundle is deleted only when every file of it, every folder on the way and the
 * journal are on disk. The calls that put them there are watched (the linker's --wrap); what each
 * deletion finds undone fails the test. */
#include "bundle_maker.h"
#include "folder_fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "adapter/mem/mem.h"
#include "consumer/pull.h"

#define EVENTS_MAX 1024

/* An entry of a folder, by inode; and when it came. */
struct entry {
	ino_t folder, file;
	unsigned at;
	bool is_file;
};

struct sync {
	ino_t what;
	unsigned at;
};

static struct watch {
	pthread_mutex_t lock;
	unsigned now;
	struct entry entries[EVENTS_MAX];
	struct sync syncs[EVENTS_MAX];
	size_t n_entries, n_syncs;
	size_t n_deletes;
	char journal[256];
	bool journal_fails; /* its fdatasync, with EIO */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_mkdir(const char *path, mode_t mode);
int __real_mkdirat(int at, const char *name, mode_t mode);
int __real_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *name, mode_t mode);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);

static void note_sync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	pthread_mutex_lock(&watch.lock);
	assert_true(watch.n_syncs < EVENTS_MAX);
	watch.syncs[watch.n_syncs++] = (struct sync){st.st_ino, ++watch.now};
	pthread_mutex_unlock(&watch.lock);
}

static void note_entry(int at, const char *name, const char *folder, bool is_file)
{
	struct stat above, st;

	assert_int_equal(fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(folder ? stat(folder, &above) : fstat(at, &above), 0);
	pthread_mutex_lock(&watch.lock);
	assert_true(watch.n_entries < EVENTS_MAX);
	watch.entries[watch.n_entries++] =
		(struct entry){above.st_ino, st.st_ino, ++watch.now, is_file};
	pthread_mutex_unlock(&watch.lock);
}

int __wrap_fsync(int fd)
{
	int r = __real_fsync(fd);

	note_sync(fd);
	return r;
}

int __wrap_fdatasync(int fd)
{
	int r = __real_fdatasync(fd);

	note_sync(fd);
	if (!watch.journal_fails)
		return r;
	errno = EIO;
	return -1;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	char above[4096];
	int r = __real_mkdir(path, mode);

	if (r == 0) {
		snprintf(above, sizeof(above), "%s/..", path);
		note_entry(AT_FDCWD, path, above, false);
	}
	return r;
}

int __wrap_mkdirat(int at, const char *name, mode_t mode)
{
	int r = __real_mkdirat(at, name, mode);

	if (r == 0 && strcmp(name, "work") != 0) /* what is in it is needed by nobody afterwards */
		note_entry(at, name, NULL, false);
	return r;
}

int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
	int r = __real_renameat2(from_at, from, to_at, to, flags);

	if (r == 0)
		note_entry(to_at, to, NULL, true);
	return r;
}

/* 0: never. first: else the last time. */
static unsigned synced_at(ino_t what, unsigned before)
{
	unsigned at = 0;

	for (size_t i = 0; i < watch.n_syncs; i++)
		if (watch.syncs[i].what == what && watch.syncs[i].at < before)
			at = watch.syncs[i].at;
	return at;
}

static enum rc watched_delete(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err);

struct watched {
	struct object_store base;
	struct object_store_ops ops;
	struct object_store *inner;
};

static enum rc watched_get(struct object_store *os, const struct object_id *objects, size_t n,
	const struct os_sink *sink, struct err *err)
{
	return os_get_many(((struct watched *)os)->inner, objects, n, sink, err);
}

static enum rc watched_list(struct object_store *os, const struct os_list_query *query,
	struct arena *a, struct os_list_page *ret_page, struct err *err)
{
	return os_list(((struct watched *)os)->inner, query, a, ret_page, err);
}

static enum rc watched_delete(struct object_store *os, struct slice bucket,
	const struct object_id *objects, size_t n, enum rc *results, struct err *err)
{
	unsigned last = 0, journal;
	struct stat st;

	pthread_mutex_lock(&watch.lock);
	for (size_t i = 0; i < watch.n_entries; i++) {
		const struct entry *e = &watch.entries[i];
		unsigned folder = synced_at(e->folder, UINT32_MAX);

		if (e->is_file && !synced_at(e->file, e->at))
			fail_msg("a file got its name before its bytes were on disk");
		if (folder < e->at)
			fail_msg("a folder is not on disk with what came into it");
		last = folder > last ? folder : last;
	}
	assert_int_equal(stat(watch.journal, &st), 0);
	journal = synced_at(st.st_ino, UINT32_MAX);
	if (journal < last)
		fail_msg("the journal was written before the folders were on disk");
	watch.n_deletes++;
	pthread_mutex_unlock(&watch.lock);
	return os_delete_many(((struct watched *)os)->inner, bucket, objects, n, results, err);
}

struct bytes {
	struct slice left;
};

static enum rc read_bytes(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct bytes *b = arg;

	(void)err;
	*ret_n = b->left.n < max ? b->left.n : max;
	memcpy(out, b->left.p, *ret_n);
	b->left = slice_of(b->left.p + *ret_n, b->left.n - *ret_n);
	return RC_OK;
}

static void publish(struct object_store *store, const char *key, const char *const *files)
{
	unsigned char bytes[8192], hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1], headers[200];
	struct arena a = ARENA_INIT;
	struct os_object info;
	int fd = bundle_of(files);
	struct bytes b = {slice_of(bytes, (size_t)read(fd, bytes, sizeof(bytes)))};
	struct os_source source = {read_bytes, &b, NULL};

	close(fd);
	sha256(b.left, hash);
	hex_encode(hash, sizeof(hash), hex);
	snprintf(headers, sizeof(headers), "x-amz-meta-content-sha256:%s\n", hex);
	assert_int_equal(os_put(store, slice_str("dist"), slice_str(key), slice_str(headers),
				 b.left.n, &source, &a, &info, NULL),
		RC_OK);
	arena_release(&a);
}

static void tell(void *arg, const struct pull_result *r)
{
	(void)arg;
	if (r->rc != RC_OK)
		fail_msg("%s: %s", r->bundle, r->err->text);
}

/* One after the other: with several at a time a folder may be waiting for its sync by another
 * bundle's job. */
static void what_is_deleted_is_on_disk(void **state)
{
	static const char *const bundles[][7] = {{"a/b/c", "1", "a/d", "2", "e", "3", NULL},
		{"a/b/c", "1", "a/x/y/z", "4", NULL}, {"a/b/c", "newer", NULL}};
	struct watched w = {.inner = mem_object_store_new(clock_system())};
	struct pull_totals totals;
	struct folder folder;
	atomic_bool stopping = false;
	char deep[128];

	(void)state;
	w.base.ops = &w.ops;
	w.ops = (struct object_store_ops){
		.get_many = watched_get, .list = watched_list, .delete_many = watched_delete};
	mem_object_store_add_bucket(w.inner, "dist", true);
	for (size_t i = 0; i < 3; i++) {
		char key[64];

		snprintf(key, sizeof(key), "bundle-%zu", i);
		publish(w.inner, key, bundles[i]);
	}
	folder_make(&folder);
	snprintf(deep, sizeof(deep), "%s/new/to", folder.root);
	snprintf(watch.journal, sizeof(watch.journal), "%s/.baler-pull/journal", deep);
	assert_int_equal(pull_run(&(struct pull_options){.store = &w.base,
					  .bucket = "dist",
					  .dir = deep,
					  .jobs = 1,
					  .stopping = &stopping,
					  .clock = clock_system(),
					  .tell = tell},
				 &totals, NULL),
		RC_OK);
	assert_int_equal(totals.n_bundles, 3);
	assert_int_equal(watch.n_deletes, 3);
	assert_true(watch.n_entries >= 10); /* new, to, its own folder, 4 folders, 5 files */
	os_close(w.inner);
	folder_remove(&folder);
}

static void count_failure(void *arg, const struct pull_result *r)
{
	*(unsigned *)arg += r->rc != RC_OK;
}

/* Else a run that was killed before the folders were on disk would find the bundle neither in the
 * bucket nor in the journal. */
static void what_the_journal_does_not_have_is_not_deleted(void **state)
{
	static const char *const files[] = {"a", "1", NULL};
	struct watched w = {.inner = mem_object_store_new(clock_system())};
	struct pull_totals totals;
	struct folder folder;
	atomic_bool stopping = false;
	unsigned n_failed = 0;

	(void)state;
	w.base.ops = &w.ops;
	w.ops = (struct object_store_ops){
		.get_many = watched_get, .list = watched_list, .delete_many = watched_delete};
	mem_object_store_add_bucket(w.inner, "dist", true);
	publish(w.inner, "bundle-1", files);
	folder_make(&folder);
	watch.n_deletes = 0;
	watch.journal_fails = true;
	assert_int_equal(pull_run(&(struct pull_options){.store = &w.base,
					  .bucket = "dist",
					  .dir = folder.to,
					  .jobs = 1,
					  .stopping = &stopping,
					  .clock = clock_system(),
					  .tell = count_failure,
					  .arg = &n_failed},
				 &totals, NULL),
		RC_OK);
	watch.journal_fails = false;
	assert_int_equal(n_failed, 1);
	assert_int_equal(watch.n_deletes, 0);
	os_close(w.inner);
	folder_remove(&folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_deleted_is_on_disk),
		cmocka_unit_test(what_the_journal_does_not_have_is_not_deleted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
