/* baler deadletter: list, show, redrive, drop. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/meter.h"
#include "cli/say.h"

#define PAGE 500 /* OP_BATCH_MAX: one page is one redrive */
#define ID_CHARS 16
#define PATH "/-/api/v1/deadletters"

struct deadletter_options {
	struct admin_options admin; /* first */
	bool all, raw;
};

const struct setting deadletter_settings[] = {
	ADMIN_SETTINGS,
	{"all", 0, NULL, SETTING_SWITCH, offsetof(struct deadletter_options, all), NULL,
		.flag_only = true, .help = "redrive: every dead letter there is now"},
	{"raw", 0, NULL, SETTING_SWITCH, offsetof(struct deadletter_options, raw), NULL,
		.flag_only = true, .help = "show: the message alone, byte for byte"},
	{NULL},
};

static bool is_id(const char *s)
{
	return strlen(s) == 16 && strspn(s, "0123456789abcdefABCDEF") == 16;
}

static const struct admin_member page_members[] = {{"dead_letters", JSON_ARRAY}, {NULL}};

/* One page; "last" is the newest id of all dead letters. */
static int ask_page(struct admin_client *c, const char *after, json_t **ret_page)
{
	char query[64];

	snprintf(query, sizeof(query), "after=%s&max=%d", after, PAGE);
	return admin_client_ask(
		c, "GET", PATH, slice_str(query), (struct slice){0}, page_members, ret_page);
}

static struct slice text_of(const json_t *object, const char *name)
{
	return json_member_str(object, name);
}

static void print_dead(const json_t *d)
{
	const json_t *object = json_array_get(json_object_get(d, "objects"), 0);
	struct slice key = text_of(object, "key");

	say("%-16s  %-20.20s  %8llu  %-24s  ", admin_str(d, "id"), admin_str(d, "died"),
		(unsigned long long)admin_u64(d, "attempts"), admin_str(d, "code"));
	say_text(key.n ? key : slice_str("-"));
	say("\n");
}

static const char *last_id(const json_t *page)
{
	const json_t *dead = json_object_get(page, "dead_letters");

	return admin_str(json_array_get(dead, json_array_size(dead) - 1), "id");
}

/* Every page, to the end there was when it began: each is given to visit, which returns -1 to go
 * on. */
struct walk {
	struct admin_client *client;
	int (*visit)(struct walk *w, const json_t *page, const char *end);
	bool json;
	size_t n, n_done, n_failed;
	/* Progress of a redrive of all, on stderr. */
	struct meter meter;
	uint64_t n_expected, begin_ms;
};

/* With json: one array, written as it comes, so that its length costs no memory. */
static void print_element(struct walk *w, const json_t *element)
{
	say("%c", w->n++ ? ',' : '[');
	say_json(element);
}

static void print_end(const struct walk *w)
{
	if (w->json)
		say("%s\n", w->n ? "]" : "[]");
	else if (w->n == 0)
		say("no dead letters\n");
	fflush(stdout);
}

/* The id after which the next page begins. A list whose pages do not go forward would have no
 * end. */
static int next_page(const struct walk *w, const json_t *page, char after[ID_CHARS + 1])
{
	const char *last = last_id(page);
	bool is_empty = json_array_size(json_object_get(page, "dead_letters")) == 0;
	bool is_more = json_is_true(json_object_get(page, "truncated"));

	if ((is_empty && !is_more) || (is_id(last) && strcmp(last, after) > 0)) {
		snprintf(after, ID_CHARS + 1, "%s", last);
		return -1;
	}
	say_error("baler deadletter: '%s' answered with a list that does not go forward\n",
		w->client->settings.endpoint_url);
	return EXIT_FAILED;
}

static int walk_pages(struct walk *w)
{
	char after[ID_CHARS + 1] = "", end[ID_CHARS + 1] = "";
	bool more = true;
	int status = -1;

	while (more && status < 0) {
		json_t *page = NULL;

		status = ask_page(w->client, after, &page);
		if (status >= 0)
			return status;
		if (!*end)
			snprintf(end, sizeof(end), "%s", admin_str(page, "last"));
		status = next_page(w, page, after);
		more = json_is_true(json_object_get(page, "truncated")) && strcmp(after, end) < 0;
		if (status < 0 && *last_id(page))
			status = w->visit(w, page, end);
		json_decref(page);
	}
	return status;
}

static int visit_list(struct walk *w, const json_t *page, const char *end)
{
	const json_t *dead = json_object_get(page, "dead_letters");

	(void)end;
	for (size_t i = 0; i < json_array_size(dead); i++) {
		if (w->json) {
			print_element(w, json_array_get(dead, i));
			continue;
		}
		if (w->n++ == 0)
			say("%-16s  %-20s  %8s  %-24s  %s\n", "ID", "SINCE", "ATTEMPTS", "CODE",
				"KEY");
		print_dead(json_array_get(dead, i));
	}
	return -1;
}

static int list(struct admin_client *c, bool json)
{
	struct walk w = {.client = c, .visit = visit_list, .json = json};
	int status = walk_pages(&w);

	if (status < 0)
		print_end(&w);
	return status < 0 ? EXIT_OK : status;
}

/* Bytes that are no UTF-8 are not shown exactly in the text. */
static void print_raw(const json_t *d)
{
	struct slice text = text_of(d, "message"), coded = text_of(d, "message_base64");
	unsigned char *bytes = xcalloc(1, coded.n + 1);
	size_t n;

	if (coded.n && base64_decode(coded, bytes, coded.n, &n))
		text = slice_of(bytes, n);
	say_raw("deadletter", text);
	free(bytes);
}

static void print_whole(const json_t *d)
{
	say("id        %s\ncode      %s\nreason    %s\nsent      %s\ndied      %s\n"
	    "attempts  %llu\nmessage   ",
		admin_str(d, "id"), admin_str(d, "code"), admin_str(d, "reason"),
		admin_str(d, "sent"), admin_str(d, "died"),
		(unsigned long long)admin_u64(d, "attempts"));
	say_text(text_of(d, "message"));
	say("\n");
}

static int show(struct admin_client *c, const char *id, const struct deadletter_options *o)
{
	char path[128];
	json_t *d = NULL;
	int status;

	snprintf(path, sizeof(path), PATH "/%s", id);
	status = admin_client_ask(c, "GET", path, (struct slice){0}, (struct slice){0},
		(const struct admin_member[]){{"id", JSON_STRING}, {NULL}}, &d);
	if (status >= 0)
		return status;
	if (o->raw)
		print_raw(d);
	else if (o->admin.json)
		admin_print_json(d);
	else
		print_whole(d);
	json_decref(d);
	return EXIT_OK;
}

static void print_result(struct walk *w, const json_t *r)
{
	const char *outcome = admin_str(r, "outcome"), *why = admin_str(r, "why");

	w->n_done += strcmp(outcome, "done") == 0;
	w->n_failed += strcmp(outcome, "not-there") == 0 || strcmp(outcome, "refused") == 0;
	if (w->json) {
		print_element(w, r);
		return;
	}
	w->n++;
	if (strcmp(outcome, "done") == 0)
		say("%s  back in the queue as %s\n", admin_str(r, "id"),
			admin_str(r, "message_id"));
	else if (strcmp(outcome, "not-there") == 0)
		say("%s  no such dead letter\n", admin_str(r, "id"));
	else
		say("%s  %s: nothing done, %s\n", admin_str(r, "id"), outcome, why);
}

/* ids: a JSON array. */
static int redrive_ids(struct walk *w, json_t *ids)
{
	json_t *body = json_pack("{s:O}", "ids", ids), *answer = NULL;
	char *text = json_dumps(body, JSON_COMPACT);
	const json_t *results;
	int status = admin_client_ask(
		w->client, "POST", PATH "/redrive", (struct slice){0}, slice_str(text),
		(const struct admin_member[]){{"results", JSON_ARRAY}, {NULL}}, &answer);

	free(text);
	json_decref(body);
	if (status >= 0)
		return status;
	results = json_object_get(answer, "results");
	for (size_t i = 0; i < json_array_size(results); i++)
		print_result(w, json_array_get(results, i));
	json_decref(answer);
	return -1;
}

static void show_progress(struct walk *w)
{
	const struct meter_reading now = {.n = w->n_expected,
		.n_done = w->n,
		.elapsed_ms = clock_boot_ms(clock_system()) - w->begin_ms};

	meter_show(&w->meter, &now);
}

/* A message that was redriven and died again meanwhile has an id behind end, so it is not redriven
 * twice. */
static int visit_redrive(struct walk *w, const json_t *page, const char *end)
{
	const json_t *dead = json_object_get(page, "dead_letters");
	json_t *ids = json_array();
	int status;

	meter_clear(&w->meter);
	for (size_t i = 0; i < json_array_size(dead); i++)
		if (strcmp(admin_str(json_array_get(dead, i), "id"), end) <= 0)
			json_array_append(ids, json_object_get(json_array_get(dead, i), "id"));
	status = redrive_ids(w, ids);
	json_decref(ids);
	show_progress(w);
	return status;
}

static int redrive_named(struct walk *w, char **operands, size_t n)
{
	int status = -1;

	for (size_t i = 0; i < n && status < 0; i += PAGE) {
		json_t *ids = json_array();

		for (size_t k = i; k < n && k < i + PAGE; k++)
			json_array_append_new(ids, json_string(operands[k]));
		status = redrive_ids(w, ids);
		json_decref(ids);
	}
	return status;
}

static int redrive_all(struct walk *w)
{
	json_t *answer = NULL;
	int status = admin_client_ask(w->client, "GET", "/-/api/v1/status", (struct slice){0},
		(struct slice){0}, (const struct admin_member[]){{"queue", JSON_OBJECT}, {NULL}},
		&answer);

	if (status >= 0)
		return status;
	w->n_expected = admin_u64(json_object_get(answer, "queue"), "dead_letters");
	json_decref(answer);
	w->begin_ms = clock_boot_ms(clock_system());
	meter_init(&w->meter, clock_system(), stderr, isatty(STDERR_FILENO), "dead letters");
	status = walk_pages(w);
	meter_end(&w->meter);
	return status;
}

static int redrive(struct admin_client *c, const struct deadletter_options *o, char **ids, size_t n)
{
	struct walk w = {.client = c, .visit = visit_redrive, .json = o->admin.json};
	int status = o->all ? redrive_all(&w) : redrive_named(&w, ids, n);

	if (status < 0)
		print_end(&w);
	fflush(stdout);
	if (w.n > (status < 0))
		say_error("%zu back in the queue, %zu not\n", w.n_done, w.n - w.n_done);
	return status >= 0 ? status : w.n_failed ? EXIT_FAILED : EXIT_OK;
}

static int drop(struct admin_client *c, const char *id, bool json)
{
	char path[128];
	json_t *answer = NULL;
	int status;

	snprintf(path, sizeof(path), PATH "/%s", id);
	status = admin_client_ask(c, "DELETE", path, (struct slice){0}, (struct slice){0},
		(const struct admin_member[]){{"outcome", JSON_STRING}, {NULL}}, &answer);
	if (status >= 0)
		return status;
	if (json)
		admin_print_json(answer);
	else if (strcmp(admin_str(answer, "outcome"), "done") == 0)
		say("%s  dropped\n", id);
	else
		say("%s  nothing done, %s\n", id, admin_str(answer, "why"));
	json_decref(answer);
	return EXIT_OK;
}

static int misuse(const char *text)
{
	say_error("baler deadletter: %s\n", text);
	return EXIT_USAGE;
}

/* Sixteen hex digits: no other text that a user typed becomes part of a path. */
static int check(const struct deadletter_options *o, const char *verb, char **ids, size_t n)
{
	bool redrives = strcmp(verb, "redrive") == 0, lists = strcmp(verb, "list") == 0;
	bool one = strcmp(verb, "show") == 0 || strcmp(verb, "drop") == 0;

	if (!redrives && !lists && !one)
		return misuse(
			"what shall be done? list, show ID, redrive ID…, redrive --all, drop ID");
	if (o->all && !redrives)
		return misuse("--all is for redrive");
	if (o->raw && (strcmp(verb, "show") != 0 || o->admin.json))
		return misuse("--raw is for show, without --json");
	if (lists && n)
		return misuse("list takes no ID");
	if (one && n != 1)
		return misuse("which one? give its ID");
	if (redrives && (n == 0) == !o->all)
		return misuse("redrive which? give IDs, or --all");
	for (size_t i = 0; i < n; i++)
		if (!is_id(ids[i])) {
			say_error("baler deadletter: '%s' is not an ID: 16 hex digits\n",
				ids[i]);
			return EXIT_USAGE;
		}
	return -1;
}

static int run(const struct deadletter_options *o, const char *verb, char **ids, size_t n)
{
	struct admin_client c = {0};
	int status = admin_client_open(&c, "deadletter", &o->admin);

	if (status >= 0)
		; /* told */
	else if (strcmp(verb, "list") == 0)
		status = list(&c, o->admin.json);
	else if (strcmp(verb, "show") == 0)
		status = show(&c, ids[0], o);
	else if (strcmp(verb, "drop") == 0)
		status = drop(&c, ids[0], o->admin.json);
	else
		status = redrive(&c, o, ids, n);
	admin_client_close(&c);
	return status;
}

int cmd_deadletter(int argc, char **argv)
{
	struct command_line line = {.command = "deadletter", .settings = deadletter_settings};
	struct deadletter_options options = {0};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &options, &a, argc, argv);
	const char *verb = line.n_operands ? line.operands[0] : "";
	char **ids = line.n_operands ? line.operands + 1 : NULL;
	size_t n = line.n_operands ? line.n_operands - 1 : 0;

	if (status < 0)
		status = check(&options, verb, ids, n);
	if (status < 0)
		status = run(&options, verb, ids, n);
	arena_release(&a);
	return status;
}
