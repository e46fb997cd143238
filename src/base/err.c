#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *rc_name(enum rc rc)
{
	static const char *const names[] = {
		[RC_OK] = "ok",           [RC_ABSENT] = "absent",   [RC_CONFLICT] = "conflict",
		[RC_AGAIN] = "again",     [RC_UNKNOWN] = "unknown", [RC_CORRUPT] = "corrupt",
		[RC_REFUSED] = "refused", [RC_FATAL] = "fatal",     [RC_SKIP] = "skip",
	};
	return names[rc];
}

enum rc err_set(struct err *err, enum rc rc, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return rc;
	err->code[0] = '\0';
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return rc;
}

enum rc err_code(struct err *err, enum rc rc, const char *code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return rc;
	snprintf(err->code, sizeof(err->code), "%s", code);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return rc;
}

enum rc err_ctx(struct err *err, enum rc rc, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX];
	va_list ap;
	int n;

	if (!err)
		return rc;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", old);
	return rc;
}

static enum rc rc_of_errno(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
	case EMFILE:
	case ENFILE:
	case EAGAIN:
	case EINTR:
		return RC_AGAIN;
	case ENOENT:
		return RC_ABSENT;
	case EEXIST:
		return RC_CONFLICT;
	default:
		return RC_FATAL;
	}
}

enum rc err_errno(struct err *err, int errnum, const char *fmt, ...)
{
	const char *name = strerrorname_np(errnum);
	va_list ap;
	int n;

	if (!err)
		return rc_of_errno(errnum);
	snprintf(err->code, sizeof(err->code), "%s", name ? name : "EUNKNOWN");
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %s", strerrordesc_np(errnum));
	return rc_of_errno(errnum);
}

int err_is(const struct err *err, const char *code)
{
	return err && strcmp(err->code, code) == 0;
}

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("baler: fatal: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void *xmalloc(unsigned long n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		die("no memory for %lu bytes", n);
	return p;
}

void *xcalloc(unsigned long n, unsigned long size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		die("no memory for %lu x %lu bytes", n, size);
	return p;
}

void *xrealloc(void *p, unsigned long n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		die("no memory for %lu bytes", n);
	return p;
}

char *xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(xmalloc(n), s, n);
}
