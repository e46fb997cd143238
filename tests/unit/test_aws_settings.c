/* wire.md section 8: where credentials, endpoint and region come from, and in which order. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapter/aws/identity/credentials.h"
#include "adapter/aws/identity/endpoint.h"
#include "adapter/aws/identity/profile.h"
#include "base/file.h"

/* An environment of "NAME=value" words. */
static const char *fake_env(void *arg, const char *name)
{
	char *const *words = arg;
	size_t n = strlen(name);

	for (; *words; words++)
		if (strncmp(*words, name, n) == 0 && (*words)[n] == '=')
			return *words + n + 1;
	return NULL;
}

static enum rc load(char *const *env, const char *endpoint, const char *region,
	struct aws_settings *ret, struct err *err)
{
	struct aws_settings_request r = {fake_env, (void *)env, endpoint, region};

	*err = (struct err){0};
	return aws_settings_load(&r, ret, err);
}

#define CREDENTIALS                                                                                \
	"# a comment\n[default]\naws_access_key_id = DK\naws_secret_access_key=DS#1 # the key\n\n" \
	"[other]\r\naws_access_key_id=OK\r\naws_secret_access_key = "                              \
	"OS\r\naws_session_token=OT\r\n"
#define CONFIG                                                                                     \
	"[default]\nregion = eu-west-1\ns3 =\n  addressing_style = path\n  endpoint_url = "        \
	"http://no\n"                                                                              \
	"[profile other]\nregion=eu-west-2\nendpoint_url = http://127.0.0.1:9000\n"                \
	"[profile role]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile=default\n"               \
	"[profile half]\naws_access_key_id=HK\n[plain]\nregion=wrong\n"

struct home {
	char dir[64], credentials[128], config[128];
};

static int open_home(void **state)
{
	struct home *h = test_calloc(1, sizeof(*h));
	struct err err;

	snprintf(h->dir, sizeof(h->dir), "/tmp/baler-test-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	snprintf(h->credentials, sizeof(h->credentials),
		"AWS_SHARED_CREDENTIALS_FILE=%s/credentials", h->dir);
	snprintf(h->config, sizeof(h->config), "AWS_CONFIG_FILE=%s/config", h->dir);
	assert_int_equal(
		file_replace(strchr(h->credentials, '=') + 1, slice_str(CREDENTIALS), 0600, &err),
		RC_OK);
	assert_int_equal(
		file_replace(strchr(h->config, '=') + 1, slice_str(CONFIG), 0600, &err), RC_OK);
	*state = h;
	return 0;
}

static int close_home(void **state)
{
	struct home *h = *state;
	struct err err;

	assert_int_equal(file_remove_tree(h->dir, &err), RC_OK);
	test_free(h);
	return 0;
}

static void the_environment_comes_first(void **state)
{
	struct home *h = *state;
	char *env[] = {h->credentials, h->config, "AWS_ACCESS_KEY_ID=EK",
		"AWS_SECRET_ACCESS_KEY=ES", "AWS_SESSION_TOKEN=ET", "AWS_REGION=r1",
		"AWS_DEFAULT_REGION=r2", NULL};
	struct aws_settings s;
	struct err err;

	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.access_key, "EK");
	assert_string_equal(s.secret, "ES");
	assert_string_equal(s.session_token, "ET");
	assert_string_equal(s.region, "r1");
	assert_null(s.endpoint_url);
	aws_settings_release(&s);
	assert_int_equal(load(env, NULL, "mine", &s, &err), RC_OK);
	assert_string_equal(s.region, "mine");
	aws_settings_release(&s);
}

static void the_default_profile(void **state)
{
	struct home *h = *state;
	char *env[] = {h->credentials, h->config, "AWS_ACCESS_KEY_ID=", "AWS_PROFILE=", NULL};
	struct aws_settings s;
	struct err err;

	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.access_key, "DK");
	assert_string_equal(s.secret, "DS#1");
	assert_null(s.session_token);
	assert_string_equal(s.region, "eu-west-1");
	assert_null(s.endpoint_url); /* the indented one belongs to s3 */
	aws_settings_release(&s);
}

static void a_named_profile(void **state)
{
	struct home *h = *state;
	char *env[] = {h->credentials, h->config, "AWS_PROFILE=other",
		"AWS_DEFAULT_PROFILE=default", NULL};
	struct aws_settings s;
	struct err err;

	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.access_key, "OK");
	assert_string_equal(s.session_token, "OT");
	assert_string_equal(s.region, "eu-west-2");
	assert_string_equal(s.endpoint_url, "http://127.0.0.1:9000");
	aws_settings_release(&s);
}

static void endpoints_in_their_order(void **state)
{
	struct home *h = *state;
	char *env[] = {h->credentials, h->config, "AWS_PROFILE=other", "AWS_ENDPOINT_URL=http://b",
		"AWS_ENDPOINT_URL_S3=http://a", NULL};
	struct aws_settings s;
	struct err err;

	assert_int_equal(load(env, "http://flag", NULL, &s, &err), RC_OK);
	assert_string_equal(s.endpoint_url, "http://flag");
	aws_settings_release(&s);
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.endpoint_url, "http://a");
	aws_settings_release(&s);
	env[4] = NULL;
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.endpoint_url, "http://b");
	aws_settings_release(&s);
	env[3] = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true";
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_null(s.endpoint_url);
	aws_settings_release(&s);
}

/* What cannot work is said in one sentence that names the culprit. */
/* The SDKs' reference guide, "Service-specific endpoints": variables, then the services section,
 * then the profile. */
static void endpoints_of_one_service(void **state)
{
	static const char config[] =
		"[profile p]\nendpoint_url = http://all\nservices = mine\nca_bundle = /ca.pem\n"
		"max_attempts = 7\n[services other]\ns3 =\n  endpoint_url = http://no\n"
		"[services mine]\nsqs =\n  endpoint_url = http://no\n"
		"s3 =\n  addressing_style = path\n  endpoint_url = http://s3 # here\n[x]\ns3 =\n"
		"  endpoint_url = http://no\n";
	struct home *h = *state;
	char *env[] = {h->config, "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s", "AWS_PROFILE=p",
		NULL, NULL};
	struct aws_settings s;
	struct err err;

	assert_int_equal(
		file_replace(strchr(h->config, '=') + 1, slice_str(config), 0600, &err), RC_OK);
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.endpoint_url, "http://s3");
	assert_string_equal(s.lambda_endpoint_url, "http://all");
	assert_string_equal(s.ca_bundle, "/ca.pem");
	assert_int_equal(s.max_attempts, 7);
	aws_settings_release(&s);
	env[4] = "AWS_ENDPOINT_URL=http://env";
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_string_equal(s.endpoint_url, "http://env");
	aws_settings_release(&s);
	env[4] = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=TRUE";
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_null(s.endpoint_url);
	aws_settings_release(&s);
	assert_int_equal(file_replace(strchr(h->config, '=') + 1,
				 slice_str("[profile p]\nendpoint_url = http://all\n"
					   "ignore_configured_endpoint_urls = true\n"),
				 0600, &err),
		RC_OK);
	env[4] = NULL;
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_OK);
	assert_null(s.endpoint_url);
	assert_int_equal(s.max_attempts, 0);
	aws_settings_release(&s);
}

static void attempts_are_a_number(void **state)
{
	static const char *const bad[] = {"AWS_MAX_ATTEMPTS=0", "AWS_MAX_ATTEMPTS=x",
		"AWS_MAX_ATTEMPTS=-1", "AWS_MAX_ATTEMPTS=101"};
	struct aws_settings s;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char *env[] = {"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s",
			(char *)(uintptr_t)bad[i], NULL};

		assert_int_equal(load(env, NULL, NULL, &s, &err), RC_REFUSED);
		assert_non_null(strstr(err.text, "AWS_MAX_ATTEMPTS"));
	}
}

static void refusals(void **state)
{
	struct home *h = *state;
	static const struct {
		const char *word;
		enum rc rc;
		const char *says;
	} cases[] = {
		{"AWS_PROFILE=nobody", RC_REFUSED, "nobody"},
		{"AWS_PROFILE=plain", RC_REFUSED, "plain"},
		{"AWS_PROFILE=role", RC_REFUSED, "role_arn"},
		{"AWS_PROFILE=half", RC_REFUSED, "no secret key"},
		{"AWS_ACCESS_KEY_ID=x", RC_REFUSED, "no secret key"},
		{"AWS_SECRET_ACCESS_KEY=x", RC_REFUSED, "no access key"},
		{"AWS_ENDPOINT_URL=127.0.0.1:9000", RC_REFUSED, "http://"},
		{"AWS_CONFIG_FILE=/tmp", RC_REFUSED, "/tmp"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *env[] = {(char *)cases[i].word, h->credentials, h->config, NULL};
		struct aws_settings s;
		struct err err;

		assert_int_equal(load(env, NULL, NULL, &s, &err), cases[i].rc);
		if (!strstr(err.text, cases[i].says))
			fail_msg("%s: '%s'", cases[i].word, err.text);
	}
}

static void no_credentials_at_all(void **state)
{
	char *env[] = {"HOME=/nonexistent", NULL};
	struct aws_settings s;
	struct err err;

	(void)state;
	assert_int_equal(load(env, NULL, NULL, &s, &err), RC_ABSENT);
	assert_non_null(strstr(err.text, "AWS_ACCESS_KEY_ID"));
}

static void a_broken_line_is_told_by_number(void **state)
{
	struct profile_file f = {slice_str("[default]\nregion = a\nnonsense\n"), "here", 0};
	struct err err = {0};

	(void)state;
	assert_int_equal(profile_find(&f, "default", &err), RC_REFUSED);
	assert_non_null(strstr(err.text, "'here' line 3"));
	f.text = slice_str("[default\n");
	assert_int_equal(profile_find(&f, "default", &err), RC_REFUSED);
	f.text = slice_str("= x\n");
	assert_int_equal(profile_find(&f, "default", &err), RC_REFUSED);
}

static void check_target(
	const char *url, const char *bucket, const char *key, const char *host, const char *path)
{
	struct endpoint e;
	struct buf h, p;
	struct err err;

	assert_int_equal(endpoint_init(&e, url, "eu-west-3", &err), RC_OK);
	buf_init(&h, 1000);
	buf_init(&p, 4000);
	assert_int_equal(
		endpoint_target(&e, slice_str(bucket), slice_str(key), &h, &p, &err), RC_OK);
	assert_string_equal(buf_cstr(&h), host);
	assert_string_equal(buf_cstr(&p), path);
	buf_release(&h);
	buf_release(&p);
}

static void where_a_key_is(void **state)
{
	(void)state;
	check_target(NULL, "b", "a/k", "b.s3.eu-west-3.amazonaws.com", "/a/k");
	check_target(NULL, "b.c", "k", "s3.eu-west-3.amazonaws.com", "/b.c/k");
	check_target(NULL, "b", "", "b.s3.eu-west-3.amazonaws.com", "/");
	check_target("http://127.0.0.1:9000/", "b", "x/../y z+\xc3\xa9", "127.0.0.1:9000",
		"/b/x/../y%20z%2B%C3%A9");
	check_target("https://s3.example.org:443", "b", "", "s3.example.org", "/b");
	check_target("http://[::1]:80", "b", "k", "[::1]", "/b/k");
}

static void endpoints_that_are_none(void **state)
{
	static const char *const urls[] = {"ftp://x", "http://", "http://h/path", "http://h?q",
		"http://user:pw@h", "h:9000", ""};
	struct endpoint e;
	struct err err;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		if (endpoint_init(&e, urls[i], "r", &err) != RC_REFUSED)
			fail_msg("'%s' is taken", urls[i]);
}

#define AT_HOME(fn) cmocka_unit_test_setup_teardown(fn, open_home, close_home)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_HOME(the_environment_comes_first),
		AT_HOME(the_default_profile),
		AT_HOME(a_named_profile),
		AT_HOME(endpoints_in_their_order),
		AT_HOME(endpoints_of_one_service),
		cmocka_unit_test(attempts_are_a_number),
		AT_HOME(refusals),
		cmocka_unit_test(no_credentials_at_all),
		cmocka_unit_test(a_broken_line_is_told_by_number),
		cmocka_unit_test(where_a_key_is),
		cmocka_unit_test(endpoints_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
