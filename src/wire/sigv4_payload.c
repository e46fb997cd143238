/* The values that x-amz-content-sha256 may have. */
#include "wire/sigv4.h"

static const struct {
	const char *name;
	enum sigv4_payload payload;
} payload_names[] = {
	{"UNSIGNED-PAYLOAD", SIGV4_PAYLOAD_UNSIGNED},
	{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", SIGV4_PAYLOAD_STREAM_SIGNED},
	{"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER},
	{"STREAMING-UNSIGNED-PAYLOAD-TRAILER", SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER},
};

#define N_PAYLOAD_NAMES (sizeof(payload_names) / sizeof(payload_names[0]))

const char *sigv4_payload_name(enum sigv4_payload payload)
{
	for (size_t i = 0; i < N_PAYLOAD_NAMES; i++)
		if (payload_names[i].payload == payload)
			return payload_names[i].name;
	return NULL;
}

bool sigv4_payload_is_stream(enum sigv4_payload payload)
{
	return payload == SIGV4_PAYLOAD_STREAM_SIGNED ||
	       payload == SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER ||
	       payload == SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER;
}

enum rc sigv4_payload_parse(struct slice text, enum sigv4_payload *ret_payload,
	unsigned char ret_sha256[SHA256_BYTES], struct err *err)
{
	for (size_t i = 0; i < N_PAYLOAD_NAMES; i++)
		if (slice_eq_str(text, payload_names[i].name)) {
			*ret_payload = payload_names[i].payload;
			return RC_OK;
		}
	if (hex_decode(text, ret_sha256, SHA256_BYTES)) {
		*ret_payload = SIGV4_PAYLOAD_SHA256;
		return RC_OK;
	}
	if (slice_has_prefix(text, slice_str("STREAMING-AWS4-ECDSA-")))
		return err_code(err, RC_REFUSED, "NotImplemented", "ECDSA signatures");
	return err_code(err, RC_REFUSED, "InvalidArgument",
		"x-amz-content-sha256 must be UNSIGNED-PAYLOAD, "
		"STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a "
		"SHA-256 in hex");
}

void sigv4_payload_state(struct sigv4_auth *auth, struct slice body)
{
	sha256(body, auth->payload_sha256);
	hex_encode(auth->payload_sha256, SHA256_BYTES, auth->payload_text);
	auth->payload = SIGV4_PAYLOAD_SHA256;
}
