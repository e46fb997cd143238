/* baler: the command line. */
#include <signal.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/s3_client.h"

static const struct command commands[] = {
	{"serve", cmd_serve, "serve [OPTION…]",
		"S3 endpoint, queue, ledger and bundler in one process",
		"Takes objects over S3 into the landing bucket and ties those below the event "
		"prefix into verified\n"
		"tar.gz bundles in the distribution bucket, each version exactly once.\n"
		"\n"
		"Prints 'listening on http://HOST:PORT' (https with --tls-cert) on stdout when it "
		"accepts requests. The "
		"root key comes from\n"
		"BALER_ROOT_ACCESS_KEY and BALER_ROOT_SECRET_KEY; without them one is made at "
		"random on the first start,\n"
		"kept in the data folder and shown once.\n"
		"\n"
		"SIGHUP reads certificate and key again; a pair that cannot be used is logged, and "
		"the old one\n"
		"stays. Without TLS, and run in a terminal, it stops baler as SIGTERM does.\n"
		"SIGTERM and SIGINT stop it: no new requests, what is in hand is finished. Exit "
		"code 0 after that,\n"
		"1 for a failure, 2 for a wrong setting or a data folder that cannot be used.",
		serve_settings, serve_inert},
	{"e2e", cmd_e2e, "e2e [-c FILE | --all] [OPTION…] [FILE | DIR]…",
		"run end-to-end scenarios against an S3 endpoint and judge them",
		"Makes the files of a scenario, puts them into the landing bucket, waits for "
		"bundles and compares every\n"
		"byte. Credentials come from the AWS_* variables and profiles. A run that passed "
		"removes what it put in. Direct invocations go to the same endpoint, or to "
		"AWS_ENDPOINT_URL_LAMBDA.\n"
		"\n"
		"More than one scenario: a table of all runs on stdout at the end.\n"
		"\n"
		"Exit code 0 passed, 1 failed, 2 could not be set up.",
		e2e_settings},
	{"pull", cmd_pull, "pull --to DIR [OPTION…]",
		"take the bundles out of the distribution bucket, files into a folder",
		"Downloads each bundle, checks its SHA-256, extracts it below DIR and deletes it "
		"from the bucket once\n"
		"every file is on disk. Killed at any moment, it goes on where it was when "
		"started again: what it has\n"
		"done is noted in DIR/.baler-pull. Nothing is ever written outside DIR.\n"
		"\n" S3_CLIENT_HELP "\n"
		"\n"
		"Exit code 0 done (or stopped, with --watch), 1 a bundle was left in the bucket, 2 "
		"could not begin.",
		pull_settings},
	{"verify", cmd_verify, "verify FILE…|s3://BUCKET/KEY…|--ledger [OPTION…]",
		"check bundles: hash, gzip, tar, every member",
		"Reads each bundle to its end; nothing is written. " S3_CLIENT_HELP "\n"
		"\n"
		"--ledger checks a data folder against the protocol's invariants, beside a live "
		"server or without one, and\n"
		"names what is lost, duplicate, orphan, missing from the archive, damaged or "
		"illegal; it changes nothing,\n"
		"and leaves no trace in a stopped server's folder.\n"
		"\n"
		"Exit code 0 all are sound, 1 one is not, 2 one cannot be read.",
		verify_settings},
	{"list", cmd_list, "list FILE|s3://BUCKET/KEY [OPTION…]", "the members of a bundle",
		"Prints size and name of each member.\n"
		"\n"
		"Exit code 0, 1 the bundle is not sound, 2 it cannot be read.",
		list_settings},
	{"replay", cmd_replay, "replay KEY…|s3://ARCHIVE/KEY…|--since TIME [OPTION…]",
		"put bundles of the archive into the distribution bucket again",
		"The server copies them under their keys, with their metadata, the oldest first.\n"
		"\n" S3_CLIENT_HELP "\n"
		"\n"
		"Exit code 0 done, 1 one was not copied, 2 could not begin.",
		replay_settings},
	{"status", cmd_status, "status [--watch | --check] [OPTION…]",
		"what a running baler is doing: queue, plans, stores, rates, alarms, last error",
		"Asks a running baler over its endpoint. Credentials and endpoint come from the "
		"AWS_* variables and\n"
		"profiles; the key must be an operator's.\n"
		"\n"
		"Exit code 0 answered, 1 failed, 2 not reachable, not allowed, or used wrongly;\n"
		"with --check as monitoring plugins answer.",
		status_settings},
	{"deadletter", cmd_deadletter,
		"deadletter list | show ID | redrive ID… | redrive --all | drop ID",
		"messages that could not be processed: look at them, put them back, drop them",
		"Redriving puts the original message back into the queue and makes an object that "
		"was rejected\n"
		"claimable again; each change is kept in an audit. All of it is safe to repeat: "
		"a second redrive of\n"
		"the same ID does nothing and says so.\n"
		"\n"
		"Exit code 0 done, 1 some were not there or refused, 2 not reachable, not allowed, "
		"or used wrongly.",
		deadletter_settings},
	{"where", cmd_where, "where s3://BUCKET/KEY… | - [--version ID]",
		"which bundle holds an object, or why none does",
		"Says 'member' with the bundle, 'claimed', 'waiting', 'rejected', 'dead-letter', "
		"'not-watched',\n"
		"'no-message' or 'not-found', and why. Of a key that is gone from landing the "
		"ledger's latest version is\n"
		"told. Of several, or of a list on stdin ('-': an object a line, and behind a tab "
		"its version, if you like),\n"
		"a line each: object, answer, bundle, version, reason, with tabs between; with "
		"--json an object each.\n"
		"\n"
		"Exit code 0 when it is in a bundle or on its way into one, 1 when it is not, 2 "
		"not reachable, not\n"
		"allowed, or used wrongly.",
		where_settings},
	{"key", cmd_key, "key add --role ROLE [--note TEXT] | list | revoke ACCESS_KEY",
		"access keys with a role: make them, show them, end them",
		"Asks a running baler, with the AWS_* credentials and endpoint of an admin. A "
		"change counts at once and\n"
		"survives a restart. The root key is not among them.\n"
		"\n"
		"supplier: puts into landing, nothing else. consumer: lists, gets and deletes in "
		"distribution.\n"
		"processor: reads landing, reads and writes distribution and archive, invokes. "
		"admin: everything.\n"
		"\n"
		"Exit code 0 done, 1 no such key or failed, 2 not reachable, not allowed, or used "
		"wrongly.",
		key_settings},
	{NULL},
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void command_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: baler %s\n\n%s\n\noptions:\n", c->synopsis, c->text);
	settings_print(c->settings, out);
	if (!c->inert)
		return;
	fputs("\nvariables that are checked and have no effect here:\n", out);
	for (const struct setting *s = c->inert; s->name; s++) {
		fprintf(out, "  %s\n", s->name);
		print_wrapped(out, s->help, "        ");
	}
}

static void print_usage(FILE *out)
{
	fputs("usage: baler COMMAND [OPTION…]\n\n"
	      "Ties a stream of many small objects into a few verified bundles, exactly "
	      "once.\n\ncommands:\n",
		out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-10s %s\n", c->name, c->summary);
	fputs("  help       'baler help COMMAND' explains a command and its options\n"
	      "  version    the version of this program\n"
	      "\nA first try:\n"
	      "  baler serve            # then paste the lines it shows into another shell\n"
	      "  aws s3 cp FILE s3://data-aggregator-landing-dev/data/\n"
	      "  aws s3 ls --recursive s3://data-aggregator-distribution-dev/\n",
		out);
}

static int unknown_command(const char *name)
{
	const char *names[sizeof(commands) / sizeof(commands[0]) + 2] = {"help", "version"};
	const char *near;

	for (size_t i = 0; commands[i].name; i++)
		names[i + 2] = commands[i].name;
	near = nearest_word(name, names);
	if (near)
		fprintf(stderr, "baler: unknown command '%s'; did you mean '%s'?\n", name, near);
	else
		fprintf(stderr, "baler: unknown command '%s'; 'baler help' lists them\n", name);
	return EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 3) {
		print_usage(stdout);
		return EXIT_OK;
	}
	c = command_find(argv[2]);
	if (!c)
		return unknown_command(argv[2]);
	command_help(c, stdout);
	return EXIT_OK;
}

int command_begin(struct command_line *line, void *values, struct arena *a, int argc, char **argv)
{
	struct err err = {0};

	if (settings_load(line, values, a, argc, argv, &err) != RC_OK) {
		fprintf(stderr, "baler %s: %s\n", line->command, err.text);
		return EXIT_USAGE;
	}
	if (line->help) {
		command_help(command_find(line->command), stdout);
		return EXIT_OK;
	}
	return -1;
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
	return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

int main(int argc, char **argv)
{
	const struct command *c;

	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (is_one_of(argv[1], "help", "--help", "-h"))
		return help(argc, argv);
	if (is_one_of(argv[1], "version", "--version", "-V")) {
		printf("baler %s\n", BALER_VERSION);
		return EXIT_OK;
	}
	c = command_find(argv[1]);
	if (!c)
		return unknown_command(argv[1]);
	return c->run(argc - 1, argv + 1);
}
