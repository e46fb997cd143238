/* Settings: what ranks above what, ranges, and what a user is told. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/serve_options.h"
#include "serve/root_key.h"

static struct arena a;
static char folder[] = "/tmp/baler-settings-XXXXXX";

static enum rc load(struct serve_options *o, struct err *err, int n, char **words)
{
	struct command_line line = {.command = "serve", .settings = serve_settings};

	memset(o, 0, sizeof(*o));
	return settings_load(&line, o, &a, n, words, err);
}

#define LOAD(o, err, ...)                                                                          \
	load(o, err, sizeof((char *[]){"serve", ##__VA_ARGS__}) / sizeof(char *),                  \
		(char *[]){"serve", ##__VA_ARGS__})

#define assert_says(err, part)                                                                     \
	do {                                                                                       \
		if (!strstr((err).text, part))                                                     \
			fail_msg("'%s' does not say '%s'", (err).text, part);                      \
	} while (0)

static const char *write_file(const char *text)
{
	char *path = arena_printf(&a, "%s/settings.yaml", folder);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static void defaults_are_those_of_the_table(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	assert_int_equal(LOAD(&o, &err), RC_OK);
	assert_int_equal(o.batch_window_ms, 15000);
	assert_int_equal(o.batch_max_bytes, 400u << 20);
	assert_string_equal(o.listen, "127.0.0.1:9000");
	assert_string_equal(o.data, "./baler-data");
	assert_string_equal(o.landing_bucket, "data-aggregator-landing-dev");
}

static void every_default_is_in_its_range(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	for (const struct setting *s = serve_settings; s->name; s++)
		if (s->fallback && setting_parse(s, s->name, s->fallback, 0, &o, &a, &err) != RC_OK)
			fail_msg("%s", err.text);
}

static void flag_ranks_above_variable_above_file(void **state)
{
	char *path = (char *)(uintptr_t)write_file(
		"batch-window: 1s\nbatch-max-objects: 7\ncompression: fast\n");
	struct serve_options o;
	struct err err;

	(void)state;
	setenv("BALER_BATCH_WINDOW", "2s", 1);
	setenv("BALER_BATCH_MAX_OBJECTS", "8", 1);
	assert_int_equal(LOAD(&o, &err, "--config", path, "--batch-window=3s"), RC_OK);
	unsetenv("BALER_BATCH_WINDOW");
	unsetenv("BALER_BATCH_MAX_OBJECTS");
	assert_int_equal(o.batch_window_ms, 3000);
	assert_int_equal(o.batch_max_objects, 8);
	assert_int_equal(o.compression, 1);
}

static void older_variables_are_honoured_in_their_unit(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	setenv("MAX_BUNDLE_ON_DISK_MB", "12", 1);
	setenv("DISTRIBUTION_BUCKET_NAME", "out", 1);
	assert_int_equal(LOAD(&o, &err), RC_OK);
	unsetenv("MAX_BUNDLE_ON_DISK_MB");
	unsetenv("DISTRIBUTION_BUCKET_NAME");
	assert_int_equal(o.batch_max_bytes, 12u << 20);
	assert_string_equal(o.distribution_bucket, "out");
}

static void a_value_out_of_range_names_the_setting_and_the_range(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	assert_int_equal(LOAD(&o, &err, "--batch-window", "99ms"), RC_REFUSED);
	assert_says(err, "'--batch-window': '99ms' is out of range, 100ms to 12h");
	assert_int_equal(LOAD(&o, &err, "--batch-max-bytes", "99999999999GiB"), RC_REFUSED);
	assert_says(err, "out of range");
	setenv("BALER_BATCH_MAX_OBJECTS", "0", 1);
	assert_int_equal(LOAD(&o, &err), RC_REFUSED);
	unsetenv("BALER_BATCH_MAX_OBJECTS");
	assert_says(err, "'BALER_BATCH_MAX_OBJECTS': '0' is out of range, 1 to 100000");
	setenv("MAX_BUNDLE_ON_DISK_MB", "many", 1);
	assert_int_equal(LOAD(&o, &err), RC_REFUSED);
	unsetenv("MAX_BUNDLE_ON_DISK_MB");
	assert_says(err, "'MAX_BUNDLE_ON_DISK_MB': 'many' is not a size");
}

static void what_is_no_value_is_explained(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	assert_int_equal(LOAD(&o, &err, "--batch-window", "soon"), RC_REFUSED);
	assert_says(err, "is not a time such as");
	assert_int_equal(LOAD(&o, &err, "--batch-window", "-5s"), RC_REFUSED);
	assert_int_equal(LOAD(&o, &err, "--compression", "bz2"), RC_REFUSED);
	assert_says(err, "one of balanced|fast|best|none");
	assert_int_equal(LOAD(&o, &err, "--data"), RC_REFUSED);
	assert_says(err, "'--data' needs a value: DIR");
	assert_int_equal(LOAD(&o, &err, "--data", ""), RC_REFUSED);
	assert_says(err, "'--data' is empty");
}

static void a_share_is_read_to_the_millionth(void **state)
{
	static const struct {
		const char *text;
		uint64_t ppm;
	} good[] = {{"0", 0}, {"1", 1000000}, {"1.0", 1000000}, {"0.5", 500000}, {".25", 250000},
		{"0.000001", 1}, {"0.", 0}};
	static const char *const bad[] = {"1.000001", "2", "99999999999999999999", "-0.5", "0.5x",
		".", "", "0.0000001", "1e-1", "0,5", " 1"};
	struct serve_options o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(
			LOAD(&o, &err, "--error-sampling-rate", (char *)(uintptr_t)good[i].text),
			RC_OK);
		assert_int_equal(o.error_sampling_ppm, good[i].ppm);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(LOAD(&o, &err, "--error-sampling-rate", (char *)(uintptr_t)bad[i]),
			RC_REFUSED);
		assert_says(err, i == 0 ? "is out of range, 0 to 1" : "'--error-sampling-rate': ");
	}
}

static void the_smaller_limit_of_a_bundle_counts(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	assert_int_equal(LOAD(&o, &err), RC_OK);
	assert_int_equal(serve_bundle_max_bytes(&o), 400u << 20);
	assert_int_equal(LOAD(&o, &err, "--max-bundle-input", "100MiB"), RC_OK);
	assert_int_equal(serve_bundle_max_bytes(&o), 100u << 20);
	assert_int_equal(LOAD(&o, &err, "--max-bundle-input", "1GiB"), RC_OK);
	assert_int_equal(serve_bundle_max_bytes(&o), 400u << 20);
}

static void an_unknown_option_is_answered_with_the_nearest(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	assert_int_equal(LOAD(&o, &err, "--batch-windw", "3s"), RC_REFUSED);
	assert_says(err, "did you mean '--batch-window'?");
	assert_int_equal(LOAD(&o, &err, "--xyzzy-plugh"), RC_REFUSED);
	assert_says(err, "'baler help serve' lists them");
}

static void the_settings_file_is_checked_line_by_line(void **state)
{
	struct serve_options o;
	struct err err;

	(void)state;
	assert_int_equal(LOAD(&o, &err, "-c", (char *)(uintptr_t)write_file("a: 1\n")), RC_REFUSED);
	assert_says(err, "line 1: unknown setting 'a'");
	assert_int_equal(
		LOAD(&o, &err, "-c", (char *)(uintptr_t)write_file("region: x\nlissten: y\n")),
		RC_REFUSED);
	assert_says(err, "line 2: unknown setting 'lissten'; did you mean 'listen'?");
	assert_int_equal(LOAD(&o, &err, "-c", (char *)(uintptr_t)write_file("batch-window: 0s\n")),
		RC_REFUSED);
	assert_says(err, "line 1: 'batch-window': '0s' is out of range");
	assert_int_equal(
		LOAD(&o, &err, "-c", (char *)(uintptr_t)write_file("region: [\n")), RC_REFUSED);
	assert_int_equal(LOAD(&o, &err, "-c", (char *)(uintptr_t)write_file("- a\n")), RC_REFUSED);
	assert_int_equal(LOAD(&o, &err, "-c", (char *)(uintptr_t)write_file("")), RC_OK);
	assert_int_equal(LOAD(&o, &err, "-c", "/nowhere/x"), RC_REFUSED);
	assert_says(err, "'/nowhere/x'");
}

static void listen_takes_hosts_and_ports(void **state)
{
	struct err err;
	uint16_t port;
	char *host;

	(void)state;
	assert_int_equal(serve_listen_parse("127.0.0.1:0", &a, &host, &port, &err), RC_OK);
	assert_string_equal(host, "127.0.0.1");
	assert_int_equal(port, 0);
	assert_int_equal(serve_listen_parse("[::1]:8080", &a, &host, &port, &err), RC_OK);
	assert_string_equal(host, "::1");
	assert_int_equal(port, 8080);
	assert_int_equal(serve_listen_parse("localhost", &a, &host, &port, &err), RC_OK);
	assert_int_equal(port, 9000);
	assert_int_equal(serve_listen_parse("localhost:65536", &a, &host, &port, &err), RC_REFUSED);
	assert_int_equal(serve_listen_parse(":80", &a, &host, &port, &err), RC_REFUSED);
	assert_int_equal(serve_listen_parse("[::1:80", &a, &host, &port, &err), RC_REFUSED);
}

static void a_root_key_is_made_once_and_kept_private(void **state)
{
	struct root_key first, second;
	struct stat st;
	struct err err;
	char *path = arena_printf(&a, "%s/root-key", folder);

	(void)state;
	assert_int_equal(root_key_load(folder, &first, &err), RC_OK);
	assert_true(first.is_new);
	assert_int_equal(root_key_load(folder, &second, &err), RC_OK);
	assert_false(second.is_new);
	assert_string_equal(first.secret, second.secret);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	chmod(path, 0644);
	assert_int_equal(root_key_load(folder, &second, &err), RC_REFUSED);
	assert_says(err, "may be read by others");
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0); /* not waited for */
	assert_int_equal(root_key_load(folder, &second, &err), RC_REFUSED);
	assert_says(err, "is not a plain file");
	unlink(path);
}

static void a_root_key_from_the_environment_leaves_it(void **state)
{
	struct root_key key;
	struct err err;

	(void)state;
	setenv("BALER_ROOT_ACCESS_KEY", "root", 1);
	assert_int_equal(root_key_load(folder, &key, &err), RC_REFUSED);
	assert_says(err, "'BALER_ROOT_SECRET_KEY' is not");
	setenv("BALER_ROOT_SECRET_KEY", "s3cr3t\ns3cr3t", 1); /* it goes into a file of lines */
	assert_int_equal(root_key_load(folder, &key, &err), RC_REFUSED);
	setenv("BALER_ROOT_ACCESS_KEY", "root", 1);
	setenv("BALER_ROOT_SECRET_KEY", "s3cr3t-s3cr3t", 1);
	assert_int_equal(root_key_load(folder, &key, &err), RC_OK);
	assert_string_equal(key.secret, "s3cr3t-s3cr3t");
	assert_false(key.is_new);
	assert_null(getenv("BALER_ROOT_SECRET_KEY"));
	setenv("BALER_ROOT_ACCESS_KEY", "root", 1);
	setenv("BALER_ROOT_SECRET_KEY", "short", 1);
	assert_int_equal(root_key_load(folder, &key, &err), RC_REFUSED);
	assert_null(strstr(err.text, "short"));
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(arena_printf(&a, "%s/settings.yaml", folder));
	rmdir(folder);
	arena_release(&a);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_table),
		cmocka_unit_test(every_default_is_in_its_range),
		cmocka_unit_test(flag_ranks_above_variable_above_file),
		cmocka_unit_test(older_variables_are_honoured_in_their_unit),
		cmocka_unit_test(a_value_out_of_range_names_the_setting_and_the_range),
		cmocka_unit_test(what_is_no_value_is_explained),
		cmocka_unit_test(a_share_is_read_to_the_millionth),
		cmocka_unit_test(the_smaller_limit_of_a_bundle_counts),
		cmocka_unit_test(an_unknown_option_is_answered_with_the_nearest),
		cmocka_unit_test(the_settings_file_is_checked_line_by_line),
		cmocka_unit_test(listen_takes_hosts_and_ports),
		cmocka_unit_test(a_root_key_is_made_once_and_kept_private),
		cmocka_unit_test(a_root_key_from_the_environment_leaves_it),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
