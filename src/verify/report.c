#include "verify/report.h"

#include <stdio.h>

#include "base/date.h"
#include "base/json_write.h"
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

static void write_outcome(struct buf *out, const struct report_case *c)
{
	const struct run_result *r = &c->result;

	if (c->setup_error) {
		buf_add_str(out, "    <error");
		attribute(out, "message", c->setup_error);
		buf_add_str(out, "/>\n");
		return;
	}
	if (r->is_passed)
		return;
	buf_add_str(out, "    <failure");
	attribute(out, "message", r->n_texts ? r->texts[0] : "failed");
	buf_add_str(out, ">");
	for (size_t i = 0; i < r->n_texts; i++) {
		s3xml_escape(out, slice_str(r->texts[i]));
		buf_add_char(out, '\n');
	}
	buf_add_str(out, "</failure>\n");
}

static void property(struct buf *out, const char *name, uint64_t n)
{
	buf_addf(out, "<property name=\"%s\" value=\"%llu\"/>", name, (unsigned long long)n);
}

static void write_properties(struct buf *out, const struct run_result *r)
{
	buf_add_str(out, "    <properties>");
	property(out, "upload_ms", r->upload_ms);
	property(out, "arrival_ms", r->arrival_ms);
	if (r->peak_bytes)
		property(out, "server_peak_bytes", r->peak_bytes);
	buf_add_str(out, "</properties>\n");
}

static void write_case(struct buf *out, const char *suite, const struct report_case *c)
{
	const struct run_result *r = &c->result;

	buf_add_str(out, "  <testcase");
	attribute(out, "classname", suite);
	attribute(out, "name", c->name);
	buf_addf(out, " time=\"%.3f\">\n", seconds(r->total_ms));
	if (!c->setup_error)
		write_properties(out, r);
	write_outcome(out, c);
	if (!c->setup_error)
		buf_addf(out,
			"    <system-out>%llu of %llu files in %llu bundles, %llu bytes packed to "
			"%llu%s</system-out>\n",
			(unsigned long long)r->tally.n_found, (unsigned long long)r->n_files,
			(unsigned long long)r->tally.n_bundles,
			(unsigned long long)r->tally.member_bytes,
			(unsigned long long)r->tally.bundle_bytes,
			r->is_memory_unjudged ? "; the server's memory was not judged" : "");
	buf_add_str(out, "  </testcase>\n");
}

size_t report_count_failed(const struct report *r)
{
	size_t failed = 0;

	for (size_t i = 0; i < r->n; i++)
		failed += !r->cases[i].setup_error && !r->cases[i].result.is_passed;
	return failed;
}

size_t report_count_errors(const struct report *r)
{
	size_t errors = 0;

	for (size_t i = 0; i < r->n; i++)
		errors += r->cases[i].setup_error != NULL;
	return errors;
}

static uint64_t total_ms(const struct report *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->n; i++)
		sum += r->cases[i].result.total_ms;
	return sum;
}

bool report_junit(struct buf *out, const struct report *r)
{
	char date[DATE_ISO_BYTES], suite[128];

	snprintf(suite, sizeof(suite), r->scale < 1 ? "%.80s (scale %g)" : "%.80s", r->name,
		r->scale);
	date_iso_format(r->start_wall_ms, date);
	buf_add_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite");
	attribute(out, "name", suite);
	attribute(out, "timestamp", date);
	buf_addf(out,
		" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"0\" time=\"%.3f\">\n",
		r->n, report_count_failed(r), report_count_errors(r), seconds(total_ms(r)));
	if (r->scale < 1)
		buf_addf(out,
			"  <properties><property name=\"scale\" value=\"%g\"/></properties>\n",
			r->scale);
	for (size_t i = 0; i < r->n; i++)
		write_case(out, suite, &r->cases[i]);
	buf_add_str(out, "</testsuite>\n");
	return !out->overflow;
}

static void write_figures(struct buf *out, const struct run_result *r)
{
	json_bool(out, "passed", r->is_passed);
	json_str(out, "prefix", r->prefix);
	json_u64(out, "files", r->n_files);
	json_u64(out, "found", r->tally.n_found);
	json_u64(out, "source_bytes", r->source_bytes);
	json_u64(out, "bundles", r->tally.n_bundles);
	json_u64(out, "bundle_bytes", r->tally.bundle_bytes);
	json_u64(out, "upload_ms", r->upload_ms);
	json_u64(out, "invoke_ms", r->invoke_ms);
	json_u64(out, "arrival_ms", r->arrival_ms);
	json_u64(out, "total_ms", r->total_ms);
	if (r->peak_bytes)
		json_u64(out, "server_peak_bytes", r->peak_bytes);
	if (r->is_memory_unjudged)
		json_bool(out, "memory_judged", false);
	json_open_array(out, "problems");
	for (size_t i = 0; i < r->n_texts; i++)
		json_str(out, NULL, r->texts[i]);
	json_close_array(out);
}

static void write_run(struct buf *out, const struct report_case *c)
{
	json_open_object(out, NULL);
	json_str(out, "name", c->name);
	if (c->setup_error) {
		json_bool(out, "passed", false);
		json_str(out, "error", c->setup_error);
	} else {
		write_figures(out, &c->result);
	}
	json_close_object(out);
}

bool report_json(struct buf *out, const struct report *r)
{
	bool passed = report_count_failed(r) == 0 && report_count_errors(r) == 0;

	json_open_object(out, NULL);
	json_bool(out, "passed", passed);
	json_name(out, "scale");
	buf_addf(out, "%g", r->scale);
	json_open_array(out, "runs");
	for (size_t i = 0; i < r->n; i++)
		write_run(out, &r->cases[i]);
	json_close_array(out);
	json_close_object(out);
	buf_add_char(out, '\n');
	return !out->overflow;
}

/* The runs of one scenario: they follow each other in the report. */
struct row {
	const char *title, *setup_error;
	const struct run_result *last; /* that took place; NULL: none */
	size_t n, n_passed;
	uint64_t least_ms, most_ms, peak_bytes; /* of those that took place */
};

static void add_to_row(struct row *row, const struct report_case *c)
{
	const struct run_result *r = &c->result;

	row->n++;
	if (c->setup_error) {
		row->setup_error = c->setup_error;
		return;
	}
	row->n_passed += r->is_passed;
	if (!row->last || r->total_ms < row->least_ms)
		row->least_ms = r->total_ms;
	if (r->total_ms > row->most_ms)
		row->most_ms = r->total_ms;
	if (r->peak_bytes > row->peak_bytes)
		row->peak_bytes = r->peak_bytes;
	if (!row->last || row->last->is_passed)
		row->last = r; /* and of those the first that failed */
}

/* Cases i … *ret_end - 1. */
static struct row take_row(const struct report *r, size_t i, size_t *ret_end)
{
	struct row row = {.title = r->cases[i].scenario};

	for (*ret_end = i; *ret_end < r->n; ++*ret_end) {
		if (strcmp(r->cases[*ret_end].scenario, row.title) != 0)
			break;
		add_to_row(&row, &r->cases[*ret_end]);
	}
	return row;
}

static int name_width(const struct report *r)
{
	size_t width = strlen("scenario");

	for (size_t i = 0; i < r->n; i++)
		if (strlen(r->cases[i].scenario) > width)
			width = strlen(r->cases[i].scenario);
	return (int)(width < 60 ? width : 60);
}

static void write_row(struct buf *out, int width, const struct row *row)
{
	const struct run_result *r = row->last;
	bool is_passed = row->n_passed == row->n;

	buf_addf(out, "%-*.60s  %-6s %4zu/%-4zu ", width, row->title,
		row->setup_error ? "ERROR"
		: is_passed      ? "PASS"
				 : "FAIL",
		row->n_passed, row->n);
	if (!r) {
		buf_addf(out, "%s\n", row->setup_error);
		return;
	}
	buf_addf(out, "%6llu/%-6llu %8.0f %8llu %9.1f %8.1f %8.1f %8.1f %8.1f ",
		(unsigned long long)r->tally.n_found, (unsigned long long)r->n_files,
		(double)r->source_bytes / (1 << 20), (unsigned long long)r->tally.n_bundles,
		(double)r->tally.bundle_bytes / (1 << 20), seconds(r->upload_ms),
		seconds(r->arrival_ms), seconds(row->least_ms), seconds(row->most_ms));
	if (row->peak_bytes)
		buf_addf(out, "%8.0f", (double)row->peak_bytes / (1 << 20));
	else
		buf_addf(out, "%8s", "-");
	buf_addf(out, "%s%s\n", row->setup_error ? "  " : "",
		row->setup_error ? row->setup_error : "");
}

bool report_table(struct buf *out, const struct report *r)
{
	size_t failed = report_count_failed(r), errors = report_count_errors(r);
	int width = name_width(r);

	buf_addf(out, "%-*s  %-6s %9s %13s %8s %8s %9s %8s %8s %8s %8s %8s\n", width, "scenario",
		"result", "runs", "files", "MiB in", "bundles", "MiB out", "upload s", "arrive s",
		"least s", "most s", "peak MiB");
	for (size_t i = 0, end; i < r->n; i = end) {
		struct row row = take_row(r, i, &end);

		write_row(out, width, &row);
	}
	buf_addf(out, "%zu of %zu passed", r->n - failed - errors, r->n);
	if (errors)
		buf_addf(out, ", %zu could not be set up", errors);
	buf_addf(out, "; %.1f s", seconds(total_ms(r)));
	if (r->scale < 1)
		buf_addf(out, "; scaled by %g, not the full size", r->scale);
	buf_add_char(out, '\n');
	return !out->overflow;
}
