/** The simulator in a process of its own, so that its work is not on the measured process's bill. */
import { startSimulator } from '../src/simulator/simulator.ts';

const simulator = await startSimulator({ maxSeen: 10 });
process.send?.(simulator.url);
