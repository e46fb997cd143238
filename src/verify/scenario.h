/*
 * scenario: one end-to-end test, as its JSON file describes it (facts/contract.md, "The
 * end-to-end scenarios"). Every member has a default; an unknown member, a wrong type or a value
 * out of range is an error that names the member.
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

#define SCENARIO_BUNDLE_LIMIT (400ull << 20) /* bytes, MAX_BUNDLE_ON_DISK_MB's default */

enum scenario_type {
	SCENARIO_S3_TRIGGER,        /* upload, and all arrive */
	SCENARIO_IDEMPOTENCY_CHECK, /* upload twice under one key, and all arrive twice */
	/* the keys make no event; an invocation bundles what fits one bundle */
	SCENARIO_DIRECT_INVOKE,
	/* the same, ended well or stopped early, within RUNNER_MEMORY_MAX */
	SCENARIO_MEMORY_PRESSURE,
	/* one version is deleted at once and never arrives; the others do */
	SCENARIO_FILE_NOT_FOUND,
	/* "safe_file.txt" arrives, "../../malicious_file.txt" never does */
	SCENARIO_KEY_SANITIZATION,
	/* all files arrive, in as many bundles as the limit requires */
	SCENARIO_PARTIAL_BATCH_FAILURE,
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
	/* Not from the file. */
	uint64_t bundle_limit; /* bytes one bundle may hold, each file rounded up to 512 */
	double scale;          /* 1: as the file says */
};

/* Strings from a. RC_REFUSED. */
enum rc scenario_parse(
	struct slice text, struct arena *a, struct scenario *ret_scenario, struct err *err);
/* The same from a file; RC_ABSENT when it is not there. */
enum rc scenario_read(
	const char *path, struct arena *a, struct scenario *ret_scenario, struct err *err);
/* Shrinks (0 < scale <= 1) the number of files and their sizes, rounded up. What a test cannot
 * do without stays: two files where one must not arrive, and all files where the bundle's limit
 * is the test (their sizes shrink). */
void scenario_scale(struct scenario *s, double scale);
/* Whether files reach the bundler by an invocation, not by events. */
bool scenario_is_direct(enum scenario_type type);
/* "s3_trigger" */
const char *scenario_type_name(enum scenario_type type);

#endif
