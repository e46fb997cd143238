#include "contract.h"

#include <stdlib.h>

static const struct contract_factory *factory;

void contract_use(const struct contract_factory *f)
{
	factory = f;
}

int contract_setup(void **state)
{
	struct contract_world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	factory->open(w);
	*state = w;
	return 0;
}

int contract_teardown(void **state)
{
	factory->close(*state);
	free(*state);
	return 0;
}
