#include "gateway/access/roles.h"

#include "gateway/http/exchange.h"

#define NONE (1u << BUCKET_NONE)
#define LANDING (1u << BUCKET_LANDING)
#define DISTRIBUTION (1u << BUCKET_DISTRIBUTION)
#define ARCHIVE (1u << BUCKET_ARCHIVE)
#define ANY (LANDING | DISTRIBUTION | ARCHIVE | 1u << BUCKET_OTHER)

#define ROW(supplier, consumer, processor, admin)                                                  \
	{                                                                                          \
		[ROLE_SUPPLIER] = (supplier), [ROLE_CONSUMER] = (consumer),                        \
		[ROLE_PROCESSOR] = (processor), [ROLE_ADMIN] = (admin)                             \
	}

/* clang-format off */
static const unsigned char table[N_ACTIONS][N_ROLES] = {
	/* supplier  consumer      processor                         admin */
	[ACTION_LIST_BUCKETS]  = ROW(NONE,    NONE,         NONE,                             NONE),
	[ACTION_FIND_BUCKET]   = ROW(LANDING, DISTRIBUTION, LANDING | DISTRIBUTION | ARCHIVE, ANY),
	[ACTION_READ_SETTINGS] = ROW(0,       0,            0,                                ANY),
	[ACTION_CONFIGURE]     = ROW(0,       0,            0,                                ANY),
	[ACTION_LIST]          = ROW(0,       DISTRIBUTION, LANDING | DISTRIBUTION | ARCHIVE, ANY),
	[ACTION_LIST_UPLOADS]  = ROW(0,       0,            DISTRIBUTION | ARCHIVE,           ANY),
	[ACTION_GET]           = ROW(0,       DISTRIBUTION, LANDING | DISTRIBUTION | ARCHIVE, ANY),
	[ACTION_PUT]           = ROW(LANDING, 0,            DISTRIBUTION | ARCHIVE,           ANY),
	[ACTION_TEND_UPLOAD]   = ROW(LANDING, 0,            DISTRIBUTION | ARCHIVE,           ANY),
	[ACTION_DELETE]        = ROW(0,       DISTRIBUTION, 0,                                ANY),
	[ACTION_INVOKE]        = ROW(0,       0,            NONE,                             NONE),
	[ACTION_SEND_EVENTS]   = ROW(0,       0,            0,                                NONE),
	[ACTION_OPERATE]       = ROW(0,       0,            0,                                NONE),
	[ACTION_MANAGE_KEYS]   = ROW(0,       0,            0,                                NONE),
};
/* clang-format on */

bool roles_allow(enum key_role role, enum action action, enum bucket_kind kind)
{
	if ((unsigned)role >= N_ROLES || (unsigned)action >= N_ACTIONS ||
		(unsigned)kind >= N_BUCKET_KINDS)
		return false;
	return table[action][role] >> kind & 1;
}

enum bucket_kind roles_bucket_kind(const struct role_buckets *buckets, struct slice name)
{
	if (name.n == 0)
		return BUCKET_NONE;
	if (buckets->landing && slice_eq_str(name, buckets->landing))
		return BUCKET_LANDING;
	if (buckets->distribution && slice_eq_str(name, buckets->distribution))
		return BUCKET_DISTRIBUTION;
	if (buckets->archive && slice_eq_str(name, buckets->archive))
		return BUCKET_ARCHIVE;
	return BUCKET_OTHER;
}

enum rc roles_check(
	const struct request *r, enum action action, struct slice bucket, struct err *err)
{
	enum bucket_kind kind = roles_bucket_kind(&r->service->buckets, bucket);

	if (r->is_authenticated && roles_allow(r->role, action, kind))
		return RC_OK;
	return err_code(err, RC_REFUSED, "AccessDenied", "this access key may not do this");
}
