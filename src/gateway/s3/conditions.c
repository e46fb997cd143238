#include "gateway/s3/conditions.h"

#include "base/date.h"
#include "wire/checksum.h"
#include "wire/header.h"

/* Whether a list of ETags ("a", W/"b", *) names this one. */
static bool etag_listed(struct slice list, const char *etag)
{
	while (list.n) {
		const unsigned char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		struct slice item = header_trim(slice_of(list.p, n));

		if (slice_eq_str(item, "*") || slice_eq_str(etag_unquote(item), etag))
			return true;
		n += comma != NULL;
		list = slice_of(list.p + n, list.n - n);
	}
	return false;
}

/* A usable date. */
static bool read_date(struct slice text, uint64_t now_wall_ms, uint64_t *ret_wall_ms)
{
	return text.p && date_http_parse(text, ret_wall_ms) && *ret_wall_ms <= now_wall_ms;
}

enum condition_verdict conditions_judge(const struct conditions *c, const char *etag,
	uint64_t modified_wall_ms, uint64_t now_wall_ms)
{
	uint64_t modified = modified_wall_ms / 1000 * 1000, date;

	if (c->if_match.p) {
		if (!etag_listed(c->if_match, etag))
			return CONDITION_FAILED;
	} else if (read_date(c->if_unmodified_since, now_wall_ms, &date) && modified > date) {
		return CONDITION_FAILED;
	}
	if (c->if_none_match.p)
		return etag_listed(c->if_none_match, etag) ? CONDITION_NOT_MODIFIED : CONDITION_MET;
	if (read_date(c->if_modified_since, now_wall_ms, &date) && modified <= date)
		return CONDITION_NOT_MODIFIED;
	return CONDITION_MET;
}

enum rc conditions_of_write(
	const struct conditions *c, struct bs_condition *ret_condition, struct err *err)
{
	*ret_condition = (struct bs_condition){0};
	if (c->if_match.p && c->if_none_match.p)
		return err_code(err, RC_REFUSED, "NotImplemented",
			"If-Match and If-None-Match cannot be used together");
	if (c->if_none_match.p && !slice_eq_str(c->if_none_match, "*"))
		return err_code(
			err, RC_REFUSED, "NotImplemented", "a write's If-None-Match can only be *");
	ret_condition->if_none_match_any = c->if_none_match.p != NULL;
	if (!c->if_match.p)
		return RC_OK;
	ret_condition->if_match = etag_unquote(c->if_match);
	if (ret_condition->if_match.n == 0) /* when the store is asked this means: no condition */
		return err_code(err, RC_REFUSED, "InvalidArgument", "If-Match names no ETag");
	return RC_OK;
}

/* Takes digits off the front of *s; false when there are none. A number of more than 64 bits
 * becomes the largest number, which is beyond any object. */
static bool take_number(struct slice *s, uint64_t *ret_value)
{
	size_t n = 0;

	while (n < s->n && s->p[n] >= '0' && s->p[n] <= '9')
		n++;
	if (n == 0)
		return false;
	if (!slice_to_u64(slice_of(s->p, n), ret_value))
		*ret_value = UINT64_MAX;
	*s = slice_of(s->p + n, s->n - n);
	return true;
}

static enum range_verdict last_bytes(
	struct slice count, uint64_t size, uint64_t *ret_offset, uint64_t *ret_length)
{
	uint64_t n;

	if (!take_number(&count, &n) || count.n)
		return RANGE_WHOLE;
	if (n == 0 || size == 0)
		return RANGE_UNSATISFIABLE;
	*ret_length = n < size ? n : size;
	*ret_offset = size - *ret_length;
	return RANGE_PART;
}

enum range_verdict range_parse(
	struct slice text, uint64_t size, uint64_t *ret_offset, uint64_t *ret_length)
{
	struct slice unit = slice_str("bytes="), s;
	uint64_t first, last = UINT64_MAX;

	if (!slice_has_prefix(text, unit))
		return RANGE_WHOLE;
	s = slice_of(text.p + unit.n, text.n - unit.n);
	if (s.n && s.p[0] == '-')
		return last_bytes(slice_of(s.p + 1, s.n - 1), size, ret_offset, ret_length);
	if (!take_number(&s, &first) || s.n == 0 || s.p[0] != '-')
		return RANGE_WHOLE;
	s = slice_of(s.p + 1, s.n - 1);
	if (s.n && (!take_number(&s, &last) || s.n || last < first))
		return RANGE_WHOLE;
	if (first >= size)
		return RANGE_UNSATISFIABLE;
	*ret_offset = first;
	*ret_length = (last < size ? last + 1 : size) - first;
	return RANGE_PART;
}
