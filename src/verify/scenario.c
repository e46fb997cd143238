#include "verify/scenario.h"

#include "base/file.h"
#include "base/json.h"

enum member_kind { MEMBER_TEXT, MEMBER_COUNT, MEMBER_SWITCH, MEMBER_TYPE, MEMBER_GENERATOR };

struct member {
	const char *name;
	enum member_kind kind;
	size_t offset; /* in struct scenario */
	uint64_t min, max;
};

#define AT(field) offsetof(struct scenario, field)

static const struct member members[] = {
	{"description", MEMBER_TEXT, AT(description), 0, 0},
	{"landing_bucket", MEMBER_TEXT, AT(landing_bucket), 0, 0},
	{"distribution_bucket", MEMBER_TEXT, AT(distribution_bucket), 0, 0},
	{"test_type", MEMBER_TYPE, AT(type), 0, 0},
	{"generator_type", MEMBER_GENERATOR, AT(generator), 0, 0},
	{"num_files", MEMBER_COUNT, AT(num_files), 1, SCENARIO_MAX_FILES},
	{"size_mb", MEMBER_COUNT, AT(size_mb), 0, SCENARIO_MAX_SIZE_MB},
	{"concurrency", MEMBER_COUNT, AT(concurrency), 1, SCENARIO_MAX_CONCURRENCY},
	{"timeout_seconds", MEMBER_COUNT, AT(timeout_s), 1, SCENARIO_MAX_TIMEOUT_S},
	{"lambda_function_name", MEMBER_TEXT, AT(lambda_function_name), 0, 0},
	{"report_file", MEMBER_TEXT, AT(report_file), 0, 0},
	{"keep_files", MEMBER_SWITCH, AT(keep_files), 0, 0},
	{"verbose", MEMBER_SWITCH, AT(verbose), 0, 0},
};

static const char *const type_names[] = {
	[SCENARIO_S3_TRIGGER] = "s3_trigger",
	[SCENARIO_IDEMPOTENCY_CHECK] = "idempotency_check",
	[SCENARIO_DIRECT_INVOKE] = "direct_invoke",
	[SCENARIO_MEMORY_PRESSURE] = "memory_pressure",
	[SCENARIO_FILE_NOT_FOUND] = "file_not_found",
	[SCENARIO_KEY_SANITIZATION] = "key_sanitization",
	[SCENARIO_PARTIAL_BATCH_FAILURE] = "partial_batch_failure",
};

#define N_OF(array) (sizeof(array) / sizeof((array)[0]))

const char *scenario_type_name(enum scenario_type type)
{
	return type_names[type];
}

bool scenario_is_direct(enum scenario_type type)
{
	return type == SCENARIO_DIRECT_INVOKE || type == SCENARIO_MEMORY_PRESSURE;
}

static uint64_t shrink(uint64_t n, double scale)
{
	double exact = (double)n * scale;
	uint64_t whole = (uint64_t)exact;

	return whole + ((double)whole < exact);
}

static uint64_t least_files(const struct scenario *s)
{
	switch (s->type) {
	case SCENARIO_FILE_NOT_FOUND:
	case SCENARIO_KEY_SANITIZATION:
		return 2;
	case SCENARIO_DIRECT_INVOKE:
	case SCENARIO_MEMORY_PRESSURE:
	case SCENARIO_PARTIAL_BATCH_FAILURE:
		return s->num_files;
	default:
		return 1;
	}
}

void scenario_scale(struct scenario *s, double scale)
{
	uint64_t least = least_files(s), n = shrink(s->num_files, scale);

	s->num_files = n < least ? least : n;
	s->size_mb = shrink(s->size_mb, scale);
	s->scale = scale;
}

static enum rc wrong(const struct member *m, const char *what, struct err *err)
{
	return err_set(err, RC_REFUSED, "'%s' must be %s", m->name, what);
}

static enum rc set_text(
	const struct member *m, const json_t *value, struct arena *a, void *field, struct err *err)
{
	struct slice text;

	if (!json_is_string(value))
		return wrong(m, "a text", err);
	text = slice_of(json_string_value(value), json_string_length(value));
	if (memchr(text.p, 0, text.n))
		return wrong(m, "a text without a zero byte", err);
	*(char **)field = arena_strdup(a, text);
	return RC_OK;
}

static enum rc set_count(
	const struct member *m, const json_t *value, uint64_t *field, struct err *err)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
		(uint64_t)json_integer_value(value) < m->min ||
		(uint64_t)json_integer_value(value) > m->max)
		return err_set(err, RC_REFUSED, "'%s' must be a whole number from %llu to %llu",
			m->name, (unsigned long long)m->min, (unsigned long long)m->max);
	*field = (uint64_t)json_integer_value(value);
	return RC_OK;
}

static enum rc set_type(
	const struct member *m, const json_t *value, enum scenario_type *field, struct err *err)
{
	const char *name = json_string_value(value);

	if (!name)
		return wrong(m, "a text", err);
	for (size_t i = 0; i < N_OF(type_names); i++)
		if (strcmp(name, type_names[i]) == 0) {
			*field = (enum scenario_type)i;
			return RC_OK;
		}
	return err_set(err, RC_REFUSED,
		"'%s' '%.40s' is unknown: s3_trigger, idempotency_check, direct_invoke, "
		"memory_pressure, file_not_found, key_sanitization or partial_batch_failure",
		m->name, name);
}

static enum rc set_generator(
	const struct member *m, const json_t *value, enum generator_kind *field, struct err *err)
{
	const char *name = json_string_value(value);

	if (name && strcmp(name, "random") == 0)
		*field = GENERATOR_RANDOM;
	else if (name && strcmp(name, "compressible") == 0)
		*field = GENERATOR_COMPRESSIBLE;
	else
		return wrong(m, "\"random\" or \"compressible\"", err);
	return RC_OK;
}

static enum rc set_member(const struct member *m, const json_t *value, struct arena *a,
	struct scenario *s, struct err *err)
{
	void *field = (char *)s + m->offset;

	switch (m->kind) {
	case MEMBER_TEXT:
		return set_text(m, value, a, field, err);
	case MEMBER_COUNT:
		return set_count(m, value, field, err);
	case MEMBER_TYPE:
		return set_type(m, value, field, err);
	case MEMBER_GENERATOR:
		return set_generator(m, value, field, err);
	case MEMBER_SWITCH:
		break;
	}
	if (!json_is_boolean(value))
		return wrong(m, "true or false", err);
	*(bool *)field = json_is_true(value);
	return RC_OK;
}

static const struct member *find_member(const char *name)
{
	for (size_t i = 0; i < N_OF(members); i++)
		if (strcmp(members[i].name, name) == 0)
			return &members[i];
	return NULL;
}

static enum rc set_all(json_t *root, struct arena *a, struct scenario *s, struct err *err)
{
	const char *name;
	json_t *value;

	if (!json_is_object(root))
		return err_set(err, RC_REFUSED, "a scenario is a JSON object");
	json_object_foreach(root, name, value)
	{
		const struct member *m = find_member(name);
		enum rc rc;

		if (!m)
			return err_set(err, RC_REFUSED, "unknown member '%.60s'", name);
		rc = set_member(m, value, a, s, err);
		if (rc != RC_OK)
			return rc;
	}
	if (s->type == SCENARIO_KEY_SANITIZATION && s->num_files != 2)
		return err_set(err, RC_REFUSED, "'num_files' of a key_sanitization must be 2");
	if (s->type == SCENARIO_FILE_NOT_FOUND && s->num_files < 2)
		return err_set(
			err, RC_REFUSED, "'num_files' of a file_not_found must be 2 or more");
	if (!s->landing_bucket[0] || !s->distribution_bucket[0])
		return err_set(err, RC_REFUSED, "'%s' must not be empty",
			s->landing_bucket[0] ? "distribution_bucket" : "landing_bucket");
	return RC_OK;
}

static char *text(struct arena *a, const char *s)
{
	return arena_strdup(a, slice_str(s));
}

enum rc scenario_parse(
	struct slice bytes, struct arena *a, struct scenario *ret_scenario, struct err *err)
{
	struct scenario s = {
		.description = text(a, ""),
		.landing_bucket = text(a, "data-aggregator-landing-dev"),
		.distribution_bucket = text(a, "data-aggregator-distribution-dev"),
		.lambda_function_name = text(a, "data-aggregator-processor-dev"),
		.num_files = 1,
		.size_mb = 1,
		.concurrency = 1,
		.timeout_s = 120,
		.bundle_limit = SCENARIO_BUNDLE_LIMIT,
		.scale = 1,
	};
	json_t *root = NULL;
	enum rc rc = json_parse(bytes, SCENARIO_MAX_BYTES, &root, err);

	if (rc == RC_OK)
		rc = set_all(root, a, &s, err);
	json_decref(root);
	if (rc == RC_OK)
		*ret_scenario = s;
	return rc;
}

enum rc scenario_read(
	const char *path, struct arena *a, struct scenario *ret_scenario, struct err *err)
{
	struct buf bytes;
	enum rc rc;

	buf_init(&bytes, SCENARIO_MAX_BYTES);
	rc = file_read(path, &bytes, err);
	if (rc == RC_OK) {
		rc = scenario_parse(buf_slice(&bytes), a, ret_scenario, err);
		if (rc != RC_OK)
			err_ctx(err, rc, "scenario '%s'", path);
	}
	buf_release(&bytes);
	return rc;
}
