#include "obs/log.h"

#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/date.h"
#include "base/json.h"

#define LINE_MAX_BYTES 8192
#define ALL_PPM 1000000u
#define FIELDS_MAX 16
#define TEXT_MAX 1024 /* bytes of one text that a line shows */

static const struct {
	enum log_level level;
	const char *name, *meaning;
} events[] = {
#define X(id, level, name, meaning) [id] = {level, name, meaning},
#include "obs/log_events.h"
#undef X
};

static const struct {
	enum { TEXT, NUMBER } kind;
	const char *name;
} field_list[] = {
#define X(kind, name, meaning) [LOG_##kind##_##name] = {kind, #name},
#include "obs/log_fields.h"
#undef X
};

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};

static enum log_level least = LOG_INFO;
static bool as_json;
static bool decided;
static const char *service;
static uint32_t sampled = ALL_PPM; /* of the lines of the events that is_sampled names */
static _Thread_local struct log_tail *own_tail;

void log_configure(enum log_level min_level, enum log_format format)
{
	least = min_level;
	as_json = format == LOG_FORMAT_AUTO ? !isatty(STDERR_FILENO) : format == LOG_FORMAT_JSON;
	decided = true;
}

void log_name_service(const char *name)
{
	service = name;
}

void log_sample_errors(uint32_t millionths)
{
	sampled = millionths;
}

bool log_enabled(enum log_level level)
{
	return level >= least;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
		if (strcasecmp(name, level_names[i]) == 0) {
			*ret_level = (enum log_level)i;
			return true;
		}
	return false;
}

static void add_time(struct buf *line)
{
	struct timespec now;
	char text[DATE_ISO_BYTES];

	clock_gettime(CLOCK_REALTIME, &now);
	date_iso_format((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, text);
	buf_add_str(line, text);
}

/* The failures of one object, message or request: those that can come by the thousand. */
static bool is_sampled(enum log_event ev)
{
	switch ((int)ev) {
	case EV_OBJECT_REJECTED:
	case EV_RECORD_FAILED:
	case EV_REQUEST_FAILED:
	case EV_MESSAGE_RETURNED:
	case EV_DISK_FULL:
		return true;
	}
	return false;
}

/* Whether this line is among those written: of n lines n · sampled, the first always when there
 * is one. */
static bool is_chosen(enum log_event ev, uint64_t *ret_left_out)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct {
		uint32_t credit; /* millionths; a whole line is written */
		uint64_t left_out;
		bool has_begun;
	} counts[LOG_EVENT_COUNT]; /* under lock */
	bool is_chosen;

	*ret_left_out = 0;
	if (sampled >= ALL_PPM || !is_sampled(ev))
		return true;
	pthread_mutex_lock(&lock);
	counts[ev].credit += counts[ev].has_begun || !sampled ? sampled : ALL_PPM;
	counts[ev].has_begun = true;
	is_chosen = counts[ev].credit >= ALL_PPM;
	if (is_chosen) {
		*ret_left_out = counts[ev].left_out;
		counts[ev].left_out = 0;
		counts[ev].credit -= ALL_PPM;
	} else {
		counts[ev].left_out++;
	}
	pthread_mutex_unlock(&lock);
	return is_chosen;
}

static void add_value(struct buf *line, const struct log_field *f)
{
	if (field_list[f->id].kind == TEXT)
		json_add_string(
			line, slice_of(f->str.p, f->str.n > TEXT_MAX ? TEXT_MAX : f->str.n));
	else
		buf_addf(line, "%llu", (unsigned long long)f->u64);
}

static void add_json(struct buf *line, enum log_event ev, const struct log_field *f)
{
	buf_add_str(line, "{\"time\":\"");
	add_time(line);
	buf_addf(line,
		"\",\"level\":\"%s\",\"event\":\"%s\",\"message\":", level_names[events[ev].level],
		events[ev].name);
	json_add_string(line, slice_str(events[ev].meaning));
	if (service) {
		buf_add_str(line, ",\"service\":");
		json_add_string(line, slice_str(service));
	}
	for (; f->id; f++) {
		buf_addf(line, ",\"%s\":", field_list[f->id].name);
		add_value(line, f);
	}
	buf_add_str(line, "}\n");
}

static void add_text(struct buf *line, enum log_event ev, const struct log_field *f)
{
	add_time(line);
	buf_addf(line, " %-8s %s", level_names[events[ev].level], events[ev].name);
	for (; f->id; f++) {
		buf_addf(line, " %s=", field_list[f->id].name);
		add_value(line, f);
	}
	buf_add_char(line, '\n');
}

static pthread_mutex_t last_lock = PTHREAD_MUTEX_INITIALIZER;
static struct log_last last; /* under last_lock; event NULL: none */

static void remember(enum log_event ev, const struct log_field *f)
{
	struct slice text = slice_str(events[ev].meaning);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	for (; f->id; f++)
		if (f->id == LOG_TEXT_cause)
			text = f->str;
	pthread_mutex_lock(&last_lock);
	last.wall_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	last.event = events[ev].name;
	snprintf(last.text, sizeof(last.text), SLICE_FMT, SLICE_ARG(text));
	pthread_mutex_unlock(&last_lock);
}

bool log_last_error(struct log_last *ret_last)
{
	pthread_mutex_lock(&last_lock);
	*ret_last = last;
	pthread_mutex_unlock(&last_lock);
	return ret_last->event != NULL;
}

void log_tail_begin(struct log_tail *tail)
{
	tail->n = 0;
	own_tail = tail;
}

void log_tail_end(void)
{
	own_tail = NULL;
}

static void keep_tail(struct log_tail *t, enum log_event ev, const struct log_field *fields)
{
	struct buf line;
	size_t drop;

	buf_init(&line, LINE_MAX_BYTES);
	add_json(&line, ev, fields);
	if (!line.overflow && line.n <= LOG_TAIL_BYTES) {
		drop = t->n + line.n > LOG_TAIL_BYTES ? t->n + line.n - LOG_TAIL_BYTES : 0;
		memmove(t->bytes, t->bytes + drop, t->n - drop);
		memcpy(t->bytes + t->n - drop, line.p, line.n);
		t->n += line.n - drop;
	}
	buf_release(&line);
}

static void write_line(enum log_event ev, const struct log_field *fields)
{
	struct buf line;

	if (!decided)
		log_configure(least, LOG_FORMAT_AUTO);
	buf_init(&line, LINE_MAX_BYTES);
	if (as_json)
		add_json(&line, ev, fields);
	else
		add_text(&line, ev, fields);
	if (line.overflow) { /* too much to say: the event's name matters most */
		buf_reset(&line);
		buf_addf(&line, "{\"level\":\"%s\",\"event\":\"%s\",\"cut\":true}\n",
			level_names[events[ev].level], events[ev].name);
	}
	if (write(STDERR_FILENO, line.p, line.n) < 0) {
		/* nowhere left to say it */
	}
	buf_release(&line);
}

void log_write(enum log_event ev, const struct log_field *fields)
{
	struct log_field more[FIELDS_MAX + 2] = {0};
	uint64_t left_out;
	size_t n = 0;

	if (events[ev].level >= LOG_ERROR)
		remember(ev, fields);
	if (own_tail && events[ev].level >= LOG_INFO)
		keep_tail(own_tail, ev, fields);
	if (events[ev].level < least || !is_chosen(ev, &left_out))
		return;
	if (left_out) {
		for (; n < FIELDS_MAX && fields[n].id; n++)
			more[n] = fields[n];
		more[n] = LF_U64(left_out, left_out);
		fields = more;
	}
	write_line(ev, fields);
}
