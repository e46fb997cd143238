#include "verify/invoke.h"

#include "base/json.h"
#include "wire/uri.h"

/* Keys travel as in a form: percent-encoded, '/' left alone. */
static void add_key(struct buf *out, struct slice key)
{
	buf_add_str(out, ",\"object\":{\"key\":\"");
	uri_encode(out, key, true);
	buf_add_char(out, '"');
}

static void add_text(struct buf *out, const char *name, struct slice value)
{
	if (value.n == 0)
		return;
	buf_addf(out, ",\"%s\":", name);
	json_add_string(out, value);
}

static void add_record(struct buf *out, const struct upload *u, size_t i, const char *region)
{
	const struct manifest_entry *e = &u->manifest->entries[i];

	buf_addf(out,
		"{\"eventVersion\":\"2.1\",\"eventSource\":\"aws:s3\",\"awsRegion\":\"%s\","
		"\"eventTime\":\"1970-01-01T00:00:00.000Z\",\"eventName\":\"ObjectCreated:Put\","
		"\"s3\":{\"s3SchemaVersion\":\"1.0\",\"bucket\":{\"name\":",
		region);
	json_add_string(out, u->bucket);
	buf_add_char(out, '}');
	add_key(out, e->key);
	buf_addf(out, ",\"size\":%llu", (unsigned long long)e->size);
	add_text(out, "eTag", u->etags[i]);
	add_text(out, "versionId", u->versions[i]);
	buf_addf(out, ",\"sequencer\":\"%016zX\"}}}", i + 1);
}

enum rc invoke_payload(
	struct buf *out, const struct upload *upload, const char *region, struct err *err)
{
	buf_init(out, INVOKE_PAYLOAD_MAX);
	buf_add_str(out, "{\"e2e_test_direct_invoke\":true,\"records\":[");
	for (size_t i = upload->first; i < upload->end; i++) {
		if (i > upload->first)
			buf_add_char(out, ',');
		add_record(out, upload, i, region);
	}
	buf_add_str(out, "]}");
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
