/* secret_env: removes secrets from the environment after they are read. */
#ifndef BALER_SERVE_SECRET_ENV_H
#define BALER_SERVE_SECRET_ENV_H

/* Overwrites the variable's value, so that /proc/PID/environ does not show it any more, and
 * removes it, so that no child gets it. Pointers that getenv returned for it become invalid. An
 * absent variable is no error. Call it before other threads begin. */
void secret_env_wipe(const char *name);

#endif
