/* secret_env: secrets leave the environment once they are read. */
#ifndef BALER_SERVE_SECRET_ENV_H
#define BALER_SERVE_SECRET_ENV_H

/* Overwrites the variable's value, so that /proc/PID/environ does not show it any more, and removes it, so that no child gets
 * it. Slices of getenv to it are gone. Absent: nothing happens. Before other threads begin. */
void secret_env_wipe(const char *name);

#endif
