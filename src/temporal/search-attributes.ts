import type { ConnectionLike } from '@temporalio/client';
import { encodeSearchAttributeIndexedValueType } from '@temporalio/common/lib/search-attributes.js';
import { HoldfastError } from '../core/errors.ts';
import { searchAttributeKeys } from './search-attribute-keys.ts';

const keys = Object.values(searchAttributeKeys);
type KeyType = (typeof keys)[number]['type'];

/** What the functions here need of a connection: both `Connection` and `NativeConnection` have it. */
export type OperatorConnection = Pick<ConnectionLike, 'operatorService' | 'workflowService'>;

/**
 * Registers what `searchAttributeKeys` names and the namespace lacks. Safe to repeat, and safe on many nodes at once.
 * Throws `engine_unavailable` when an attribute exists with another type, or when the cluster refuses.
 */
export async function registerSearchAttributes(connection: OperatorConnection, namespace: string): Promise<void> {
  const missing = await missingSearchAttributes(connection, namespace);
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, wireType(type)])),
    });
  } catch (error) {
    // Another node may have been faster: only what is still missing counts.
    const still = await missingSearchAttributes(connection, namespace);
    if (still.length > 0) throw refused(namespace, still, error);
  }
}

async function missingSearchAttributes(connection: OperatorConnection, namespace: string) {
  let present: Record<string, unknown>;
  try {
    present = (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;
  } catch (error) {
    if (!isDenied(error)) throw error;
    const missing = await missingAliases(connection, namespace);
    if (missing.length > 0) throw refused(namespace, missing, error);
    return [];
  }
  const clash = keys.find(({ name, type }) => Object.hasOwn(present, name) && present[name] !== wireType(type));
  if (clash !== undefined) {
    throw new HoldfastError(
      'engine_unavailable',
      `The search attribute ${clash.name} exists in namespace ${namespace} with another type than ${clash.type}. ` +
        `Use another namespace, or remove it: \`temporal operator search-attribute remove --name ${clash.name}\`.`,
    );
  }
  return keys.filter(({ name }) => !Object.hasOwn(present, name));
}

/** What a namespace shows to those who may not ask the operator service. */
async function missingAliases({ workflowService }: OperatorConnection, namespace: string) {
  const { config } = await workflowService.describeNamespace({ namespace });
  const present = Object.values(config?.customSearchAttributeAliases ?? {});
  return keys.filter(({ name }) => !present.includes(name));
}

function wireType(type: KeyType) {
  const encoded = encodeSearchAttributeIndexedValueType(type);
  if (encoded === undefined) throw new TypeError(`no wire type for ${type}`);
  return encoded;
}

/** gRPC PERMISSION_DENIED, UNIMPLEMENTED, UNAUTHENTICATED: Temporal Cloud has no operator service for its users. */
const DENIED_CODES: readonly unknown[] = [7, 12, 16];

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DENIED_CODES.includes(error.code);
}

function refused(namespace: string, missing: readonly { name: string; type: string }[], cause: unknown): HoldfastError {
  const list = missing.map(({ name, type }) => `${name}=${type}`).join(', ');
  const reason = cause instanceof Error ? cause.message : String(cause);
  const error = new HoldfastError(
    'engine_unavailable',
    `The cluster did not let us register search attributes in namespace ${namespace} (${reason}). ` +
      `Have its operator create: ${list}.`,
  );
  error.cause = cause;
  return error;
}
