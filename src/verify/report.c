#include "verify/report.h"

#include "base/json.h"
#include "wire/http_date.h"
#include "wire/s3xml.h"

/* Inside double quotes. */
static void attribute(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s=\"", name);
	s3xml_escape(out, slice_str(value));
	buf_add_char(out, '"');
}

static double seconds(uint64_t ms)
{
	return (double)ms / 1000.0;
}

static void write_case(struct buf *out, const char *suite, const struct report_case *c)
{
	const struct run_result *r = &c->result;

	buf_add_str(out, "  <testcase");
	attribute(out, "classname", suite);
	attribute(out, "name", c->name);
	buf_addf(out, " time=\"%.3f\">\n", seconds(r->total_ms));
	if (!r->is_passed) {
		buf_add_str(out, "    <failure");
		attribute(out, "message", r->n_texts ? r->texts[0] : "failed");
		buf_add_str(out, ">");
		for (size_t i = 0; i < r->n_texts; i++) {
			s3xml_escape(out, slice_str(r->texts[i]));
			buf_add_char(out, '\n');
		}
		buf_add_str(out, "</failure>\n");
	}
	buf_addf(out,
		"    <system-out>%llu of %llu files in %llu bundles, %llu bytes packed to "
		"%llu</system-out>\n  </testcase>\n",
		(unsigned long long)r->tally.n_found, (unsigned long long)r->n_files,
		(unsigned long long)r->tally.n_bundles, (unsigned long long)r->tally.member_bytes,
		(unsigned long long)r->tally.bundle_bytes);
}

static size_t count_failed(const struct report_case *cases, size_t n)
{
	size_t failed = 0;

	for (size_t i = 0; i < n; i++)
		failed += !cases[i].result.is_passed;
	return failed;
}

bool report_junit(struct buf *out, const char *suite, uint64_t start_wall_ms,
	const struct report_case *cases, size_t n)
{
	char date[ISO_EXTENDED_BYTES];
	uint64_t total_ms = 0;

	for (size_t i = 0; i < n; i++)
		total_ms += cases[i].result.total_ms;
	iso_extended_format(start_wall_ms, date);
	buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite");
	attribute(out, "name", suite);
	attribute(out, "timestamp", date);
	buf_addf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\" time=\"%.3f\">\n",
		n, count_failed(cases, n), seconds(total_ms));
	for (size_t i = 0; i < n; i++)
		write_case(out, suite, &cases[i]);
	buf_add_str(out, "</testsuite>\n");
	return !out->overflow;
}

static void write_run(struct buf *out, const struct report_case *c)
{
	const struct run_result *r = &c->result;

	buf_add_str(out, "{\"name\":");
	json_add_string(out, slice_str(c->name));
	buf_addf(out,
		",\"passed\":%s,\"prefix\":\"%s\",\"files\":%llu,\"found\":%llu,"
		"\"source_bytes\":%llu,\"bundles\":%llu,\"bundle_bytes\":%llu,\"upload_ms\":%llu,"
		"\"arrival_ms\":%llu,\"total_ms\":%llu,\"problems\":[",
		r->is_passed ? "true" : "false", r->prefix, (unsigned long long)r->n_files,
		(unsigned long long)r->tally.n_found, (unsigned long long)r->source_bytes,
		(unsigned long long)r->tally.n_bundles, (unsigned long long)r->tally.bundle_bytes,
		(unsigned long long)r->upload_ms, (unsigned long long)r->arrival_ms,
		(unsigned long long)r->total_ms);
	for (size_t i = 0; i < r->n_texts; i++) {
		if (i)
			buf_add_char(out, ',');
		json_add_string(out, slice_str(r->texts[i]));
	}
	buf_add_str(out, "]}");
}

bool report_json(struct buf *out, const struct report_case *cases, size_t n)
{
	buf_addf(out, "{\"passed\":%s,\"runs\":[", count_failed(cases, n) ? "false" : "true");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_add_char(out, ',');
		write_run(out, &cases[i]);
	}
	buf_add_str(out, "]}\n");
	return !out->overflow;
}
