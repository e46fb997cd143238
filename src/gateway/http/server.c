#include "gateway/http/server.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/date.h"
#include "gateway/http/connections.h"
#include "gateway/http/framing.h"
#include "gateway/http/closer.h"
#include "gateway/http/request.h"
#include "gateway/http/tls.h"
#include "obs/log.h"

/* The library zeroes all of a connection's memory after each request, and reads a body by half of
 * it. Measured, µs of server thread per 4 KiB PUT and ms of CPU per 300 MB PUT: 32 KiB 57 and
 * 1,140; 64 KiB 59 and 1,060; 128 KiB 74 and 920; 256 KiB more and 830. baler is mainly for small
 * objects. The size also bounds the headers. */
#define CONNECTION_MEMORY_BYTES (64u << 10)
#define CONNECTIONS_MAX 1000
#define IDLE_TIMEOUT_S 60
#define THREADS_MAX 4
/* A refused body up to this size, and for at most CONNECTION_DRAIN_MS, is read to its end, so
 * that the client can keep its connection. */
#define DRAIN_MAX_BYTES (256u << 10)
#define ANSWER_HEAD_MAX_BYTES (16u << 10)
/* A crowd is logged once in this time. */
#define CROWD_LOG_MS 60000
#define STOP_POLL_MS 2
/* How long a new connection waits until the connections that were ended for it are gone. */
#define ROOM_POLL_MS 5
#define ROOM_POLLS_MAX 20

struct server {
	struct MHD_Daemon *daemon;
	struct service *service;
	struct tls *tls; /* NULL: plain HTTP */
	struct connections *connections;
	struct closer *closer;
	/* only the sweep uses it: the counts that the log has shown */
	struct connection_counts told;
	uint64_t told_boot_ms;
	/* only the sweep uses it: when the log named a pool */
	uint64_t stuck_boot_ms[SERVICE_POOLS];
	_Atomic uint64_t in_hand;
	_Atomic uint64_t waiting; /* for the store, or about to */
	atomic_bool closing;      /* nothing may be given to the store any more */
};

static struct server *server_of(const struct request *r)
{
	return r->service->server;
}

static void *on_target(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct server *s = arg;
	struct request *r = request_new(s->service, uri);

	atomic_fetch_add(&s->in_hand, 1);
	r->connection = connection;
	r->peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			  ->socket_context;
	return r;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **request_slot,
	enum MHD_RequestTerminationCode code)
{
	struct server *s = arg;

	(void)connection;
	(void)code;
	if (!*request_slot)
		return;
	connection_rests(((struct request *)*request_slot)->peer);
	request_free(*request_slot);
	*request_slot = NULL;
	atomic_fetch_sub(&s->in_hand, 1);
}

/* Paths and queries stay as they came: signatures are made over them. */
static size_t leave_escaped(void *arg, struct MHD_Connection *connection, char *text)
{
	(void)arg;
	(void)connection;
	return strlen(text);
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name,
	size_t name_bytes, const char *value, size_t value_bytes)
{
	struct request *r = arg;

	(void)kind;
	r->headers[r->n_headers++] = (struct header){
		slice_of(name, name_bytes), slice_of(value ? value : "", value_bytes)};
	return MHD_YES;
}

/* Whether the head came as RFC 9112 has it, judged by where the library says its pieces are. */
static bool is_plain(const struct request *r, const char *method, const char *version, size_t head_n)
{
	struct framing_head head = {.start = method,
		.end = method + head_n,
		.target_n = r->target.n,
		.version = version,
		.headers = r->headers,
		.n_headers = r->n_headers};

	return framing_head_is_plain(&head);
}

/* How much of a refused body is read and dropped after the answer. */
static uint64_t linger_bytes(const struct request *r)
{
	return r->is_authenticated || r->names_key ? CLOSER_KNOWN_BYTES : CLOSER_STRANGER_BYTES;
}

/* A request on it was verified, so the connection is no stranger's any more. */
static void note_known(const struct request *r)
{
	if (r->is_authenticated || r->by_token)
		connection_is_known(r->peer);
}

static void begin(struct request *r, const char *method, const char *version)
{
	const union MHD_ConnectionInfo *size =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	size_t head_n = size ? size->header_size : 0;
	int n = MHD_get_connection_values(r->connection, MHD_HEADER_KIND, NULL, NULL);

	r->has_begun = true;
	r->headers = arena_array(&r->arena, n > 0 ? (size_t)n : 1, sizeof(*r->headers));
	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, take_header, r);
	r->method_text = slice_str(method);
	r->is_http_1_0 = strcmp(version, "HTTP/1.1") != 0;
	r->is_malformed = !is_plain(r, method, version, head_n);
	r->body_floor = method + head_n;
	r->is_spare = connection_is_spare(server_of(r)->connections, r->peer);
	r->service->begin(r);
	note_known(r);
}

/* --- the way out --- */

static ssize_t read_stream(void *arg, uint64_t position, char *to, size_t max)
{
	struct request *r = arg;
	size_t n = 0;
	enum rc rc;

	if (position >= r->reply.length)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (max > r->reply.length - position)
		max = (size_t)(r->reply.length - position);
	rc = bs_reader_read(r->reply.reader, r->reply.offset + position, to, max, &n, NULL);
	/* the status is out: all that can be said now is that the connection breaks */
	return rc || n == 0 ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)n;
}

static struct MHD_Response *make_response(struct request *r)
{
	struct slice bytes = r->reply.document.n ? buf_slice(&r->reply.document) : r->reply.bytes;

	if (r->reply.has_stream)
		return MHD_create_response_from_callback(
			r->reply.length, r->reply.block, read_stream, r, NULL);
	/* lives until on_completed, which comes after the last byte */
	return MHD_create_response_from_buffer(
		bytes.n, (void *)(uintptr_t)bytes.p, MHD_RESPMEM_PERSISTENT);
}

/* The library refuses an empty value and a tab, which a client's metadata may have. Readers trim
 * blanks, and a tab means the same as a blank (RFC 9110 section 5.5). */
static const char *sendable(struct request *r, const char *value)
{
	char *text;

	if (value[0] == '\0')
		return " ";
	if (!strchr(value, '\t'))
		return value;
	text = arena_strdup(&r->arena, slice_str(value));
	for (char *p = text; (p = strchr(p, '\t'));)
		*p = ' ';
	return text;
}

static enum MHD_Result send_reply(struct request *r)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	request_charge_answer(r);
	response = make_response(r);
	connection_answers(r->peer);
	if (!response)
		return MHD_NO;
	/* A response that lacks a header can be wrong (a 200 without x-amz-version-id): without
	 * memory for one the connection ends instead, and the client asks again. */
	result = MHD_YES;
	for (const struct reply_header *h = r->reply.headers; h && result == MHD_YES; h = h->next)
		result = MHD_add_response_header(response, h->name, sendable(r, h->value));
	if (r->reply.close && result == MHD_YES)
		result = MHD_add_response_header(response, "Connection", "close");
	if (result == MHD_YES)
		result = MHD_queue_response(r->connection, r->reply.status, response);
	MHD_destroy_response(response);
	return result;
}

static void write_answer(const struct request *r, struct buf *out)
{
	struct slice body = r->reply.document.n ? buf_slice(&r->reply.document) : r->reply.bytes;
	char date[DATE_HTTP_BYTES];

	date_http_format(clock_wall_ms(r->service->clock), date);
	buf_addf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: %zu\r\n",
		r->reply.status, MHD_get_reason_phrase_for(r->reply.status), date, body.n);
	for (const struct reply_header *h = r->reply.headers; h; h = h->next)
		buf_addf(out, "%s: %s\r\n", h->name, h->value);
	buf_add_str(out, "\r\n");
	if (r->method != METHOD_HEAD)
		buf_add_slice(out, body);
}

/* Answers in the middle of a body, where the library can only read on or close, and has it
 * closed. Nothing is on the way out then, so a refusal fits into the socket's buffer; what does
 * not is lost. */
static enum MHD_Result answer_and_close(struct request *r)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	const union MHD_ConnectionInfo *session =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	struct buf text;

	buf_init(&text, ANSWER_HEAD_MAX_BYTES + REPLY_DOCUMENT_MAX_BYTES);
	write_answer(r, &text);
	if (server_of(r)->tls && session)
		tls_send(session->tls_session, buf_slice(&text));
	else if (fd && send(fd->connect_fd, text.p, text.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		r->reply.close = true; /* the client has gone, so nobody can be answered */
	buf_release(&text);
	connection_cuts(r->peer, linger_bytes(r));
	return MHD_NO;
}

/* --- the way in --- */

static bool expects_continue(const struct request *r)
{
	return slice_eq_nocase(request_header(r, "expect"), slice_str("100-continue"));
}

static bool has_body(const struct request *r)
{
	return r->body.is_chunked || r->body.wire_length > 0;
}

/* A refusal is sent before the body only if the client will not send the body then, if reading it
 * would cost too much, or if its length is unknown; the library closes such a connection. */
static bool reply_before_body(const struct request *r)
{
	if (r->phase != PHASE_REPLY)
		return false;
	return r->reply.close || (has_body(r) && (expects_continue(r) ||
							 r->body.wire_length > DRAIN_MAX_BYTES));
}

/* The request is refused, and the rest of its body is dropped. false: dropping has lasted long
 * enough. */
static bool drain(struct request *r)
{
	if (!r->drains) {
		r->drains = true;
		r->drained_from = r->taken;
		connection_drains(r->peer);
	}
	return r->taken - r->drained_from <= DRAIN_MAX_BYTES &&
	       connection_state_ms(r->peer) <= CONNECTION_DRAIN_MS;
}

/* The library may miss the end of input when it comes together with data, and would keep the
 * connection until it has been idle for too long. When the client can send no more, either the
 * whole body has arrived, which is seen at once, or it never will. */
static void notice_end_of_input(const struct request *r)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	char byte;

	if (info && recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
		MHD_set_connection_option(r->connection, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
}

/* After a chunk that cannot be read the next bytes may be anything. So this is the answer, whatever
 * the answer was to be. */
static void refuse_chunk(struct request *r)
{
	struct err err = {0};
	enum rc rc = err_code(&err, RC_REFUSED, "InvalidRequest",
		"the line of a chunk is not as RFC 9112 has it, or longer than %d bytes",
		FRAMING_CHUNK_LINE_MAX_BYTES);

	reply_forget(r);
	reply_error(r, rc, &err);
}

static enum MHD_Result take_body(struct request *r, const char *data, size_t *n)
{
	r->taken += *n;
	connection_sent(r->peer, r->taken);
	if (r->body.is_chunked && !framing_chunk(&r->chunk_left, r->body_floor, data, *n)) {
		refuse_chunk(r);
		return answer_and_close(r);
	}
	if (r->phase != PHASE_REPLY)
		request_body(r, slice_of(data, *n));
	if (r->phase == PHASE_REPLY && !drain(r))
		return answer_and_close(r);
	*n = 0;
	if (r->taken != r->body.wire_length)
		notice_end_of_input(r);
	return MHD_YES;
}

static enum MHD_Result take_field(void *arg, enum MHD_ValueKind kind, const char *name,
	size_t name_bytes, const char *value, size_t value_bytes)
{
	struct request *r = arg;

	(void)kind;
	r->trailer[r->n_trailer++] = (struct header){
		slice_of(name, name_bytes), slice_of(value ? value : "", value_bytes)};
	return MHD_YES;
}

/* The fields behind the last chunk mean nothing here, but must be fields. */
static void check_trailer(struct request *r)
{
	int n = r->body.is_chunked ? MHD_get_connection_values(
					     r->connection, MHD_FOOTER_KIND, NULL, NULL)
				   : 0;
	struct err err = {0};

	if (n <= 0)
		return;
	r->trailer = arena_array(&r->arena, (size_t)n, sizeof(*r->trailer));
	MHD_get_connection_values_n(r->connection, MHD_FOOTER_KIND, take_field, r);
	if (framing_trailer_is_plain(r->trailer, r->n_trailer))
		return;
	r->reply.close = true;
	reply_error(r,
		err_code(&err, RC_REFUSED, "InvalidRequest",
			"the trailer is not as RFC 9112 has it"),
		&err);
}

/* The body is complete. Counted before closing is looked at, as server_stop sets closing before it
 * looks at the count: so no connection is suspended behind its back. */
static enum MHD_Result end(struct request *r)
{
	struct server *s = server_of(r);

	if (!connection_works(r->peer))
		return MHD_NO;
	atomic_fetch_add(&s->waiting, 1);
	if (atomic_load(&s->closing)) {
		atomic_fetch_sub(&s->waiting, 1);
		return MHD_NO;
	}
	check_trailer(r);
	request_end(r);
	note_known(r);
	if (r->phase != PHASE_WAIT)
		atomic_fetch_sub(&s->waiting, 1);
	return r->phase == PHASE_REPLY ? send_reply(r) : MHD_YES;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *data, size_t *data_bytes,
	void **request_slot)
{
	struct request *r = *request_slot;

	(void)arg;
	(void)connection;
	(void)url;
	if (!r->has_begun) {
		if (!connection_sends(r->peer))
			return MHD_NO;
		begin(r, method, version);
		if (has_body(r))
			notice_end_of_input(r);
		if (reply_before_body(r)) {
			connection_cuts(r->peer, linger_bytes(r));
			return send_reply(r);
		}
		if (r->phase == PHASE_REPLY && has_body(r))
			drain(r);
		return MHD_YES;
	}
	if (*data_bytes)
		return take_body(r, data, data_bytes);
	if (r->phase == PHASE_BODY)
		return end(r);
	if (r->phase == PHASE_WAIT)
		request_resumed(r);
	return send_reply(r);
}

static void suspend(struct request *r)
{
	MHD_suspend_connection(r->connection);
}

static void resume(struct request *r)
{
	struct server *s = server_of(r);

	MHD_resume_connection(r->connection);
	atomic_fetch_sub(&s->waiting, 1); /* r may be gone */
}

/* --- start and stop --- */

static unsigned or_default(unsigned value, unsigned fallback)
{
	return value ? value : fallback;
}

static void drop_message(void *arg, const char *format, va_list ap)
{
	(void)arg;
	(void)format;
	(void)ap;
}

#define TLS_OPTIONS_MAX 3
/* TLS 1.2 and 1.3 (RFC 8996 forbids older versions), only with ephemeral keys and only with AEAD
 * ciphers, as RFC 9325, sections 4.1 and 4.2, recommends. So somebody who gets the server's key
 * later cannot read recorded connections, and there is no CBC padding to guess. */
#define TLS_PRIORITIES                                                                             \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"                                               \
	":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA"                                                         \
	":-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD"

/* Before the handshake, and before the socket is closed. */
static void on_connection(void *arg, struct MHD_Connection *connection, void **slot,
	enum MHD_ConnectionNotificationCode code)
{
	struct server *s = arg;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		if (info && connection_lingers(*slot))
			closer_take(s->closer, info->connect_fd, connection_lingers(*slot));
		budget_give(s->service->memory.connections, gateway_connection_bytes(s->tls));
		connections_drop(s->connections, *slot);
		return;
	}
	budget_add(s->service->memory.connections, gateway_connection_bytes(s->tls));
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	*slot = connections_find(s->connections, info->connect_fd);
	if (!s->tls)
		return;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	tls_attach(s->tls, info->tls_session);
}

static void set_tls(const struct server *s, struct MHD_OptionItem options[TLS_OPTIONS_MAX])
{
	size_t n = 0;

	if (s->tls) {
		options[n++] = (struct MHD_OptionItem){
			MHD_OPTION_HTTPS_CERT_CALLBACK, 0, tls_retrieve_function()};
		options[n++] = (struct MHD_OptionItem){
			MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES};
	}
	options[n] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

static void server_free(struct server *s)
{
	closer_stop(s->closer);
	connections_free(s->connections);
	tls_free(s->tls);
	free(s);
}

enum rc server_start(const struct gateway_config *config, struct service *service,
	struct server **ret_server, struct err *err)
{
	unsigned cpus = cpu_count();
	unsigned threads = or_default(config->threads, cpus < THREADS_MAX ? cpus : THREADS_MAX);
	struct MHD_OptionItem tls[TLS_OPTIONS_MAX];
	struct server *s = xcalloc(1, sizeof(*s));
	enum rc rc = config->tls_cert ? tls_new(config->tls_cert, config->tls_key, &s->tls, err)
				      : RC_OK;

	if (!rc)
		rc = closer_start(&s->closer, err);
	if (rc) {
		server_free(s);
		return rc;
	}
	set_tls(s, tls);
	s->connections = connections_new(or_default(config->connections_max, CONNECTIONS_MAX),
		1000ull * or_default(config->idle_timeout_s, IDLE_TIMEOUT_S), clock_system(), NULL);
	s->service = service;
	service->server = s;
	service->suspend = suspend;
	service->resume = resume;
	s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
					     MHD_USE_NO_LISTEN_SOCKET | (s->tls ? MHD_USE_TLS : 0),
		0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER, drop_message, NULL,
		MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		config->connection_memory_bytes ? config->connection_memory_bytes
						: (size_t)CONNECTION_MEMORY_BYTES,
		/* each thread has a share of the connections and must never reach its end:
		 * connections.h */
		MHD_OPTION_CONNECTION_LIMIT, threads * connections_limit(s->connections),
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, config->connections_per_ip_max,
		MHD_OPTION_CONNECTION_TIMEOUT, or_default(config->idle_timeout_s, IDLE_TIMEOUT_S),
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, s,
		MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, s, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_ARRAY,
		tls, MHD_OPTION_END);
	if (!s->daemon) {
		server_free(s);
		return err_set(err, RC_FATAL, "the HTTP%s server cannot be started",
			config->tls_cert ? "S" : "");
	}
	*ret_server = s;
	return RC_OK;
}

void server_take(void *arg, int fd, const struct sockaddr *address, socklen_t n)
{
	struct server *s = arg;
	bool taken = connections_take(s->connections, fd, address);

	for (int i = 0; !taken && i < ROOM_POLLS_MAX && connections_are_ending(s->connections);
		i++) {
		clock_sleep_ms(clock_system(), ROOM_POLL_MS);
		taken = connections_take(s->connections, fd, address);
	}
	if (!taken) {
		connections_refuse(s->connections);
		close(fd);
		return;
	}
	if (MHD_add_connection(s->daemon, fd, address, n) != MHD_YES) /* it closed fd */
		connections_drop(s->connections, connections_find(s->connections, fd));
}

/* The first crowd is logged at once, later ones once in CROWD_LOG_MS. */
static void tell_crowd(struct server *s)
{
	struct connection_counts counts = connections_count(s->connections);
	uint64_t now = clock_boot_ms(clock_system());
	uint64_t n_ended = counts.ended_for_room - s->told.ended_for_room;
	uint64_t n_refused = counts.refused - s->told.refused;

	if ((!n_ended && !n_refused) || (s->told_boot_ms && now - s->told_boot_ms < CROWD_LOG_MS))
		return;
	log_event(EV_CONNECTIONS_CROWDED, LF_U64(known_connections, counts.known),
		LF_U64(stranger_connections, counts.strangers), LF_U64(ended_connections, n_ended),
		LF_U64(refused_connections, n_refused));
	s->told = counts;
	s->told_boot_ms = now;
}

/* Once when a piece of work has run for POOL_STUCK_MS, and in each such time again. */
static void tell_stuck(struct server *s)
{
	uint64_t now = clock_boot_ms(clock_system());
	struct service_pool pools[SERVICE_POOLS];

	service_pools(s->service, pools);
	for (size_t i = 0; i < SERVICE_POOLS; i++) {
		const struct work_pool_state *state = &pools[i].state;

		if (state->longest_ms < POOL_STUCK_MS ||
			(s->stuck_boot_ms[i] && now - s->stuck_boot_ms[i] < POOL_STUCK_MS))
			continue;
		log_event(EV_WORK_STUCK, LF_STR(pool, pools[i].name),
			LF_U64(running_ms, state->longest_ms),
			LF_U64(waiting_requests, state->n_waiting));
		s->stuck_boot_ms[i] = now;
	}
}

void server_sweep(void *arg)
{
	struct server *s = arg;

	connections_sweep(s->connections);
	tell_crowd(s);
	tell_stuck(s);
}

struct connection_counts server_connections(const struct server *server)
{
	return connections_count(server->connections);
}

enum rc server_renew_tls(struct server *server, const char *cert, const char *key, struct err *err)
{
	if (!server->tls)
		return err_set(err, RC_REFUSED, "this server speaks no TLS");
	return tls_renew(server->tls, cert, key, err);
}

void server_quiesce(struct server *server)
{
	atomic_store(&server->service->stopping, true);
}

uint64_t server_requests_in_hand(const struct server *server)
{
	return atomic_load(&server->in_hand);
}

void server_stop(struct server *server)
{
	struct clock *clock = clock_system();

	atomic_store(&server->closing, true);
	/* the store's answers are never given up: they come, and the library needs them */
	while (atomic_load(&server->waiting))
		clock_sleep_ms(clock, STOP_POLL_MS);
	MHD_stop_daemon(server->daemon);
	server_free(server);
}
