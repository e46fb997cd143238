/*
 * bench_sums: what the checksums of stored bodies cost.
 *
 *	bench_sums FOLDER
 *
 * FOLDER must not exist and is removed at the end; it should lie on the disk that matters. First
 * the checksums alone, in GB/s. Then bodies are put into a data folder, and read back and sent over
 * a loopback connection, both without HTTP and signatures, and the time that their checksums take
 * (measured alone, on bytes that are in no cache nearer than memory) is set against the processor
 * time and the time of the whole: so the shares are the most that a server's can be. Of a get only
 * the sending thread's processor time counts.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "adapter/local/engine/sums.h"
#include "adapter/local/local.h"
#include "base/digest.h"
#include "base/file.h"
#include "port/object_store.h"
#include "port/bucket_store.h"

#define BUCKET "bench-bucket"
#define ALONE_BYTES (256u << 20) /* larger than any cache */
#define BLOCK_BYTES (256u << 10) /* of a read, as the gateway's */

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct span {
	double wall, cpu; /* seconds */
};

static struct span begin(clockid_t cpu)
{
	return (struct span){now(CLOCK_MONOTONIC), now(cpu)};
}

static struct span end(struct span s, clockid_t cpu)
{
	return (struct span){now(CLOCK_MONOTONIC) - s.wall, now(cpu) - s.cpu};
}

#define ALL CLOCK_PROCESS_CPUTIME_ID
#define MINE CLOCK_THREAD_CPUTIME_ID

static unsigned char *make_bytes(size_t n)
{
	unsigned char *p = xmalloc(n);

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 2654435761u >> 13);
	return p;
}

/* Seconds for a byte of bodies of this size. */
static double sum_alone(const unsigned char *bytes, size_t size)
{
	double best = 1e9;

	for (int run = 0; run < 3; run++) {
		struct span s = begin(MINE);

		for (size_t at = 0; at + size <= ALONE_BYTES; at += size) {
			struct sums sums = {0};

			sums_add(&sums, slice_of(bytes + at, size));
			sums_end(&sums);
			sums_release(&sums);
		}
		s = end(s, MINE);
		if (s.cpu < best)
			best = s.cpu;
	}
	return best / (double)(ALONE_BYTES / size * size);
}

static void print_kinds(const unsigned char *bytes)
{
	uint64_t crc = 0;
	struct span s = begin(MINE);

	for (size_t at = 0; at < ALONE_BYTES; at += SUMS_BLOCK_BYTES)
		crc += crc32c_update(0, slice_of(bytes + at, SUMS_BLOCK_BYTES));
	printf("crc32c of 64 KiB blocks      %8.1f GB/s\n", ALONE_BYTES / end(s, MINE).cpu / 1e9);
	s = begin(MINE);
	for (size_t at = 0; at < ALONE_BYTES; at += SUMS_BLOCK_BYTES)
		crc += crc64nvme_update(0, slice_of(bytes + at, SUMS_BLOCK_BYTES));
	printf("crc64nvme of 64 KiB blocks   %8.1f GB/s%s\n", ALONE_BYTES / end(s, MINE).cpu / 1e9,
		crc ? "" : " ");
}

struct source {
	const unsigned char *bytes;
	size_t left;
};

static enum rc read_source(void *arg, void *out, size_t max, size_t *ret_n, struct err *err)
{
	struct source *s = arg;

	(void)err;
	*ret_n = s->left < max ? s->left : max;
	memcpy(out, s->bytes, *ret_n);
	s->bytes += *ret_n;
	s->left -= *ret_n;
	return RC_OK;
}

static void put(struct local *local, const unsigned char *bytes, size_t size, int i)
{
	struct source from = {bytes, size};
	struct os_source body = {read_source, &from, NULL};
	struct arena a = ARENA_INIT;
	struct os_object info;
	struct err err;

	if (os_put(local_object_store(local), slice_str(BUCKET),
		    slice_str(arena_printf(&a, "%zu/%08d", size, i)), (struct slice){0}, size, &body,
		    &a, &info, &err) != RC_OK)
		die("put: %s", err.text);
	arena_release(&a);
}

/* A connection to a thread that takes whatever comes. */
struct drain {
	int listener, fd;
	pthread_t thread;
};

static void *drain_thread(void *arg)
{
	unsigned char *block = xmalloc(BLOCK_BYTES);
	int fd = accept(*(int *)arg, NULL, NULL);

	while (recv(fd, block, BLOCK_BYTES, 0) > 0)
		;
	close(fd);
	free(block);
	return NULL;
}

static void drain_open(struct drain *d)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	d->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(d->listener, (struct sockaddr *)&at, n) != 0 || listen(d->listener, 1) != 0 ||
		getsockname(d->listener, (struct sockaddr *)&at, &n) != 0 ||
		pthread_create(&d->thread, NULL, drain_thread, &d->listener) != 0 ||
		connect(d->fd, (struct sockaddr *)&at, n) != 0)
		die("no loopback connection");
}

static void drain_close(struct drain *d)
{
	close(d->fd);
	pthread_join(d->thread, NULL);
	close(d->listener);
}

static void send_all(int fd, const unsigned char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, bytes, n, 0);

		if (sent <= 0)
			die("send");
		bytes += sent;
		n -= (size_t)sent;
	}
}

static void get(struct local *local, size_t size, int i, unsigned char *block, int to)
{
	struct arena a = ARENA_INIT;
	struct bs_reader *r;
	uint64_t at = 0;
	size_t n = 1;
	struct err err;

	if (bs_call(local_bucket_store(local), open, slice_str(BUCKET),
		    slice_str(arena_printf(&a, "%zu/%08d", size, i)), (struct slice){0}, &r, NULL,
		    &err) != RC_OK)
		die("open: %s", err.text);
	while (n > 0) {
		if (bs_reader_read(r, at, block, BLOCK_BYTES, &n, &err) != RC_OK)
			die("read: %s", err.text);
		send_all(to, block, n);
		at += n;
	}
	bs_reader_close(r);
	arena_release(&a);
}

static void print_share(const char *what, size_t size, int n, struct span s, double second_a_byte)
{
	double sums = second_a_byte * (double)size * n;

	printf("%s %8zu bytes x %6d  %9.0f /s  checksums %5.2f %% of its processor time, %5.2f %% of its time\n",
		what, size, n, n / s.wall, 100 * sums / s.cpu, 100 * sums / s.wall);
}

static void run(struct local *local, const unsigned char *bytes, size_t size, int n)
{
	double second_a_byte = sum_alone(bytes, size);
	unsigned char *block = xmalloc(BLOCK_BYTES);
	struct span s = begin(ALL);
	struct drain d;

	for (int i = 0; i < n; i++)
		put(local, bytes + (size_t)i * size % (ALONE_BYTES - size), size, i);
	print_share("put", size, n, end(s, ALL), second_a_byte);
	drain_open(&d);
	s = begin(MINE);
	for (int i = 0; i < n; i++)
		get(local, size, i, block, d.fd);
	print_share("get", size, n, end(s, MINE), second_a_byte);
	drain_close(&d);
	free(block);
}

static void bucket_made(void *arg, const struct bs_result *result)
{
	if (result->rc != RC_OK)
		die("make the bucket: %s", result->err.text);
	__atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
}

int main(int argc, char **argv)
{
	struct local_config cfg = {.clock = clock_system(), .region = "us-east-1", .max_receives = 5};
	unsigned char *bytes = make_bytes(ALONE_BYTES);
	struct local *local;
	struct err err;
	int made = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: bench_sums FOLDER\n");
		return 2;
	}
	cfg.folder = argv[1];
	print_kinds(bytes);
	if (local_open(&cfg, &local, &err) != RC_OK)
		die("%s", err.text);
	bs_call(local_bucket_store(local), bucket_create, slice_str(BUCKET), BS_ENABLED,
		((struct bs_done){bucket_made, &made}));
	while (!__atomic_load_n(&made, __ATOMIC_ACQUIRE))
		clock_sleep_ms(clock_system(), 1);
	run(local, bytes, 4096, 2000);
	run(local, bytes, 65536, 1000);
	run(local, bytes, 1u << 20, 300);
	run(local, bytes, 64u << 20, 4);
	local_close(local);
	free(bytes);
	return file_remove_tree(argv[1], &err) == RC_OK ? 0 : 1;
}
