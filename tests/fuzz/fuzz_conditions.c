/* Range and If-* as anybody may write them. The first 8 bytes are the object's size. A part lies
 * within the object; a condition that is let through is one; and what is stored of headers is read
 * as it was written. */
#include "fuzz.h"
#include "gateway/s3/conditions.h"
#include "model/object_headers.h"

static void check_range(struct slice text, uint64_t size)
{
	uint64_t offset = 0, length = 0;

	if (range_parse(text, size, &offset, &length) == RANGE_PART)
		MUST(length > 0 && offset < size && length <= size - offset);
}

static void check_conditions(struct slice text)
{
	const struct conditions reads[] = {{.if_match = text}, {.if_none_match = text},
		{.if_modified_since = text}, {.if_unmodified_since = text}};
	struct conditions write = {.if_match = text};
	struct bs_condition condition;
	struct err err = {0};

	for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++)
		MUST(conditions_judge(&reads[i], "5d41402abc4b2a76b9719d911017c592", 1, 2) <=
			CONDITION_FAILED);
	if (conditions_of_write(&write, &condition, &err) == RC_OK)
		MUST(condition.if_match.n > 0);
	else
		MUST(err.code[0]);
}

static void check_headers(struct slice text)
{
	struct slice name, value, found;
	struct buf kept;
	size_t pos = 0, n = 0;

	buf_init(&kept, 1 << 16);
	if (object_headers_add(&kept, slice_str("x-amz-meta-a"), text)) {
		MUST(object_headers_add(&kept, slice_str("content-type"), slice_str("t")));
		found = object_headers_get(buf_slice(&kept), "x-amz-meta-a");
		MUST(slice_eq(found, text));
		while (object_headers_next(buf_slice(&kept), &pos, &name, &value))
			n++;
		MUST(n == 2);
	}
	buf_release(&kept);
	for (pos = 0; object_headers_next(text, &pos, &name, &value);)
		MUST(name.n <= text.n && value.n <= text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t object_size = 0;
	struct slice text;

	if (size < sizeof(object_size))
		return 0;
	memcpy(&object_size, data, sizeof(object_size));
	text = slice_of(data + sizeof(object_size), size - sizeof(object_size));
	check_range(text, object_size);
	check_range(text, object_size % 100);
	check_conditions(text);
	check_headers(text);
	return 0;
}
