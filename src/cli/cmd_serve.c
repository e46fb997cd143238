/* baler serve: from settings to a running server, and back on a signal. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/say.h"
#include "cli/serve_options.h"
#include "obs/log.h"
#include "serve/compose.h"
#include "serve/memory.h"

#define STOP_DEADLINE_MS 6000 /* time for requests in hand; everything together may take 10 s */
#define END_ANYWAY_MS 9000
/* Open files that an idle server and a handful of connections need: 24 and a few. */
#define FILES_MIN 64

/* No core files with secrets in them, no look into memory by the user's other processes, no
 * privileges by exec, no group or world access, as many sockets as we may. */
static void harden(void)
{
	struct rlimit files, none = {0, 0};

	umask(077);
	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static bool is_ignored(int number)
{
	struct sigaction action;

	return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

static bool has_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/*
 * SIGHUP has two meanings. A daemon is to read its certificate again; who runs baler in a
 * terminal without TLS has closed the window, and would not look for a server that lives on. A
 * SIGHUP that was ignored from the start (nohup) is not that.
 */
static bool ends_on_hangup(const struct serve_options *o)
{
	return !o->tls_cert && has_terminal() && !is_ignored(SIGHUP);
}

/* Blocked in every thread to come, so that only wait_for_end sees them. */
static sigset_t block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return set;
}

/* The certificate may have been renewed. If the new one cannot be used, the server goes on with the
 * old one. */
static void renew_tls(struct composition *c, const struct serve_options *o)
{
	struct tls_files tls = {0};
	struct err err = {0};
	enum rc rc = tls_files_load(o->tls_cert, o->tls_key, &tls, &err);

	if (rc == RC_OK && !tls.cert)
		rc = err_set(&err, RC_REFUSED, "there is none: baler serves without TLS");
	if (rc == RC_OK)
		rc = compose_renew_tls(c, &tls, &err);
	tls_files_release(&tls);
	if (rc == RC_OK)
		log_event(EV_TLS_RENEWED, LF_STR(certificate, o->tls_cert));
	else
		log_event(EV_TLS_KEPT, LF_STR(cause, err.text));
}

static const char *wait_for_end(const sigset_t *set, bool hangup_is_end, struct composition *c,
	const struct serve_options *o)
{
	sigset_t ends = *set;
	int number = 0;

	while (sigwait(set, &number) != 0 || (number == SIGHUP && !hangup_is_end))
		if (number == SIGHUP)
			renew_tls(c, o);
	/* a second signal ends the process at once; everything that was acknowledged is on disk */
	sigdelset(&ends, SIGHUP);
	pthread_sigmask(SIG_UNBLOCK, &ends, NULL);
	return number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
}

/* A call to another store may hang for minutes. Shutdown may be interrupted safely, because
 * everything that was acknowledged is already on disk. */
static void *end_anyway(void *status)
{
	clock_sleep_ms(clock_system(), END_ANYWAY_MS);
	log_event(EV_SERVE_CUT);
	_exit((int)(intptr_t)status);
}

static void promise_end(int status)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, end_anyway, (void *)(intptr_t)status) == 0)
		pthread_detach(thread);
}

/* With fewer the start would fail half-way, and a server that came up could not accept anybody. */
static enum rc check_files(struct err *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= FILES_MIN)
		return RC_OK;
	return err_set(err, RC_REFUSED,
		"the limit of open files is %llu, and at least %d are needed: raise it (ulimit -n, "
		"or LimitNOFILE= of the service)",
		(unsigned long long)files.rlim_cur, FILES_MIN);
}

/* For a person at the terminal: lines that a shell ignores. */
static void say_what_next(const struct serve_options *o, const struct root_key *key)
{
	say("\n");
	if (key->is_kept && !key->is_new)
		say("# the root key is in %s/root-key: access key, secret\n", o->data);
	if (!o->landing_endpoint)
		say("# what is put below s3://%s/%s comes in bundles into s3://%s\n",
			o->landing_bucket, o->event_prefix, o->distribution_bucket);
	say("# 'baler status' in another shell shows what it is doing; Ctrl-C stops it\n\n");
}

static void announce(
	const char *host, uint16_t port, const struct serve_options *o, const struct root_key *key)
{
	bool is_ipv6 = strchr(host, ':') != NULL;
	char url[300];

	snprintf(url, sizeof(url), "http%s://%s%s%s:%u", o->tls_cert ? "s" : "", is_ipv6 ? "[" : "",
		host, is_ipv6 ? "]" : "", port);
	say("listening on %s\n", url);
	if (key->is_new)
		say("\n# a new root key, shown this once and kept in %s/root-key; paste into a "
		       "shell:\n"
		       "export AWS_ENDPOINT_URL=%s\nexport AWS_ACCESS_KEY_ID=%s\nexport "
		       "AWS_SECRET_ACCESS_KEY=%s\n"
		       "export AWS_REGION=%s AWS_DEFAULT_REGION=%s\n",
			o->data, url, key->access, key->secret, o->region, o->region);
	if (isatty(STDOUT_FILENO))
		say_what_next(o, key);
	fflush(stdout);
	log_event(EV_SERVE_READY, LF_STR(address, url), LF_STR(data, o->data));
}

static int complain(const struct err *err, enum rc rc)
{
	static const char *const of_settings[] = {"EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR",
		"EMFILE", "ENFILE"};
	bool is_setting = rc == RC_REFUSED;

	for (size_t i = 0; i < sizeof(of_settings) / sizeof(of_settings[0]); i++)
		is_setting = is_setting || err_is(err, of_settings[i]);
	say_error("baler serve: %s\n", err->text);
	return is_setting ? EXIT_USAGE : EXIT_FAILED;
}

static int serve(const struct serve_options *o, struct arena *a)
{
	sigset_t signals = block_signals();
	bool hangup_is_end = ends_on_hangup(o);
	struct composition *c = NULL;
	struct root_key key = {0};
	struct tls_files tls = {0};
	struct err err = {0};
	uint16_t port;
	char *host;
	enum rc rc;
	int status = EXIT_OK;

	rc = check_files(&err);
	if (rc == RC_OK)
		rc = serve_listen_parse(o->listen, a, &host, &port, &err);
	if (rc == RC_OK)
		rc = tls_files_load(o->tls_cert, o->tls_key, &tls, &err);
	if (rc == RC_OK)
		rc = compose_open(o, &c, &err);
	if (rc == RC_OK)
		rc = root_key_load(o->data, &key, &err);
	if (rc == RC_OK)
		rc = compose_listen(c, host, port, &key, o->tls_cert ? &tls : NULL, &port, &err);
	tls_files_release(&tls);
	if (rc == RC_OK) {
		compose_bundle(c);
		announce(host, port, o, &key);
		log_event(EV_SERVE_STOPPING,
			LF_STR(signal, wait_for_end(&signals, hangup_is_end, c, o)));
		status = compose_failed(c) ? EXIT_FAILED : EXIT_OK;
		promise_end(status);
	} else {
		root_key_forget(o->data, &key);
		status = complain(&err, rc);
	}
	compose_close(c, STOP_DEADLINE_MS);
	if (rc == RC_OK)
		log_event(EV_SERVE_STOPPED);
	explicit_bzero(&key, sizeof(key));
	return status;
}

int cmd_serve(int argc, char **argv)
{
	struct command_line line = {.command = "serve", .settings = serve_settings};
	struct serve_options options = {0};
	struct arena a = ARENA_INIT;
	struct err err = {0};
	int status;

	status = command_begin(&line, &options, &a, argc, argv);
	if (status < 0 && line.n_operands) {
		say_error("baler serve: takes no operand such as '%s'\n", line.operands[0]);
		status = EXIT_USAGE;
	}
	if (status < 0 && serve_inert_check(&a, &err) != RC_OK)
		status = complain(&err, RC_REFUSED);
	if (status < 0) {
		harden();
		memory_configure_malloc();
		log_configure(
			(enum log_level)options.log_level, (enum log_format)options.log_format);
		log_name_service(options.service_name);
		log_sample_errors((uint32_t)options.error_sampling_ppm);
		serve_inert_announce(&line, &options);
		status = serve(&options, &a);
	}
	arena_release(&a);
	return status;
}
