/* baler status: what a running baler is doing. */
#include <unistd.h>

#include "base/clock.h"
#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/human.h"

#define CHECK_UNKNOWN 3

struct status_options {
	struct admin_options admin; /* first */
	bool watch, check;
	uint64_t interval_ms;
};

const struct setting status_settings[] = {
	ADMIN_SETTINGS,
	{"watch", 'w', NULL, SETTING_SWITCH, offsetof(struct status_options, watch), NULL,
		.flag_only = true, .help = "again and again until interrupted"},
	{"check", 0, NULL, SETTING_SWITCH, offsetof(struct status_options, check), NULL,
		.flag_only = true,
		.help = "only the alarms; exit code 0 none, 1 a warning, 2 a critical one, 3 not "
			"known"},
	{"interval", 0, "TIME", SETTING_DURATION, offsetof(struct status_options, interval_ms),
		"2s", 100, 3600000, .flag_only = true, .help = "with --watch: how often"},
	{NULL},
};

static const char *name_of(const json_t *place)
{
	return admin_str(place, "bucket");
}

static void print_store(const char *title, const json_t *place, const char *what)
{
	char bytes[HUMAN_MAX], count[HUMAN_MAX];

	if (!json_object_get(place, "bytes")) {
		printf("%-14s in another store (bucket %s)\n", title, name_of(place));
		return;
	}
	printf("%-14s %s %s, %s (bucket %s)\n", title, human_count(admin_u64(place, what), count),
		what, human_bytes(admin_u64(place, "bytes"), bytes), name_of(place));
}

static void print_queue(const json_t *queue)
{
	char age[HUMAN_MAX], visible[HUMAN_MAX], in_flight[HUMAN_MAX];
	uint64_t dead = admin_u64(queue, "dead_letters");

	printf("%-14s %s waiting, %s in flight, oldest %s\n", "queue",
		human_count(admin_u64(queue, "visible"), visible),
		human_count(admin_u64(queue, "in_flight"), in_flight),
		human_duration(admin_u64(queue, "oldest_ms"), age));
	printf("%-14s %llu%s\n", "dead letters", (unsigned long long)dead,
		dead ? " (baler deadletter list)" : "");
}

static void print_alarms(const json_t *alarms)
{
	const json_t *alarm;
	size_t i;

	if (json_array_size(alarms) == 0)
		printf("%-14s none\n", "alarms");
	json_array_foreach(alarms, i, alarm) printf("%-14s %s %s since %s: %s (%s)\n",
		i ? "" : "alarms", admin_str(alarm, "severity"), admin_str(alarm, "name"),
		admin_str(alarm, "since"), admin_str(alarm, "meaning"), admin_str(alarm, "text"));
}

/* As monitoring plugins answer. */
static int check_status(const json_t *alarms)
{
	int worst = 0;
	const json_t *alarm;
	size_t i;

	json_array_foreach(alarms, i, alarm)
	{
		int severity = strcmp(admin_str(alarm, "severity"), "critical") == 0 ? 2 : 1;

		worst = severity > worst ? severity : worst;
	}
	return worst;
}

static void print_status(const json_t *s)
{
	const json_t *plans = json_object_get(s, "plans"),
		     *rates = json_object_get(s, "last_minute");
	const json_t *error = json_object_get(s, "last_error");
	char uptime[HUMAN_MAX];

	printf("baler %s, up %s, %s\n", admin_str(s, "version"),
		human_duration(admin_u64(s, "uptime_ms"), uptime), admin_str(s, "time"));
	print_queue(json_object_get(s, "queue"));
	printf("%-14s %llu open, %llu sealed\n", "plans",
		(unsigned long long)admin_u64(plans, "open"),
		(unsigned long long)admin_u64(plans, "sealed"));
	print_store("landing", json_object_get(s, "landing"), "objects");
	print_store("distribution", json_object_get(s, "distribution"), "bundles");
	printf("%-14s %llu objects received, %llu bundled in %llu bundles\n", "last minute",
		(unsigned long long)admin_u64(rates, "received_objects"),
		(unsigned long long)admin_u64(rates, "bundled_objects"),
		(unsigned long long)admin_u64(rates, "bundles"));
	print_alarms(json_object_get(s, "alarms"));
	if (json_is_object(error))
		printf("%-14s %s %s: %s\n", "last error", admin_str(error, "time"),
			admin_str(error, "event"), admin_str(error, "text"));
	else
		printf("%-14s none\n", "last error");
	fflush(stdout);
}

static int show_check(const json_t *alarms, bool json)
{
	if (json)
		admin_print_json(alarms);
	else
		print_alarms(alarms);
	return check_status(alarms);
}

static void show_all(const json_t *answer, const struct status_options *o)
{
	if (o->watch && !o->admin.json && isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	if (o->admin.json)
		admin_print_json(answer);
	else
		print_status(answer);
}

static int show(struct admin_client *c, const struct status_options *o)
{
	json_t *answer = NULL;
	int status = admin_client_ask(
		c, "GET", "/-/api/v1/status", (struct slice){0}, (struct slice){0}, &answer);

	if (status >= 0)
		return o->check ? CHECK_UNKNOWN : status;
	status = EXIT_OK;
	if (o->check)
		status = show_check(json_object_get(answer, "alarms"), o->admin.json);
	else
		show_all(answer, o);
	json_decref(answer);
	return status;
}

static int begin(struct command_line *line, struct status_options *options, struct arena *a,
	int argc, char **argv)
{
	int status = command_begin(line, options, a, argc, argv);

	if (status >= 0)
		return status;
	if (line->n_operands) {
		fprintf(stderr, "baler status: takes no operand such as '%s'\n", line->operands[0]);
		return EXIT_USAGE;
	}
	if (options->check && options->watch) {
		fprintf(stderr, "baler status: '--check' answers once, '--watch' again and again: "
				"take one\n");
		return EXIT_USAGE;
	}
	return -1;
}

int cmd_status(int argc, char **argv)
{
	struct command_line line = {.command = "status", .settings = status_settings};
	struct status_options options = {0};
	struct admin_client client = {0};
	struct arena a = ARENA_INIT;
	int status = begin(&line, &options, &a, argc, argv);

	if (status < 0) {
		status = admin_client_open(&client, "status", &options.admin);
		if (status >= 0 && options.check)
			status = CHECK_UNKNOWN;
	}
	if (status < 0) {
		status = show(&client, &options);
		while (options.watch && status == EXIT_OK) {
			clock_sleep_ms(clock_system(), options.interval_ms);
			status = show(&client, &options);
		}
	}
	admin_client_close(&client);
	arena_release(&a);
	return status;
}
