/** Fetches and builds what tests need beyond npm, so that no test waits for it: `node test/support/prepare.ts`. */
import { findRedisServer } from './redis/binary.ts';
import { testServerBinary } from './temporal/dev-server.ts';
import { productionServer } from './temporal/production-server.ts';

await testServerBinary();
await productionServer();
findRedisServer();
