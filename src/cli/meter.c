#include "cli/meter.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/human.h"
#include "cli/say.h"

#define BAR_CHARS 24
#define BAR_CHARS_MIN 8
#define COLUMNS_USUAL 80
#define PART_MAX 64
#define WIPE "\r\033[K" /* moves to the beginning of the line, and erases the line */

/* For the handler of a signal that ends the process: where a line is, + 1; and that no other
 * follows. */
static _Atomic int line_fd;
static atomic_bool is_wiped;

/* The text. */

static double share(const struct meter_reading *now)
{
	double s = now->bytes ? (double)now->done_bytes / (double)now->bytes
		   : now->n   ? (double)now->n_done / (double)now->n
			      : 0;

	return s > 1 ? 1 : s;
}

static void show_left(const struct meter_reading *now, char out[PART_MAX])
{
	double done = share(now), seconds = (double)now->elapsed_ms / 1000;
	unsigned long long s = done > 0 ? (unsigned long long)(seconds / done - seconds + 0.5) : 0;

	out[0] = '\0';
	if (done > 0 && s < 3600)
		snprintf(out, PART_MAX, ", %llu:%02llu left", s / 60, s % 60);
	else if (done > 0 && s < 360000)
		snprintf(out, PART_MAX, ", %llu:%02llu:%02llu left", s / 3600, s / 60 % 60, s % 60);
	else if (done > 0)
		snprintf(out, PART_MAX, ", %llu days left", s / 86400);
}

static void show_rate(const struct meter_reading *now, char out[PART_MAX])
{
	double seconds = (double)now->elapsed_ms / 1000;
	char bytes[HUMAN_MAX];

	if (now->bytes || (!now->n && now->done_bytes))
		snprintf(out, PART_MAX, ", %s/s",
			human_bytes((uint64_t)((double)now->done_bytes / seconds), bytes));
	else
		snprintf(out, PART_MAX, ", %.1f/s", (double)now->n_done / seconds);
}

static void show_count(const char *what, const struct meter_reading *now, char out[PART_MAX])
{
	char done[HUMAN_MAX], all[HUMAN_MAX];

	if (now->n)
		snprintf(out, PART_MAX, "%llu of %llu %s", (unsigned long long)now->n_done,
			(unsigned long long)now->n, what);
	else if (now->n_done)
		snprintf(out, PART_MAX, "%llu %s", (unsigned long long)now->n_done, what);
	else if (now->bytes)
		snprintf(out, PART_MAX, "%s of %s", human_bytes(now->done_bytes, done),
			human_bytes(now->bytes, all));
	else
		snprintf(out, PART_MAX, "%s", human_bytes(now->done_bytes, done));
}

/* In front of a text that leaves room for it. */
static void add_bar(double done, size_t room, char *out, size_t max)
{
	size_t n = room < BAR_CHARS ? room : BAR_CHARS, full = (size_t)(done * (double)n);
	char text[PART_MAX * 4];

	snprintf(text, sizeof(text), "%s", out);
	memset(out, '-', n + 2);
	memset(out + 1, '#', full);
	out[0] = '[';
	out[n + 1] = ']';
	snprintf(out + n + 2, max - n - 2, " %s", text);
}

void meter_text(const char *what, const struct meter_reading *now, char *out, size_t max)
{
	char head[PART_MAX] = "", count[PART_MAX], rate[PART_MAX], left[PART_MAX];

	show_count(what, now, count);
	show_rate(now, rate);
	show_left(now, left);
	if (now->n || now->bytes)
		snprintf(head, sizeof(head), "%.0f %%, ", 100 * share(now));
	snprintf(out, max, "%s%s%s%s", head, count, rate, left);
}

/* On a narrow terminal the count is dropped first, then the rate. */
void meter_line(
	const char *what, const struct meter_reading *now, unsigned columns, char *out, size_t max)
{
	char rate[PART_MAX], left[PART_MAX];
	size_t room = columns > 1 ? columns - 1 : 1;
	bool is_total_known = now->n || now->bytes;

	show_rate(now, rate);
	show_left(now, left);
	meter_text(what, now, out, max);
	if (is_total_known && strlen(out) > room)
		snprintf(out, max, "%.0f %%%s%s", 100 * share(now), rate, left);
	if (is_total_known && strlen(out) > room)
		snprintf(out, max, "%.0f %%%s", 100 * share(now), left);
	if (strlen(out) > room)
		out[room] = '\0';
	if (is_total_known && strlen(out) + BAR_CHARS_MIN + 3 <= room)
		add_bar(share(now), room - strlen(out) - 3, out, max);
}

/* The line. */

void meter_init(
	struct meter *m, struct clock *clock, FILE *out, bool is_live, const char *what)
{
	const char *term = getenv("TERM");
	pthread_condattr_t monotonic;

	*m = (struct meter){.clock = clock, .out = out, .what = what, .next_ms = METER_AFTER_MS};
	m->is_live = is_live && !(term && strcmp(term, "dumb") == 0);
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static unsigned columns_of(FILE *out)
{
	struct winsize size;

	if (ioctl(fileno(out), TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
		return COLUMNS_USUAL;
	return size.ws_col;
}

static void draw_locked(struct meter *m)
{
	struct meter_reading now = m->last;
	char line[512];

	now.elapsed_ms += clock_boot_ms(m->clock) - m->last_boot_ms;
	if (m->is_held || now.elapsed_ms < m->next_ms || atomic_load(&is_wiped))
		return;
	m->next_ms = now.elapsed_ms + METER_LIVE_MS;
	meter_line(m->what, &now, columns_of(m->out), line, sizeof(line));
	m->has_line = true;
	atomic_store(&line_fd, fileno(m->out) + 1);
	say_to(m->out, "\r%s\033[K", line);
	fflush(m->out);
}

static void clear_locked(struct meter *m)
{
	m->is_held = true;
	if (!m->has_line)
		return;
	m->has_line = false;
	say_to(m->out, WIPE);
	fflush(m->out);
	atomic_store(&line_fd, 0);
}

static void tick(struct work *w)
{
	struct meter *m = (struct meter *)w;

	pthread_mutex_lock(&m->lock);
	while (!m->is_ending) {
		struct timespec until;

		draw_locked(m);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += METER_LIVE_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_nsec -= 1000000000L;
			until.tv_sec++;
		}
		pthread_cond_timedwait(&m->wake, &m->lock, &until);
	}
	pthread_mutex_unlock(&m->lock);
}

void meter_show(struct meter *m, const struct meter_reading *now)
{
	if (!m->is_live)
		return;
	pthread_mutex_lock(&m->lock);
	m->last = *now;
	m->last_boot_ms = clock_boot_ms(m->clock);
	m->is_held = false;
	if (!m->ticker) {
		m->work.run = tick;
		m->ticker = work_pool_new(1, "meter");
		work_pool_submit(m->ticker, &m->work);
	}
	draw_locked(m);
	pthread_mutex_unlock(&m->lock);
}

void meter_clear(struct meter *m)
{
	if (!m->is_live)
		return;
	pthread_mutex_lock(&m->lock);
	clear_locked(m);
	pthread_mutex_unlock(&m->lock);
}

void meter_end(struct meter *m)
{
	if (!m->is_live)
		return;
	pthread_mutex_lock(&m->lock);
	clear_locked(m);
	m->is_ending = true;
	pthread_cond_signal(&m->wake);
	pthread_mutex_unlock(&m->lock);
	if (m->ticker)
		work_pool_free(m->ticker); /* waits */
	m->ticker = NULL;
	m->is_ending = false;
	m->next_ms = METER_AFTER_MS;
}

void meter_wipe(void)
{
	int fd = atomic_load(&line_fd) - 1;

	atomic_store(&is_wiped, true);
	if (fd >= 0 && write(fd, WIPE, sizeof(WIPE) - 1) < 0)
		return; /* then the terminal is gone too */
}
