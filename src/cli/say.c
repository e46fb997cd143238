#include "cli/say.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"

#define TEXT_MAX_BYTES (128u << 20) /* an answer of 16 MiB whose every byte is escaped */
#define NUMBER_BYTES 512           /* bytes of one number, with its width */

/* One conversion of a format: "%-*.20s". */
struct conversion {
	char text[32]; /* the conversion with "*" for width and precision, for snprintf */
	size_t n;
	int width, precision; /* precision -1: none */
	bool is_left;
	enum { INT, LONG, LLONG, SIZE, MAX } size;
	char kind;
};

static void put(struct conversion *c, char ch)
{
	assert(c->n + 1 < sizeof(c->text));
	c->text[c->n++] = ch;
}

static const char *read_number(const char *p, va_list *ap, int *ret)
{
	*ret = 0;
	if (*p == '*') {
		*ret = va_arg(*ap, int);
		return p + 1;
	}
	for (; *p >= '0' && *p <= '9'; p++)
		*ret = *ret * 10 + (*p - '0');
	return p;
}

static const char *read_size(const char *p, struct conversion *c)
{
	for (; strchr("hlzj", *p); p++) {
		put(c, *p);
		c->size = *p == 'l'   ? (c->size == LONG ? LLONG : LONG)
			  : *p == 'z' ? SIZE
			  : *p == 'j' ? MAX
				      : INT;
	}
	return p;
}

/* p: behind the '%'. Returns the place behind the conversion. */
static const char *read_conversion(const char *p, va_list *ap, struct conversion *c)
{
	*c = (struct conversion){.precision = -1};
	put(c, '%');
	for (; strchr("-+ #0", *p) && *p; p++) {
		c->is_left |= *p == '-';
		put(c, *p);
	}
	p = read_number(p, ap, &c->width);
	put(c, '*');
	if (*p == '.') {
		p = read_number(p + 1, ap, &c->precision);
		put(c, '.');
		put(c, '*');
	}
	p = read_size(p, c);
	c->kind = *p;
	put(c, *p);
	return p + 1;
}

static void add_spaces(struct buf *out, size_t n)
{
	while (n--)
		buf_add_char(out, ' ');
}

static size_t count_characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void add_text(struct buf *out, const struct conversion *c, const char *s)
{
	size_t max = c->precision < 0 ? SIZE_MAX : (size_t)c->precision;
	size_t n = !s ? 0 : c->precision < 0 ? strlen(s) : strnlen(s, max);
	char *shown = xmalloc(n + 1);
	size_t characters, width = c->width < 0 ? (size_t)-c->width : (size_t)c->width;

	text_printable(slice_of(s, n), shown, n + 1);
	characters = count_characters(shown);
	if (!c->is_left && c->width > 0 && characters < width)
		add_spaces(out, width - characters);
	buf_add_str(out, shown);
	if ((c->is_left || c->width < 0) && characters < width)
		add_spaces(out, width - characters);
	free(shown);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#define ADD_NUMBER(out, c, type, ap)                                                               \
	do {                                                                                       \
		char text_[NUMBER_BYTES];                                                          \
		type value_ = va_arg(*(ap), type);                                                 \
                                                                                                   \
		if ((c)->precision < 0)                                                            \
			snprintf(text_, sizeof(text_), (c)->text, (c)->width, value_);             \
		else                                                                               \
			snprintf(text_, sizeof(text_), (c)->text, (c)->width, (c)->precision,      \
				value_);                                                           \
		buf_add_str(out, text_);                                                           \
	} while (0)

static void add_number(struct buf *out, struct conversion *c, va_list *ap)
{
	if (strchr("fg", c->kind)) {
		ADD_NUMBER(out, c, double, ap);
		return;
	}
	assert(strchr("cdiux", c->kind));
	switch (c->size) {
	case INT:
		ADD_NUMBER(out, c, int, ap);
		break;
	case LONG:
		ADD_NUMBER(out, c, long, ap);
		break;
	case LLONG:
		ADD_NUMBER(out, c, long long, ap);
		break;
	case SIZE:
		ADD_NUMBER(out, c, size_t, ap);
		break;
	case MAX:
		ADD_NUMBER(out, c, intmax_t, ap);
		break;
	}
}
#pragma GCC diagnostic pop

static void add_all(struct buf *out, const char *fmt, va_list *ap)
{
	struct conversion c;

	while (*fmt) {
		size_t n = strcspn(fmt, "%");

		buf_add(out, fmt, n);
		fmt += n;
		if (!*fmt)
			break;
		if (fmt[1] == '%') {
			buf_add_char(out, '%');
			fmt += 2;
			continue;
		}
		fmt = read_conversion(fmt + 1, ap, &c);
		if (c.kind == 's')
			add_text(out, &c, va_arg(*ap, const char *));
		else
			add_number(out, &c, ap);
	}
}

static void say_va(FILE *out, const char *fmt, va_list *ap)
{
	struct buf text;

	buf_init(&text, TEXT_MAX_BYTES);
	add_all(&text, fmt, ap);
	fwrite(buf_cstr(&text), 1, text.n, out);
	buf_release(&text);
}

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_va(stdout, fmt, &ap);
	va_end(ap);
}

void say_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_va(stderr, fmt, &ap);
	va_end(ap);
}

void say_to(FILE *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_va(out, fmt, &ap);
	va_end(ap);
}

static void put_printable(FILE *out, struct slice text)
{
	char *shown = xmalloc(text.n + 1);

	text_printable(text, shown, text.n + 1);
	fputs(shown, out);
	free(shown);
}

void say_text(struct slice text)
{
	put_printable(stdout, text);
}

void say_lines(FILE *out, struct slice text)
{
	while (text.n) {
		const unsigned char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n, all = end ? n + 1 : n;

		put_printable(out, slice_of(text.p, n));
		if (end)
			fputc('\n', out);
		text = slice_of(text.p + all, text.n - all);
	}
}

void say_json(const json_t *document)
{
	struct buf text;

	buf_init(&text, TEXT_MAX_BYTES);
	json_add_document(&text, document);
	fwrite(buf_cstr(&text), 1, text.n, stdout);
	buf_release(&text);
}

void say_raw(const char *command, struct slice bytes)
{
	if (!isatty(STDOUT_FILENO)) {
		fwrite(bytes.p ? bytes.p : (const unsigned char *)"", 1, bytes.n, stdout);
		return;
	}
	say_lines(stdout, bytes);
	say_error("baler %s: stdout is a terminal, so control characters are shown as '?'; "
		  "redirect it to a file for the exact bytes\n",
		command);
}
