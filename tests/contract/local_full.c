/*
 * [BS-7] on a disk that is really full: a small tmpfs in a mount namespace of our own, so nothing
 *        is left behind. Where a namespace or a mount is not allowed the test says so and exits 77,
 *        which the runner shows as skipped.
 */
#include "buckets.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "adapter/local/local.h"
#include "base/file.h"
#include "port/object_store.h"

#define DISK "size=24m"
#define FILLER_BYTES (8u << 20)
#define BODY_BYTES 60000
#define FLOOR_BYTES (1u << 20) /* what stays free for commits, beside the reserve */

static char root[] = "/tmp/baler-full-XXXXXX";
static char folder[64];

struct own {
	struct local *local;
};

static void start(struct bucket_world *w)
{
	static const char *const prefixes[] = {EVENT_PREFIX};
	struct own *own = w->own;
	struct local_config cfg = {
		.folder = folder,
		.clock = clock_system(),
		.region = "us-east-1",
		.notify = {.bucket = LANDING, .prefixes = prefixes, .n_prefixes = 1},
		.max_receives = 5,
	};
	struct err err;

	if (local_open(&cfg, &own->local, &err) != RC_OK)
		die("open '%s': %s", folder, err.text);
	w->bs = local_bucket_store(own->local);
	w->queue = local_event_queue(own->local);
}

static void open_world(struct bucket_world *w)
{
	if (mount("tmpfs", root, "tmpfs", 0, DISK) != 0)
		die("mount: %s", strerror(errno));
	snprintf(folder, sizeof(folder), "%s/data", root);
	*w = (struct bucket_world){.own = xcalloc(1, sizeof(struct own))};
	start(w);
}

static void close_world(struct bucket_world *w)
{
	struct own *own = w->own;

	local_close(own->local);
	free(own);
	if (umount(root) != 0)
		die("umount: %s", strerror(errno));
}

static void set_filler(bool there)
{
	char path[64];
	void *bytes;
	int fd;

	snprintf(path, sizeof(path), "%s/filler", root);
	if (!there) {
		assert_int_equal(unlink(path), 0);
		return;
	}
	bytes = calloc(1, FILLER_BYTES);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, FILLER_BYTES), FILLER_BYTES);
	close(fd);
	free(bytes);
}

static void key_of(char key[32], unsigned i)
{
	snprintf(key, 32, EVENT_PREFIX "%04u", i);
}

static unsigned fill(struct bucket_world *w)
{
	struct written *made;
	char key[32];
	unsigned n = 0;

	do {
		key_of(key, n);
		made = put_bytes(w, LANDING, key, BODY_BYTES, n);
		n++;
		assert_true(n < 1000);
	} while (made->rc == RC_OK);
	assert_int_equal(made->rc, RC_AGAIN);
	assert_string_equal(made->err.code, "ENOSPC");
	return n - 1;
}

static void check(struct bucket_world *w, unsigned i)
{
	unsigned char *bytes = pattern(BODY_BYTES, i);
	char key[32];

	key_of(key, i);
	reads_bytes(w, LANDING, key, NULL, slice_of(bytes, BODY_BYTES));
	free(bytes);
}

static void bs_7_a_full_disk_refuses_shows_nothing_and_goes_on(void **state)
{
	struct bucket_world *w = *state;
	struct eq_message *messages;
	struct arena a = ARENA_INIT;
	struct own *own = w->own;
	char key[32];
	unsigned n;

	set_filler(true);
	n = fill(w);
	assert_true(n > 20);
	key_of(key, n);
	fails_as(w, LANDING, key, NULL, RC_ABSENT, "NoSuchKey");
	for (unsigned i = 0; i < n; i++)
		check(w, i);
	set_filler(false);
	for (unsigned i = n; i < n + 20; i++) {
		key_of(key, i);
		assert_rc(put_bytes(w, LANDING, key, BODY_BYTES, i), RC_OK);
	}
	local_close(own->local);
	start(w);
	for (unsigned i = 0; i < n + 20; i++)
		check(w, i);
	assert_int_equal(events(w, &a, &messages), n + 20);
	arena_release(&a);
}

static void bs_7_a_body_that_does_not_fit_leaves_no_file(void **state)
{
	struct bucket_world *w = *state;

	assert_fails(put_bytes(w, LANDING, "big", 40u << 20, 1), RC_AGAIN, "ENOSPC");
	fails_as(w, LANDING, "big", NULL, RC_ABSENT, "NoSuchKey");
	for (int i = 0; i < 100; i++) { /* its removal is on its way */
		struct written *made = put_bytes(w, LANDING, "fits", 10u << 20, 2);

		if (made->rc == RC_OK)
			break;
		assert_true(i < 99);
		usleep(20000);
	}
	assert_rc(put_bytes(w, LANDING, "small", 1000, 3), RC_OK);
}

/* They share transactions: what pending_wait gives is each one's own. */
static void submit_at_once(
	struct bucket_world *w, struct pending **p, unsigned from, unsigned n, size_t size)
{
	unsigned char *bytes = pattern(size, 0);
	struct bs_commit commit = {
		.etag = "5d41402abc4b2a76b9719d911017c592", .event_name = "ObjectCreated:Put"};
	struct err err;
	char key[32];

	for (unsigned i = 0; i < n; i++) {
		struct bs_put *handle;

		key_of(key, from + i);
		p[i] = pending_new();
		assert_int_equal(bs_call(w->bs, put_begin, slice_str(LANDING), slice_str(key),
					 &handle, &err),
			RC_OK);
		assert_int_equal(bs_put_write(handle, slice_of(bytes, size), &err), RC_OK);
		bs_put_commit(handle, &commit, pending_done(p[i]));
	}
	free(bytes);
}

/* Many at once share transactions: the ones that fit must not be lost with those that do not. */
static void bs_7_each_of_many_at_once_is_answered_for_itself(void **state)
{
	enum { N = 400 };
	struct bucket_world *w = *state;
	unsigned char *bytes = pattern(BODY_BYTES, 0);
	struct pending *p[N];
	unsigned n_ok = 0;
	char key[32];

	submit_at_once(w, p, 0, N, BODY_BYTES);
	for (unsigned i = 0; i < N; i++) {
		struct written *made = pending_wait(p[i]);
		struct bs_reader *r;

		key_of(key, i);
		if (made->rc == RC_OK) {
			r = open_reader(w, LANDING, key, NULL);
			reader_gives(r, slice_of(bytes, BODY_BYTES));
			bs_reader_close(r);
			n_ok++;
		} else {
			if (!err_is(&made->err, "ENOSPC"))
				fail_msg("%s", made->err.text);
			fails_as(w, LANDING, key, NULL, RC_ABSENT, "NoSuchKey");
		}
	}
	assert_true(n_ok > 50 && n_ok < N);
	free(bytes);
}

/* Not one byte is left, in whatever pieces it comes. */
static void take_the_last_byte(void)
{
	static char block[4096];
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/last", root);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void delete_version(struct bucket_world *w, unsigned i, const char *version)
{
	struct bs_deletion deletion;
	char key[32];

	key_of(key, i);
	assert_rc(delete_one(w, LANDING, key, version, &deletion), RC_OK);
	assert_int_equal(deletion.rc, RC_OK);
}

/* The way out of a full disk must not need room: everything can be deleted, and then there is
 * some. */
static void a_full_disk_can_be_emptied(void **state)
{
	struct bucket_world *w = *state;
	struct written *made;
	char key[32], versions[1000][BS_VERSION_MAX];
	unsigned n = 0;

	set_filler(true);
	for (;; n++) {
		key_of(key, n);
		made = put_bytes(w, LANDING, key, BODY_BYTES, n);
		if (made->rc != RC_OK)
			break;
		memcpy(versions[n], made->object.version, BS_VERSION_MAX);
	}
	assert_string_equal(made->err.code, "ENOSPC");
	usleep(300000); /* the log is moved when nobody writes */
	take_the_last_byte();
	for (unsigned i = 0; i + 20 < n; i++)
		delete_version(w, i, versions[i]);
	for (unsigned i = n - 20; i < n; i++)
		check(w, i);
	key_of(key, n);
	assert_rc(put_bytes(w, LANDING, key, BODY_BYTES, n), RC_OK);
	check(w, n);
}

/* A server that is started again on a full disk serves what there is, and lets it be deleted. */
static void a_folder_on_a_full_disk_opens(void **state)
{
	struct bucket_world *w = *state;
	struct own *own = w->own;
	char versions[30][BS_VERSION_MAX], key[32];

	for (unsigned i = 0; i < 30; i++) {
		key_of(key, i);
		memcpy(versions[i], put_bytes(w, LANDING, key, BODY_BYTES, i)->object.version,
			BS_VERSION_MAX);
	}
	for (int round = 0; round < 2;
		round++) { /* what let it open the first time does it again */
		local_close(own->local);
		take_the_last_byte();
		start(w);
		for (unsigned i = 0; i < 30; i++)
			check(w, i);
	}
	for (unsigned i = 0; i < 20; i++)
		delete_version(w, i, versions[i]);
	check(w, 25);
	local_close(own->local);
	start(w);
	check(w, 25);
}

/* Small ones: when they are deleted one by one, the log grows by more than what is given up. */
enum { SMALL = 400, SMALL_BYTES = 1000, AT_ONCE = 40 };

/* Something else takes the last byte while their log is not in the database yet. */
static void fill_behind_the_log(struct bucket_world *w, char versions[SMALL][BS_VERSION_MAX])
{
	struct pending *p[AT_ONCE];

	set_filler(true);
	for (unsigned i = 0; i < SMALL; i++) {
		struct written *made;

		if (i % AT_ONCE == 0)
			submit_at_once(w, p, i, AT_ONCE, SMALL_BYTES);
		made = pending_wait(p[i % AT_ONCE]);
		assert_rc(made, RC_OK);
		memcpy(versions[i], made->object.version, BS_VERSION_MAX);
	}
	take_the_last_byte();
}

static void delete_all_but_20(struct bucket_world *w, char versions[SMALL][BS_VERSION_MAX])
{
	unsigned char *bytes = pattern(SMALL_BYTES, 0);
	char key[32];

	for (unsigned i = 0; i + 20 < SMALL; i++)
		delete_version(w, i, versions[i]);
	for (unsigned i = SMALL - 20; i < SMALL; i++) {
		struct bs_reader *r;

		key_of(key, i);
		r = open_reader(w, LANDING, key, NULL);
		reader_gives(r, slice_of(bytes, SMALL_BYTES));
		bs_reader_close(r);
	}
	free(bytes);
}

/* What is given up must move the log first, for the log would eat it and could never be moved
 * again. */
static void a_disk_that_others_filled_can_be_emptied(void **state)
{
	char versions[SMALL][BS_VERSION_MAX];
	struct bucket_world *w = *state;

	fill_behind_the_log(w, versions);
	delete_all_but_20(w, versions);
}

static void and_after_a_restart_too(void **state)
{
	char versions[SMALL][BS_VERSION_MAX];
	struct bucket_world *w = *state;
	struct own *own = w->own;

	fill_behind_the_log(w, versions);
	local_close(own->local);
	start(w);
	delete_all_but_20(w, versions);
}

/* An upload that is begun is the beginning of a put, and must not take what is held for
 * deleting. */
static void an_upload_is_not_begun_on_a_full_disk(void **state)
{
	struct bucket_world *w = *state;
	char headers[2001], reserve[80];
	struct written *made;
	unsigned n = 0;

	snprintf(headers, sizeof(headers), "x-amz-meta-a:%01986d\n", 0);
	snprintf(reserve, sizeof(reserve), "%s/reserve", folder);
	set_filler(true);
	fill(w);
	do {
		struct pending *p = pending_new();

		bs_call(w->bs, upload_create, slice_str(LANDING), slice_str("u"),
			slice_str(headers), pending_done(p));
		made = pending_wait(p);
	} while (made->rc == RC_OK && ++n < 3000);
	assert_fails(made, RC_AGAIN, "ENOSPC");
	assert_int_equal(access(reserve, F_OK), 0);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* As root a mount namespace; else a user namespace in which one may mount. */
static bool may_mount(void)
{
	char map[64];
	unsigned uid = (unsigned)geteuid();

	if (uid == 0) {
		if (unshare(CLONE_NEWNS) != 0)
			return false;
	} else {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return false;
		snprintf(map, sizeof(map), "%u %u 1", uid, uid);
		write_text("/proc/self/uid_map", map);
	}
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || !mkdtemp(root))
		return false;
	if (mount("tmpfs", root, "tmpfs", 0, DISK) != 0) {
		rmdir(root);
		return false;
	}
	return umount(root) == 0;
}

static uint64_t free_on_disk(void)
{
	struct statvfs st;

	assert_int_equal(statvfs(root, &st), 0);
	return (uint64_t)st.f_bavail * st.f_frsize;
}

static enum rc stage_some(struct os_stage *st, uint64_t n, struct err *err)
{
	static unsigned char block[65536];
	enum rc rc = RC_OK;

	for (uint64_t done = 0; rc == RC_OK && done < n; done += sizeof(block))
		rc = os_stage_write(st, slice_of(block, sizeof(block)), err);
	return rc;
}

/* What is granted can be written, and others find room beside it all the while. */
static void os_15_a_stage_writes_what_it_was_given_beside_puts(void **state)
{
	static const struct os_room room = {.least = 1, .largest = 1000000, .most = 100u << 20};
	struct bucket_world *w = *state;
	struct object_store *os = local_object_store(((struct own *)w->own)->local);
	struct os_stage *st = NULL;
	struct err err = {0};
	uint64_t got = 0;
	char key[32];

	assert_int_equal(os_stage_begin(os, slice_str(LANDING), slice_str("bundle"), &st, &err), RC_OK);
	assert_int_equal(os_stage_room(st, &room, &got, &err), RC_OK);
	assert_true(got > 4u << 20 && got < 16u << 20);
	for (unsigned i = 0; i < 40; i++) {
		key_of(key, i);
		assert_rc(put_bytes(w, LANDING, key, BODY_BYTES, i), RC_OK);
	}
	while (put_bytes(w, LANDING, "big", 1u << 20, 1)->rc == RC_OK)
		;
	assert_int_equal(stage_some(st, got / 65536 * 65536, &err), RC_OK);
	for (unsigned i = 0; i < 40; i++)
		check(w, i);
	os_stage_free(st);
}

/* One that asks for nothing stops in front of the floor as well, and leaves nothing behind. */
static void os_15_a_stage_never_reaches_what_commits_need(void **state)
{
	struct bucket_world *w = *state;
	struct object_store *os = local_object_store(((struct own *)w->own)->local);
	struct os_stage *st = NULL;
	struct written *made = put_bytes(w, LANDING, "small", BODY_BYTES, 1);
	char version[BS_VERSION_MAX];
	struct bs_deletion deletion;
	struct err err = {0};

	assert_rc(made, RC_OK);
	memcpy(version, made->object.version, BS_VERSION_MAX);
	assert_int_equal(os_stage_begin(os, slice_str(LANDING), slice_str("bundle"), &st, &err), RC_OK);
	assert_int_equal(stage_some(st, 100u << 20, &err), RC_AGAIN);
	assert_string_equal(err.code, "ENOSPC");
	assert_true(free_on_disk() >= FLOOR_BYTES);
	assert_rc(delete_one(w, LANDING, "small", version, &deletion), RC_OK);
	assert_int_equal(deletion.rc, RC_OK);
	assert_true(free_on_disk() >= FLOOR_BYTES / 2);
	os_stage_free(st);
	for (int i = 0; i < 100 && put_bytes(w, LANDING, "after", 10u << 20, 2)->rc != RC_OK; i++) {
		assert_true(i < 99); /* the stage's removal is on its way */
		usleep(20000);
	}
}

/* What does not fit is refused before a byte is written, with both numbers. */
static void os_15_a_stage_without_room_is_refused_before_it_grows(void **state)
{
	static const struct os_room room = {50u << 20, 60u << 20, 100u << 20};
	struct bucket_world *w = *state;
	struct object_store *os = local_object_store(((struct own *)w->own)->local);
	struct os_stage *st = NULL;
	uint64_t before = free_on_disk(), got = 0;
	struct err err = {0};

	assert_int_equal(os_stage_begin(os, slice_str(LANDING), slice_str("bundle"), &st, &err), RC_OK);
	assert_int_equal(os_stage_room(st, &room, &got, &err), RC_AGAIN);
	assert_string_equal(err.code, "ENOSPC");
	assert_non_null(strstr(err.text, "'bundle' needs 52428800 bytes"));
	assert_true(got > 0 && got < 24u << 20);
	assert_true(before - free_on_disk() < 1u << 16);
	assert_rc(put_bytes(w, LANDING, "fits", 5u << 20, 2), RC_OK);
	os_stage_free(st);
}

int main(void)
{
	static const struct bucket_factory full = {
		"local on a small disk", open_world, close_world};
	const struct CMUnitTest tests[] = {
		BUCKETS_TEST(bs_7_a_full_disk_refuses_shows_nothing_and_goes_on),
		BUCKETS_TEST(bs_7_a_body_that_does_not_fit_leaves_no_file),
		BUCKETS_TEST(bs_7_each_of_many_at_once_is_answered_for_itself),
		BUCKETS_TEST(a_full_disk_can_be_emptied),
		BUCKETS_TEST(a_folder_on_a_full_disk_opens),
		BUCKETS_TEST(a_disk_that_others_filled_can_be_emptied),
		BUCKETS_TEST(and_after_a_restart_too),
		BUCKETS_TEST(an_upload_is_not_begun_on_a_full_disk),
		BUCKETS_TEST(os_15_a_stage_writes_what_it_was_given_beside_puts),
		BUCKETS_TEST(os_15_a_stage_never_reaches_what_commits_need),
		BUCKETS_TEST(os_15_a_stage_without_room_is_refused_before_it_grows),
	};
	int failed;

	if (!may_mount()) {
		fprintf(stderr,
			"skipped: this test mounts a small tmpfs, which is not allowed here (%s)\n",
			strerror(errno));
		return 77;
	}
	contract_buckets_use(&full);
	failed = cmocka_run_group_tests_name("buckets on a full disk", tests, NULL, NULL);
	rmdir(root);
	return failed;
}
