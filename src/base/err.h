/*
 * err: what went wrong, for the caller (enum rc) and for a person (struct err).
 *
 * The return code says what the caller may do next. The text tells the story, cause first, each
 * level adding its context in front once: "put 'data/a': write 'blobs/07/3f': No space left".
 * No capital, no full stop, the subject in single quotes.
 */
#ifndef BALER_BASE_ERR_H
#define BALER_BASE_ERR_H

#include <stdarg.h>

enum rc {
	RC_OK = 0,
	RC_ABSENT,   /* what was named does not exist */
	RC_CONFLICT, /* a condition was not met; nothing was changed */
	RC_AGAIN,    /* certainly not applied; trying again may succeed */
	RC_UNKNOWN,  /* perhaps applied: look before deciding */
	RC_CORRUPT,  /* the data are not what they claim to be */
	RC_REFUSED,  /* will not be done, now or later: bad input, no permission */
	RC_FATAL,    /* this process cannot go on (a failed fsync, no memory) */
	RC_SKIP,     /* only from a callback: leave this item out and take the next one */
};

#define ERR_TEXT_MAX 512
#define ERR_CODE_MAX 48
/* The code of an RC_CORRUPT that means: the bytes that were stored are gone, cut, or changed.
 * Reading them again will not help. */
#define ERR_DAMAGED "ObjectDamaged"

struct err {
	char code[ERR_CODE_MAX]; /* the standard code, where there is one: "NoSuchKey", "ENOSPC" */
	char text[ERR_TEXT_MAX]; /* always terminated; cut, never overrun */
};

/* The name of a code, in lower case: "ok", "absent", … */
const char *rc_name(enum rc rc);

/* Sets text (and clears code); returns rc, so that `return err_set(err, RC_REFUSED, …)` reads
 * well. err may be NULL. */
enum rc err_set(struct err *err, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same, with a standard code. */
enum rc err_code(struct err *err, enum rc rc, const char *code, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of the text; keeps the code; returns rc. */
enum rc err_ctx(struct err *err, enum rc rc, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* From an errno value: text "fmt: strerror", code "ENOSPC" and so on.
 * ENOSPC, EDQUOT, EMFILE, ENFILE, EAGAIN, EINTR give RC_AGAIN; ENOENT RC_ABSENT; EEXIST
 * RC_CONFLICT; the rest RC_FATAL. */
enum rc err_errno(struct err *err, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Whether err carries this code. */
int err_is(const struct err *err, const char *code);

/* Out of memory and broken promises of our own: says so on stderr and aborts. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* malloc and friends that cannot fail: they die() instead. Sizes in bytes. */
void *xmalloc(unsigned long n);
void *xcalloc(unsigned long n, unsigned long size);
void *xrealloc(void *p, unsigned long n);
char *xstrdup(const char *s);

#endif
