/** A change of the master key that is killed after one of its steps: `node rekey-child.ts HOME CURRENT NEXT STEP`. */
import { join } from 'node:path';
import { rekeyMaster } from '../../src/ledger/rekey-master.ts';

const [home = '', current = '', next = '', last = ''] = process.argv.slice(2);

await rekeyMaster({
  home,
  store: { kind: 'sqlite' },
  env: {},
  current: Buffer.from(current, 'base64'),
  next: Buffer.from(next, 'base64'),
  keyFile: join(home, 'master.key'),
  actor: 'child',
  onStep: (step) => {
    if (step === last) process.kill(process.pid, 'SIGKILL');
  },
});
