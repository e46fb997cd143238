/* A line of pull's journal: what is read comes back as it was once it is written; anything else is
 * refused. */
#include "consumer/journal_line.h"
#include "fuzz.h"
#include "model/object_id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_line line, again;
	char etag[JOURNAL_ETAG_MAX];
	struct buf key, key_again, text;

	journal_line_etag(slice_of(data, size), etag);
	MUST(etag[0] && !strpbrk(etag, " \t\r\n\x7f"));
	buf_init(&key, OBJECT_KEY_MAX);
	buf_init(&key_again, OBJECT_KEY_MAX);
	buf_init(&text, JOURNAL_LINE_MAX);
	if (journal_line_read(slice_of(data, size), &key, &line)) {
		MUST(line.key.n <= OBJECT_KEY_MAX && line.etag.n > 0);
		journal_line_etag(line.etag, etag);
		line.etag = slice_str(etag);
		MUST(journal_line_write(&text, &line));
		MUST(journal_line_read(slice_of(text.p, text.n - 1), &key_again, &again));
		MUST(slice_eq(again.key, line.key) && slice_eq(again.etag, line.etag));
		MUST(again.first_ms == line.first_ms && again.last_ms == line.last_ms);
	}
	buf_release(&key);
	buf_release(&key_again);
	buf_release(&text);
	return 0;
}
