#include "wire/http_date.h"

#include <stdio.h>

#define MS_PER_S 1000u
#define S_PER_DAY 86400u
#define LAST_S 253402300799ull /* 9999-12-31T23:59:59Z */

static const char day_names[7][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
static const char month_names[12][4] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct civil {
	unsigned year, month, day, hour, minute, second;
	unsigned weekday; /* 0: Thursday, as 1970-01-01 was */
};

/* Days are counted from 0000-03-01, so that the leap day ends a year and 400 years are 146,097
 * days. */
static struct civil civil_of(uint64_t s)
{
	uint64_t days = s / S_PER_DAY, of_day = s % S_PER_DAY;
	unsigned z = (unsigned)days + 719468;
	unsigned era = z / 146097, of_era = z % 146097;
	unsigned year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	unsigned of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	unsigned shifted = (5 * of_year + 2) / 153; /* 0: March */
	struct civil c = {
		.year = era * 400 + year_of_era + (shifted >= 10),
		.month = shifted < 10 ? shifted + 3 : shifted - 9,
		.day = of_year - (153 * shifted + 2) / 5 + 1,
		.hour = (unsigned)(of_day / 3600),
		.minute = (unsigned)(of_day / 60 % 60),
		.second = (unsigned)(of_day % 60),
		.weekday = (unsigned)(days % 7),
	};
	return c;
}

static struct civil civil_of_wall(uint64_t wall_ms)
{
	uint64_t s = wall_ms / MS_PER_S;

	return civil_of(s > LAST_S ? LAST_S : s);
}

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned month_days(unsigned year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* A leap second (60) counts as the one before it. */
static bool wall_of(const struct civil *c, unsigned ms, uint64_t *ret_wall_ms)
{
	unsigned year = c->year, month, era, year_of_era, of_year;
	uint64_t days;

	if (year < 1970 || year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 ||
		c->day > month_days(year, c->month) || c->hour > 23 || c->minute > 59 ||
		c->second > 60)
		return false;
	year -= c->month <= 2;
	month = c->month > 2 ? c->month - 3 : c->month + 9;
	era = year / 400;
	year_of_era = year % 400;
	of_year = (153 * month + 2) / 5 + c->day - 1;
	days = era * 146097ull + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year -
	       719468;
	*ret_wall_ms = (days * S_PER_DAY + c->hour * 3600 + c->minute * 60 +
			       (c->second == 60 ? 59 : c->second)) *
			       MS_PER_S +
		       ms;
	return true;
}

void http_date_format(uint64_t wall_ms, char out[HTTP_DATE_BYTES])
{
	struct civil c = civil_of_wall(wall_ms);
	char text[64]; /* as large as the compiler can imagine */

	snprintf(text, sizeof(text), "%s, %02u %s %04u %02u:%02u:%02u GMT", day_names[c.weekday],
		c.day, month_names[c.month - 1], c.year, c.hour, c.minute, c.second);
	memcpy(out, text, HTTP_DATE_BYTES);
}

void iso_basic_format(uint64_t wall_ms, char out[ISO_BASIC_BYTES])
{
	struct civil c = civil_of_wall(wall_ms);
	char text[64];

	snprintf(text, sizeof(text), "%04u%02u%02uT%02u%02u%02uZ", c.year, c.month, c.day, c.hour,
		c.minute, c.second);
	memcpy(out, text, ISO_BASIC_BYTES);
}

void iso_extended_format(uint64_t wall_ms, char out[ISO_EXTENDED_BYTES])
{
	struct civil c = civil_of_wall(wall_ms);
	char text[80];

	snprintf(text, sizeof(text), "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", c.year, c.month, c.day,
		c.hour, c.minute, c.second, (unsigned)(wall_ms % MS_PER_S));
	memcpy(out, text, ISO_EXTENDED_BYTES);
}

/*
 * Reads text by a pattern. A lower-case letter takes one digit of a field (y year, n month, d
 * day, h hour, i minute, s second), '@' the name of a month, '_' a digit of the day or a blank,
 * '*' any letters; anything else stands for itself.
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

bool http_date_parse(struct slice text, uint64_t *ret_wall_ms)
{
	return read_whole(text, "*, dd @ yyyy hh:ii:ss GMT", 0, ret_wall_ms) ||
	       read_whole(text, "*, dd-@-yy hh:ii:ss GMT", 1900, ret_wall_ms) ||
	       read_whole(text, "* @ _d hh:ii:ss yyyy", 0, ret_wall_ms);
}

bool iso_basic_parse(struct slice text, uint64_t *ret_wall_ms)
{
	return read_whole(text, "yyyynnddThhiissZ", 0, ret_wall_ms);
}

bool iso_extended_parse(struct slice text, uint64_t *ret_wall_ms)
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
