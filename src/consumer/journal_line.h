/*
 * journal_line: one line of pull's journal, "<first ms> <last ms> <etag> <key, percent-encoded>". Pure functions: the journal is a
 * file in a folder of the user, so any bytes may be in it.
 */
#ifndef BALER_CONSUMER_JOURNAL_LINE_H
#define BALER_CONSUMER_JOURNAL_LINE_H

#include "base/buf.h"

#define JOURNAL_LINE_MAX 4096 /* bytes: a key of 1,024 bytes, each three characters, and the rest */
#define JOURNAL_ETAG_MAX 64   /* bytes with the terminator; longer ETags are cut */

struct journal_line {
	uint64_t first_ms, last_ms; /* wall times: when a bundle of this key was first published, and last */
	struct slice etag;          /* a word */
	struct slice key;
};

/* line: without its end. key: takes the decoded key, to which ret_line->key points. false: it is none of journal_line_write. */
bool journal_line_read(struct slice line, struct buf *key, struct journal_line *ret_line);

/* Appends the line with its end; false: out is full. */
bool journal_line_write(struct buf *out, const struct journal_line *line);

/* An ETag as a word of a line: other stores may have any text there. Empty: "-". */
void journal_line_etag(struct slice etag, char out[JOURNAL_ETAG_MAX]);

#endif
