#include "cli/scenario_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static void add(struct arena *a, const char *path, char ***paths, size_t *n_paths)
{
	*paths = xrealloc(*paths, (*n_paths + 1) * sizeof(**paths));
	(*paths)[(*n_paths)++] = arena_strdup(a, slice_str(path));
}

static int is_json(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".json") == 0;
}

static enum rc add_folder(
	struct arena *a, const char *path, char ***paths, size_t *n_paths, struct err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(path, &entries, is_json, alphasort);

	if (n < 0)
		return err_errno(err, errno, "read folder '%s'", path);
	for (int i = 0; i < n; i++) {
		add(a, arena_printf(a, "%s/%s", path, entries[i]->d_name), paths, n_paths);
		free(entries[i]);
	}
	free(entries);
	return n ? RC_OK : err_set(err, RC_ABSENT, "no scenario (*.json) in '%s'", path);
}

enum rc scenario_files_add(struct arena *a, const char *path, bool takes_folders, char ***paths,
	size_t *n_paths, struct err *err)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_errno(err, errno, "scenario '%s'", path);
	if (S_ISDIR(st.st_mode) && !takes_folders)
		return err_set(err, RC_REFUSED,
			"'%s' is a folder: give --all to run every scenario in it", path);
	if (S_ISDIR(st.st_mode))
		return add_folder(a, path, paths, n_paths, err);
	add(a, path, paths, n_paths);
	return RC_OK;
}
