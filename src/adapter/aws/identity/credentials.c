#include "adapter/aws/identity/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "adapter/aws/identity/profile.h"
#include "base/file.h"

/* The two files, read whole, and the name of the profile. */
struct sources {
	const struct aws_settings_request *request;
	const char *profile;
	bool is_profile_asked; /* by name, in the environment */
	struct buf text[2];
	char *path[2];
	struct profile_file file[2]; /* credentials, config */
	bool has_profile[2];
};

static const char *env(const struct sources *s, const char *name)
{
	const char *value = s->request->env(s->request->arg, name);

	return value && *value ? value : NULL;
}

static char *file_path(const struct sources *s, const char *variable, const char *name)
{
	const char *path = env(s, variable), *home = env(s, "HOME");
	char *ret = NULL;

	if (path)
		return xstrdup(path);
	if (home && asprintf(&ret, "%s/.aws/%s", home, name) < 0)
		die("no memory for a path");
	return ret;
}

static enum rc read_one(struct sources *s, size_t i, struct err *err)
{
	struct err ignored;
	enum rc rc;

	if (!s->path[i])
		return RC_OK;
	rc = file_read(s->path[i], &s->text[i], err);
	if (rc == RC_ABSENT)
		return RC_OK;
	if (rc != RC_OK)
		return err_ctx(err, RC_REFUSED, "AWS settings");
	s->file[i].text = buf_slice(&s->text[i]);
	s->file[i].path = s->path[i];
	rc = profile_find(&s->file[i], s->profile, &ignored);
	if (rc == RC_REFUSED) {
		*err = ignored;
		return rc;
	}
	s->has_profile[i] = rc == RC_OK;
	return RC_OK;
}

static enum rc sources_read(struct sources *s, struct err *err)
{
	enum rc rc;

	s->profile = env(s, "AWS_PROFILE");
	if (!s->profile)
		s->profile = env(s, "AWS_DEFAULT_PROFILE");
	s->is_profile_asked = s->profile != NULL;
	if (!s->profile)
		s->profile = "default";
	s->path[0] = file_path(s, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
	s->path[1] = file_path(s, "AWS_CONFIG_FILE", "config");
	s->file[1].dialect = PROFILE_CONFIG;
	for (size_t i = 0; i < 2; i++) {
		buf_init(&s->text[i], AWS_FILE_MAX_BYTES);
		rc = read_one(s, i, err);
		if (rc != RC_OK)
			return rc;
	}
	if (s->is_profile_asked && !s->has_profile[0] && !s->has_profile[1])
		return err_set(err, RC_REFUSED, "profile '%s' is neither in '%s' nor in '%s'",
			s->profile, s->path[0] ? s->path[0] : "~/.aws/credentials",
			s->path[1] ? s->path[1] : "~/.aws/config");
	return RC_OK;
}

static void sources_release(struct sources *s)
{
	for (size_t i = 0; i < 2; i++) {
		if (s->text[i].p)
			explicit_bzero(s->text[i].p, s->text[i].cap);
		buf_release(&s->text[i]);
		free(s->path[i]);
	}
}

/* Looks in the credentials file, then in the config file. Returns a copy on the heap, or NULL. */
static char *profile_value(const struct sources *s, const char *key)
{
	for (size_t i = 0; i < 2; i++) {
		struct slice value = {0};

		if (s->has_profile[i])
			value = profile_get(&s->file[i], s->profile, key);
		if (value.n)
			return slice_dup(value);
	}
	return NULL;
}

static char *copy_or_null(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static enum rc check_pair(const struct aws_settings *ret, const char *where, struct err *err)
{
	if (ret->access_key && !ret->secret)
		return err_set(err, RC_REFUSED, "%s has an access key but no secret key", where);
	if (!ret->access_key && ret->secret)
		return err_set(err, RC_REFUSED, "%s has a secret key but no access key", where);
	return RC_OK;
}

static enum rc no_keys(const struct sources *s, struct err *err)
{
	static const char *const unsupported[] = {
		"role_arn", "sso_session", "sso_start_url", "credential_process"};

	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		char *value = profile_value(s, unsupported[i]);
		bool found = value != NULL;

		free(value);
		if (found)
			return err_set(err, RC_REFUSED,
				"profile '%s' uses %s, which is not supported: give "
				"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
				s->profile, unsupported[i]);
	}
	return err_set(err, RC_ABSENT,
		"no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
		"profile");
}

static enum rc find_keys(const struct sources *s, struct aws_settings *ret, struct err *err)
{
	ret->access_key = copy_or_null(env(s, "AWS_ACCESS_KEY_ID"));
	ret->secret = copy_or_null(env(s, "AWS_SECRET_ACCESS_KEY"));
	if (ret->access_key || ret->secret) {
		ret->session_token = copy_or_null(env(s, "AWS_SESSION_TOKEN"));
		return check_pair(ret, "the environment", err);
	}
	ret->access_key = profile_value(s, "aws_access_key_id");
	ret->secret = profile_value(s, "aws_secret_access_key");
	ret->session_token = profile_value(s, "aws_session_token");
	if (ret->access_key || ret->secret)
		return check_pair(ret, "the profile", err);
	return no_keys(s, err);
}

/* Looks up one service in the section that the profile's "services" names. Returns a copy on the
 * heap, or NULL. */
static char *service_value(const struct sources *s, const char *service, const char *key)
{
	char *services = profile_value(s, "services");
	struct slice value = {0};

	if (services)
		value = profile_get_of_service(&s->file[1], slice_str(services), service, key);
	free(services);
	return value.n ? slice_dup(value) : NULL;
}

static bool ignores_endpoints(const struct sources *s)
{
	const char *ignore = env(s, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
	char *profiles = ignore ? NULL : profile_value(s, "ignore_configured_endpoint_urls");
	bool ret = (ignore && strcasecmp(ignore, "true") == 0) ||
		   (profiles && strcasecmp(profiles, "true") == 0);

	free(profiles);
	return ret;
}

static enum rc find_endpoint(const struct sources *s, const char *variable, const char *service,
	char **ret_url, struct err *err)
{
	const char *url = s->request->endpoint_url;

	if (!url && !ignores_endpoints(s)) {
		url = env(s, variable);
		if (!url)
			url = env(s, "AWS_ENDPOINT_URL");
		if (!url)
			*ret_url = service_value(s, service, "endpoint_url");
		if (!url && !*ret_url)
			*ret_url = profile_value(s, "endpoint_url");
	}
	if (url)
		*ret_url = xstrdup(url);
	url = *ret_url;
	if (url && strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return err_set(
			err, RC_REFUSED, "endpoint '%s' must begin with http:// or https://", url);
	return RC_OK;
}

static enum rc find_max_attempts(const struct sources *s, struct aws_settings *ret, struct err *err)
{
	char *text = copy_or_null(env(s, "AWS_MAX_ATTEMPTS"));
	enum rc rc = RC_OK;
	uint64_t n = 0;

	if (!text)
		text = profile_value(s, "max_attempts");
	if (text && (!slice_to_u64(slice_str(text), &n) || n < 1 || n > AWS_MAX_ATTEMPTS_MAX))
		rc = err_set(err, RC_REFUSED, "AWS_MAX_ATTEMPTS: '%s' is not a number from 1 to %d",
			text, AWS_MAX_ATTEMPTS_MAX);
	ret->max_attempts = (unsigned)n;
	free(text);
	return rc;
}

static void find_region(const struct sources *s, struct aws_settings *ret)
{
	const char *region = s->request->region;

	if (!region)
		region = env(s, "AWS_REGION");
	if (!region)
		region = env(s, "AWS_DEFAULT_REGION");
	ret->region = region ? xstrdup(region) : profile_value(s, "region");
	if (!ret->region)
		ret->region = xstrdup("us-east-1");
}

enum rc aws_settings_load(const struct aws_settings_request *request,
	struct aws_settings *ret_settings, struct err *err)
{
	struct sources s = {.request = request};
	struct aws_settings found = {0};
	enum rc rc = sources_read(&s, err);

	if (rc == RC_OK)
		rc = find_keys(&s, &found, err);
	if (rc == RC_OK)
		rc = find_endpoint(&s, "AWS_ENDPOINT_URL_S3", "s3", &found.endpoint_url, err);
	if (rc == RC_OK)
		rc = find_endpoint(
			&s, "AWS_ENDPOINT_URL_LAMBDA", "lambda", &found.lambda_endpoint_url, err);
	if (rc == RC_OK)
		rc = find_max_attempts(&s, &found, err);
	if (rc == RC_OK) {
		find_region(&s, &found);
		found.ca_bundle = copy_or_null(env(&s, "AWS_CA_BUNDLE"));
		if (!found.ca_bundle)
			found.ca_bundle = profile_value(&s, "ca_bundle");
		*ret_settings = found;
	} else {
		aws_settings_release(&found);
	}
	sources_release(&s);
	return rc;
}

static const char *process_env(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

enum rc aws_settings_from_environment(const char *endpoint_url, const char *region,
	struct aws_settings *ret_settings, struct err *err)
{
	struct aws_settings_request request = {
		.env = process_env, .endpoint_url = endpoint_url, .region = region};

	return aws_settings_load(&request, ret_settings, err);
}

void aws_settings_release(struct aws_settings *settings)
{
	if (settings->secret)
		explicit_bzero(settings->secret, strlen(settings->secret));
	free(settings->access_key);
	free(settings->secret);
	free(settings->session_token);
	free(settings->endpoint_url);
	free(settings->lambda_endpoint_url);
	free(settings->region);
	free(settings->ca_bundle);
	*settings = (struct aws_settings){0};
}
