/*
 * The head of an answer, as a server of somebody else sends it: what is kept of it is bounded, is
 * read back whole, and what an object is said to be comes from it alone.
 */
#include "adapter/aws/http/answer_head.h"
#include "adapter/aws/http/http.h"
#include "adapter/aws/s3/s3_call.h"
#include "fuzz.h"
#include "model/object_headers.h"
#include "wire/checksum.h"

static void look_at_object(struct s3_call *call)
{
	static const enum digest_alg algs[] = {
		DIGEST_CRC32, DIGEST_CRC32C, DIGEST_CRC64NVME, DIGEST_SHA1, DIGEST_SHA256};
	struct arena a = ARENA_INIT;
	struct os_object info;
	struct slice name, value;
	size_t pos = 0;

	s3_call_object(call, slice_str("key"), &a, &info);
	MUST(slice_eq_str(info.key, "key") && info.is_latest && !info.is_delete_marker);
	MUST(info.headers.n <= OBJECT_HEADERS_MAX);
	while (object_headers_next(info.headers, &pos, &name, &value))
		MUST(name.n && !memchr(name.p, ':', name.n) &&
			(!value.n || (!memchr(value.p, '\n', value.n) && !memchr(value.p, '\0', value.n))));
	MUST(pos == info.headers.n);
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		struct slice text = s3_call_header(call, checksum_header(algs[i]));
		char again[CHECKSUM_TEXT_MAX];
		struct checksum sum, same;
		struct err why;

		if (!text.n || checksum_parse(algs[i], text, &sum, &why) != RC_OK)
			continue;
		checksum_format(&sum, again);
		MUST(checksum_parse(algs[i], slice_str(again), &same, &why) == RC_OK);
		MUST(checksum_eq(&sum, &same) && same.n_parts == sum.n_parts);
	}
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct s3_call call = {.method = "GET"};
	struct answer_head head = {.headers = &call.http.response_headers};
	struct slice left = slice_of(data, size);
	bool fits = true;

	buf_init(head.headers, HTTP_RESPONSE_HEADERS_MAX);
	while (left.n && fits) {
		const unsigned char *end = memchr(left.p, '\n', left.n);
		size_t n = end ? (size_t)(end - left.p) + 1 : left.n;

		fits = answer_head_line(&head, slice_of(left.p, n));
		MUST(head.status <= 999);
		MUST(head.headers->n <= HTTP_RESPONSE_HEADERS_MAX);
		left = slice_of(left.p + n, left.n - n);
	}
	MUST(fits || head.n_bytes > HTTP_RESPONSE_HEADERS_MAX || head.headers->overflow);
	if (fits)
		look_at_object(&call);
	s3_call_release(&call);
	return 0;
}
