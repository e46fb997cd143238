#include "gateway/http/charge.h"

#include "gateway/http/reply.h"

static struct budget *share(const struct request *r)
{
	return r->service->memory.requests;
}

static enum rc refuse(struct request *r, uint64_t n, struct err *err)
{
	if (n > share(r)->max)
		return err_code(err, RC_REFUSED, "MaxMessageLengthExceeded",
			"the document needs more memory than this server gives to all requests "
			"together");
	reply_header_str(r, "Retry-After", CHARGE_RETRY_AFTER);
	return err_code(err, RC_AGAIN, "SlowDown",
		"the memory for requests is used up; please try again later");
}

enum rc charge_raise(struct request *r, uint64_t n, struct err *err)
{
	n = n > CHARGE_FREE_BYTES ? n - CHARGE_FREE_BYTES : 0;
	if (n <= r->charged || !share(r))
		return RC_OK;
	if (!budget_grow(share(r), r->charged, n - r->charged))
		return refuse(r, n, err);
	r->charged = n;
	return RC_OK;
}

static uint64_t held_bytes(const struct request *r)
{
	uint64_t n = r->arena.held_bytes + r->body.document.cap + r->reply.document.cap +
		     (r->reply.reader ? r->reply.reader->memory_bytes : 0);

	return n > CHARGE_FREE_BYTES ? n - CHARGE_FREE_BYTES : 0;
}

static void set(struct request *r, uint64_t n)
{
	if (n < r->charged)
		budget_give(share(r), r->charged - n);
	else
		budget_add(share(r), n - r->charged);
	r->charged = n;
}

static size_t half(size_t block)
{
	return block / 2 > CHARGE_BLOCK_MIN_BYTES ? block / 2 : CHARGE_BLOCK_MIN_BYTES;
}

/* A block as large as the share can well grant. A stream shorter than a block of the store's keeps
 * one of these too. */
static enum rc charge_stream(struct request *r, struct err *err)
{
	uint64_t length = r->reply.length;
	uint64_t more = length < CHARGE_BLOCK_MIN_BYTES ? CHARGE_BLOCK_MIN_BYTES : 0;
	size_t block = length < CHARGE_BLOCK_MAX_BYTES ? (size_t)length : CHARGE_BLOCK_MAX_BYTES;

	while (block > CHARGE_BLOCK_MIN_BYTES && budget_room(share(r)) / 16 < block)
		block = half(block); /* room for sixteen more of its size */
	while (share(r) && !budget_grow(share(r), r->charged, block + more)) {
		if (block <= CHARGE_BLOCK_MIN_BYTES)
			return refuse(r, 0, err);
		block = half(block);
	}
	r->charged += share(r) ? block + more : 0;
	r->reply.block = block;
	return RC_OK;
}

enum rc charge_answer(struct request *r, struct err *err)
{
	uint64_t n = held_bytes(r);
	bool is_read = r->method == METHOD_GET || r->method == METHOD_HEAD;
	enum rc rc = RC_OK;

	if (share(r) && is_read && n > r->charged)
		rc = charge_raise(r, n + CHARGE_FREE_BYTES, err);
	else if (share(r))
		set(r, n);
	return rc == RC_OK && r->reply.has_stream ? charge_stream(r, err) : rc;
}

void charge_refusal(struct request *r)
{
	if (share(r))
		set(r, held_bytes(r));
}

void charge_release(struct request *r)
{
	budget_give(share(r), r->charged);
	r->charged = 0;
}

uint64_t charge_of_xml(struct slice text, unsigned bytes_per_tag)
{
	uint64_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '<';
	return 2 * (uint64_t)text.n + n * bytes_per_tag;
}
