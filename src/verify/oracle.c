#include "verify/oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

/* The members of one bundle, until it is known to be whole. */
struct sighting {
	/* entry of the manifest; SIZE_MAX: a file under our prefix that this run never put */
	size_t entry;
	/* name of such a file, or of an entry's bytes under another name; else NULL */
	char *name;
	bool is_intact;
};

struct oracle {
	const struct manifest *manifest;
	uint64_t copies;
	uint32_t *seen; /* per entry: in how many bundles */
	enum want *wants;
	size_t *by_hash; /* the entries, in order of their hashes */
	struct oracle_tally tally;
	char *texts[ORACLE_PROBLEMS_MAX];

	char *bundle; /* the one under way */
	struct sighting *sightings;
	size_t n_sightings, cap_sightings;
	uint64_t n_members, n_foreign, member_bytes, foreign_bytes, rounded_bytes;
	bool last_has_ours, last_is_ours;
	char *foreign[ORACLE_FOREIGN_MAX]; /* names */
	size_t n_names;
};

static int compare_hashes(const void *a, const void *b, void *entries)
{
	const struct manifest_entry *e = entries;
	const size_t *x = a, *y = b;

	return memcmp(e[*x].sha256, e[*y].sha256, SHA256_BYTES);
}

struct oracle *oracle_new(const struct manifest *manifest, uint64_t copies)
{
	struct oracle *o = xcalloc(1, sizeof(*o));

	o->manifest = manifest;
	o->copies = copies;
	o->seen = xcalloc(manifest->n, sizeof(*o->seen));
	o->wants = xcalloc(manifest->n, sizeof(*o->wants));
	o->by_hash = xcalloc(manifest->n, sizeof(*o->by_hash));
	for (size_t i = 0; i < manifest->n; i++)
		o->by_hash[i] = i;
	qsort_r(o->by_hash, manifest->n, sizeof(*o->by_hash), compare_hashes, manifest->entries);
	return o;
}

static void drop_sightings(struct oracle *o)
{
	for (size_t i = 0; i < o->n_sightings; i++)
		free(o->sightings[i].name);
	o->n_sightings = 0;
	o->n_members = o->n_foreign = 0;
	o->member_bytes = o->foreign_bytes = o->rounded_bytes = 0;
	free(o->bundle);
	o->bundle = NULL;
}

static void drop_names(struct oracle *o)
{
	while (o->n_names)
		free(o->foreign[--o->n_names]);
}

void oracle_free(struct oracle *o)
{
	if (!o)
		return;
	drop_sightings(o);
	drop_names(o);
	for (size_t i = 0; i < ORACLE_PROBLEMS_MAX; i++)
		free(o->texts[i]);
	free(o->sightings);
	free(o->seen);
	free(o->wants);
	free(o->by_hash);
	free(o);
}

void oracle_expect(struct oracle *o, uint64_t copies)
{
	o->copies = copies;
	o->tally.n_found = 0;
	for (size_t i = 0; i < o->manifest->n; i++)
		o->tally.n_found += o->wants[i] != WANT_NEVER && o->seen[i] == copies;
}

void oracle_want(struct oracle *o, size_t i, enum want want)
{
	o->wants[i] = want;
}

uint32_t oracle_seen(const struct oracle *o, size_t i)
{
	return o->seen[i];
}

void oracle_problem(struct oracle *o, const char *fmt, ...)
{
	uint64_t i = o->tally.n_problems++;
	va_list ap;

	if (i >= ORACLE_PROBLEMS_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&o->texts[i], fmt, ap) < 0)
		die("no memory for a sentence");
	va_end(ap);
}

void oracle_begin(struct oracle *o, struct slice bundle_key)
{
	drop_sightings(o);
	drop_names(o);
	o->bundle = slice_dup(bundle_key);
}

static bool has_bytes_of(const struct untar_member *member, const struct manifest_entry *e)
{
	return member->size == e->size && memcmp(member->sha256, e->sha256, SHA256_BYTES) == 0;
}

/* The entry that has these bytes, or SIZE_MAX. An empty file belongs to no entry. */
static size_t find_bytes(const struct oracle *o, const struct untar_member *member)
{
	size_t low = 0, high = o->manifest->n;

	while (member->size && low < high) {
		size_t middle = low + (high - low) / 2;
		const struct manifest_entry *e = &o->manifest->entries[o->by_hash[middle]];
		int d = memcmp(member->sha256, e->sha256, SHA256_BYTES);

		if (d == 0)
			return o->by_hash[middle];
		if (d < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return SIZE_MAX;
}

static struct sighting *add_sighting(struct oracle *o)
{
	if (o->n_sightings == o->cap_sightings) {
		o->cap_sightings = o->cap_sightings ? 2 * o->cap_sightings : 64;
		o->sightings = xrealloc(o->sightings, o->cap_sightings * sizeof(*o->sightings));
	}
	return &o->sightings[o->n_sightings++];
}

static void note_foreign(struct oracle *o, const struct untar_member *member)
{
	o->n_foreign++;
	o->foreign_bytes += member->size;
	if (o->n_names < ORACLE_FOREIGN_MAX)
		o->foreign[o->n_names++] = slice_dup(member->name);
}

void oracle_member(struct oracle *o, const struct untar_member *member)
{
	const struct manifest_entry *e = manifest_find(o->manifest, member->name);
	size_t renamed = e ? SIZE_MAX : find_bytes(o, member);

	o->n_members++;
	o->member_bytes += member->size;
	o->rounded_bytes += (member->size + 511) / 512 * 512;
	if (e)
		*add_sighting(o) = (struct sighting){.entry = (size_t)(e - o->manifest->entries),
			.is_intact = has_bytes_of(member, e)};
	else if (renamed != SIZE_MAX || slice_has_prefix(member->name, o->manifest->prefix))
		*add_sighting(o) =
			(struct sighting){.entry = renamed, .name = slice_dup(member->name)};
	else
		note_foreign(o, member);
}

static void count_unwanted(struct oracle *o, const struct sighting *s, const char *key)
{
	o->seen[s->entry]++;
	oracle_problem(o, "unwanted: '%s' must not arrive, but is in '%s'%s%s%s", key, o->bundle,
		s->name ? " as '" : "", s->name ? s->name : "", s->name ? "'" : "");
}

static void count_sighting(struct oracle *o, const struct sighting *s)
{
	const char *key;
	uint32_t times;

	if (s->entry == SIZE_MAX) {
		oracle_problem(o, "extra: '%s' in '%s' was never put in", s->name, o->bundle);
		return;
	}
	key = (const char *)o->manifest->entries[s->entry].key.p;
	if (o->wants[s->entry] == WANT_NEVER) {
		count_unwanted(o, s, key);
		return;
	}
	if (s->name) {
		oracle_problem(
			o, "extra: '%s' in '%s' has the bytes of '%s'", s->name, o->bundle, key);
		return;
	}
	if (!s->is_intact) {
		oracle_problem(o, "damaged: '%s' in '%s' does not have its bytes", key, o->bundle);
		return;
	}
	times = ++o->seen[s->entry];
	if (times == o->copies)
		o->tally.n_found++;
	if (times > o->copies)
		oracle_problem(o, "duplicate: '%s' is in '%s' too, %u times in all", key, o->bundle,
			times);
}

static int by_entry(const void *a, const void *b)
{
	const struct sighting *x = a, *y = b;

	if (x->entry != y->entry)
		return x->entry < y->entry ? -1 : 1;
	return !x->name - !y->name; /* members under their own names */
}

/* A file that is twice in one bundle is an error, however many bundles are expected. */
static void check_within(struct oracle *o)
{
	if (o->n_sightings < 2)
		return;
	qsort(o->sightings, o->n_sightings, sizeof(*o->sightings), by_entry);
	for (size_t i = 1; i < o->n_sightings; i++)
		if (o->sightings[i].entry != SIZE_MAX && !o->sightings[i].name &&
			!o->sightings[i - 1].name &&
			o->sightings[i].entry == o->sightings[i - 1].entry)
			oracle_problem(o, "duplicate: '%s' is in '%s' more than once",
				(const char *)o->manifest->entries[o->sightings[i].entry].key.p,
				o->bundle);
}

static void check_hash(struct oracle *o, struct slice declared, const unsigned char *actual)
{
	char hex[2 * SHA256_BYTES + 1];

	hex_encode(actual, SHA256_BYTES, hex);
	if (declared.n == 0)
		oracle_problem(o, "bundle '%s' has no metadata content-sha256", o->bundle);
	else if (!slice_eq_str(declared, hex))
		oracle_problem(o, "bundle '%s' says content-sha256 '" SLICE_FMT "' but has %s",
			o->bundle, SLICE_ARG(declared), hex);
}

void oracle_end(struct oracle *o, bool whole, uint64_t bytes, struct slice declared,
	const unsigned char actual[SHA256_BYTES])
{
	o->last_has_ours = whole && o->n_sightings;
	o->last_is_ours = o->last_has_ours && !o->n_foreign;
	if (whole && o->n_members == 0)
		oracle_problem(o, "empty: bundle '%s' has no members", o->bundle);
	if (o->last_has_ours) {
		check_hash(o, declared, actual);
		check_within(o);
		for (size_t i = 0; i < o->n_sightings; i++)
			count_sighting(o, &o->sightings[i]);
		o->tally.n_bundles++;
		o->tally.n_foreign += o->n_foreign;
		o->tally.bundle_bytes += bytes;
		o->tally.member_bytes += o->member_bytes;
		o->tally.foreign_bytes += o->foreign_bytes;
		if (o->n_members > 1 && o->rounded_bytes > o->tally.largest_bytes)
			o->tally.largest_bytes = o->rounded_bytes;
	}
	if (!whole)
		drop_names(o);
	drop_sightings(o);
}

bool oracle_last_has_ours(const struct oracle *o)
{
	return o->last_has_ours;
}

bool oracle_last_is_ours(const struct oracle *o)
{
	return o->last_is_ours;
}

size_t oracle_last_n_foreign(const struct oracle *o)
{
	return o->n_names;
}

const char *oracle_last_foreign(const struct oracle *o, size_t i)
{
	return o->foreign[i];
}

bool oracle_is_complete(const struct oracle *o)
{
	for (size_t i = 0; i < o->manifest->n; i++)
		if (o->wants[i] == WANT_ALWAYS && o->seen[i] < o->copies)
			return false;
	return true;
}

bool oracle_judge(struct oracle *o)
{
	for (size_t i = 0; i < o->manifest->n; i++)
		if (o->wants[i] == WANT_ALWAYS && o->seen[i] < o->copies)
			oracle_problem(o, "missing: '%s' is in %u of %llu bundles",
				(const char *)o->manifest->entries[i].key.p, o->seen[i],
				(unsigned long long)o->copies);
	return o->tally.n_problems == 0;
}

const struct oracle_tally *oracle_tally(const struct oracle *o)
{
	return &o->tally;
}

size_t oracle_n_texts(const struct oracle *o)
{
	return o->tally.n_problems < ORACLE_PROBLEMS_MAX ? (size_t)o->tally.n_problems
							 : ORACLE_PROBLEMS_MAX;
}

const char *oracle_text(const struct oracle *o, size_t i)
{
	return o->texts[i];
}
