/* A temporary folder, and what is in it. */
#ifndef BALER_TESTS_UNIT_FOLDER_FIXTURE_H
#define BALER_TESTS_UNIT_FOLDER_FIXTURE_H

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

struct folder {
	char root[64]; /* removed at the end */
	char to[80];   /* root/to: where things are pulled to */
};

static inline void folder_make(struct folder *f)
{
	strcpy(f->root, "/tmp/baler-unit-XXXXXX");
	assert_non_null(mkdtemp(f->root));
	snprintf(f->to, sizeof(f->to), "%s/to", f->root);
}

static inline void folder_remove(struct folder *f)
{
	assert_int_equal(file_remove_tree(f->root, NULL), RC_OK);
}

static inline const char *folder_path(const struct folder *f, const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", f->to, name);
	return path;
}

static inline void folder_write(const struct folder *f, const char *name, const char *text)
{
	assert_int_equal(file_replace(folder_path(f, name), slice_str(text), 0644, NULL), RC_OK);
}

/* NULL text: there is none of that name. */
#define assert_file(f, name, text)                                                                 \
	do {                                                                                       \
		struct buf b_;                                                                     \
		enum rc rc_;                                                                       \
		buf_init(&b_, 1 << 20);                                                            \
		rc_ = file_read(folder_path(f, name), &b_, NULL);                                  \
		if ((text) == NULL)                                                                \
			assert_int_equal(rc_, RC_ABSENT);                                          \
		else                                                                               \
			assert_string_equal(buf_cstr(&b_), (const char *)(text));                  \
		buf_release(&b_);                                                                  \
	} while (0)

#endif
