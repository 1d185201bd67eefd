import { describeLedgerContract } from '../ledger-contract.ts';
import { temporaryLedger } from './temporary-ledger.ts';

describeLedgerContract('SQLite', () => temporaryLedger());
