#include "cli/admin_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "adapter/aws/rpc/admin_call.h"
#include "cli/commands.h"

int admin_client_open(
	struct admin_client *c, const char *command, const struct admin_options *options)
{
	struct err err = {0};

	c->command = command;
	if (aws_settings_from_environment(
		    options->endpoint_url, options->region, &c->settings, &err) == RC_OK)
		return -1;
	fprintf(stderr, "baler %s: %s\n", command, err.text);
	return EXIT_USAGE;
}

void admin_client_close(struct admin_client *c)
{
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
		fprintf(stderr, "baler %s: %s\n", c->command, text);
	else
		fprintf(stderr, "baler %s: '%s' answered %u; is it baler?\n", c->command,
			c->settings.endpoint_url, call->status);
	told = *text != '\0';
	json_decref(root);
	return told && call->status != 401 && call->status != 403 ? EXIT_FAILED : EXIT_USAGE;
}

int admin_client_ask(struct admin_client *c, const char *method, const char *path,
	struct slice query, struct slice body, json_t **ret_answer)
{
	struct admin_call call = {.method = method, .path = path, .query = query, .body = body};
	struct err err = {0};
	int status = -1;

	if (admin_call_run(&c->settings, &call, &err) != RC_OK) {
		if (c->settings.endpoint_url)
			fprintf(stderr, "baler %s: '%s': %s\n", c->command,
				c->settings.endpoint_url, err.text);
		else
			fprintf(stderr, "baler %s: %s\n", c->command, err.text);
		status = EXIT_USAGE;
	} else if (call.status != 200) {
		status = explain(c, &call);
	} else if (json_parse(buf_slice(&call.answer), ADMIN_ANSWER_MAX, ret_answer, &err) !=
		   RC_OK) {
		fprintf(stderr, "baler %s: the answer cannot be read: %s\n", c->command, err.text);
		status = EXIT_FAILED;
	}
	admin_call_release(&call);
	return status;
}

uint64_t admin_u64(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

const char *admin_str(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

void admin_print_json(const json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	puts(text ? text : "{}");
	free(text);
	fflush(stdout);
}
