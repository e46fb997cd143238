/*
 * journal_line: one line of pull's journal, "<first ms> <last ms> <etag> <key,
 * percent-encoded>". Pure functions. The journal is a file in a folder of the user, so it can
 * contain any bytes.
 */
#ifndef BALER_CONSUMER_JOURNAL_LINE_H
#define BALER_CONSUMER_JOURNAL_LINE_H

#include "base/buf.h"

#define JOURNAL_LINE_MAX 4096 /* bytes: a key of 1,024 bytes, each three characters, and the rest */
#define JOURNAL_ETAG_MAX 64   /* bytes with the terminator; longer ETags are cut */

struct journal_line {
	/* Wall times: when a bundle of this key was published for the first time, and for the
	 * last time. */
	uint64_t first_ms, last_ms;
	struct slice etag; /* without spaces, not empty */
	struct slice key;
};

/* line: without its line break. key: receives the decoded key, and ret_line->key points into it.
 * false: journal_line_write does not write such a line. */
bool journal_line_read(struct slice line, struct buf *key, struct journal_line *ret_line);

/* Appends the line and a line break. false: out is full. */
bool journal_line_write(struct buf *out, const struct journal_line *line);

/* Writes an ETag so that it has no spaces: other stores may use any text as an ETag. An empty ETag
 * becomes "-". */
void journal_line_etag(struct slice etag, char out[JOURNAL_ETAG_MAX]);

#endif
