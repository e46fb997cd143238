/* baler where: which bundle holds an object, or why none does. */
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/say.h"
#include "model/object_id.h"
#include "wire/uri.h"

#define QUERY_BYTES 16384 /* key and version of 1,024 bytes, each three characters */

struct where_options {
	struct admin_options admin; /* first */
	char *version;
};

const struct setting where_settings[] = {
	ADMIN_SETTINGS,
	{"version", 0, "ID", SETTING_TEXT, offsetof(struct where_options, version), NULL,
		.flag_only = true, .help = "the versionId; else the newest version"},
	{NULL},
};

static void add_param(struct buf *query, const char *name, struct slice value)
{
	if (query->n)
		buf_add_char(query, '&');
	buf_addf(query, "%s=", name);
	uri_encode(query, value, false);
}

/* One object that is asked for. */
struct question {
	const char *url;     /* s3://BUCKET/KEY */
	const char *version; /* NULL or "": the newest */
};

/* false: not of this form. */
static bool make_query(const struct question *q, struct buf *query)
{
	const char *rest = strncmp(q->url, "s3://", 5) == 0 ? q->url + 5 : NULL;
	const char *slash = rest ? strchr(rest, '/') : NULL;

	if (!slash || slash == rest || slash[1] == '\0')
		return false;
	add_param(query, "bucket", slice_of(rest, (size_t)(slash - rest)));
	add_param(query, "key", slice_str(slash + 1));
	if (q->version && *q->version)
		add_param(query, "version", slice_str(q->version));
	return !query->overflow;
}

static void print_reason(const json_t *w)
{
	say("%s", admin_str(w, "why"));
	if (*admin_str(w, "code"))
		say(" (%s)", admin_str(w, "code"));
	if (json_is_true(json_object_get(w, "source_gone")))
		say("; the version itself is gone from landing");
}

static void print_where(const json_t *w)
{
	if (*admin_str(w, "bundle_key"))
		say("s3://%s/%s\n", admin_str(w, "bundle_bucket"), admin_str(w, "bundle_key"));
	say("%s: ", admin_str(w, "place"));
	print_reason(w);
	say("\n");
	if (*admin_str(w, "version"))
		say("version %s\n", admin_str(w, "version"));
	if (*admin_str(w, "dead_letter"))
		say("dead letter %s\n", admin_str(w, "dead_letter"));
}

/* With several objects each has one line, with its fields separated by tabs. */
static void print_line(const struct question *q, const json_t *w)
{
	say("%s\t%s\t", q->url, admin_str(w, "place"));
	if (*admin_str(w, "bundle_key"))
		say("s3://%s/%s", admin_str(w, "bundle_bucket"), admin_str(w, "bundle_key"));
	else
		say("-");
	say("\t%s\t", *admin_str(w, "version") ? admin_str(w, "version") : "-");
	print_reason(w);
	say("\n");
}

/* 0: in a bundle, or on its way into one; 1: no bundle has it and none will. */
static int exit_code(const char *place)
{
	return strcmp(place, "member") == 0 || strcmp(place, "claimed") == 0 ||
			       strcmp(place, "waiting") == 0
		       ? EXIT_OK
		       : EXIT_FAILED;
}

struct asking {
	struct admin_client client;
	const struct where_options *o;
	bool is_many;
	int status; /* the worst so far */
};

/* The answer, shown; false: to ask on has no point. */
static bool ask_server(
	struct asking *a, const struct question *q, struct slice query, int *ret_status)
{
	json_t *answer = NULL;

	*ret_status = admin_client_ask(
		&a->client, "GET", "/-/api/v1/where", query, (struct slice){0},
		(const struct admin_member[]){{"place", JSON_STRING}, {NULL}}, &answer);
	if (*ret_status >= 0)
		return *ret_status != EXIT_USAGE;
	if (a->o->admin.json)
		admin_print_json(answer);
	else if (a->is_many)
		print_line(q, answer);
	else
		print_where(answer);
	*ret_status = exit_code(admin_str(answer, "place"));
	json_decref(answer);
	return true;
}

static bool ask(struct asking *a, const struct question *q)
{
	struct buf query;
	bool goes_on = true;
	int status = EXIT_USAGE;

	buf_init(&query, QUERY_BYTES);
	if (make_query(q, &query))
		goes_on = ask_server(a, q, buf_slice(&query), &status);
	else
		say_error("baler where: '%s': which object? give s3://BUCKET/KEY\n", q->url);
	buf_release(&query);
	a->status = status > a->status ? status : a->status;
	return goes_on;
}

/* Lines of URL, or of URL, a tab, and a version. */
static void ask_listed(struct asking *a)
{
	char *line = NULL, *tab;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line)
			continue;
		tab = strchr(line, '\t');
		if (tab)
			*tab = '\0';
		if (!ask(a, &(struct question){line, tab ? tab + 1 : NULL}))
			break;
	}
	free(line);
}

static bool is_list(const struct command_line *line)
{
	return line->n_operands == 1 && strcmp(line->operands[0], "-") == 0;
}

static int where(const struct where_options *o, const struct command_line *line)
{
	struct asking a = {.o = o, .status = EXIT_OK};
	int status = admin_client_open(&a.client, "where", &o->admin);

	if (status >= 0)
		return status;
	a.is_many = is_list(line) || line->n_operands > 1;
	if (is_list(line))
		ask_listed(&a);
	for (size_t i = 0; !is_list(line) && i < line->n_operands; i++)
		if (!ask(&a, &(struct question){line->operands[i], o->version}))
			break;
	admin_client_close(&a.client);
	return a.status;
}

int cmd_where(int argc, char **argv)
{
	struct command_line line = {.command = "where", .settings = where_settings};
	struct where_options options = {0};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &options, &a, argc, argv);

	if (status < 0 && line.n_operands == 0) {
		say_error("baler where: which object? give s3://BUCKET/KEY\n");
		status = EXIT_USAGE;
	}
	if (status < 0 && options.version && (line.n_operands > 1 || is_list(&line))) {
		say_error("baler where: '--version' is for one object; a list on stdin may have one a "
		      "line\n");
		status = EXIT_USAGE;
	}
	if (status < 0)
		status = where(&options, &line);
	arena_release(&a);
	return status;
}
