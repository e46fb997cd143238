/*
 * life: a small life of a data folder, and its judge. Each runs in a child process of its own.
 *
 * The life: two starts; objects of all sizes put, one key twice, bundled, published, archived; a
 * blob removed. The judge starts on what is left, runs the aggregator until nothing is to be done,
 * and looks: what was acknowledged is there byte for byte and in exactly one bundle, what was not
 * in at most one, nothing else in any; a bundle once seen is still there, with the same bytes; the
 * ledger's audit finds nothing; no file without a row, no row without a file.
 */
#ifndef BALER_TESTS_CRASH_LIFE_H
#define BALER_TESTS_CRASH_LIFE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIFE_OBJECTS 10
#define LIFE_SEEN_MAX 32

/* What was promised, in memory shared with the children; when: disk_n_recorded() at that moment. */
struct life_promise {
	bool acked[LIFE_OBJECTS];
	size_t acked_when[LIFE_OBJECTS];
	char version[LIFE_OBJECTS][64];
	char key[LIFE_OBJECTS][32];
	size_t n_seen;
	struct {
		size_t when;
		char key[128];
		unsigned char sha256[32];
	} seen[LIFE_SEEN_MAX];
};

/* Once, before any fork. */
struct life_promise *life_promise_new(void);

/* Lives in folder, in a child. *ret_exit: its exit status, or 128 and the signal that ended it. */
void life_live(const char *folder, struct life_promise *p, int *ret_exit);
/* Judges in a child: false, and the reasons on stderr, when a promise made before `when` is
 * broken. */
bool life_judge(const char *folder, const struct life_promise *p, size_t when);

#endif
