/*
 * log: one structured line per event, to stderr: JSON to a pipe or a file, readable text to a
 * terminal.
 *
 * Every event is declared once, in obs/log_events.h, with its level and its meaning. Libraries
 * return errors; the code that decides logs, once. The log never has file contents or secrets;
 * control characters are escaped. Thread-safe; one write(2) per line.
 */
#ifndef BALER_OBS_LOG_H
#define BALER_OBS_LOG_H

#include "base/buf.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_CRITICAL };

enum log_event {
#define X(id, level, name, meaning) id,
#include "obs/log_events.h"
#undef X
	LOG_EVENT_COUNT
};

/* The fields that lines may have: LOG_TEXT_x for texts, LOG_NUMBER_x for numbers, x as
 * obs/log_fields.h declares it. */
enum log_field_id {
	LOG_FIELDS_END,
#define X(kind, name, meaning) LOG_##kind##_##name,
#include "obs/log_fields.h"
#undef X
	LOG_FIELD_COUNT
};

struct log_field {
	enum log_field_id id;
	struct slice str; /* of a text */
	uint64_t u64;     /* of a number */
};

/* A field by its name in obs/log_fields.h, without quotes: LF_STR(cause, err.text). Any other
 * name does not compile, nor does a number where a text is declared. */
#define LF_STR(name_, cstr) ((struct log_field){LOG_TEXT_##name_, slice_str(cstr), 0})
#define LF_SLICE(name_, s) ((struct log_field){LOG_TEXT_##name_, (s), 0})
#define LF_U64(name_, v) ((struct log_field){LOG_NUMBER_##name_, {0}, (uint64_t)(v)})

/* log_event(EV_SERVE_READY, LF_STR(address, url), LF_STR(data, folder)); */
#define log_event(ev, ...)                                                                        \
	log_write(ev, (struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){0}})

/* fields end with one whose id is LOG_FIELDS_END. */
void log_write(enum log_event ev, const struct log_field *fields);

enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_JSON, LOG_FORMAT_TEXT };
/* The last lines of one thread: from log_tail_begin to log_tail_end its lines of LOG_INFO and above
 * also go into this buffer, as JSON, independent of the format and the least level. When the buffer
 * is full the oldest bytes are dropped. */
#define LOG_TAIL_BYTES 4096
struct log_tail {
	size_t n;
	unsigned char bytes[LOG_TAIL_BYTES];
};
void log_tail_begin(struct log_tail *tail);
void log_tail_end(void);

/* Below min_level nothing is written. At start LOG_INFO, AUTO (text when stderr is a terminal). */
void log_configure(enum log_level min_level, enum log_format format);
bool log_enabled(enum log_level level);
/* From now on each JSON line has this text as "service"; NULL: no line has it. The text is not
 * copied. Call it before other threads log. */
void log_name_service(const char *name);
/* Of the lines about one failed object, message or request only this share, in millionths, is
 * written, evenly spread and separately for each event; "left_out" of a line says how many were not
 * written since the line before. Tails and log_last_error see all lines. 1,000,000 at the start.
 * Call it before other threads log. */
void log_sample_errors(uint32_t millionths);

/* The last event of level ERROR or CRITICAL since the start, also when it was not written. */
struct log_last {
	uint64_t wall_ms;
	const char *event; /* its name */
	char text[512];    /* the field "cause" of the line, else the event's meaning; cut off */
};
bool log_last_error(struct log_last *ret_last); /* false: there was none */
/* DEBUG, INFO, WARNING, ERROR, CRITICAL, any case. */
bool log_level_parse(const char *name, enum log_level *ret_level);

#endif
