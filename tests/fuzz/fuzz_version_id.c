/* Version ids as clients send them: what is read is written as the same id; nothing else is one. */
#include "adapter/local/buckets/version.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	struct version_row row = {0};
	char again[BS_VERSION_MAX];
	uint64_t seq = 7, nonce = 7;

	if (!version_parse(text, &seq, &nonce)) {
		MUST(seq == 7 && nonce == 7);
		return 0;
	}
	MUST(size == 32);
	row.seq = seq;
	row.nonce = nonce;
	version_format(&row, again);
	MUST(slice_eq_nocase(text, slice_str(again)));
	return 0;
}
