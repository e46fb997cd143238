/*
 * json_write: JSON documents, written piece by piece to the end of a buffer.
 *
 * The writer sets every comma: a value that follows '{', '[', ':' or a line break, or that begins
 * the buffer, gets none; every other value gets one. Therefore a document that is written in
 * several buffers must set the commas between the buffers itself. Nothing is allocated but the
 * buffer, and a document that does not fit sets its overflow flag.
 *
 * name: of the member, a constant of the program (it is not escaped); NULL inside an array, or for
 * the document itself. Texts are escaped as json_add_string does.
 */
#ifndef BALER_BASE_JSON_WRITE_H
#define BALER_BASE_JSON_WRITE_H

#include "base/buf.h"

void json_open_object(struct buf *out, const char *name);
void json_close_object(struct buf *out);
void json_open_array(struct buf *out, const char *name);
void json_close_array(struct buf *out);

void json_text(struct buf *out, const char *name, struct slice value);
void json_str(struct buf *out, const char *name, const char *value);
void json_u64(struct buf *out, const char *name, uint64_t value);
void json_bool(struct buf *out, const char *name, bool value);
void json_nothing(struct buf *out, const char *name); /* null */
void json_hex(struct buf *out, const char *name, const void *p, size_t n); /* lower case */
/* "2009-10-12T17:50:30.000Z"; null for 0 */
void json_time(struct buf *out, const char *name, uint64_t wall_ms);

/* The comma and the name; the caller writes the value. */
void json_name(struct buf *out, const char *name);

#endif
