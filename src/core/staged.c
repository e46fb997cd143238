#include "core/staged.h"

#include <assert.h>

static const char magic[] = "baler-stages-1\n";

bool staged_encode(struct buf *out, const struct staged *s)
{
	assert(s->n >= 1 && s->n <= STAGED_MAX);
	if (s->n == 1)
		return buf_add_slice(out, s->entries[0].record);
	buf_add_str(out, magic);
	for (size_t i = 0; i < s->n; i++) {
		const struct staged_entry *e = &s->entries[i];

		buf_addf(out, "%zu %zu %zu\n", e->bucket.n, e->key.n, e->record.n);
		buf_add_slice(out, e->bucket);
		buf_add_slice(out, e->key);
		buf_add_slice(out, e->record);
	}
	return !out->overflow;
}

/* Digits up to the byte `end`, which is taken too. */
static bool take_number(struct slice *left, char end, size_t *ret_value)
{
	const unsigned char *stop = left->n ? memchr(left->p, end, left->n) : NULL;
	size_t n = stop ? (size_t)(stop - left->p) : 0;
	uint64_t value;

	if (!stop || !slice_to_u64(slice_of(left->p, n), &value) || value > LG_STAGED_MAX)
		return false;
	*left = slice_of(stop + 1, left->n - n - 1);
	*ret_value = (size_t)value;
	return true;
}

static bool take_bytes(struct slice *left, size_t n, struct slice *ret)
{
	if (n > left->n)
		return false;
	*ret = slice_of(left->p, n);
	*left = slice_of(left->p + n, left->n - n);
	return true;
}

static bool take_entry(struct slice *left, struct staged_entry *e)
{
	size_t bucket, key, record;

	return take_number(left, ' ', &bucket) && take_number(left, ' ', &key) &&
	       take_number(left, '\n', &record) && take_bytes(left, bucket, &e->bucket) &&
	       take_bytes(left, key, &e->key) && take_bytes(left, record, &e->record);
}

enum rc staged_decode(const struct lg_plan *plan, struct staged *ret_staged, struct err *err)
{
	struct slice left = plan->seal.staged;
	const struct staged_entry *last;

	*ret_staged = (struct staged){.n = 1};
	ret_staged->entries[0] = (struct staged_entry){plan->bucket, plan->key, left};
	if (!slice_has_prefix(left, slice_str(magic)))
		return RC_OK;
	left = slice_of(left.p + strlen(magic), left.n - strlen(magic));
	for (ret_staged->n = 0; left.n && ret_staged->n < STAGED_MAX; ret_staged->n++) {
		if (!take_entry(&left, &ret_staged->entries[ret_staged->n]))
			return err_set(err, RC_CORRUPT, "the record of the stages is cut short");
	}
	if (left.n || !ret_staged->n)
		return err_set(err, RC_CORRUPT, "the record of the stages has %s",
			left.n ? "more after its end" : "none");
	last = &ret_staged->entries[ret_staged->n - 1];
	if (!slice_eq(last->bucket, plan->bucket) || !slice_eq(last->key, plan->key))
		return err_set(err, RC_CORRUPT, "the last of the stages is not the plan's bundle");
	return RC_OK;
}
