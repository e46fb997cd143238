/* root_key: the access key that may do everything. It comes from the environment, else from the
 * data folder, else it is made now. */
#ifndef BALER_SERVE_ROOT_KEY_H
#define BALER_SERVE_ROOT_KEY_H

#include "base/buf.h"
#include "base/err.h"

#define ROOT_ACCESS_KEY_MAX 128
#define ROOT_SECRET_KEY_MAX 128

struct root_key {
	char access[ROOT_ACCESS_KEY_MAX + 1];
	char secret[ROOT_SECRET_KEY_MAX + 1];
	bool is_new;  /* this call made the key, so the caller must show it once */
	bool is_kept; /* in the data folder */
};

/* BALER_ROOT_ACCESS_KEY and BALER_ROOT_SECRET_KEY, both or neither, are taken out of the
 * environment. Else FOLDER/root-key (mode 0600; RC_REFUSED if others may read it), made at
 * random when missing. The folder must be there. */
enum rc root_key_load(const char *folder, struct root_key *ret_key, struct err *err);
/* Removes a key that was made and could not be shown. The next start makes another key and shows
 * that one. */
void root_key_forget(const char *folder, const struct root_key *key);

#endif
