#include "base/json_write.h"

#include <inttypes.h>

#include "base/date.h"
#include "base/json.h"

void json_name(struct buf *out, const char *name)
{
	unsigned char last = out->n ? out->p[out->n - 1] : '\n';

	if (last != '{' && last != '[' && last != ':' && last != '\n')
		buf_add_char(out, ',');
	if (name) {
		buf_add_char(out, '"');
		buf_add_str(out, name);
		buf_add_str(out, "\":");
	}
}

void json_open_object(struct buf *out, const char *name)
{
	json_name(out, name);
	buf_add_char(out, '{');
}

void json_close_object(struct buf *out)
{
	buf_add_char(out, '}');
}

void json_open_array(struct buf *out, const char *name)
{
	json_name(out, name);
	buf_add_char(out, '[');
}

void json_close_array(struct buf *out)
{
	buf_add_char(out, ']');
}

void json_text(struct buf *out, const char *name, struct slice value)
{
	json_name(out, name);
	json_add_string(out, value);
}

void json_str(struct buf *out, const char *name, const char *value)
{
	json_text(out, name, slice_str(value));
}

void json_u64(struct buf *out, const char *name, uint64_t value)
{
	json_name(out, name);
	buf_addf(out, "%" PRIu64, value);
}

void json_bool(struct buf *out, const char *name, bool value)
{
	json_name(out, name);
	buf_add_str(out, value ? "true" : "false");
}

void json_nothing(struct buf *out, const char *name)
{
	json_name(out, name);
	buf_add_str(out, "null");
}

void json_hex(struct buf *out, const char *name, const void *p, size_t n)
{
	json_name(out, name);
	buf_add_char(out, '"');
	buf_add_hex(out, p, n);
	buf_add_char(out, '"');
}

void json_time(struct buf *out, const char *name, uint64_t wall_ms)
{
	char text[DATE_ISO_BYTES];

	if (!wall_ms) {
		json_nothing(out, name);
		return;
	}
	date_iso_format(wall_ms, text);
	json_str(out, name, text);
}
