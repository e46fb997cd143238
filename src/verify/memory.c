#include "verify/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

#define STATUS_MAX 65536

/* proc(5): 5 written to clear_refs resets VmHWM. */
void memory_peak_reset(uint64_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%llu/clear_refs", (unsigned long long)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	file_write_all(fd, "5", 1, NULL);
	close(fd);
}

enum rc memory_peak(uint64_t pid, uint64_t *ret_bytes, struct err *err)
{
	unsigned long long kib = 0;
	char path[64];
	const char *line;
	struct buf status;
	enum rc rc;

	snprintf(path, sizeof(path), "/proc/%llu/status", (unsigned long long)pid);
	buf_init(&status, STATUS_MAX);
	rc = file_read(path, &status, err);
	if (rc == RC_OK) {
		line = strstr(buf_cstr(&status), "VmHWM:");
		if (line && sscanf(line, "VmHWM: %llu kB", &kib) == 1)
			*ret_bytes = kib << 10;
		else
			rc = err_set(err, RC_ABSENT, "'%s' does not tell VmHWM", path);
	}
	buf_release(&status);
	return rc == RC_OK
		       ? rc
		       : err_ctx(err, RC_ABSENT, "memory of process %llu", (unsigned long long)pid);
}
