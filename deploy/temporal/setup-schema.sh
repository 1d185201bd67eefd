#!/bin/sh
# Creates or updates Temporal's two databases, and makes the one of the ledger, whose schema the nodes make. Safe to repeat. Connection: SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER, SQL_PASSWORD.
set -eu

schema=${TEMPORAL_SCHEMA_DIRECTORY:-/etc/temporal/schema/postgresql/v12}

prepare() {
  database=$1
  versions=$2
  temporal-sql-tool --db "$database" create
  # A database that has its schema already refuses the setup; the update below then finds it in place.
  temporal-sql-tool --db "$database" setup-schema -v 0.0 || echo "$database: a schema is there"
  temporal-sql-tool --db "$database" update-schema -d "$schema/$versions/versioned"
}

prepare temporal temporal
prepare temporal_visibility visibility
temporal-sql-tool --db "${LEDGER_DATABASE:-holdfast}" create
