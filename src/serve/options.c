#include "serve/options.h"

#include <string.h>

#define TOKEN_MIN 16
#define SERVICE_NAME_MAX 128

uint64_t serve_bundle_max_bytes(const struct serve_options *o)
{
	return o->max_bundle_input_bytes && o->max_bundle_input_bytes < o->batch_max_bytes
		       ? o->max_bundle_input_bytes
		       : o->batch_max_bytes;
}

static bool is_short(const char *token)
{
	return token && strlen(token) < TOKEN_MIN;
}

enum rc serve_options_check(const struct serve_options *o, struct err *err)
{
	if (o->reconcile_interval_ms && !o->landing_endpoint)
		return err_set(err, RC_REFUSED,
			"'--reconcile-interval': only with --landing-endpoint; in a landing bucket "
			"of one's own an object and its event are one transaction");
	if (o->ledger_retention_ms && o->ledger_retention_ms < SERVE_QUEUE_RETENTION_MS)
		return err_set(err, RC_REFUSED,
			"'--ledger-retention': less than 4d; a message may be that old when it "
			"comes "
			"again, and its object would be bundled twice");
	if (is_short(o->events_token))
		return err_set(
			err, RC_REFUSED, "'events-token': shorter than %d characters", TOKEN_MIN);
	if (is_short(o->metrics_token))
		return err_set(err, RC_REFUSED, "'metrics-token': shorter than %d characters",
			TOKEN_MIN);
	if (o->service_name && strlen(o->service_name) > SERVICE_NAME_MAX)
		return err_set(err, RC_REFUSED, "'--service-name': longer than %d bytes",
			SERVICE_NAME_MAX);
	return RC_OK;
}

enum rc serve_listen_parse(
	const char *text, struct arena *a, char **ret_host, uint16_t *ret_port, struct err *err)
{
	const char *colon = strrchr(text, ':'), *end = colon;
	uint64_t port = 9000;

	if (text[0] == '[') { /* [IPv6] or [IPv6]:port */
		const char *bracket = strchr(text, ']');

		if (!bracket || (bracket[1] != '\0' && bracket[1] != ':'))
			return err_set(err, RC_REFUSED, "'--listen': '%s' is not HOST:PORT", text);
		colon = bracket[1] ? bracket + 1 : NULL;
		end = bracket;
		text++;
	}
	if (colon && (!slice_to_u64(slice_str(colon + 1), &port) || port > 65535))
		return err_set(
			err, RC_REFUSED, "'--listen': '%s' is not a port, 0 to 65535", colon + 1);
	*ret_host = arena_strdup(a, slice_of(text, end ? (size_t)(end - text) : strlen(text)));
	if (**ret_host == '\0')
		return err_set(err, RC_REFUSED,
			"'--listen': no host before ':%llu'; 127.0.0.1 is this machine only",
			(unsigned long long)port);
	*ret_port = (uint16_t)port;
	return RC_OK;
}
