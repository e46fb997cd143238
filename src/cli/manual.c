/* Help, as a terminal shows it. */
#include "cli/manual.h"

bool manual_next_item(const char **list, struct slice *ret_item, struct slice *ret_meaning)
{
	const char *at = *list, *tab, *end;

	if (!at || !*at)
		return false;
	tab = strchr(at, '\t');
	end = strchr(at, '\n');
	if (!tab || !end || tab > end)
		die("a list of the manual: '%s'", at);
	*ret_item = slice_of(at, (size_t)(tab - at));
	*ret_meaning = slice_of(tab + 1, (size_t)(end - tab) - 1);
	*list = end + 1;
	return true;
}

void manual_usage(const struct command *commands, FILE *out)
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

static void print_list(const char *title, const char *list, FILE *out)
{
	struct arena a = ARENA_INIT;
	struct slice item, meaning;

	if (list)
		fprintf(out, "\n%s:\n", title);
	while (manual_next_item(&list, &item, &meaning)) {
		if (item.n <= 6) {
			fprintf(out, "  %-6s" SLICE_FMT "\n", arena_strdup(&a, item),
				SLICE_ARG(meaning));
			continue;
		}
		print_wrapped(out, arena_strdup(&a, item), "  ");
		print_wrapped(out, arena_strdup(&a, meaning), "        ");
	}
	arena_release(&a);
}

static void print_lines(const char *title, const char *lines, FILE *out)
{
	if (!lines)
		return;
	fprintf(out, "\n%s:\n", title);
	for (const char *end; *lines; lines = end + 1) {
		end = strchr(lines, '\n');
		fprintf(out, "  %.*s\n", (int)(end - lines), lines);
	}
}

void manual_help(const struct command *c, FILE *out)
{
	fprintf(out, "usage: baler %s\n\n", c->synopsis);
	print_wrapped(out, c->text, "");
	fputs("\noptions:\n", out);
	settings_print(c->settings, out);
	print_list("exit status", c->exits, out);
	print_list("environment, besides", c->environment, out);
	if (c->inert) {
		fputs("\nvariables that are checked and have no effect here:\n", out);
		for (const struct setting *s = c->inert; s->name; s++) {
			fprintf(out, "  %s\n", s->name);
			print_wrapped(out, s->help, "        ");
		}
	}
	print_lines("examples", c->examples, out);
}
