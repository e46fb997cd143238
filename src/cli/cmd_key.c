/* baler key: add, list, revoke. */
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/say.h"
#include "port/key_store.h"

#define PATH "/-/api/v1/keys"

struct key_options {
	struct admin_options admin; /* first */
	/* index into choices: enum key_role, less 1; or ROLE_NOT_GIVEN */
	unsigned role;
	char *note;
};

#define ROLE_NOT_GIVEN N_ROLES
#define FIELD(name) offsetof(struct key_options, name)

const struct setting key_settings[] = {
	ADMIN_SETTINGS,
	{"role", 0, "ROLE", SETTING_CHOICE, FIELD(role), NULL,
		.choices = "supplier|consumer|processor|admin", .flag_only = true,
		.help = "add: what the key may do; required"},
	{"note", 0, "TEXT", SETTING_TEXT, FIELD(note), NULL, .flag_only = true,
		.help = "add: whose it is and what for; list shows it"},
	{NULL},
};

static enum key_role role_of(const struct key_options *o)
{
	return o->role + 1 < N_ROLES ? (enum key_role)(o->role + 1) : ROLE_NONE;
}

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool has_grammar(const char *s, size_t max, const char *characters)
{
	size_t n = strlen(s);

	return n > 0 && n <= max && strspn(s, characters) == n;
}

/* The form of a key. Only a text of this form that a user typed becomes part of a path. Only a text
 * of this form that a server sent is printed as a key, because the lines of 'key add' are made to
 * be pasted into a shell, which would run anything else. */
static bool is_access_key(const char *s)
{
	return has_grammar(s, KEY_ACCESS_MAX, ALPHANUMERIC "_-");
}

static bool is_secret_key(const char *s)
{
	return has_grammar(s, KEY_SECRET_MAX, ALPHANUMERIC "_-+/=");
}

static int add(struct admin_client *c, const struct key_options *o)
{
	json_t *body = json_pack(
		"{s:s,s:s}", "role", key_role_name(role_of(o)), "note", o->note ? o->note : "");
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *key = NULL;
	int status;

	if (!text) {
		json_decref(body);
		say_error("baler key: '--note': it is not UTF-8\n");
		return EXIT_USAGE;
	}
	status = admin_client_ask(c, "POST", PATH, (struct slice){0}, slice_str(text),
		(const struct admin_member[]){{"access_key", JSON_STRING},
			{"secret_key", JSON_STRING}, {"role", JSON_STRING}, {NULL}},
		&key);
	free(text);
	json_decref(body);
	if (status >= 0)
		return status;
	if (!is_access_key(admin_str(key, "access_key")) ||
		!is_secret_key(admin_str(key, "secret_key"))) {
		say_error("baler key: '%s' answered with something that is no key; is it baler?\n",
			c->settings.endpoint_url);
		status = EXIT_FAILED;
	} else if (o->admin.json)
		admin_print_json(key);
	else
		say("# a new key with the role '%s'; its secret is shown this once\n"
		       "export AWS_ACCESS_KEY_ID=%s\nexport AWS_SECRET_ACCESS_KEY=%s\n",
			admin_str(key, "role"), admin_str(key, "access_key"),
			admin_str(key, "secret_key"));
	fflush(stdout);
	json_decref(key);
	return status < 0 ? EXIT_OK : status;
}

static void print_keys(const json_t *keys)
{
	if (json_array_size(keys) == 0) {
		say("no keys but the root key\n");
		return;
	}
	say("%-20s  %-9s  %-20s  %-20s  %s\n", "ACCESS KEY", "ROLE", "CREATED", "REVOKED",
		"NOTE");
	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *k = json_array_get(keys, i);
		const char *revoked = admin_str(k, "revoked");

		say("%-20s  %-9s  %-20.19s  %-20.19s  %s\n", admin_str(k, "access_key"),
			admin_str(k, "role"), admin_str(k, "created"), *revoked ? revoked : "-",
			admin_str(k, "note"));
	}
}

static int list(struct admin_client *c, const struct key_options *o)
{
	json_t *answer = NULL;
	int status =
		admin_client_ask(c, "GET", PATH, (struct slice){0}, (struct slice){0},
			(const struct admin_member[]){{"keys", JSON_ARRAY}, {NULL}}, &answer);

	if (status >= 0)
		return status;
	if (o->admin.json)
		admin_print_json(json_object_get(answer, "keys"));
	else
		print_keys(json_object_get(answer, "keys"));
	json_decref(answer);
	return EXIT_OK;
}

static int revoke(struct admin_client *c, const struct key_options *o, const char *access_key)
{
	char path[sizeof(PATH) + KEY_ACCESS_MAX + 2];
	json_t *key = NULL;
	int status;

	snprintf(path, sizeof(path), PATH "/%s", access_key);
	status = admin_client_ask(c, "DELETE", path, (struct slice){0}, (struct slice){0},
		(const struct admin_member[]){
			{"access_key", JSON_STRING}, {"revoked", JSON_STRING}, {NULL}},
		&key);
	if (status >= 0)
		return status;
	if (o->admin.json)
		admin_print_json(key);
	else
		say("%s  revoked at %.19sZ\n", admin_str(key, "access_key"),
			admin_str(key, "revoked"));
	json_decref(key);
	return EXIT_OK;
}

static int misuse(const char *text)
{
	say_error("baler key: %s\n", text);
	return EXIT_USAGE;
}

static int unknown(const char *verb)
{
	if (*verb)
		say_error("baler key: '%s' is none of add, list, revoke\n", verb);
	return *verb ? EXIT_USAGE
		     : misuse("what shall be done? add --role ROLE, list, revoke ACCESS_KEY");
}

static int check(const struct key_options *o, const char *verb, char **words, size_t n)
{
	bool adds = strcmp(verb, "add") == 0, lists = strcmp(verb, "list") == 0;
	bool revokes = strcmp(verb, "revoke") == 0;

	if (!adds && !lists && !revokes)
		return unknown(verb);
	if (adds && role_of(o) == ROLE_NONE)
		return misuse("which role? add --role supplier, consumer, processor or admin");
	if (!adds && (role_of(o) != ROLE_NONE || o->note))
		return misuse("--role and --note are for add");
	if ((adds || lists) && n)
		return misuse(adds ? "add takes no name: a new key gets its own; its role is "
				     "given with --role"
				   : "list takes no name");
	if (revokes && n != 1)
		return misuse("revoke which? give its access key");
	if (revokes && !is_access_key(words[0]))
		return misuse("that is no access key");
	return -1;
}

static int run(const struct key_options *o, const char *verb, char **words)
{
	struct admin_client c = {0};
	int status = admin_client_open(&c, "key", &o->admin);

	if (status < 0 && strcmp(verb, "add") == 0)
		status = add(&c, o);
	else if (status < 0 && strcmp(verb, "list") == 0)
		status = list(&c, o);
	else if (status < 0)
		status = revoke(&c, o, words[0]);
	admin_client_close(&c);
	return status;
}

int cmd_key(int argc, char **argv)
{
	struct command_line line = {.command = "key", .settings = key_settings};
	struct key_options options = {.role = ROLE_NOT_GIVEN};
	struct arena a = ARENA_INIT;
	int status = command_begin(&line, &options, &a, argc, argv);
	const char *verb = line.n_operands ? line.operands[0] : "";
	char **words = line.n_operands ? line.operands + 1 : NULL;

	if (status < 0)
		status = check(&options, verb, words, line.n_operands ? line.n_operands - 1 : 0);
	if (status < 0)
		status = run(&options, verb, words);
	arena_release(&a);
	return status;
}
