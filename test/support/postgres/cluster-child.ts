/** Test support: a process that starts a cluster, says where, and waits to be killed. */
import { startCluster } from './cluster.ts';

const cluster = await startCluster();
console.log(JSON.stringify({ folder: cluster.folder, pid: cluster.pid() }));
process.stdin.resume();
