/*
 * profile: the ini dialect of ~/.aws/credentials and ~/.aws/config. Pure.
 *
 * A section is "[name]" (config: "[profile name]", "[default]"), a setting "key = value"; '#'
 * and ';' at the start of a line begin a comment, also after white space behind a value.
 * Indented lines belong to the setting above: in "[services name]" of the config they are the
 * settings of the service it names, elsewhere they are passed over. Source: AWS SDKs and Tools
 * reference guide, "Shared config and credentials files".
 */
#ifndef BALER_ADAPTER_AWS_IDENTITY_PROFILE_H
#define BALER_ADAPTER_AWS_IDENTITY_PROFILE_H

#include "base/buf.h"
#include "base/err.h"

enum profile_dialect {
	PROFILE_CREDENTIALS, /* [name] */
	PROFILE_CONFIG,      /* [profile name], [default] */
};

struct profile_file {
	struct slice text; /* borrowed */
	const char *path;  /* for messages */
	enum profile_dialect dialect;
};

/* RC_ABSENT: no such profile. RC_REFUSED: a line that is none of the above, named by its number
 * (the whole file is looked at). */
enum rc profile_find(const struct profile_file *file, const char *profile, struct err *err);

/* The setting's value (the last one, if given twice), empty with p == NULL when absent. The file
 * has passed profile_find. */
struct slice profile_get(const struct profile_file *file, const char *profile, const char *key);
/* The same of one service in a section "[services NAME]". */
struct slice profile_get_of_service(const struct profile_file *file, struct slice services,
	const char *service, const char *key);

#endif
