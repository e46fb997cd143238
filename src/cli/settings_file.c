/* The settings file: YAML, one flat mapping. The one door to libyaml. */
#include <errno.h>
#include <yaml.h>

#include "cli/settings.h"

static enum rc unknown_name(const struct setting *settings, const char *path, size_t line,
	const char *name, struct err *err)
{
	const char *names[65], *near;
	size_t n = 0;

	for (const struct setting *s = settings; s->name && n < 64; s++)
		if (!s->flag_only)
			names[n++] = s->name;
	names[n] = NULL;
	near = nearest_word(name, names);
	if (near)
		return err_set(err, RC_REFUSED,
			"'%s' line %zu: unknown setting '%s'; did you mean '%s'?", path, line, name,
			near);
	return err_set(err, RC_REFUSED, "'%s' line %zu: unknown setting '%s'", path, line, name);
}

static enum rc take_pair(const struct setting *settings, const char *path, const yaml_node_t *key,
	const yaml_node_t *value, void *values, bool *is_set, struct arena *a, struct err *err)
{
	size_t line = key->start_mark.line + 1;
	const char *name, *where;

	if (key->type != YAML_SCALAR_NODE || value->type != YAML_SCALAR_NODE)
		return err_set(
			err, RC_REFUSED, "'%s' line %zu: a setting is 'name: value'", path, line);
	name = (const char *)key->data.scalar.value;
	for (const struct setting *s = settings; s->name; s++) {
		if (s->flag_only || strcmp(s->name, name) != 0)
			continue;
		if (is_set[s - settings])
			return RC_OK; /* a flag or a variable ranks higher */
		is_set[s - settings] = true;
		where = arena_printf(a, "'%s' line %zu: '%s'", path, line, name);
		return setting_parse(
			s, where, (const char *)value->data.scalar.value, 0, values, a, err);
	}
	return unknown_name(settings, path, line, name, err);
}

static enum rc take_document(const struct setting *settings, const char *path, yaml_document_t *doc,
	void *values, bool *is_set, struct arena *a, struct err *err)
{
	yaml_node_t *root = yaml_document_get_root_node(doc);

	if (!root)
		return RC_OK;
	if (root->type != YAML_MAPPING_NODE)
		return err_set(err, RC_REFUSED, "'%s': not a list of 'name: value'", path);
	for (yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top;
		p++) {
		enum rc rc = take_pair(settings, path, yaml_document_get_node(doc, p->key),
			yaml_document_get_node(doc, p->value), values, is_set, a, err);

		if (rc != RC_OK)
			return rc;
	}
	return RC_OK;
}

enum rc settings_file(const struct setting *settings, const char *path, void *values, bool *is_set,
	struct arena *a, struct err *err)
{
	FILE *f = fopen(path, "re");
	yaml_parser_t parser;
	yaml_document_t doc;
	enum rc rc;

	if (!f)
		return err_set(err, RC_REFUSED, "settings file '%s': %s", path, strerror(errno));
	if (!yaml_parser_initialize(&parser))
		die("no memory for a YAML parser");
	yaml_parser_set_input_file(&parser, f);
	if (yaml_parser_load(&parser, &doc)) {
		rc = take_document(settings, path, &doc, values, is_set, a, err);
		yaml_document_delete(&doc);
	} else {
		rc = err_set(err, RC_REFUSED, "'%s' line %zu: %s", path,
			parser.problem_mark.line + 1, parser.problem ? parser.problem : "not YAML");
	}
	yaml_parser_delete(&parser);
	fclose(f);
	return rc;
}
