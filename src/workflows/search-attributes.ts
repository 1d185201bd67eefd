import type { SearchAttributeUpdatePair } from '@temporalio/common';
import type { CallResult } from '../core/call/types.ts';
import { searchAttributeKeys } from '../temporal/search-attribute-keys.ts';

/** What an ended call is found by in the Temporal UI: one upsert, at the end. */
export function endAttributes(result: CallResult): SearchAttributeUpdatePair[] {
  return [
    { key: searchAttributeKeys.outcome, value: result.outcome },
    { key: searchAttributeKeys.costNanoUsd, value: Number(result.costNanoUsd) },
    { key: searchAttributeKeys.attempts, value: result.attempts },
    ...(result.provider === null ? [] : [{ key: searchAttributeKeys.provider, value: result.provider }]),
  ];
}
