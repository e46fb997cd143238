/* A message of whoever: an answer within bounds or a refusal; and each record that was read comes
 * back as it was once it is written. */
#include "fuzz.h"
#include "model/s3_event.h"

static void must_come_back(const struct s3_event_record *r)
{
	struct arena arena = ARENA_INIT;
	struct s3_event again;
	struct buf text;

	buf_init(&text, S3_EVENT_MAX_BYTES);
	if (s3_event_write(&text, r, "us-east-1", "0")) {
		MUST(s3_event_parse(&arena, buf_slice(&text), &again, NULL) == RC_OK);
		MUST(again.n_records == 1 && !again.is_test);
		MUST(object_id_eq(&again.records[0].object, &r->object));
		MUST(slice_eq(again.records[0].etag, r->etag));
		MUST(!r->has_size || again.records[0].size == r->size);
	}
	buf_release(&text);
	arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = ARENA_INIT;
	struct s3_event event;
	struct err err = {0};
	enum rc rc = s3_event_parse(&arena, slice_of(data, size), &event, &err);

	MUST(rc == RC_OK || (rc == RC_REFUSED && err.text[0]));
	if (rc == RC_OK) {
		MUST(event.n_records <= S3_EVENT_RECORDS_MAX);
		for (size_t i = 0; i < event.n_records; i++) {
			MUST(event.records[i].object.bucket.n > 0);
			MUST(event.records[i].object.key.n > 0);
			MUST(event.records[i].object.version.n > 0);
			MUST(event.records[i].object.version.n <= VERSION_ID_MAX);
			must_come_back(&event.records[i]);
		}
	}
	arena_release(&arena);
	return 0;
}
