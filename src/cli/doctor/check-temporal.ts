/** The Temporal server: the binary for our own, or the cluster that the environment names. */
import { connectNative, resolveTemporalTarget } from '../../temporal/connection.ts';
import { findServerBinary } from '../../temporal/binary/find-server-binary.ts';
import { errorText, type DoctorInput, type Finding } from './check.ts';

export async function checkTemporal({ env }: Pick<DoctorInput, 'env'>): Promise<Finding> {
  const name = 'temporal';
  try {
    const target = resolveTemporalTarget(env);
    if (target.kind === 'embedded') return await checkBinary(env);
    const connection = await connectNative(target.connectionOptions);
    await connection.close();
    return {
      name,
      status: 'ok',
      message: `the cluster at ${target.connectionOptions.address ?? ''} answers, namespace ${target.namespace}`,
    };
  } catch (error) {
    return {
      name,
      status: 'fail',
      message: errorText(error),
      remedy: 'Correct the TEMPORAL_* variables, or unset them to use the embedded server.',
    };
  }
}

async function checkBinary(env: NodeJS.ProcessEnv): Promise<Finding> {
  const name = 'temporal';
  // The doctor only looks: what is not there is got by `up`.
  const notHere = () => Promise.reject(new Error('not tried by the doctor'));
  try {
    const { path, version, origin } = await findServerBinary({ env, download: notHere, build: notHere });
    return { name, status: 'ok', message: `temporal ${version} at ${path} (by ${origin})` };
  } catch (error) {
    if (env['HOLDFAST_TEMPORAL_CLI']) {
      return { name, status: 'fail', message: errorText(error), remedy: 'Correct or unset HOLDFAST_TEMPORAL_CLI.' };
    }
    return {
      name,
      status: 'warn',
      message: 'there is no temporal binary on PATH or in the cache',
      remedy: '`holdfast up` downloads or builds one; or set HOLDFAST_TEMPORAL_CLI.',
    };
  }
}
