/*
 * db_memory: the memory of SQLite in this process, all connections together.
 *
 * SQLite's own accounting takes one lock for the whole process at every allocation: with four
 * threads that make bundles beside the committer, threads waited for it 9,000 times in 30,000 PUTs.
 * Therefore SQLite is told not to count (SQLITE_CONFIG_MEMSTATUS), and an allocator over malloc
 * counts with atomics. The limit is kept by the size of each connection's page cache.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_DB_MEMORY_H
#define BALER_ADAPTER_LOCAL_ENGINE_DB_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#define DB_READERS_MAX 32 /* reading connections of one database */

/* Before the first connection of the process is opened. Thread-safe, any number of times. */
void db_memory_prepare(void);

/* What all page caches of one database may hold together, for connections that are opened from now
 * on: three quarters for the writer, the rest for DB_READERS_MAX readers. Without a call: 16 MiB
 * and 1 MiB each. */
void db_limit_memory(uint64_t bytes);
int db_cache_kib(bool writes);

/* What SQLite has allocated now, and the most that it had allocated at one time. */
void db_memory(uint64_t *ret_used, uint64_t *ret_peak);

#endif
