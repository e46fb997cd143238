/* baler where: which bundle holds an object, or why none does. */
#include "cli/admin_client.h"
#include "cli/commands.h"
#include "wire/uri.h"

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

/* "s3://bucket/key" → query; false: not of this form. */
static bool make_query(const char *url, const char *version, struct buf *query)
{
	const char *rest = strncmp(url, "s3://", 5) == 0 ? url + 5 : NULL;
	const char *slash = rest ? strchr(rest, '/') : NULL;

	if (!slash || slash == rest || slash[1] == '\0')
		return false;
	add_param(query, "bucket", slice_of(rest, (size_t)(slash - rest)));
	add_param(query, "key", slice_str(slash + 1));
	if (version)
		add_param(query, "version", slice_str(version));
	return !query->overflow;
}

static void print_where(const json_t *w)
{
	const char *place = admin_str(w, "place"), *version = admin_str(w, "version");

	if (*admin_str(w, "bundle_key"))
		printf("s3://%s/%s\n", admin_str(w, "bundle_bucket"), admin_str(w, "bundle_key"));
	printf("%s: %s", place, admin_str(w, "why"));
	if (*admin_str(w, "code"))
		printf(" (%s)", admin_str(w, "code"));
	putchar('\n');
	if (*version)
		printf("version %s\n", version);
	if (*admin_str(w, "dead_letter"))
		printf("dead letter %s\n", admin_str(w, "dead_letter"));
}

/* 0: in a bundle, or on its way into one; 1: no bundle has it and none will. */
static int exit_code(const char *place)
{
	return strcmp(place, "member") == 0 || strcmp(place, "claimed") == 0 ||
			       strcmp(place, "waiting") == 0
		       ? EXIT_OK
		       : EXIT_FAILED;
}

static int where(const struct where_options *o, struct slice query)
{
	struct admin_client c = {0};
	json_t *answer = NULL;
	int status = admin_client_open(&c, "where", &o->admin);

	if (status < 0)
		status = admin_client_ask(
			&c, "GET", "/-/api/v1/where", query, (struct slice){0}, &answer);
	if (status < 0) {
		if (o->admin.json)
			admin_print_json(answer);
		else
			print_where(answer);
		status = exit_code(admin_str(answer, "place"));
		json_decref(answer);
	}
	admin_client_close(&c);
	return status;
}

int cmd_where(int argc, char **argv)
{
	struct command_line line = {.command = "where", .settings = where_settings};
	struct where_options options = {0};
	struct arena a = ARENA_INIT;
	struct buf query;
	int status = command_begin(&line, &options, &a, argc, argv);

	buf_init(&query, 8192);
	if (status < 0 &&
		(line.n_operands != 1 || !make_query(line.operands[0], options.version, &query))) {
		fputs("baler where: which object? give s3://BUCKET/KEY\n", stderr);
		status = EXIT_USAGE;
	}
	if (status < 0)
		status = where(&options, buf_slice(&query));
	buf_release(&query);
	arena_release(&a);
	return status;
}
