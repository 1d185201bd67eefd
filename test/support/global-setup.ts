/** Finds the Temporal server once, with its progress visible, before tests that have time limits need it. */
import { testServerBinary } from './temporal/dev-server.ts';

export default async function setup(): Promise<void> {
  const { path, version, origin } = await testServerBinary();
  process.stderr.write(`Temporal server: CLI ${version} (${origin})\n`);
  process.env['HOLDFAST_TEMPORAL_CLI'] = path;
}
