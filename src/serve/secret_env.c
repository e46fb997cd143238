#include "serve/secret_env.h"

#include <stdlib.h>
#include <string.h>

void secret_env_wipe(const char *name)
{
	char *value = getenv(name);

	if (!value)
		return;
	/* unsetenv forgets the pointer; the bytes stay where the kernel put them */
	explicit_bzero(value, strlen(value));
	unsetenv(name);
}
