/* Completion for bash: commands, options, and the choices of an option; everything else is
 * completed as file names. */
#include "cli/manual.h"

static void put_names(const struct command *commands, FILE *out)
{
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "%s ", c->name);
	fputs("help version", out);
}

/* serve:--compression) words='balanced fast' ;; */
static void put_choices(const struct command *c, FILE *out)
{
	for (const struct setting *s = c->settings; s->name; s++) {
		if (!s->choices)
			continue;
		fprintf(out, "    %s:--%s) words='", c->name, s->name);
		for (const char *p = s->choices; *p; p++)
			fputc(*p == '|' ? ' ' : *p, out);
		fputs("' ;;\n", out);
	}
}

static void put_options(const struct command *c, FILE *out)
{
	fprintf(out, "        %s) words='--help", c->name);
	for (const struct setting *s = c->settings; s->name; s++)
		if (!s->is_secret)
			fprintf(out, " --%s", s->name);
	fputs("' ;;\n", out);
}

void completion_print(const struct command *commands, FILE *out)
{
	fputs("# bash completion for baler; made by 'baler help --completion'\n"
	      "_baler() {\n"
	      "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} "
	      "words=\n"
	      "    [[ $word != '=' ]] || word=\n"
	      "    [[ $before != '=' ]] || before=${COMP_WORDS[COMP_CWORD - 2]}\n"
	      "    COMPREPLY=()\n"
	      "    if ((COMP_CWORD == 1)) || [[ $before == help && $COMP_CWORD == 2 ]]; then\n"
	      "        words='",
		out);
	put_names(commands, out);
	fputs("'\n"
	      "    elif [[ $word == -* ]]; then\n"
	      "        case ${COMP_WORDS[1]} in\n",
		out);
	for (const struct command *c = commands; c->name; c++)
		put_options(c, out);
	fputs("        esac\n"
	      "    else\n"
	      "    case ${COMP_WORDS[1]}:$before in\n",
		out);
	for (const struct command *c = commands; c->name; c++)
		put_choices(c, out);
	fputs("    esac\n"
	      "    fi\n"
	      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
	      "}\n"
	      "complete -o default -F _baler baler\n",
		out);
}
