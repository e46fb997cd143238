/*
 * runner: one end-to-end run of a scenario, from cleaning up to the verdict.
 *
 * 1. Bundles older than 240 s are deleted; before tests that count bundles, or that wait for
 *    something that must not come, all bundles are.
 * 2. The files are hashed, then uploaded by `concurrency` threads.
 * 3. The distribution bucket is listed until every file has arrived or the time is over; each new
 *    bundle is read whole.
 * 4. One last look, about as long afterwards as the arrival took, searches for files that must not
 *    come; then the oracle judges. A last look that fails is repeated, RUNNER_LAST_LOOKS times in
 *    all. Then the run has failed, because bundles that were not seen cannot be judged.
 * 5. Unless the files are to be kept, a run that passed removes the versions that it put, and the
 *    bundles that have only its own files. A failed run leaves everything for inspection.
 *
 * The test types add:
 *   idempotency_check      After step 4 the same bytes are put again under the same keys. A second
 *                          bundle must bring each of them again.
 *   direct_invoke          The keys make no events. One invocation must bundle exactly the files
 *                          that fit one bundle, from the first on. The log's tail says how many,
 *                          and that not all fit when they do not.
 *   memory_pressure        The same, but the function decides where it stops: the bundle has the
 *                          first files, at least one, and as many as the log's tail says. A run
 *                          that timed out may have bundled fewer, or none. When server_pid is
 *                          known, the server's peak memory is at most RUNNER_MEMORY_MAX.
 *   file_not_found         One file's version is deleted right after it was put. The bundler must
 *                          wait longer than that takes: a batch window of a second or more.
 *   key_sanitization       "../../malicious_file.txt" is put before "safe_file.txt".
 *   partial_batch_failure  No files share a bundle whose limit they exceed together.
 * Bundles of compressible files must be RUNNER_SMALLER times smaller than the files. When a file
 * must not come, a marker file is put after all others have arrived, and the arrival of the marker
 * ends the wait.
 *
 * Only files under the run's own prefix count. So other runs, and other producers' files in the
 * same bundles, do not disturb a run. A member that nobody put is an extra one, though: the first
 * RUNNER_LOOKUPS_MAX foreign members are looked up in the landing bucket, if it may be listed, but
 * not those of other runs, which may have removed them.
 */
#ifndef BALER_VERIFY_RUNNER_H
#define BALER_VERIFY_RUNNER_H

#include "base/clock.h"
#include "port/function.h"
#include "port/object_store.h"
#include "verify/oracle.h"
#include "verify/scenario.h"

#define RUNNER_STALE_MS 240000
#define RUNNER_POLL_MIN_MS 25 /* the first pause between two looks; each is half as long again */
#define RUNNER_POLL_MAX_MS 500
#define RUNNER_SETTLE_MIN_MS 250   /* before the last look */
#define RUNNER_SETTLE_MAX_MS 15000 /* the contract's batch window */
#define RUNNER_LAST_LOOKS 5
#define RUNNER_INVOKED_MS 10000 /* from the end of an invocation until its bundle must exist */
#define RUNNER_SMALLER 4       /* times; what bundles of compressible files must come to at least */
#define RUNNER_LOOKUPS_MAX 100 /* foreign members looked for in the landing bucket, a run */
#define RUNNER_MEMORY_MAX (256ull << 20) /* bytes, the server's promise */

enum run_phase {
	RUN_CLEANING,
	RUN_HASHING,
	RUN_UPLOADING,
	RUN_INVOKING,
	RUN_WAITING,
	RUN_SETTLING,
	RUN_REMOVING,
	RUN_ENDED
};

struct run_progress {
	enum run_phase phase;
	unsigned round;   /* 1; 2 when the same files go in again, or the marker */
	uint64_t n_files; /* to arrive, in all */
	uint64_t n_hashed;
	uint64_t n_upload;   /* to put in, of this round */
	uint64_t n_uploaded; /* of this round */
	uint64_t uploaded_bytes;
	uint64_t file_bytes; /* of each file */
	uint64_t n_found;    /* arrived as often as expected by now, intact */
	uint64_t n_bundles;
	uint64_t elapsed_ms; /* since the run began */
	/* The bundle that has just been read, else empty; and what that came to. */
	struct slice bundle;
	uint64_t bundle_bytes;
	enum rc bundle_rc;
};

struct run_options {
	struct object_store *landing, *distribution; /* may be the same */
	struct function *function;                   /* NULL: direct tests cannot be set up */
	const char *region;                          /* of the landing bucket */
	uint64_t server_pid; /* a process of this machine whose memory is watched; 0: unknown */
	struct clock *clock;
	const struct scenario *scenario;
	bool keep_files;
	/* the bundles may hold files of other landing buckets: foreign members are not looked
	 * for */
	bool is_shared;
	/* Called at each change of phase and at each look, on the calling thread. May be NULL. */
	void (*progress)(void *arg, const struct run_progress *p);
	void *arg;
};

struct run_result {
	bool is_passed;
	struct oracle_tally tally;
	uint64_t n_files;      /* files that are to arrive (or may) in one round */
	uint64_t source_bytes; /* put in, of one round */
	uint64_t invoke_ms;
	uint64_t peak_bytes;     /* the server's memory; 0: not measured */
	bool is_memory_unjudged; /* a memory_pressure without server_pid */
	uint64_t upload_ms;      /* of the first round */
	uint64_t arrival_ms;     /* from the end of the first upload until all files had arrived */
	uint64_t total_ms;
	uint64_t n_stale; /* bundles deleted before */
	char prefix[64];
	char **texts; /* what is wrong, in sentences */
	size_t n_texts;
};

/* RC_OK: the run took place and result has its verdict. Else it could not be set up: no such
 * bucket, no permission, no connection. texts are from a. */
enum rc runner_run(const struct run_options *options, struct arena *a,
	struct run_result *ret_result, struct err *err);

#endif
