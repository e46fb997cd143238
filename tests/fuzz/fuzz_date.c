/* A date that is read is written, and read again as the same. */
#include "base/date.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	char http[DATE_HTTP_BYTES], basic[DATE_BASIC_BYTES], extended[DATE_ISO_BYTES];
	uint64_t ms, back;

	if (date_http_parse(text, &ms)) {
		date_http_format(ms, http);
		MUST(date_http_parse(slice_str(http), &back) && back == ms);
	}
	if (date_basic_parse(text, &ms)) {
		date_basic_format(ms, basic);
		MUST(date_basic_parse(slice_str(basic), &back) && back == ms);
	}
	if (date_iso_parse(text, &ms)) {
		date_iso_format(ms, extended);
		MUST(date_iso_parse(slice_str(extended), &back) && back == ms);
	}
	if (size >= sizeof(ms)) { /* any number has a date */
		memcpy(&ms, data, sizeof(ms));
		date_http_format(ms, http);
		date_basic_format(ms, basic);
		date_iso_format(ms, extended);
		MUST(strlen(http) == DATE_HTTP_BYTES - 1 && strlen(basic) == DATE_BASIC_BYTES - 1 &&
			strlen(extended) == DATE_ISO_BYTES - 1);
	}
	return 0;
}
