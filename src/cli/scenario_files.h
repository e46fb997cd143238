/* scenario_files: which scenarios 'baler e2e' was asked for. */
#ifndef BALER_CLI_SCENARIO_FILES_H
#define BALER_CLI_SCENARIO_FILES_H

#include "base/arena.h"
#include "base/err.h"

/* Adds path, or when it is a folder every "*.json" in it, in order of names, to the heap array
 * *paths; texts are from a. RC_ABSENT: there is no such path, or the folder has no scenario.
 * RC_REFUSED: path is a folder, and folders are not allowed here. */
enum rc scenario_files_add(struct arena *a, const char *path, bool takes_folders, char ***paths,
	size_t *n_paths, struct err *err);

#endif
