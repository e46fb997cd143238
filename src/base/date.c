#include "base/date.h"

#include <stdio.h>

#define MS_PER_S 1000u
#define LAST_S 253402300799ull /* 9999-12-31T23:59:59Z */

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char month_names[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct tm date_utc(uint64_t wall_ms)
{
	uint64_t s = wall_ms / MS_PER_S;
	time_t seconds = (time_t)(s > LAST_S ? LAST_S : s);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	return tm;
}

void date_http_format(uint64_t wall_ms, char out[DATE_HTTP_BYTES])
{
	struct tm tm = date_utc(wall_ms);
	char text[96]; /* as large as the compiler can imagine */

	snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday],
		tm.tm_mday, month_names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		tm.tm_sec);
	memcpy(out, text, DATE_HTTP_BYTES);
}

void date_basic_format(uint64_t wall_ms, char out[DATE_BASIC_BYTES])
{
	struct tm tm = date_utc(wall_ms);
	char text[96];

	snprintf(text, sizeof(text), "%04d%02d%02dT%02d%02d%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
	memcpy(out, text, DATE_BASIC_BYTES);
}

void date_iso_format(uint64_t wall_ms, char out[DATE_ISO_BYTES])
{
	struct tm tm = date_utc(wall_ms);
	char text[96];

	snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		(unsigned)(wall_ms % MS_PER_S));
	memcpy(out, text, DATE_ISO_BYTES);
}

/* The fields of a date as they were read, before anything is known about them. */
struct civil {
	unsigned year, month, day, hour, minute, second;
};

/* timegm takes the 31st of June for the 1st of July, so its answer is compared with what was
 * asked. A leap second (60) counts as the second before it. */
static bool wall_of(const struct civil *c, unsigned ms, uint64_t *ret_wall_ms)
{
	struct tm tm = {.tm_year = (int)c->year - 1900,
		.tm_mon = (int)c->month - 1,
		.tm_mday = (int)c->day,
		.tm_hour = (int)c->hour,
		.tm_min = (int)c->minute,
		.tm_sec = (int)(c->second == 60 ? 59 : c->second)};
	time_t seconds;

	if (c->year < 1970 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
		c->day > 31 || c->hour > 23 || c->minute > 59 || c->second > 60)
		return false;
	seconds = timegm(&tm);
	if (tm.tm_mday != (int)c->day)
		return false;
	*ret_wall_ms = (uint64_t)seconds * MS_PER_S + ms;
	return true;
}

/*
 * Reads text by a pattern. A lower-case letter stands for one digit of a field (y year, n month, d
 * day, h hour, i minute, s second), '@' for the name of a month, '_' for a digit of the day or a
 * blank, '*' for any letters; any other character stands for itself.
 */
struct reader {
	struct slice left;
	struct civil c;
};

static bool take_digit(struct reader *r, unsigned *field)
{
	if (r->left.n == 0 || r->left.p[0] < '0' || r->left.p[0] > '9')
		return false;
	*field = *field * 10 + (r->left.p[0] - '0');
	r->left = slice_of(r->left.p + 1, r->left.n - 1);
	return true;
}

static bool take_char(struct reader *r, char c)
{
	if (r->left.n == 0 || r->left.p[0] != (unsigned char)c)
		return false;
	r->left = slice_of(r->left.p + 1, r->left.n - 1);
	return true;
}

static bool take_month(struct reader *r)
{
	for (unsigned i = 0; i < 12; i++)
		if (r->left.n >= 3 && memcmp(r->left.p, month_names[i], 3) == 0) {
			r->left = slice_of(r->left.p + 3, r->left.n - 3);
			r->c.month = i + 1;
			return true;
		}
	return false;
}

static bool take_letters(struct reader *r)
{
	size_t n = 0;

	while (n < r->left.n && ((r->left.p[n] | 32) >= 'a' && (r->left.p[n] | 32) <= 'z'))
		n++;
	r->left = slice_of(r->left.p + n, r->left.n - n);
	return n > 0;
}

static bool take(struct reader *r, char pattern)
{
	switch (pattern) {
	case 'y':
		return take_digit(r, &r->c.year);
	case 'n':
		return take_digit(r, &r->c.month);
	case 'd':
		return take_digit(r, &r->c.day);
	case 'h':
		return take_digit(r, &r->c.hour);
	case 'i':
		return take_digit(r, &r->c.minute);
	case 's':
		return take_digit(r, &r->c.second);
	case '@':
		return take_month(r);
	case '_':
		return take_char(r, ' ') || take_digit(r, &r->c.day);
	case '*':
		return take_letters(r);
	default:
		return take_char(r, pattern);
	}
}

static bool read_pattern(struct reader *r, struct slice text, const char *pattern)
{
	*r = (struct reader){.left = text};
	for (; *pattern; pattern++)
		if (!take(r, *pattern))
			return false;
	return true;
}

static bool read_whole(
	struct slice text, const char *pattern, unsigned century, uint64_t *ret_wall_ms)
{
	struct reader r;

	if (!read_pattern(&r, text, pattern) || r.left.n)
		return false;
	if (century)
		r.c.year += r.c.year < 70 ? century + 100 : century;
	return wall_of(&r.c, 0, ret_wall_ms);
}

bool date_http_parse(struct slice text, uint64_t *ret_wall_ms)
{
	return read_whole(text, "*, dd @ yyyy hh:ii:ss GMT", 0, ret_wall_ms) ||
	       read_whole(text, "*, dd-@-yy hh:ii:ss GMT", 1900, ret_wall_ms) ||
	       read_whole(text, "* @ _d hh:ii:ss yyyy", 0, ret_wall_ms);
}

bool date_basic_parse(struct slice text, uint64_t *ret_wall_ms)
{
	return read_whole(text, "yyyynnddThhiissZ", 0, ret_wall_ms);
}

bool date_iso_parse(struct slice text, uint64_t *ret_wall_ms)
{
	unsigned ms = 0, digits = 0;
	struct reader r;

	if (!read_pattern(&r, text, "yyyy-nn-ddThh:ii:ss"))
		return false;
	if (take_char(&r, '.')) {
		for (unsigned ignored = 0;
			digits < 9 && take_digit(&r, digits < 3 ? &ms : &ignored);)
			digits++;
		if (digits == 0)
			return false;
	}
	for (; digits < 3; digits++)
		ms *= 10;
	return take_char(&r, 'Z') && r.left.n == 0 && wall_of(&r.c, ms, ret_wall_ms);
}
