/*
 * scenario: one end-to-end test, as its JSON file describes it (facts/contract.md, "The end-to-end
 * scenarios"). Every member has a default; an unknown member, a wrong type or a value out of range is
 * an error that names the member.
 */
#ifndef BALER_VERIFY_SCENARIO_H
#define BALER_VERIFY_SCENARIO_H

#include "base/arena.h"
#include "base/err.h"
#include "verify/generator.h"

#define SCENARIO_MAX_BYTES 65536
#define SCENARIO_MAX_FILES 1000000
#define SCENARIO_MAX_SIZE_MB 5120 /* what one put can carry */
#define SCENARIO_MAX_CONCURRENCY 256
#define SCENARIO_MAX_TIMEOUT_S 86400

enum scenario_type {
	SCENARIO_S3_TRIGGER,        /* upload, and all arrive */
	SCENARIO_IDEMPOTENCY_CHECK, /* upload twice under one key, and all arrive twice */
};

struct scenario {
	char *description;
	char *landing_bucket, *distribution_bucket;
	enum scenario_type type;
	enum generator_kind generator;
	uint64_t num_files;
	uint64_t size_mb;
	uint64_t concurrency;
	uint64_t timeout_s;
	char *lambda_function_name;
	char *report_file; /* NULL: none */
	bool keep_files, verbose;
};

/* Strings from a. RC_REFUSED. */
enum rc scenario_parse(
	struct slice text, struct arena *a, struct scenario *ret_scenario, struct err *err);
/* The same from a file; RC_ABSENT when it is not there. */
enum rc scenario_read(
	const char *path, struct arena *a, struct scenario *ret_scenario, struct err *err);
/* "s3_trigger" */
const char *scenario_type_name(enum scenario_type type);

#endif
