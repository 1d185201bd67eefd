/** From the environment to the Holdfast that is meant. */
import type { ClientOptions } from '../../client/index.ts';
import { HoldfastError } from '../../core/errors.ts';
import { findRunningGateway } from '../gateway-file.ts';
import { homeOf } from '../home.ts';
import { createLocalAccess } from './local-access.ts';
import { createRemoteAccess } from './remote-access.ts';
import type { SystemAccess } from './system-access.ts';

/** `HOLDFAST_URL` names a gateway; without it, it is the home on this machine. */
export function openAccess(env: NodeJS.ProcessEnv): SystemAccess {
  const url = env['HOLDFAST_URL'];
  return url ? createRemoteAccess({ url, key: env['HOLDFAST_KEY'] }) : createLocalAccess(homeOf(env), env);
}

/** The gateway that calls go to. @throws HoldfastError `engine_unavailable` when none runs. */
export function gatewayOf(env: NodeJS.ProcessEnv): ClientOptions {
  const url = env['HOLDFAST_URL'] || findRunningGateway(homeOf(env))?.url;
  if (url) return { url, key: env['HOLDFAST_KEY'] };
  throw new HoldfastError(
    'engine_unavailable',
    `No gateway runs for the home ${homeOf(env)}. Start one with \`holdfast up\`, or name one: HOLDFAST_URL=http://host:4000.`,
  );
}

/** The home, for what is never done over the network. @throws HoldfastError `invalid_request` with a remote gateway. */
export function localHome(env: NodeJS.ProcessEnv, what: string): string {
  if (!env['HOLDFAST_URL']) return homeOf(env);
  throw new HoldfastError(
    'invalid_request',
    `${what} only on the machine that has the home. Unset HOLDFAST_URL, or run this there.`,
  );
}
