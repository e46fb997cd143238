/* Loaded before baler (LD_PRELOAD): the library finds no memory for one header of a response,
 * FAIL_HEADER. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int MHD_add_response_header(void *response, const char *name, const char *value);

int MHD_add_response_header(void *response, const char *name, const char *value)
{
	int (*next)(void *, const char *, const char *) =
		(int (*)(void *, const char *, const char *))dlsym(RTLD_NEXT, "MHD_add_response_header");
	const char *fail = getenv("FAIL_HEADER");

	return fail && strcmp(name, fail) == 0 ? 0 : next(response, name, value);
}
