/* A date that is read is written, and read again as the same. */
#include "fuzz.h"
#include "wire/http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_of(data, size);
	char http[HTTP_DATE_BYTES], basic[ISO_BASIC_BYTES], extended[ISO_EXTENDED_BYTES];
	uint64_t ms, back;

	if (http_date_parse(text, &ms)) {
		http_date_format(ms, http);
		MUST(http_date_parse(slice_str(http), &back) && back == ms);
	}
	if (iso_basic_parse(text, &ms)) {
		iso_basic_format(ms, basic);
		MUST(iso_basic_parse(slice_str(basic), &back) && back == ms);
	}
	if (iso_extended_parse(text, &ms)) {
		iso_extended_format(ms, extended);
		MUST(iso_extended_parse(slice_str(extended), &back) && back == ms);
	}
	if (size >= sizeof(ms)) { /* any number has a date */
		memcpy(&ms, data, sizeof(ms));
		http_date_format(ms, http);
		iso_basic_format(ms, basic);
		iso_extended_format(ms, extended);
		MUST(strlen(http) == HTTP_DATE_BYTES - 1 && strlen(basic) == ISO_BASIC_BYTES - 1 &&
			strlen(extended) == ISO_EXTENDED_BYTES - 1);
	}
	return 0;
}
