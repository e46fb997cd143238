/* baler status: what a running baler is doing. */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/human.h"
#include "cli/say.h"

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

static void print_store(FILE *out, const char *title, const json_t *place, const char *what)
{
	char bytes[HUMAN_MAX], count[HUMAN_MAX];

	if (!json_object_get(place, "bytes")) {
		say_to(out, "%-14s in another store (bucket %s)\n", title, name_of(place));
		return;
	}
	say_to(out, "%-14s %s %s, %s in %s\n", title, human_count(admin_u64(place, what), count),
		what, human_bytes(admin_u64(place, "bytes"), bytes), name_of(place));
}

static void print_queue(FILE *out, const json_t *queue)
{
	char age[HUMAN_MAX], visible[HUMAN_MAX], in_flight[HUMAN_MAX], dead[HUMAN_MAX];
	uint64_t n_dead = admin_u64(queue, "dead_letters");

	say_to(out, "%-14s %s waiting, %s in flight, oldest %s\n", "queue",
		human_count(admin_u64(queue, "visible"), visible),
		human_count(admin_u64(queue, "in_flight"), in_flight),
		human_duration(admin_u64(queue, "oldest_ms"), age));
	say_to(out, "%-14s %s%s\n", "dead letters", human_count(n_dead, dead),
		n_dead ? " (baler deadletter list)" : "");
}

static void print_alarms(FILE *out, const json_t *alarms)
{
	const json_t *alarm;
	size_t i;

	if (json_array_size(alarms) == 0)
		say_to(out, "%-14s none\n", "alarms");
	json_array_foreach(alarms, i, alarm) say_to(out, "%-14s %s %s since %s: %s (%s)\n",
		i ? "" : "alarms", admin_str(alarm, "severity"), admin_str(alarm, "name"),
		admin_str(alarm, "since"), admin_str(alarm, "meaning"), admin_str(alarm, "text"));
}

/* How to mend each: docs/operations.md. */
static void print_damage(FILE *out, const json_t *s)
{
	const json_t *damage = json_object_get(s, "damage"), *d;
	const json_t *checksums = json_object_get(s, "checksums");
	uint64_t n = admin_u64(s, "damaged");
	size_t i;

	if (json_is_true(json_object_get(checksums, "pending")))
		say_to(out, "%-14s being taken of what an older baler stored, %llu so far\n",
			"checksums", (unsigned long long)admin_u64(checksums, "taken"));
	json_array_foreach(damage, i, d)
	{
		const char *bucket = admin_str(d, "bucket"), *version = admin_str(d, "version");

		say_to(out, "%-14s %s ", i ? "" : "damaged", admin_str(d, "kind"));
		if (*bucket)
			say_to(out, "s3://%s/%s%s%s", bucket, admin_str(d, "key"),
				*version ? "?versionId=" : "", version);
		else
			say_to(out, "%s", admin_str(d, "id"));
		say_to(out, ": %s\n", admin_str(d, "what"));
	}
	if (n > json_array_size(damage))
		say_to(out, "%-14s and %llu more\n", "",
			(unsigned long long)(n - json_array_size(damage)));
}

static void print_memory(FILE *out, const json_t *memory)
{
	char used[HUMAN_MAX], peak[HUMAN_MAX], max[HUMAN_MAX];
	const json_t *share;
	size_t i;

	if (!json_is_object(memory))
		return;
	say_to(out, "%-14s %s, at most %s, of %s\n", "memory",
		human_bytes(admin_u64(memory, "resident_bytes"), used),
		human_bytes(admin_u64(memory, "resident_peak_bytes"), peak),
		human_bytes(admin_u64(memory, "ceiling_bytes"), max));
	json_array_foreach(json_object_get(memory, "shares"), i, share)
	{
		uint64_t refused = admin_u64(share, "refused");

		say_to(out, "  %-12s %s, at most %s, of %s", admin_str(share, "name"),
			human_bytes(admin_u64(share, "used_bytes"), used),
			human_bytes(admin_u64(share, "peak_bytes"), peak),
			human_bytes(admin_u64(share, "max_bytes"), max));
		if (refused)
			say_to(out, "; %llu times not granted", (unsigned long long)refused);
		say_to(out, "\n");
	}
}

static void print_disk(FILE *out, const json_t *disk)
{
	char room[HUMAN_MAX], size[HUMAN_MAX], needed[HUMAN_MAX];

	if (!json_is_object(disk))
		return;
	say_to(out, "%-14s room for %s, of %s%s\n", "disk",
		human_bytes(admin_u64(disk, "free_bytes"), room),
		human_bytes(admin_u64(disk, "size_bytes"), size),
		json_is_true(json_object_get(disk, "refusing")) ? "; writes are refused" : "");
	if (json_object_get(disk, "waiting_bundle"))
		say_to(out, "%-14s bundle %s waits for room: it needs %s\n", "",
			admin_str(disk, "waiting_bundle"),
			human_bytes(admin_u64(disk, "needed_bytes"), needed));
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

static void print_rates(FILE *out, const json_t *rates)
{
	char received[HUMAN_MAX], bundled[HUMAN_MAX], bundles[HUMAN_MAX];

	say_to(out, "%-14s %s objects received, %s bundled in %s bundles\n", "last minute",
		human_count(admin_u64(rates, "received_objects"), received),
		human_count(admin_u64(rates, "bundled_objects"), bundled),
		human_count(admin_u64(rates, "bundles"), bundles));
}

static void print_status(FILE *out, const json_t *s)
{
	const json_t *plans = json_object_get(s, "plans");
	const json_t *error = json_object_get(s, "last_error");
	char uptime[HUMAN_MAX];

	say_to(out, "baler %s, up %s, %s\n", admin_str(s, "version"),
		human_duration(admin_u64(s, "uptime_ms"), uptime), admin_str(s, "time"));
	print_queue(out, json_object_get(s, "queue"));
	say_to(out, "%-14s %llu open, %llu sealed\n", "plans",
		(unsigned long long)admin_u64(plans, "open"),
		(unsigned long long)admin_u64(plans, "sealed"));
	print_store(out, "landing", json_object_get(s, "landing"), "objects");
	print_store(out, "distribution", json_object_get(s, "distribution"), "bundles");
	print_rates(out, json_object_get(s, "last_minute"));
	print_disk(out, json_object_get(s, "disk"));
	print_memory(out, json_object_get(s, "memory"));
	print_alarms(out, json_object_get(s, "alarms"));
	print_damage(out, s);
	if (json_is_object(error))
		say_to(out, "%-14s %s %s: %s\n", "last error", admin_str(error, "time"),
			admin_str(error, "event"), admin_str(error, "text"));
	else
		say_to(out, "%-14s none\n", "last error");
}

/* Columns of the terminal; 0: stdout is none, or it does not say. */
static size_t terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

/* Writes a line, cut to max columns (0: whole). A character beyond ASCII counts as one column:
 * wide characters are rare here. */
static void put_line(struct slice line, size_t max)
{
	size_t columns = 0;

	for (size_t i = 0; max && i < line.n; i++)
		if ((line.p[i] & 0xc0) != 0x80 && columns++ == max)
			line.n = i;
	say_lines(stdout, line);
	say("\n");
}

static void put_text(const char *text, size_t max)
{
	for (const char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		put_line(slice_of(line, (size_t)(end - line)), max);
	}
	fflush(stdout);
}

/* Shows the lines that print writes, each cut to the width of the terminal. */
static void show_text(
	void (*print)(FILE *out, const json_t *what), const json_t *what, size_t columns)
{
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		return;
	print(out, what);
	if (fclose(out) == 0)
		put_text(text, columns);
	free(text);
}

static int show_check(const json_t *alarms, bool json)
{
	if (json)
		admin_print_json(alarms);
	else
		show_text(print_alarms, alarms, 0);
	return check_status(alarms);
}

/* With --watch on a terminal each view replaces the one before, line by line; long lines are
 * cut. */
static void show_all(const json_t *answer, const struct status_options *o)
{
	size_t columns = o->watch ? terminal_columns() : 0;

	if (o->admin.json) {
		admin_print_json(answer);
		return;
	}
	if (columns)
		say("\033[H\033[2J");
	show_text(print_status, answer, columns);
}

static int show(struct admin_client *c, const struct status_options *o)
{
	static const struct admin_member members[] = {
		{"version", JSON_STRING}, {"queue", JSON_OBJECT}, {"alarms", JSON_ARRAY}, {NULL}};
	json_t *answer = NULL;
	int status = admin_client_ask(
		c, "GET", "/-/api/v1/status", (struct slice){0}, (struct slice){0}, members, &answer);

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
		say_error("baler status: takes no operand such as '%s'\n", line->operands[0]);
		return EXIT_USAGE;
	}
	if (options->check && options->watch) {
		say_error("baler status: '--check' answers once, '--watch' again and again: "
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
		/* once the server has answered, the watch goes on over its restarts; it ends when
		 * nobody reads the output */
		while (options.watch && status == EXIT_OK && !ferror(stdout)) {
			clock_sleep_ms(clock_system(), options.interval_ms);
			show(&client, &options);
		}
	}
	admin_client_close(&client);
	arena_release(&a);
	return status;
}
