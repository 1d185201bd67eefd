import { defineSearchAttributeKey } from '@temporalio/common';

/**
 * The search attributes of Holdfast's workflows. Safe to import in workflow code. Search attributes are never
 * encrypted: nothing that a caller wrote may go into one.
 */
export const searchAttributeKeys = {
  tenant: defineSearchAttributeKey('HoldfastTenant', 'KEYWORD'),
  model: defineSearchAttributeKey('HoldfastModel', 'KEYWORD'),
  provider: defineSearchAttributeKey('HoldfastProvider', 'KEYWORD'),
  kind: defineSearchAttributeKey('HoldfastKind', 'KEYWORD'),
  outcome: defineSearchAttributeKey('HoldfastOutcome', 'KEYWORD'),
  costNanoUsd: defineSearchAttributeKey('HoldfastCostNanoUsd', 'INT'),
  attempts: defineSearchAttributeKey('HoldfastAttempts', 'INT'),
} as const;
