/*
 * upgrade: brings the database of a folder that an older baler made up to SCHEMA_VERSION.
 *
 * Every change of schema.sql.h raises SCHEMA_VERSION by one and adds one step to the table in
 * upgrade.c. A new folder never runs a step: it is made by SCHEMA_SQL.
 * tests/unit/test_local_db.c opens a folder of version 1 and compares its tables with those of a
 * new folder.
 */
#ifndef BALER_ADAPTER_LOCAL_ENGINE_UPGRADE_H
#define BALER_ADAPTER_LOCAL_ENGINE_UPGRADE_H

#include "adapter/local/engine/db.h"

/* Runs the steps above version, all in one transaction: after a crash the folder is wholly old
 * or wholly new. RC_AGAIN: the disk is full. RC_FATAL. In every failure the folder is as it was. */
enum rc upgrade_schema(struct db_conn *conn, int64_t version, struct err *err);

#endif
