/*
 * oracle: whether every file was bundled exactly as often as it should be, with exactly its bytes.
 *
 * The caller reports each bundle and each of its members; the oracle counts them and writes down
 * what is wrong. Members outside the run's own prefix belong to somebody else, unless they have the
 * bytes of one of our files. They are counted, and their names are given to the caller, who can
 * look up whether they were put. A bundle counts only once it has been read to its end: between
 * oracle_begin and oracle_end its members are held back, and dropped if the bundle has to be read
 * again (oracle_end with whole == false). A whole bundle without members is wrong, whoever made it.
 * Not thread-safe.
 */
#ifndef BALER_VERIFY_ORACLE_H
#define BALER_VERIFY_ORACLE_H

#include "verify/manifest.h"
#include "verify/untar.h"

#define ORACLE_PROBLEMS_MAX 50 /* kept as text; more are only counted */
#define ORACLE_FOREIGN_MAX 100 /* names kept of one bundle */

struct oracle;

enum want {
	WANT_ALWAYS, /* must arrive, as often as expected */
	WANT_MAYBE,  /* may arrive, at most as often */
	WANT_NEVER,  /* must not arrive, nor its bytes under another name */
};

struct oracle_tally {
	/* files that have arrived as often as expected, intact; none of WANT_NEVER */
	uint64_t n_found;
	uint64_t n_bundles;                  /* with at least one of our files */
	uint64_t n_foreign;                  /* members of other producers in them */
	uint64_t bundle_bytes, member_bytes; /* bytes of those bundles, packed and unpacked */
	uint64_t foreign_bytes;              /* of the unpacked ones */
	/* The most that one bundle of two or more members held, each rounded up to 512 bytes. */
	uint64_t largest_bytes;
	uint64_t n_problems;
};

/* copies: in how many bundles each file must be: 1, or 2 once it has been put twice. */
struct oracle *oracle_new(const struct manifest *manifest, uint64_t copies);
void oracle_free(struct oracle *o);
/* From now on each file is expected in that many bundles; what was found stays counted. */
void oracle_expect(struct oracle *o, uint64_t copies);

/* Entry i of the manifest; WANT_ALWAYS without. Before it is seen. */
void oracle_want(struct oracle *o, size_t i, enum want want);
/* In how many bundles entry i was. */
uint32_t oracle_seen(const struct oracle *o, size_t i);

void oracle_begin(struct oracle *o, struct slice bundle_key);
void oracle_member(struct oracle *o, const struct untar_member *member);
/* declared: the bundle's metadata content-sha256, actual: the hash of its bytes. */
void oracle_end(struct oracle *o, bool whole, uint64_t bytes, struct slice declared,
	const unsigned char actual[SHA256_BYTES]);
/* About the bundle that has just ended, if it was whole: whether it has files of ours, and no
 * others. */
bool oracle_last_has_ours(const struct oracle *o);
bool oracle_last_is_ours(const struct oracle *o);
/* The names of its foreign members, the first ORACLE_FOREIGN_MAX; valid until the next bundle
 * begins. */
size_t oracle_last_n_foreign(const struct oracle *o);
const char *oracle_last_foreign(const struct oracle *o, size_t i);
/* Adds a sentence of the caller about what is wrong. */
void oracle_problem(struct oracle *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Whether every file of WANT_ALWAYS has arrived as often as expected. Files that are too many are
 * not judged here. */
bool oracle_is_complete(const struct oracle *o);
/* The verdict: notes every missing file of WANT_ALWAYS as a problem; true when there is no
 * problem. */
bool oracle_judge(struct oracle *o);

const struct oracle_tally *oracle_tally(const struct oracle *o);
size_t oracle_n_texts(const struct oracle *o);
const char *oracle_text(const struct oracle *o, size_t i);

#endif
