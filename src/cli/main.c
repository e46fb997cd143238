/* baler: the command line. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/manual.h"
#include "cli/say.h"

#define NOT_REACHABLE "not reachable, not allowed, or used wrongly\n"
#define AWS_ENVIRONMENT                                                                            \
	"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN\t"                            \
	"the credentials; without them those of AWS_PROFILE in ~/.aws/credentials.\n"              \
	"AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL\tthe endpoint.\n"                                   \
	"AWS_REGION, AWS_DEFAULT_REGION\tthe region to sign for.\n"                                \
	"AWS_CA_BUNDLE\tPEM file of the issuers to trust.\n"                                       \
	"AWS_MAX_ATTEMPTS\thow often a request is tried; 5 without it.\n"                          \
	"HTTP_PROXY, HTTPS_PROXY, NO_PROXY\tthe way to the endpoint; never for loopback.\n"

static const struct command commands[] = {
	{"serve", cmd_serve, "serve [OPTION…]",
		"S3 endpoint, queue, ledger and bundler in one process",
		"Takes objects over S3 into the landing bucket and ties those below the event "
		"prefix into verified tar.gz bundles in the distribution bucket, each version "
		"exactly once.\n"
		"\n"
		"Prints 'listening on http://HOST:PORT' (https with --tls-cert) on stdout when it "
		"accepts requests. The root key comes from BALER_ROOT_ACCESS_KEY and "
		"BALER_ROOT_SECRET_KEY; without them one is made at random on the first start, "
		"kept in the data folder and shown once.\n"
		"\n"
		"SIGHUP reads certificate and key again; a pair that cannot be used is logged, and "
		"the old one stays. Without TLS, and run in a terminal, it stops baler as SIGTERM "
		"does.\n"
		"\n"
		"SIGTERM and SIGINT stop it: no new requests, what is in hand is finished, within "
		"10 s. It may be killed at any moment all the same: what was acknowledged is "
		"there at the next start.\n"
		"\n"
		"A setting is taken from the first of: its flag, its variable BALER_NAME, the "
		"other variable named with it, the settings file, its default.",
		serve_settings, serve_inert,
		.exits = "0\tstopped as asked\n1\tfailed\n2\ta wrong setting, or a data folder or "
			 "port that cannot be used\n",
		.environment = "BALER_CONFIG\tthe settings file, as --config.\n"
			       "BALER_ROOT_ACCESS_KEY, BALER_ROOT_SECRET_KEY\tthe root key: both "
			       "or neither.\n"
			       "BALER_LANDING_ACCESS_KEY_ID, BALER_LANDING_SECRET_ACCESS_KEY, "
			       "BALER_LANDING_SESSION_TOKEN\tthe keys for --landing-endpoint.\n",
		.files = "DATA/baler.db\tbuckets, metadata, small objects, queue and ledger.\n"
			 "DATA/blobs/\tlarge objects and bundles, a file each.\n"
			 "DATA/root-key\tthe root key that was made here, mode 0600.\n"
			 "DATA/master-key\topens the secrets of the other keys, mode 0600.\n",
		.examples = "# on this machine only, with a key made on the first start\n"
			    "baler serve --data ./baler-data\n"
			    "# for others, with TLS and a settings file\n"
			    "baler serve -c /etc/baler/baler.yaml --listen 0.0.0.0:9000 --tls-cert "
			    "chain.pem --tls-key key.pem\n",
		.see_also = "status key pull e2e"},
	{"e2e", cmd_e2e, "e2e [-c FILE | --all] [OPTION…] [FILE | DIR]…",
		"run end-to-end scenarios against an S3 endpoint and judge them",
		"Makes the files of a scenario, puts them into the landing bucket, waits for "
		"bundles and compares every byte. A run that passed removes what it put in. "
		"Direct invocations go to the same endpoint, or to AWS_ENDPOINT_URL_LAMBDA.\n"
		"\n"
		"More than one run: a table on stdout at the end, a line for each scenario.",
		e2e_settings, .exits = "0\tpassed\n1\tfailed\n2\tcould not be set up\n",
		.environment = AWS_ENVIRONMENT
		"AWS_ENDPOINT_URL_LAMBDA\twhere direct invocations go; else as the endpoint.\n",
		.examples = "# one scenario, twenty times without a pause\n"
			    "baler e2e -c scenarios/07-idempotency.json --repeat 20\n"
			    "# all of a folder, at a twentieth of their size\n"
			    "baler e2e --all scenarios --scale 0.05 --report e2e.xml\n",
		.see_also = "serve"},
	{"pull", cmd_pull, "pull --to DIR [OPTION…]",
		"take the bundles out of the distribution bucket, files into a folder",
		"Downloads each bundle, checks its SHA-256, extracts it below DIR and deletes it "
		"from the bucket once every file is on disk. Killed at any moment, it goes on "
		"where it was when started again. Nothing is ever written outside DIR. "
		"The key needs to list, get and delete in that bucket.",
		pull_settings,
		.exits = "0\tdone (or stopped, with --watch)\n1\ta bundle was left in the bucket\n"
			 "2\tcould not begin\n",
		.environment = AWS_ENVIRONMENT,
		.files = "DIR/.baler-pull/\twhat has been done, and a lock: one pull per folder.\n",
		.examples = "# everything there is, then go on as bundles appear\n"
			    "baler pull --to ./files --watch\n"
			    "# a copy, leaving the bundles to somebody else\n"
			    "baler pull --to ./copy --keep\n",
		.see_also = "verify list replay"},
	{"verify", cmd_verify, "verify FILE…|s3://BUCKET/KEY…|--ledger [OPTION…]",
		"check bundles: hash, gzip, tar, every member",
		"Reads each bundle to its end; nothing is written.\n"
		"\n"
		"--ledger checks a data folder against the protocol's invariants, beside a live "
		"server or without one, and names what is lost, duplicate, orphan, missing from "
		"the archive, damaged or illegal; it changes nothing, and leaves no trace in a "
		"stopped server's folder.",
		verify_settings,
		.exits = "0\tall are sound\n1\tone is not\n2\tone cannot be read\n",
		.environment = AWS_ENVIRONMENT,
		.examples = "# a file, with the hash and name of each member\n"
			    "baler verify -v bundle-4f2a.tar.gz\n"
			    "# nothing lost, nothing twice\n"
			    "baler verify --ledger --data ./baler-data\n",
		.see_also = "list pull where"},
	{"list", cmd_list, "list FILE|s3://BUCKET/KEY [OPTION…]", "the members of a bundle",
		"Prints size and name of each member.", list_settings,
		.exits = "0\tdone\n1\tthe bundle is not sound\n2\tit cannot be read\n",
		.environment = AWS_ENVIRONMENT, .examples = "baler list bundle-4f2a.tar.gz\n",
		.see_also = "verify"},
	{"replay", cmd_replay, "replay KEY…|s3://ARCHIVE/KEY…|--since TIME [OPTION…]",
		"put bundles of the archive into the distribution bucket again",
		"The server copies them under their keys, with their metadata, the oldest first.",
		replay_settings, .exits = "0\tdone\n1\tone was not copied\n2\tcould not begin\n",
		.environment = AWS_ENVIRONMENT,
		.examples = "# what the consumer may have lost since yesterday: look, then do it\n"
			    "baler replay --since 1d --dry-run\n"
			    "baler replay --since 1d\n",
		.see_also = "pull"},
	{"status", cmd_status, "status [--watch | --check] [OPTION…]",
		"what a running baler is doing: queue, plans, stores, rates, alarms, last error",
		"Asks a running baler over its endpoint; the key must be an operator's.",
		status_settings,
		.exits = "0\tanswered\n1\tfailed\n2\t" NOT_REACHABLE
			 "0-3\twith --check: as monitoring plugins answer\n",
		.environment = AWS_ENVIRONMENT,
		.examples = "baler status --watch\n"
			    "baler status --json | python3 -m json.tool\n",
		.see_also = "where deadletter"},
	{"deadletter", cmd_deadletter,
		"deadletter list | show ID | redrive ID… | redrive --all | drop ID",
		"messages that could not be processed: look at them, put them back, drop them",
		"Redriving puts the original message back into the queue and makes an object that "
		"was rejected claimable again; each change is kept in an audit. All of it is safe "
		"to repeat: a second redrive of the same ID does nothing and says so.",
		deadletter_settings,
		.exits = "0\tdone\n1\tsome were not there or refused\n2\t" NOT_REACHABLE,
		.environment = AWS_ENVIRONMENT,
		.examples = "baler deadletter list\n"
			    "# once the cause is mended\n"
			    "baler deadletter redrive --all\n",
		.see_also = "status where"},
	{"where", cmd_where, "where s3://BUCKET/KEY… | - [--version ID]",
		"which bundle holds an object, or why none does",
		"Says 'member' with the bundle, 'claimed', 'waiting', 'rejected', 'dead-letter', "
		"'not-watched', 'no-message' or 'not-found', and why. Of a key that is gone from "
		"landing the ledger's latest version is told.\n"
		"\n"
		"Of several, or of a list on stdin ('-': an object a line, and behind a tab its "
		"version, if you like), a line each: object, answer, bundle, version, reason, with "
		"tabs between; with --json an object each.",
		where_settings,
		.exits = "0\tit is in a bundle or on its way into one\n1\tit is not\n"
			 "2\t" NOT_REACHABLE,
		.environment = AWS_ENVIRONMENT,
		.examples = "baler where s3://data-aggregator-landing-dev/data/plant-7/0001.json\n",
		.see_also = "status deadletter"},
	{"key", cmd_key, "key add --role ROLE [--note TEXT] | list | revoke ACCESS_KEY",
		"access keys with a role: make them, show them, end them",
		"Asks a running baler, with the credentials of an admin. A change counts at once "
		"and survives a restart. The root key is not among them.\n"
		"\n"
		"supplier: puts into landing, nothing else. consumer: lists, gets and deletes in "
		"distribution. processor: reads landing, reads and writes distribution and "
		"archive, invokes. admin: everything.",
		key_settings, .exits = "0\tdone\n1\tno such key or failed\n2\t" NOT_REACHABLE,
		.environment = AWS_ENVIRONMENT,
		.examples = "# the secret is shown this once\n"
			    "baler key add --role supplier --note 'plant 7'\n"
			    "baler key list\n",
		.see_also = "serve"},
	{NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0]) + 2] = {"help", "version"};
	const char *near;

	for (size_t i = 0; commands[i].name; i++)
		names[i + 2] = commands[i].name;
	near = nearest_word(name, names);
	if (near)
		say_error("baler: unknown command '%s'; did you mean '%s'?\n", name, near);
	else
		say_error("baler: unknown command '%s'; 'baler help' lists them\n", name);
	return EXIT_USAGE;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

/* Also, for people who build packages: --man [COMMAND] prints the manual page, --completion the
 * completion for bash. */
static int help(int argc, char **argv)
{
	const struct command *c;
	bool is_page;

	if (argc < 3 || is_one_of(argv[2], "help", "version", "--help")) {
		manual_usage(commands, stdout);
		return EXIT_OK;
	}
	if (strcmp(argv[2], "--completion") == 0) {
		completion_print(commands, stdout);
		return EXIT_OK;
	}
	is_page = strcmp(argv[2], "--man") == 0;
	if (is_page && argc == 3) {
		manual_page_of_all(commands, stdout);
		return EXIT_OK;
	}
	c = command_find(argv[2 + is_page]);
	if (!c)
		return unknown_command(argv[2 + is_page]);
	if (is_page)
		manual_page(c, stdout);
	else
		manual_help(c, stdout);
	return EXIT_OK;
}

int command_begin(struct command_line *line, void *values, struct arena *a, int argc, char **argv)
{
	struct err err = {0};

	if (settings_load(line, values, a, argc, argv, &err) != RC_OK) {
		say_error("baler %s: %s\n", line->command, err.text);
		return EXIT_USAGE;
	}
	if (line->help) {
		manual_help(command_find(line->command), stdout);
		return EXIT_OK;
	}
	return -1;
}

/* If stdout cannot be written, the command has failed. A reader that has read enough ("| head") is
 * no failure. */
static int close_results(const char *command, int status)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (poll(&out, 1, 0) == 1 && (out.revents & POLLERR))
		return status;
	say_error("baler %s: not all results could be written to stdout\n", command);
	return status == EXIT_OK ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
	const struct command *c;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		manual_usage(commands, stderr);
		return EXIT_USAGE;
	}
	if (is_one_of(argv[1], "help", "--help", "-h"))
		return help(argc, argv);
	if (is_one_of(argv[1], "version", "--version", "-V")) {
		say("baler %s\n", BALER_VERSION);
		return EXIT_OK;
	}
	c = command_find(argv[1]);
	if (!c)
		return unknown_command(argv[1]);
	return close_results(c->name, c->run(argc - 1, argv + 1));
}
