#include "adapter/local/queue/queue_receipt.h"

#include "base/big_endian.h"
#include "base/digest.h"

#define PLAIN_BYTES 16 /* id, serial: big-endian */
#define CODE_BYTES 8

/* SHA-256 of key and a text of fixed length: nothing can be appended, so HMAC's second pass
 * would buy nothing but time. */
static void add_code(const unsigned char key[QUEUE_KEY_BYTES], unsigned char *raw)
{
	unsigned char text[QUEUE_KEY_BYTES + PLAIN_BYTES], hash[SHA256_BYTES];

	memcpy(text, key, QUEUE_KEY_BYTES);
	memcpy(text + QUEUE_KEY_BYTES, raw, PLAIN_BYTES);
	sha256(slice_of(text, sizeof(text)), hash);
	memcpy(raw + PLAIN_BYTES, hash, CODE_BYTES);
}

void queue_receipt_write(const unsigned char key[QUEUE_KEY_BYTES], struct queue_receipt r,
	char out[QUEUE_RECEIPT_BYTES])
{
	unsigned char raw[PLAIN_BYTES + CODE_BYTES];
	char text[QUEUE_RECEIPT_BYTES + 1];

	big_endian_store(raw, r.id);
	big_endian_store(raw + 8, r.serial);
	add_code(key, raw);
	hex_encode(raw, sizeof(raw), text);
	memcpy(out, text, QUEUE_RECEIPT_BYTES);
}

bool queue_receipt_read(const unsigned char key[QUEUE_KEY_BYTES], struct slice text,
	struct queue_receipt *ret_receipt)
{
	unsigned char raw[PLAIN_BYTES + CODE_BYTES], good[PLAIN_BYTES + CODE_BYTES];

	if (!hex_decode(text, raw, sizeof(raw)))
		return false;
	memcpy(good, raw, PLAIN_BYTES);
	add_code(key, good);
	if (!bytes_equal_ct(raw, good, sizeof(raw)))
		return false;
	*ret_receipt = (struct queue_receipt){big_endian_load(raw), big_endian_load(raw + 8)};
	return true;
}
