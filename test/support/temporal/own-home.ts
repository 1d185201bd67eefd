/**
 * An owner of a home, to be killed: `own-home.ts HOME PORT UI_PORT` prints the pid of its server and stays
 * until its stdin ends, as it does when the test is gone.
 */
import { startEmbeddedServer } from '../../../src/temporal/server/embedded-server.ts';
import { lockHome } from '../../../src/temporal/server/home-lock.ts';
import { testServerBinary } from './dev-server.ts';

const [home = '', port, uiPort] = process.argv.slice(2);
lockHome(home);
const server = await startEmbeddedServer({
  home,
  port: Number(port),
  uiPort: Number(uiPort),
  binary: await testServerBinary(),
});
process.stdout.write(`${server.pid}\n`);
process.stdin.once('end', () => void server.stop());
process.stdin.resume();
