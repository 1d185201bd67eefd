/** The rules of search attributes and of markers. */
import { searchAttributeKeys } from '../../temporal/search-attribute-keys.ts';
import { candidateName, kind, outcome } from './decision-fields.ts';
import { fields, figure, hidden, listOf, matching, type Rule } from './rules.ts';

const identifier = matching(/^[A-Za-z]\w{0,63}$/);
const sequence = matching(/^\d{1,10}$/);
/** Names of patches are written in workflow code. */
const patchName = matching(/^[\w-]{1,80}$/);

const ours: Record<keyof typeof searchAttributeKeys, Rule> = {
  tenant: hidden,
  model: hidden,
  provider: candidateName,
  kind,
  outcome,
  costNanoUsd: figure,
  attempts: figure,
};

const SEARCH_ATTRIBUTES = new Map<string, Rule>([
  ...Object.entries(searchAttributeKeys).map(([key, { name }]): [string, Rule] => [
    name,
    ours[key as keyof typeof searchAttributeKeys],
  ]),
  ['TemporalChangeVersion', listOf(patchName)],
]);

/** Null: not an attribute of ours or of the SDK, so its name is replaced too. */
export function searchAttributeRule(name: string): Rule | null {
  return SEARCH_ATTRIBUTES.get(name) ?? null;
}

interface Timestamp {
  seconds: number;
  nanos: number;
}
/** What the SDK's core writes of a local activity. */
interface LocalActivity {
  seq: number;
  attempt: number;
  activity_id: string;
  activity_type: string;
  complete_time: Timestamp;
  backoff: Timestamp | null;
  original_schedule_time: Timestamp;
}

const timestamp = fields<Timestamp>({ seconds: figure, nanos: figure });

export const localActivity = fields<LocalActivity>({
  seq: figure,
  attempt: figure,
  activity_id: sequence,
  activity_type: identifier,
  complete_time: timestamp,
  backoff: timestamp,
  original_schedule_time: timestamp,
});

export const patch = fields<{ id: string; deprecated: boolean }>({ id: patchName, deprecated: figure });
