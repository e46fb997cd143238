/*
 * key_store: access keys with a role each, which are made and revoked while the server runs.
 *
 * SigV4 signs with an HMAC of the secret, so a server needs the secret itself: it cannot keep a
 * hash, and must encrypt the secret.
 *
 * [KS-1] add makes a random access key and secret; when it returns they are durable and find finds
 *        them.
 * [KS-2] revoke ends a key: find does not find it from the return of revoke on, also after a
 *        restart. Revoking it again is RC_OK and changes nothing.
 * [KS-3] find neither blocks on a disk nor allocates. It copies the key, so that a revocation
 *        leaves no pointer to freed memory.
 * [KS-4] list gives every key that was ever added, the oldest first, without secrets.
 * [KS-5] At rest a secret is sealed and bound to its access key and role. When one of them was
 *        changed in the file, find answers RC_CORRUPT.
 *
 * add, list and revoke block; find does not. Any thread.
 */
#ifndef BALER_PORT_KEY_STORE_H
#define BALER_PORT_KEY_STORE_H

#include "base/arena.h"
#include "base/err.h"

#define KEY_ACCESS_MAX 128 /* bytes, without the terminator */
#define KEY_SECRET_MAX 128
#define KEY_NOTE_MAX 200
#define KEYS_MAX 10000 /* not revoked at a time */

/* Stored as numbers: append only. 0 is no role. */
enum key_role { ROLE_NONE, ROLE_SUPPLIER, ROLE_CONSUMER, ROLE_PROCESSOR, ROLE_ADMIN, N_ROLES };

/* The fields that a request is checked with. */
struct key_grant {
	char secret[KEY_SECRET_MAX + 1];
	enum key_role role;
};

struct key_info {
	char access_key[KEY_ACCESS_MAX + 1];
	enum key_role role;
	char note[KEY_NOTE_MAX + 1];
	uint64_t created_wall_ms, revoked_wall_ms; /* 0: not revoked */
};

struct key_store;

struct key_store_ops {
	bool (*find)(struct key_store *ks, const char *access_key, struct key_grant *ret_grant);
	/* The only call that gives the secret (ret_secret). RC_REFUSED: no such role, the note is
	 * too long or is not UTF-8 text, or there are KEYS_MAX keys. */
	enum rc (*add)(struct key_store *ks, enum key_role role, struct slice note,
		struct key_info *ret_info, char ret_secret[KEY_SECRET_MAX + 1], struct err *err);
	enum rc (*list)(struct key_store *ks, struct arena *a, struct key_info **ret_keys,
		size_t *ret_n, struct err *err);
	/* RC_ABSENT: there never was such a key. */
	enum rc (*revoke)(struct key_store *ks, const char *access_key, struct key_info *ret_info,
		struct err *err);
	void (*close)(struct key_store *ks);
};

struct key_store {
	const struct key_store_ops *ops;
};

/* One-line dispatch. */
#define ks_find(ks, ...) ((ks)->ops->find((ks), __VA_ARGS__))
#define ks_add(ks, ...) ((ks)->ops->add((ks), __VA_ARGS__))
#define ks_list(ks, ...) ((ks)->ops->list((ks), __VA_ARGS__))
#define ks_revoke(ks, ...) ((ks)->ops->revoke((ks), __VA_ARGS__))

static inline void ks_close(struct key_store *ks)
{
	if (ks)
		ks->ops->close(ks);
}

/* The names as people write them; "" for ROLE_NONE. */
static inline const char *key_role_name(enum key_role role)
{
	static const char *const names[N_ROLES] = {
		"", "supplier", "consumer", "processor", "admin"};

	return (unsigned)role < N_ROLES ? names[role] : "";
}

/* ROLE_NONE: no such name. */
static inline enum key_role key_role_parse(struct slice name)
{
	for (unsigned role = ROLE_SUPPLIER; role < N_ROLES; role++)
		if (slice_eq_str(name, key_role_name((enum key_role)role)))
			return (enum key_role)role;
	return ROLE_NONE;
}

#endif
