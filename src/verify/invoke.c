#include "verify/invoke.h"

#include <stdio.h>

#include "base/json_write.h"
#include "wire/uri.h"

static void add_known(struct buf *out, const char *name, struct slice value)
{
	if (value.n)
		json_text(out, name, value);
}

/* A key travels as in a form: percent-encoded, '/' left alone. */
static void add_object(struct buf *out, const struct upload *u, size_t i)
{
	const struct manifest_entry *e = &u->manifest->entries[i];
	char sequencer[24];

	snprintf(sequencer, sizeof(sequencer), "%016zX", i + 1);
	json_open_object(out, "object");
	json_name(out, "key");
	buf_add_char(out, '"');
	uri_encode(out, e->key, true);
	buf_add_char(out, '"');
	json_u64(out, "size", e->size);
	add_known(out, "eTag", u->etags[i]);
	add_known(out, "versionId", u->versions[i]);
	json_str(out, "sequencer", sequencer);
	json_close_object(out);
}

static void add_record(struct buf *out, const struct upload *u, size_t i, const char *region)
{
	json_open_object(out, NULL);
	json_str(out, "eventVersion", "2.1");
	json_str(out, "eventSource", "aws:s3");
	json_str(out, "awsRegion", region);
	json_str(out, "eventTime", "1970-01-01T00:00:00.000Z");
	json_str(out, "eventName", "ObjectCreated:Put");
	json_open_object(out, "s3");
	json_str(out, "s3SchemaVersion", "1.0");
	json_open_object(out, "bucket");
	json_text(out, "name", u->bucket);
	json_close_object(out);
	add_object(out, u, i);
	json_close_object(out);
	json_close_object(out);
}

enum rc invoke_payload(
	struct buf *out, const struct upload *upload, const char *region, struct err *err)
{
	buf_init(out, INVOKE_PAYLOAD_MAX);
	json_open_object(out, NULL);
	json_bool(out, "e2e_test_direct_invoke", true);
	json_open_array(out, "records");
	for (size_t i = upload->first; i < upload->end; i++)
		add_record(out, upload, i, region);
	json_close_array(out);
	json_close_object(out);
	if (out->overflow)
		return err_set(err, RC_REFUSED,
			"the records of %zu files are too much for one invocation",
			upload->end - upload->first);
	return RC_OK;
}

size_t invoke_fitting(const struct manifest *m, uint64_t limit_bytes)
{
	uint64_t sum = 0;
	size_t n = 0;

	for (; n < m->n; n++) {
		sum += (m->entries[n].size + 511) / 512 * 512;
		if (sum > limit_bytes)
			break;
	}
	return n;
}

static const unsigned char *find(struct slice text, const char *words)
{
	return text.n ? memmem(text.p, text.n, words, strlen(words)) : NULL;
}

bool invoke_tells_limit(const struct fn_answer *answer)
{
	return find(answer->log, INVOKE_LIMIT_WORDS) != NULL;
}

bool invoke_timed_out(const struct fn_answer *answer)
{
	return find(answer->payload, "timed out") != NULL;
}

bool invoke_processed(const struct fn_answer *answer, uint64_t *ret_n)
{
	struct slice left = answer->log;
	const unsigned char *at;
	bool has_number = false;

	while ((at = find(left, INVOKE_PROCESSED_WORDS))) {
		const unsigned char *end = left.p + left.n;
		uint64_t n = 0;

		at += strlen(INVOKE_PROCESSED_WORDS);
		left = slice_of(at, (size_t)(end - at));
		for (; at < end && *at >= '0' && *at <= '9'; at++)
			n = 10 * n + (uint64_t)(*at - '0');
		if (at == left.p)
			continue;
		*ret_n = n;
		has_number = true;
	}
	return has_number;
}
