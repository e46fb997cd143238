#include "consumer/journal_line.h"

#include "wire/uri.h"

static struct slice field(struct slice *rest)
{
	const unsigned char *space = rest->n ? memchr(rest->p, ' ', rest->n) : NULL;
	struct slice f = slice_of(rest->p, space ? (size_t)(space - rest->p) : rest->n);
	size_t skip = f.n + (space ? 1 : 0);

	*rest = slice_of(rest->p + skip, rest->n - skip);
	return f;
}

bool journal_line_read(struct slice line, struct buf *key, struct journal_line *ret_line)
{
	struct journal_line l;

	if (!slice_to_u64(field(&line), &l.first_ms) || !slice_to_u64(field(&line), &l.last_ms))
		return false;
	l.etag = field(&line);
	if (l.etag.n == 0 || line.n == 0 || uri_decode_path(key, line, NULL) != RC_OK ||
		memchr(key->p, '\0', key->n))
		return false;
	l.key = buf_slice(key);
	*ret_line = l;
	return true;
}

bool journal_line_write(struct buf *out, const struct journal_line *line)
{
	buf_addf(out, "%llu %llu " SLICE_FMT " ", (unsigned long long)line->first_ms,
		(unsigned long long)line->last_ms, SLICE_ARG(line->etag));
	uri_encode(out, line->key, true);
	buf_add_char(out, '\n');
	return !out->overflow;
}

void journal_line_etag(struct slice etag, char out[JOURNAL_ETAG_MAX])
{
	size_t n = etag.n < JOURNAL_ETAG_MAX - 1 ? etag.n : JOURNAL_ETAG_MAX - 1;

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(etag.p[i] <= ' ' || etag.p[i] == 0x7f ? '_' : etag.p[i]);
	out[n] = '\0';
	if (n == 0)
		strcpy(out, "-");
}
