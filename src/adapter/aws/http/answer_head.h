/*
 * answer_head: the head of an answer, line by line as libcurl hands it over. The lines come from
 * another machine; nothing of them is kept beyond HTTP_RESPONSE_HEADERS_MAX bytes.
 */
#ifndef BALER_ADAPTER_AWS_HTTP_ANSWER_HEAD_H
#define BALER_ADAPTER_AWS_HTTP_ANSWER_HEAD_H

#include "base/buf.h"

struct answer_head {
	/* as model/object_headers.h; of the last head when there are several */
	struct buf *headers;
	unsigned status;     /* 0: the line has none */
	size_t n_bytes;      /* of all heads of this request */
	bool is_whole;       /* the empty line has come */
};

/* line: with its line end. An interim answer (100) is followed by another head, which replaces it.
 * false: the head is too long. */
bool answer_head_line(struct answer_head *head, struct slice line);

#endif
