/* Manual pages: roff, with the macros of man(7) that groff and mandoc both know. */
#include <ctype.h>

#include "cli/manual.h"

/* Writes one character of UTF-8 text so that roff shows it unchanged. Returns its bytes. */
static size_t put_char(const char *p, FILE *out)
{
	static const struct {
		const char *text, *roff;
	} special[] = {{"\\", "\\e"}, {"-", "\\-"}, {"'", "\\(aq"}, {"`", "\\(ga"}, {"^", "\\(ha"},
		{"~", "\\(ti"}, {"…", "\\[u2026]"}};

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		size_t n = strlen(special[i].text);

		if (strncmp(p, special[i].text, n) == 0) {
			fputs(special[i].roff, out);
			return n;
		}
	}
	fputc(*p, out);
	return 1;
}

static void put_slice(struct slice s, FILE *out)
{
	const char *p = (const char *)s.p, *end = p + s.n;

	if (s.n && *p == '.')
		fputs("\\&", out); /* not a request */
	while (p < end)
		p += put_char(p, out);
}

static void put(const char *text, FILE *out)
{
	put_slice(slice_str(text), out);
}

/* "…\n\n…", each as a paragraph; a single '\n' is a space. */
static void put_paragraphs(const char *text, const char *between, FILE *out)
{
	for (const char *end; *text; text = end) {
		end = text + strcspn(text, "\n");
		put_slice(slice_of(text, (size_t)(end - text)), out);
		fputc('\n', out);
		if (end[0] == '\n' && end[1] == '\n')
			fputs(between, out);
		end += strspn(end, "\n");
	}
}

/* Words that are typed become bold, placeholders in capitals italic; brackets stay as they are. */
static void put_synopsis(const char *text, FILE *out)
{
	while (*text) {
		size_t n = strcspn(text, " []|…");
		bool is_placeholder = true;

		for (size_t i = 0; i < n; i++)
			is_placeholder = is_placeholder && !islower((unsigned char)text[i]);
		if (n) {
			fputs(is_placeholder ? "\\fI" : "\\fB", out);
			put_slice(slice_of(text, n), out);
			fputs("\\fR", out);
			text += n;
		} else {
			text += put_char(text, out);
		}
	}
	fputc('\n', out);
}

static void put_title(const char *name, FILE *out)
{
	fputs(".TH ", out);
	for (const char *p = name; *p; p++)
		put((char[]){(char)toupper((unsigned char)*p), '\0'}, out);
	fputs(" 1 \"\" \"baler " BALER_VERSION "\" \"baler\"\n.SH NAME\n", out);
	put(name, out);
}

static void put_list(const char *title, const char *list, FILE *out)
{
	struct slice item, meaning;

	if (list && *list)
		fprintf(out, ".SH %s\n", title);
	while (manual_next_item(&list, &item, &meaning)) {
		fputs(".TP\n\\fB", out);
		put_slice(item, out);
		fputs("\\fR\n", out);
		put_slice(meaning, out);
		fputc('\n', out);
	}
}

static void put_inert(const struct setting *inert, FILE *out)
{
	if (!inert)
		return;
	fputs(".PP\nThese are checked and have no effect here:\n", out);
	for (const struct setting *s = inert; s->name; s++) {
		fputs(".TP\n\\fB", out);
		put(s->name, out);
		fputs("\\fR\n", out);
		put(s->help, out);
		fputc('\n', out);
	}
}

static void put_examples(const char *lines, FILE *out)
{
	bool is_open = false;

	if (!lines)
		return;
	fputs(".SH EXAMPLES\n", out);
	for (const char *end; *lines; lines = end + 1) {
		end = strchr(lines, '\n');
		if (*lines == '#') {
			fputs(is_open ? ".EE\n.PP\n" : "", out);
			is_open = false;
			put_char((char[]){(char)toupper((unsigned char)lines[2]), '\0'}, out);
			put_slice(slice_of(lines + 3, (size_t)(end - lines) - 3), out);
			fputs(":\n.PP\n", out);
		} else {
			fputs(is_open ? "" : ".EX\n", out);
			is_open = true;
			put_slice(slice_of(lines, (size_t)(end - lines)), out);
			fputc('\n', out);
		}
	}
	fputs(is_open ? ".EE\n" : "", out);
}

/* "One of a, b. Default: 15s. Range: 100ms to 12h. Variables: BALER_X, Y (in MiB)." */
static void put_value(const struct setting *s, struct arena *a, FILE *out)
{
	const char *range = setting_range(s, a);

	if (s->choices)
		fprintf(out, ".br\nOne of:\n.B %s\n", s->choices);
	if (s->fallback && s->kind != SETTING_SWITCH) {
		fputs(".br\nDefault: ", out);
		put(s->fallback, out);
		fputs(*range ? "; range: " : "\n", out);
	} else if (*range) {
		fputs(".br\nRange: ", out);
	}
	if (*range)
		fprintf(out, "%s\n", range);
	if (!s->flag_only)
		fprintf(out, ".br\nVariable: %s%s%s\n", setting_variable(s, a),
			s->variable ? " or " : "", setting_other_variable(s, a));
}

static void put_options(const struct setting *settings, FILE *out)
{
	struct arena a = ARENA_INIT;

	fputs(".SH OPTIONS\n", out);
	for (const struct setting *s = settings; s->name; s++) {
		fputs(".TP\n\\fB", out);
		if (s->letter)
			fprintf(out, "\\-%c\\fR, \\fB", s->letter);
		fputs(s->is_secret ? "" : "\\-\\-", out);
		put(s->name, out);
		fputs("\\fR", out);
		if (s->value)
			fprintf(out, " \\fI%s\\fR", s->value);
		fputc('\n', out);
		put_paragraphs(s->help, "", out);
		put_value(s, &a, out);
	}
	arena_release(&a);
}

/* names: "pull verify", commands all. */
static void put_see_also(const char *names, FILE *out)
{
	fputs(".SH SEE ALSO\n.BR baler (1)", out);
	while (names && *names) {
		size_t n = strcspn(names, " ");

		fputs(",\n.BR baler\\-", out);
		put_slice(slice_of(names, n), out);
		fputs(" (1)", out);
		names += n + strspn(names + n, " ");
	}
	fputc('\n', out);
}

void manual_page(const struct command *c, FILE *out)
{
	char name[64];

	snprintf(name, sizeof(name), "baler-%s", c->name);
	put_title(name, out);
	fputs(" \\- ", out);
	put(c->summary, out);
	fputs("\n.SH SYNOPSIS\n\\fBbaler\\fR ", out);
	put_synopsis(c->synopsis, out);
	fputs(".SH DESCRIPTION\n", out);
	put_paragraphs(c->text, ".PP\n", out);
	put_options(c->settings, out);
	put_list("EXIT STATUS", c->exits, out);
	put_list("ENVIRONMENT", c->environment, out);
	put_inert(c->inert, out);
	put_list("FILES", c->files, out);
	put_examples(c->examples, out);
	put_see_also(c->see_also, out);
}

void manual_page_of_all(const struct command *commands, FILE *out)
{
	put_title("baler", out);
	fputs(" \\- tie many small objects into a few verified bundles, exactly once\n"
	      ".SH SYNOPSIS\n\\fBbaler\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR\\[u2026]]\n"
	      ".br\n\\fBbaler help\\fR [\\fICOMMAND\\fR]\n"
	      ".br\n\\fBbaler version\\fR\n"
	      ".SH DESCRIPTION\n"
	      "Producers put objects into a bucket with any S3 client. \\fBbaler serve\\fR "
	      "collects "
	      "them for a few seconds, packs them into a deterministic tar.gz and publishes it in "
	      "a second bucket with the SHA\\-256 of its bytes. Every version of every object ends "
	      "in exactly one bundle.\n"
	      ".SH COMMANDS\n",
		out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, ".TP\n\\fB%s\\fR\n", c->name);
		put(c->summary, out);
		fputc('\n', out);
	}
	put_list("EXIT STATUS",
		"0\tdone\n1\tsomething failed; stderr says what\n2\tused wrongly, or could not be "
		"set up\n",
		out);
	put_examples("# a first try: paste the lines that it shows into another shell, then\n"
		     "baler serve\n"
		     "aws s3 cp FILE s3://data-aggregator-landing-dev/data/\n"
		     "aws s3 ls --recursive s3://data-aggregator-distribution-dev/\n",
		out);
	fputs(".SH SEE ALSO\n", out);
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, ".BR baler\\-%s (1)%s\n", c->name, c[1].name ? "," : "");
}
