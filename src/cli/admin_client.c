#include "cli/admin_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/commands.h"
#include "cli/say.h"

int admin_client_open(
	struct admin_client *c, const char *command, const struct admin_options *options)
{
	struct err err = {0};

	c->command = command;
	c->line = (struct admin_line){0};
	if (aws_settings_from_environment(
		    options->endpoint_url, options->region, &c->settings, &err) == RC_OK)
		return -1;
	say_error("baler %s: %s\n", command, err.text);
	return EXIT_USAGE;
}

void admin_client_close(struct admin_client *c)
{
	admin_line_close(&c->line);
	aws_settings_release(&c->settings);
}

/* Our errors are JSON; another server's are not, and the user has the wrong endpoint. */
static int explain(const struct admin_client *c, const struct admin_call *call)
{
	json_t *root = NULL;
	const json_t *error = NULL;
	const char *text;
	bool told;

	if (json_parse(buf_slice(&call->answer), ADMIN_ANSWER_MAX, &root, NULL) == RC_OK)
		error = json_object_get(root, "error");
	text = admin_str(error, "message");
	if (*text)
		say_error("baler %s: %s\n", c->command, text);
	else
		say_error("baler %s: '%s' answered %u; is it baler?\n", c->command,
			c->settings.endpoint_url, call->status);
	told = *text != '\0';
	json_decref(root);
	return told && call->status != 401 && call->status != 403 ? EXIT_FAILED : EXIT_USAGE;
}

static bool has_members(const json_t *answer, const struct admin_member *needs)
{
	for (; needs->name; needs++) {
		const json_t *member = json_object_get(answer, needs->name);

		if (!member || json_typeof(member) != needs->type)
			return false;
	}
	return true;
}

int admin_client_ask(struct admin_client *c, const char *method, const char *path,
	struct slice query, struct slice body, const struct admin_member *needs,
	json_t **ret_answer)
{
	struct admin_call call = {.method = method, .path = path, .query = query, .body = body};
	struct err err = {0};
	int status = -1;

	if (admin_call_run(&c->settings, &c->line, &call, &err) != RC_OK) {
		if (c->settings.endpoint_url)
			say_error("baler %s: '%s': %s\n", c->command,
				c->settings.endpoint_url, err.text);
		else
			say_error("baler %s: %s\n", c->command, err.text);
		status = EXIT_USAGE;
	} else if (call.status != 200) {
		status = explain(c, &call);
	} else if (json_parse(buf_slice(&call.answer), ADMIN_ANSWER_MAX, ret_answer, &err) !=
		   RC_OK) {
		say_error("baler %s: the answer cannot be read: %s\n", c->command, err.text);
		status = EXIT_FAILED;
	} else if (!has_members(*ret_answer, needs)) {
		say_error("baler %s: '%s' answered something else than was asked for; is it "
			  "baler?\n",
			c->command, c->settings.endpoint_url);
		json_decref(*ret_answer);
		status = EXIT_FAILED;
	}
	admin_call_release(&call);
	return status;
}

uint64_t admin_u64(const json_t *object, const char *name)
{
	json_int_t v = json_integer_value(json_object_get(object, name));

	return v < 0 ? 0 : (uint64_t)v;
}

const char *admin_str(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

void admin_print_json(const json_t *answer)
{
	say_json(answer);
	say("\n");
	fflush(stdout);
}
