#include "adapter/aws/http/answer_head.h"

#include "adapter/aws/http/http.h"
#include "model/object_headers.h"

/* Reads the status from a line such as "HTTP/1.1 200 OK". */
static unsigned status_of_line(struct slice line)
{
	const unsigned char *space = memchr(line.p, ' ', line.n);
	size_t left = space ? line.n - (size_t)(space - line.p) - 1 : 0;
	uint64_t status;

	if (left < 3 || !slice_to_u64(slice_of(space + 1, 3), &status))
		return 0;
	return (unsigned)status;
}

bool answer_head_line(struct answer_head *head, struct slice line)
{
	const unsigned char *colon;
	size_t name_bytes;

	head->n_bytes += line.n;
	if (head->n_bytes > HTTP_RESPONSE_HEADERS_MAX)
		return false;
	if (slice_has_prefix(line, slice_str("HTTP/"))) {
		head->status = status_of_line(line);
		head->is_whole = false;
		buf_reset(head->headers);
		return true;
	}
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	head->is_whole |= line.n == 0;
	colon = line.n ? memchr(line.p, ':', line.n) : NULL;
	if (!colon)
		return true;
	name_bytes = (size_t)(colon - line.p);
	object_headers_add(head->headers, slice_of(line.p, name_bytes),
		header_trim(slice_of(colon + 1, line.n - name_bytes - 1)));
	return !head->headers->overflow;
}
