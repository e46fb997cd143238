/*
 * queue_receipt: what names one delivery: the message, the delivery's serial number, and a code
 * over both under the folder's key. The code is what tells a receipt of a message that is gone
 * (acknowledging it again is fine, [EQ-4]) from one that was made up.
 */
#ifndef BALER_ADAPTER_LOCAL_QUEUE_QUEUE_RECEIPT_H
#define BALER_ADAPTER_LOCAL_QUEUE_QUEUE_RECEIPT_H

#include "base/buf.h"

#define QUEUE_KEY_BYTES 16
#define QUEUE_RECEIPT_BYTES 48 /* hex: id, serial, code, 16 digits each */

struct queue_receipt {
	uint64_t id, serial;
};

/* Writes exactly QUEUE_RECEIPT_BYTES, no terminator. Its first 16 are the message's id as text. */
void queue_receipt_write(const unsigned char key[QUEUE_KEY_BYTES], struct queue_receipt r,
	char out[QUEUE_RECEIPT_BYTES]);
/* false: not one of ours. */
bool queue_receipt_read(const unsigned char key[QUEUE_KEY_BYTES], struct slice text,
	struct queue_receipt *ret_receipt);

#endif
