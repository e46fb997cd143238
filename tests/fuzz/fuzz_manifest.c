/* A bundle's manifest as an archive holds it: read strictly or refused, and held against any bytes
 * of a tar. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "fuzz.h"
#include "verify/ledger_audit_manifest.h"

static void must_be_sound(const struct audit_manifest *m)
{
	MUST(m->plan.p && m->bucket.p && m->bundle.p);
	MUST(m->size_bytes <= INT64_MAX);
	for (size_t i = 0; i < m->n; i++) {
		MUST(m->members[i].name.p && m->members[i].source.key.p);
		MUST(m->members[i].size_bytes <= INT64_MAX && m->members[i].offset_bytes <= INT64_MAX);
		MUST(i == 0 || m->by_offset[i - 1]->offset_bytes <= m->by_offset[i]->offset_bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_manifest m;
	struct err err = {0};
	int fd = memfd_create("manifest", MFD_CLOEXEC);
	enum rc rc;

	if (fd < 0 || file_write_all(fd, data, size, &err) != RC_OK || lseek(fd, 0, SEEK_SET) != 0)
		die("no file in memory: %s", err.text);
	rc = audit_manifest_read(fd, &m, &err);
	MUST(rc == RC_OK || (rc == RC_CORRUPT && err.text[0]));
	if (rc == RC_OK) {
		must_be_sound(&m);
		for (size_t at = 0; at < size; at += 100)
			audit_manifest_plain(&m, slice_of(data + at, size - at < 100 ? size - at : 100));
		for (size_t i = 0; i < m.n; i++) {
			struct untar_member member = {.name = m.members[i].name, .size = 1};

			MUST(audit_manifest_seen(&m, &member) == &m.members[i]);
		}
	}
	audit_manifest_release(&m);
	close(fd);
	return 0;
}
