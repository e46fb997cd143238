/* The same body in one piece and in many: the same verdict, the same code, the same bytes handed
 * out before it. */
#include "fuzz.h"
#include "wire/aws_chunked.h"

struct outcome {
	enum rc rc;
	char code[ERR_CODE_MAX];
	struct buf data;
};

static enum rc keep(void *arg, struct slice bytes, struct err *err)
{
	(void)err;
	MUST(bytes.n > 0);
	MUST(buf_add_slice(arg, bytes));
	return RC_OK;
}

static void decode(struct slice body, size_t piece, const struct aws_chunked_config *config,
	struct outcome *ret)
{
	struct aws_chunked_config own = *config;
	struct aws_chunked c;
	struct err err = {0};
	enum rc rc;

	buf_init(&ret->data, body.n);
	own.data = keep;
	own.arg = &ret->data;
	rc = aws_chunked_init(&c, &own, &err);
	for (size_t at = 0; at < body.n && rc == RC_OK; at += piece)
		rc = aws_chunked_feed(
			&c, slice_of(body.p + at, body.n - at < piece ? body.n - at : piece), &err);
	if (rc == RC_OK)
		rc = aws_chunked_finish(&c, &err);
	MUST(ret->data.n <= config->decoded_bytes);
	MUST(rc != RC_OK || ret->data.n == config->decoded_bytes);
	MUST(rc == RC_OK || err.code[0]);
	ret->rc = rc;
	memcpy(ret->code, err.code, sizeof(err.code));
	aws_chunked_release(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sigv4_payload forms[] = {SIGV4_PAYLOAD_STREAM_SIGNED,
		SIGV4_PAYLOAD_STREAM_SIGNED_TRAILER, SIGV4_PAYLOAD_STREAM_UNSIGNED_TRAILER};
	struct sigv4_seed seed = {
		.amz_date = "20130524T000000Z", .scope = "20130524/r/s3/aws4_request"};
	struct aws_chunked_config config = {.seed = &seed};
	struct outcome whole, pieces;
	struct slice body;
	struct buf stripped;

	if (size < 3)
		return 0;
	config.form = forms[data[0] % 3];
	config.trailer = checksum_algs[data[0] / 3 % 6];
	config.decoded_bytes = data[1];
	body = slice_of(data + 3, size - 3);
	decode(body, size, &config, &whole);
	decode(body, 1u + data[2] % 16, &config, &pieces);
	MUST(whole.rc == pieces.rc && strcmp(whole.code, pieces.code) == 0);
	MUST(slice_eq(buf_slice(&whole.data), buf_slice(&pieces.data)));
	buf_release(&whole.data);
	buf_release(&pieces.data);
	buf_init(&stripped, size);
	MUST(aws_chunked_strip_encoding(&stripped, body));
	buf_release(&stripped);
	return 0;
}
