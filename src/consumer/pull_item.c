/* One bundle: fetch, extract, journal, remove, in this order. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "consumer/fetch.h"
#include "consumer/pull_internal.h"
#include "consumer/remove.h"

static enum rc fetch(struct pull_item *item, int fd, struct pull_result *r, struct err *err)
{
	struct pull *p = item->pull;
	enum rc rc;
	struct fetch f = {.store = p->o->store,
		.bundle = {.bucket = slice_str(p->o->bucket), .key = item->bundle.key},
		.fd = fd,
		.progress = &p->done_bytes,
		.stopping = p->o->stopping,
		.ret_version = item->version};

	rc = fetch_bundle(&f, &r->bytes, err);
	item->bundle.version = slice_str(item->version);
	return rc;
}

static enum rc extract(struct pull_item *item, int fd, struct pull_result *r, struct err *err)
{
	struct pull *p = item->pull;
	char work_name[32];
	struct extraction x = {.destination = p->destination,
		.bundle_fd = fd,
		.bundle = r->bundle,
		.published_wall_ms = item->published_wall_ms,
		.work_name = work_name,
		.stopping = p->o->stopping};

	snprintf(work_name, sizeof(work_name), "member-%zu", item->number);
	return extract_bundle(&x, &r->counts, err);
}

/* The file has no name once it is open: a killed run leaves nothing. */
static enum rc open_work_file(struct pull_item *item, int *ret_fd, struct err *err)
{
	int at = item->pull->destination->work_fd;
	char name[32];

	snprintf(name, sizeof(name), "bundle-%zu", item->number);
	*ret_fd = openat(at, name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (*ret_fd < 0)
		return err_errno(err, errno, "make a work file");
	unlinkat(at, name, 0);
	return RC_OK;
}

static enum rc take(struct pull_item *item, struct pull_result *r, struct err *err)
{
	struct pull *p = item->pull;
	int fd = -1;
	enum rc rc = RC_OK;

	r->was_extracted = journal_has(p->journal, &item->bundle);
	if (!r->was_extracted) {
		rc = open_work_file(item, &fd, err);
		if (rc == RC_OK)
			rc = fetch(item, fd, r, err);
		if (rc == RC_OK)
			rc = extract(item, fd, r, err);
		if (rc == RC_OK)
			rc = journal_add(p->journal, &item->bundle, err);
		if (fd >= 0)
			close(fd);
	}
	if (rc == RC_OK && !p->o->keep) {
		rc = remove_bundle(p->o->store, slice_str(p->o->bucket), &item->bundle, err);
		r->is_deleted = rc == RC_OK;
	}
	return rc;
}

static void add_counts(struct extract_counts *to, const struct extract_counts *from)
{
	to->members += from->members;
	to->bytes += from->bytes;
	for (size_t i = 0; i < PLACED_KINDS; i++)
		to->placed[i] += from->placed[i];
}

static bool is_full(const struct err *err)
{
	return err_is(err, "ENOSPC") || err_is(err, "EDQUOT");
}

static void finish(struct pull_item *item, const struct pull_result *r, bool is_news)
{
	struct pull *p = item->pull;

	item->rc = r->rc;
	pthread_mutex_lock(&p->lock);
	if (r->rc == RC_OK && !r->was_extracted) {
		p->totals.n_bundles++;
		p->totals.bytes += r->bytes;
	}
	add_counts(&p->totals.counts, &r->counts);
	if (is_news)
		p->o->tell(p->o->arg, r);
	p->n_done++;
	pthread_mutex_unlock(&p->lock);
}

bool pull_has_no_room(struct pull *p)
{
	return atomic_load(&p->n_no_room) >= PULL_NO_ROOM_MAX;
}

static bool is_store_away(struct pull *p)
{
	unsigned max = p->o->jobs > PULL_UNANSWERED_MAX ? p->o->jobs : PULL_UNANSWERED_MAX;

	return atomic_load(&p->n_unanswered) >= max;
}

/* Notes what the result of this bundle means for the others of the round. */
static void learn(struct pull_item *item, enum rc rc, const struct err *err)
{
	struct pull *p = item->pull;

	item->lacks_room = is_full(err);
	item->is_put_off = rc == RC_AGAIN && err_is(err, "ECANCELED");
	if (item->is_put_off)
		return;
	if (item->lacks_room)
		atomic_fetch_add(&p->n_no_room, 1);
	else if (rc == RC_OK)
		atomic_store(&p->n_no_room, 0);
	if (rc == RC_AGAIN && !item->lacks_room)
		atomic_fetch_add(&p->n_unanswered, 1);
	else
		atomic_store(&p->n_unanswered, 0);
}

void pull_item_run(struct work *w)
{
	struct pull_item *item = (struct pull_item *)w;
	struct pull *p = item->pull;
	struct err err = {0};
	struct pull_result r = {.bundle = (const char *)item->bundle.key.p, .err = &err};
	bool is_known;

	if (atomic_load(p->o->stopping) || pull_has_no_room(p) || is_store_away(p))
		r.rc = err_code(&err, RC_AGAIN, "ECANCELED", "put off");
	else
		r.rc = take(item, &r, &err);
	learn(item, r.rc, &err);
	/* A full disk is reported once. Bundles that were not begun because the run ends are not
	 * reported. */
	is_known = item->lacks_room && atomic_exchange(&p->is_full_told, true);
	finish(item, &r, !item->is_put_off && !is_known);
}
