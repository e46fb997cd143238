/*
 * load_put: signed PUTs against an S3 endpoint on this machine, as fast as it answers or at a
 * steady rate.
 *
 * One thread, epoll, keep-alive, every request signed and every payload hashed as an SDK does it.
 * With --rate the clock runs on whether or not the server keeps up (an open loop): latency counts
 * from when a request was due. Prints one JSON object; --log FILE writes "key due_us acked_us"
 * (wall clock) per object, for whoever compares it with when bundles appeared.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/prng.h"
#include "wire/sigv4.h"

#define BODY_MAX (4u << 20)
#define TEXT_BYTES (8u << 20)
#define CONNECTIONS_MAX 512
#define IDLE_GIVE_UP_MS 30000

struct load {
	struct sockaddr_in address;
	char host[64];
	const char *bucket, *prefix;
	struct sigv4_signer signer;
	struct sigv4_keys keys;
	uint64_t count, size, rate;
	unsigned connections;
	unsigned char *text; /* TEXT_BYTES + size bytes of telemetry */
	unsigned char *body;
	uint64_t *due_us, *acked_us; /* wall clock, by object */
	uint64_t started, answered, refused;
	uint64_t first_us;
	int epoll;
};

struct conn {
	int fd;
	bool busy;
	uint64_t index;
	struct buf out;
	size_t sent;
	char in[4096];
	size_t n_in;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void fail(const char *what)
{
	fprintf(stderr, "load_put: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void connect_to(struct load *l, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	int on = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&l->address, sizeof(l->address)) != 0)
		fail("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		fail("epoll_ctl");
}

/* A body nobody else has: its number, then telemetry from a place of its own in the text. */
static void make_body(struct load *l, uint64_t index)
{
	char number[32];
	int n = snprintf(number, sizeof(number), "{\"object\":%llu,", (unsigned long long)index);

	memcpy(l->body, l->text + index * 4099 % TEXT_BYTES, l->size);
	if (l->size >= (uint64_t)n)
		memcpy(l->body, number, (size_t)n);
}

static void make_request(struct load *l, struct conn *c)
{
	struct slice body = slice_of(l->body, l->size);
	unsigned char digest[SHA256_BYTES];
	char hash[2 * SHA256_BYTES + 1], path[256];
	struct header headers[] = {{slice_str("host"), slice_str(l->host)}};
	struct sigv4_request req = {.method = slice_str("PUT"), .headers = headers, .n_headers = 1};
	struct sigv4_headers h;
	struct err err = {0};

	make_body(l, c->index);
	sha256(body, digest);
	hex_encode(digest, sizeof(digest), hash);
	snprintf(path, sizeof(path), "/%s/%s%08llu.json", l->bucket, l->prefix,
		(unsigned long long)c->index);
	req.path = slice_str(path);
	l->signer.now_wall_ms = now_us() / 1000;
	if (sigv4_sign(&req, &l->signer, hash, &h, &err) != RC_OK) {
		fprintf(stderr, "load_put: %s\n", err.text);
		exit(1);
	}
	buf_reset(&c->out);
	buf_addf(&c->out,
		"PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %llu\r\nx-amz-date: %s\r\n"
		"x-amz-content-sha256: %s\r\nAuthorization: %s\r\n\r\n",
		path, l->host, (unsigned long long)l->size, h.amz_date, h.content_sha256,
		buf_cstr(&h.authorization));
	buf_add_slice(&c->out, body);
	sigv4_headers_release(&h);
	c->sent = 0;
	c->n_in = 0;
}

static void push(struct load *l, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	while (c->sent < c->out.n) {
		ssize_t n = write(c->fd, c->out.p + c->sent, c->out.n - c->sent);

		if (n < 0 && errno == EAGAIN) {
			ev.events |= EPOLLOUT;
			break;
		}
		if (n < 0)
			fail("write");
		c->sent += (size_t)n;
	}
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* When object index is due; "now" without a rate. */
static uint64_t due_at(const struct load *l, uint64_t index)
{
	return l->rate ? l->first_us + index * 1000000 / l->rate : now_us();
}

static void start_next(struct load *l, struct conn *c)
{
	uint64_t due;

	c->busy = false;
	if (l->started == l->count)
		return;
	due = due_at(l, l->started);
	if (l->rate && due > now_us())
		return;
	c->busy = true;
	c->index = l->started++;
	l->due_us[c->index] = due;
	make_request(l, c);
	push(l, c);
}

/* Whether a whole answer is in; ours have a Content-Length and no body to speak of. */
static bool answer_is_whole(struct conn *c)
{
	char *end, *length;

	c->in[c->n_in] = '\0';
	end = strstr(c->in, "\r\n\r\n");
	if (!end)
		return false;
	length = strcasestr(c->in, "\r\ncontent-length:");
	return !length || length > end ||
	       c->n_in >= (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10);
}

static void pull(struct load *l, struct conn *c)
{
	ssize_t n = read(c->fd, c->in + c->n_in, sizeof(c->in) - 1 - c->n_in);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || !c->busy)
		fail("the server closed a connection");
	c->n_in += (size_t)n;
	if (!answer_is_whole(c))
		return;
	if (strncmp(c->in, "HTTP/1.1 200", 12) != 0) {
		if (l->refused++ == 0)
			fprintf(stderr, "load_put: first refusal: %.300s\n", c->in);
	} else {
		l->acked_us[c->index] = now_us();
	}
	l->answered++;
	start_next(l, c);
}

static void start_due(struct load *l, struct conn *conns)
{
	for (unsigned i = 0; i < l->connections && l->started < l->count; i++) {
		if (l->rate && due_at(l, l->started) > now_us())
			return;
		if (!conns[i].busy)
			start_next(l, &conns[i]);
	}
}

static void run(struct load *l)
{
	struct conn *conns = xcalloc(l->connections, sizeof(*conns));
	struct epoll_event events[CONNECTIONS_MAX];

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < l->connections; i++) {
		buf_init(&conns[i].out, BODY_MAX + 4096);
		connect_to(l, &conns[i]);
	}
	l->first_us = now_us();
	start_due(l, conns);
	while (l->answered < l->count) {
		int n = epoll_wait(
			l->epoll, events, CONNECTIONS_MAX, l->rate ? 1 : IDLE_GIVE_UP_MS);

		if (n == 0 && !l->rate) {
			fprintf(stderr, "load_put: no answer for 30 s\n");
			exit(1);
		}
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (events[i].events & EPOLLOUT)
				push(l, c);
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				pull(l, c);
		}
		if (l->rate)
			start_due(l, conns);
	}
	for (unsigned i = 0; i < l->connections; i++) {
		close(conns[i].fd);
		buf_release(&conns[i].out);
	}
	close(l->epoll);
	free(conns);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void report(const struct load *l)
{
	uint64_t *took = xcalloc(l->count, sizeof(*took)), last = l->first_us, n = 0;
	double seconds;

	for (uint64_t i = 0; i < l->count; i++) {
		if (!l->acked_us[i])
			continue;
		took[n++] = l->acked_us[i] - l->due_us[i];
		if (l->acked_us[i] > last)
			last = l->acked_us[i];
	}
	qsort(took, n, sizeof(*took), by_value);
	seconds = (double)(last - l->first_us) / 1e6;
	printf("{\"objects\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"puts_per_s\":%.0f,\"p50_ms\":"
	       "%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f}\n",
		(unsigned long long)n, (unsigned long long)l->refused, seconds, (double)n / seconds,
		n ? (double)took[n / 2] / 1000 : 0, n ? (double)took[n * 99 / 100] / 1000 : 0, n ? (double)took[n - 1] / 1000 : 0);
	free(took);
}

static void write_log(const struct load *l, const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		fail(path);
	for (uint64_t i = 0; i < l->count; i++)
		fprintf(f, "%s%08llu.json %llu %llu\n", l->prefix, (unsigned long long)i,
			(unsigned long long)l->due_us[i], (unsigned long long)l->acked_us[i]);
	if (fclose(f) != 0)
		fail(path);
}

static void make_text(struct load *l)
{
	struct prng r = prng_seeded(1);
	struct buf text;

	buf_init(&text, TEXT_BYTES + BODY_MAX + 256);
	while (text.n < TEXT_BYTES + l->size)
		buf_addf(&text,
			"{\"t\":%u,\"device\":\"pump-%04u\",\"temperature\":%u.%02u,\"pressure\":%"
			"u,\"state\":\"%s\"}\n",
			1700000000 + (unsigned)prng_below(&r, 100000),
			(unsigned)prng_below(&r, 4000), (unsigned)prng_below(&r, 90),
			(unsigned)prng_below(&r, 100), (unsigned)prng_below(&r, 100000),
			prng_below(&r, 4) ? "running" : "idle");
	l->text = text.p;
	l->body = xmalloc(l->size);
}

static void usage(void)
{
	fprintf(stderr,
		"usage: load_put --port N [--count N] [--size BYTES] [--rate PER_S] [--connections "
		"N]\n"
		"                [--bucket NAME] [--prefix PREFIX] [--log FILE]\n"
		"keys from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; always 127.0.0.1\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", 1, 0, 'p'}, {"count", 1, 0, 'n'},
		{"size", 1, 0, 's'}, {"rate", 1, 0, 'r'}, {"connections", 1, 0, 'c'},
		{"bucket", 1, 0, 'b'}, {"prefix", 1, 0, 'x'}, {"log", 1, 0, 'l'}, {0}};
	struct load l = {.bucket = "data-aggregator-landing-dev",
		.prefix = "data/load-",
		.count = 20000,
		.size = 4096,
		.connections = 64};
	const char *log = NULL, *access = getenv("AWS_ACCESS_KEY_ID"),
		   *secret = getenv("AWS_SECRET_ACCESS_KEY");
	unsigned port = 0;

	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		uint64_t v = optarg ? strtoull(optarg, NULL, 10) : 0;

		switch (o) {
		case 'p':
			port = (unsigned)v;
			break;
		case 'n':
			l.count = v;
			break;
		case 's':
			l.size = v;
			break;
		case 'r':
			l.rate = v;
			break;
		case 'c':
			l.connections = (unsigned)v;
			break;
		case 'b':
			l.bucket = optarg;
			break;
		case 'x':
			l.prefix = optarg;
			break;
		case 'l':
			log = optarg;
			break;
		default:
			usage();
		}
	}
	if (!port || port > 65535 || !access || !secret || !l.count || l.size > BODY_MAX ||
		!l.connections || l.connections > CONNECTIONS_MAX)
		usage();
	l.address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	l.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(l.host, sizeof(l.host), "127.0.0.1:%u", port);
	sigv4_keys_init(&l.keys);
	l.signer = (struct sigv4_signer){.access_key = slice_str(access),
		.secret = slice_str(secret),
		.region = "us-east-1",
		.service = "s3",
		.keys = &l.keys};
	l.due_us = xcalloc(l.count, sizeof(uint64_t));
	l.acked_us = xcalloc(l.count, sizeof(uint64_t));
	make_text(&l);
	run(&l);
	if (log)
		write_log(&l, log);
	report(&l);
	return l.refused ? 1 : 0;
}
