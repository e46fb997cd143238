/* baler verify --ledger, once its options are read. */
#ifndef BALER_CLI_CMD_VERIFY_LEDGER_H
#define BALER_CLI_CMD_VERIFY_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

struct local_audit_config;

/* kept_ms: the server's retention of ledger records. Prints findings and a summary; returns the
 * exit code: 0 none, 1 findings, 2 cannot be read. */
int verify_ledger(const struct local_audit_config *cfg, uint64_t kept_ms, bool json);

#endif
