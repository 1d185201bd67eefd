import { describe } from 'vitest';
import { postgresUnavailableReason } from '../../../test/support/postgres/binaries.ts';
import { newLedger, useCluster } from '../../../test/support/postgres/ledgers.ts';
import { describeLedgerContract } from '../ledger-contract.ts';

describe.skipIf(postgresUnavailableReason())('a real PostgreSQL', () => {
  const cluster = useCluster();
  describeLedgerContract('PostgreSQL', () => newLedger(cluster()));
});
