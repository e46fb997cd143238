#include "wire/sigv4_internal.h"

#include <stdio.h>
#include <string.h>

void sigv4_keys_init(struct sigv4_keys *keys)
{
	memset(keys, 0, sizeof(*keys));
	pthread_mutex_init(&keys->lock, NULL);
}

void sigv4_keys_release(struct sigv4_keys *keys)
{
	pthread_mutex_destroy(&keys->lock);
	explicit_bzero(keys->slots, sizeof(keys->slots));
}

static void derive(struct slice secret, const char *date, const char *region, const char *service,
	unsigned char out[SHA256_BYTES])
{
	unsigned char start[4 + SIGV4_SECRET_MAX_BYTES] = "AWS4";
	struct slice key = slice_of(out, SHA256_BYTES);
	size_t n = secret.n > SIGV4_SECRET_MAX_BYTES ? SIGV4_SECRET_MAX_BYTES : secret.n;

	if (n)
		memcpy(start + 4, secret.p, n);
	hmac_sha256(slice_of(start, 4 + n), slice_str(date), out);
	hmac_sha256(key, slice_str(region), out);
	hmac_sha256(key, slice_str(service), out);
	hmac_sha256(key, slice_str("aws4_request"), out);
	explicit_bzero(start, sizeof(start));
}

/* The secret is part of the name: a key whose secret was changed must not go on signing. */
static bool is_slot_of(const struct sigv4_key_slot *slot, struct slice secret, const char *date,
	const char *region, const char *service)
{
	return slot->date[0] && slot->secret_bytes == secret.n &&
	       bytes_equal_ct(slot->secret, secret.p, secret.n) && strcmp(slot->date, date) == 0 &&
	       strcmp(slot->region, region) == 0 && strcmp(slot->service, service) == 0;
}

static bool find_locked(struct sigv4_keys *keys, struct slice secret, const char *date,
	const char *region, const char *service, unsigned char out[SHA256_BYTES])
{
	for (unsigned i = 0; i < SIGV4_KEYS_SLOTS; i++) {
		/* newest first, so that the key of the current day is found at once */
		unsigned at = (keys->next + 2 * SIGV4_KEYS_SLOTS - 1 - i) % SIGV4_KEYS_SLOTS;

		if (!is_slot_of(&keys->slots[at], secret, date, region, service))
			continue;
		memcpy(out, keys->slots[at].key, SHA256_BYTES);
		return true;
	}
	return false;
}

static void keep_locked(struct sigv4_keys *keys, struct slice secret, const char *date,
	const char *region, const char *service, const unsigned char key[SHA256_BYTES])
{
	struct sigv4_key_slot *slot = &keys->slots[keys->next];

	snprintf(slot->date, sizeof(slot->date), "%s", date);
	snprintf(slot->region, sizeof(slot->region), "%s", region);
	snprintf(slot->service, sizeof(slot->service), "%s", service);
	memcpy(slot->secret, secret.p, secret.n);
	slot->secret_bytes = secret.n;
	memcpy(slot->key, key, SHA256_BYTES);
	keys->next = (keys->next + 1) % SIGV4_KEYS_SLOTS;
}

static bool fits(struct slice secret, const char *date, const char *region, const char *service)
{
	return secret.n > 0 && secret.n <= SIGV4_SECRET_MAX_BYTES && strlen(date) == 8 &&
	       strlen(region) <= SIGV4_REGION_MAX_BYTES &&
	       strlen(service) <= SIGV4_SERVICE_MAX_BYTES;
}

void sigv4_key(struct sigv4_keys *keys, struct slice secret, const char *date, const char *region,
	const char *service, unsigned char out[SHA256_BYTES])
{
	bool found;

	if (!keys || !fits(secret, date, region, service)) {
		derive(secret, date, region, service, out);
		return;
	}
	pthread_mutex_lock(&keys->lock);
	found = find_locked(keys, secret, date, region, service, out);
	pthread_mutex_unlock(&keys->lock);
	if (found)
		return;
	derive(secret, date, region, service, out);
	pthread_mutex_lock(&keys->lock);
	keep_locked(keys, secret, date, region, service, out); /* twice is harmless */
	pthread_mutex_unlock(&keys->lock);
}

void sigv4_scope(
	const char *date, const char *region, const char *service, char out[SIGV4_SCOPE_MAX])
{
	snprintf(out, SIGV4_SCOPE_MAX, "%s/%s/%s/aws4_request", date, region, service);
}

void sigv4_string_to_sign(const char *amz_date, const char *scope, struct slice canonical_request,
	char out[SIGV4_STRING_MAX])
{
	unsigned char hash[SHA256_BYTES];
	char hex[2 * SHA256_BYTES + 1];

	sha256(canonical_request, hash);
	hex_encode(hash, sizeof(hash), hex);
	snprintf(out, SIGV4_STRING_MAX, "AWS4-HMAC-SHA256\n%s\n%s\n%s", amz_date, scope, hex);
}

void sigv4_seed_set(struct sigv4_seed *seed, const unsigned char key[SHA256_BYTES],
	const char *amz_date, const char *scope, const unsigned char signature[SHA256_BYTES])
{
	memcpy(seed->key, key, SHA256_BYTES);
	snprintf(seed->amz_date, sizeof(seed->amz_date), "%s", amz_date);
	snprintf(seed->scope, sizeof(seed->scope), "%s", scope);
	hex_encode(signature, SHA256_BYTES, seed->signature);
}
