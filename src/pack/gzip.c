#include "pack/gzip.h"

#include <assert.h>
#include <stdlib.h>

#include "base/digest.h"
#include "pack/gzip_encoder.h"

#define COPY_BYTES ((size_t)1 << 15) /* is in the first cache when its CRC is taken */
/* one block is being compressed, one waits for the thread or for the writer */
#define BLOCKS_PER_THREAD 2

struct block {
	struct work work; /* must be first */
	struct gzip *z;
	unsigned char *in, *out; /* allocated on first use */
	size_t n_in, n_out;
	bool done; /* under z->lock while in flight */
};

struct gzip {
	enum gzip_mode mode;
	struct work_pool *pool;
	struct budget *memory;
	_Atomic uint64_t charged;
	gzip_write_fn write;
	void *arg;
	enum rc failed;
	struct err why;
	bool finished;

	/* A ring: n_flying blocks from oldest on are with the pool, the next one is being
	 * filled. n_blocks shrinks, before the ring has gone round once, to what memory has room
	 * for. */
	unsigned n_blocks, oldest, n_flying;

	bool begun; /* the header is written */
	uint32_t crc32;
	uint64_t in_bytes;

	struct {
		pthread_mutex_t mutex;
		pthread_cond_t done;
		/* as many encoders as threads have needed at the same time */
		struct gzip_encoder **spare;
		unsigned n_spare;
	} lock;

	struct block blocks[];
};

static const char *const mode_names[GZIP_MODES] = {
	[GZIP_BALANCED] = "balanced",
	[GZIP_FAST] = "fast",
	[GZIP_BEST] = "best",
	[GZIP_NONE] = "none",
};

const char *gzip_mode_name(enum gzip_mode mode)
{
	assert((unsigned)mode < GZIP_MODES);
	return mode_names[mode];
}

bool gzip_mode_parse(struct slice text, enum gzip_mode *ret_mode)
{
	for (unsigned i = 0; i < GZIP_MODES; i++) {
		if (!slice_eq_str(text, mode_names[i]))
			continue;
		*ret_mode = (enum gzip_mode)i;
		return true;
	}
	return false;
}

/* Measured, of libdeflate 1.14 and ISA-L 2.30. */
static uint64_t encoder_bytes(enum gzip_mode mode)
{
	return mode == GZIP_BEST ? 9u << 20 : mode == GZIP_NONE ? 0 : 1u << 20;
}

static uint64_t block_bytes(void)
{
	return GZIP_BLOCK_BYTES + gzip_encoder_bound(GZIP_BLOCK_BYTES);
}

uint64_t gzip_thread_bytes(enum gzip_mode mode)
{
	return block_bytes() + encoder_bytes(mode);
}

/* Memory without which the stream cannot work. */
static void charge(struct gzip *z, uint64_t n)
{
	budget_add(z->memory, n);
	atomic_fetch_add(&z->charged, n);
}

static struct gzip_encoder *take_encoder(struct gzip *z)
{
	struct gzip_encoder *e = NULL;

	pthread_mutex_lock(&z->lock.mutex);
	if (z->lock.n_spare > 0)
		e = z->lock.spare[--z->lock.n_spare];
	pthread_mutex_unlock(&z->lock.mutex);
	if (!e) {
		e = gzip_encoder_new(z->mode);
		charge(z, encoder_bytes(z->mode));
	}
	return e;
}

/* On a thread of the pool, or the caller's without one. */
static void compress_block(struct work *w)
{
	struct block *b = (struct block *)w;
	struct gzip *z = b->z;
	struct gzip_encoder *e = take_encoder(z);

	b->n_out = gzip_encoder_run(e, slice_of(b->in, b->n_in), b->out);
	pthread_mutex_lock(&z->lock.mutex);
	z->lock.spare[z->lock.n_spare++] = e;
	b->done = true;
	pthread_cond_signal(&z->lock.done);
	pthread_mutex_unlock(&z->lock.mutex);
}

struct gzip *gzip_new(enum gzip_mode mode, struct work_pool *pool, struct budget *memory,
	gzip_write_fn write, void *arg)
{
	unsigned n = pool ? BLOCKS_PER_THREAD * work_pool_threads(pool) : 1;
	struct gzip *z = xcalloc(1, sizeof(*z) + n * sizeof(z->blocks[0]));

	assert((unsigned)mode < GZIP_MODES);
	z->mode = mode;
	z->pool = pool;
	z->memory = memory;
	z->write = write;
	z->arg = arg;
	z->n_blocks = n;
	pthread_mutex_init(&z->lock.mutex, NULL);
	pthread_cond_init(&z->lock.done, NULL);
	z->lock.spare = xcalloc(n, sizeof(z->lock.spare[0]));
	for (unsigned i = 0; i < n; i++) {
		z->blocks[i].z = z;
		z->blocks[i].work.run = compress_block;
	}
	return z;
}

static struct block *wait_oldest(struct gzip *z)
{
	struct block *b = &z->blocks[z->oldest];

	assert(z->n_flying > 0);
	pthread_mutex_lock(&z->lock.mutex);
	while (!b->done)
		pthread_cond_wait(&z->lock.done, &z->lock.mutex);
	pthread_mutex_unlock(&z->lock.mutex);
	z->oldest = (z->oldest + 1) % z->n_blocks;
	z->n_flying--;
	return b;
}

static enum rc give(struct gzip *z, struct slice bytes)
{
	z->failed = z->write(z->arg, bytes, &z->why);
	return z->failed;
}

static enum rc begin(struct gzip *z)
{
	unsigned char header[GZIP_HEADER_BYTES];

	if (z->begun)
		return RC_OK;
	z->begun = true;
	gzip_header(header);
	return give(z, slice_of(header, sizeof(header)));
}

static enum rc write_oldest(struct gzip *z)
{
	struct block *b = wait_oldest(z);

	if (begin(z) != RC_OK)
		return z->failed;
	return give(z, slice_of(b->out, b->n_out));
}

static enum rc end(struct gzip *z)
{
	unsigned char trailer[GZIP_TRAILER_BYTES];

	if (begin(z) != RC_OK)
		return z->failed;
	gzip_trailer(z->crc32, z->in_bytes, trailer);
	return give(z, slice_of(trailer, sizeof(trailer)));
}

static struct block *filling(struct gzip *z)
{
	struct block *b = &z->blocks[(z->oldest + z->n_flying) % z->n_blocks];

	assert(z->n_flying < z->n_blocks);
	if (!b->in) {
		if (b == z->blocks)
			charge(z, block_bytes());
		b->in = xmalloc(GZIP_BLOCK_BYTES);
		b->out = xmalloc(gzip_encoder_bound(GZIP_BLOCK_BYTES));
	}
	return b;
}

/* Whether another block may be filled while others are in flight. When there is no memory for a
 * block that has none yet, the ring ends before it: blocks are used in their order, so no later
 * block is in use. */
static bool has_next(struct gzip *z)
{
	unsigned next = z->oldest + z->n_flying;

	if (z->n_flying == z->n_blocks)
		return false;
	if (next >= z->n_blocks || z->blocks[next].in)
		return true;
	if (budget_take(z->memory, block_bytes())) {
		atomic_fetch_add(&z->charged, block_bytes());
		filling(z);
		return true;
	}
	z->n_blocks = next;
	return z->n_flying < z->n_blocks;
}

/* Starts the block being filled; makes sure that another can be filled. */
static enum rc start_block(struct gzip *z, struct block *b)
{
	b->done = false;
	z->n_flying++;
	if (z->pool)
		work_pool_submit(z->pool, &b->work);
	else
		compress_block(&b->work);
	return has_next(z) ? RC_OK : write_oldest(z);
}

static enum rc next_block(struct gzip *z)
{
	enum rc rc = start_block(z, filling(z));

	if (rc == RC_OK)
		filling(z)->n_in = 0;
	return rc;
}

static enum rc report(const struct gzip *z, struct err *err)
{
	if (z->failed != RC_OK && err)
		*err = z->why;
	return z->failed;
}

enum rc gzip_write(struct gzip *z, struct slice bytes, struct err *err)
{
	assert(!z->finished);
	while (bytes.n > 0 && z->failed == RC_OK) {
		struct block *b = filling(z);
		size_t room = GZIP_BLOCK_BYTES - b->n_in;
		size_t n = bytes.n < room ? bytes.n : room;

		n = n < COPY_BYTES ? n : COPY_BYTES;
		memcpy(b->in + b->n_in, bytes.p, n);
		z->crc32 = crc32_update(z->crc32, slice_of(bytes.p, n));
		z->in_bytes += n;
		b->n_in += n;
		bytes = slice_of(bytes.p + n, bytes.n - n);
		if (b->n_in == GZIP_BLOCK_BYTES)
			(void)next_block(z);
	}
	return report(z, err);
}

enum rc gzip_finish(struct gzip *z, struct err *err)
{
	assert(!z->finished);
	z->finished = true;
	if (z->failed == RC_OK && filling(z)->n_in > 0)
		(void)start_block(z, filling(z));
	while (z->failed == RC_OK && z->n_flying > 0)
		(void)write_oldest(z);
	if (z->failed == RC_OK)
		(void)end(z);
	return report(z, err);
}

void gzip_free(struct gzip *z)
{
	if (!z)
		return;
	while (z->n_flying > 0)
		(void)wait_oldest(z);
	budget_give(z->memory, z->charged);
	for (unsigned i = 0; i < z->n_blocks; i++) {
		free(z->blocks[i].in);
		free(z->blocks[i].out);
	}
	for (unsigned i = 0; i < z->lock.n_spare; i++)
		gzip_encoder_free(z->lock.spare[i]);
	free(z->lock.spare);
	pthread_cond_destroy(&z->lock.done);
	pthread_mutex_destroy(&z->lock.mutex);
	free(z);
}
