/** How far a campaign is: on disk after each round, so that one that was stopped goes on. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../src/temporal/process/process-identity.ts';
import type { Shape } from './plan.ts';
import { NOTHING, type Tally } from './tally.ts';

export type TargetKind = 'holdfast' | 'plain-proxy';

export interface CampaignState {
  seed: string;
  target: TargetKind;
  shape: Shape;
  callsARound: number;
  /** How many times it was started; stands in every nonce. */
  sessions: number;
  /** Rounds that are finished and judged. */
  reached: number;
  tally: Tally;
  /** The first of them; `tally` has their number. */
  faults: string[];
}

const MAX_FAULTS = 200;

export function defaultStateDir(seed: string, shape: string, target: TargetKind): string {
  return join(tmpdir(), `holdfast-chaos-${shape}-${target}-${seed.replace(/\W/g, '_')}`);
}

/** @throws Error when the directory has another campaign, or a state that is none. */
export function loadState(
  dir: string,
  wanted: Pick<CampaignState, 'seed' | 'target' | 'shape' | 'callsARound'>,
): CampaignState {
  const path = join(dir, 'state.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    return { ...wanted, sessions: 0, reached: 0, tally: NOTHING, faults: [] };
  }
  const state = parseState(text, path);
  for (const name of ['seed', 'target', 'shape', 'callsARound'] as const) {
    if (state[name] !== wanted[name]) {
      throw new Error(`${dir} has a campaign with ${name} ${String(state[name])}. Use another --state, or remove it.`);
    }
  }
  return state;
}

function parseState(text: string, path: string): CampaignState {
  try {
    const state = JSON.parse(text) as Partial<CampaignState> | null;
    if (typeof state?.reached === 'number' && state.tally instanceof Object) return state as CampaignState;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new Error(`${path} is not the state of a campaign. Use another --state, or remove it.`);
}

export function saveState(dir: string, state: CampaignState): void {
  mkdirSync(dir, { recursive: true });
  const draft = join(dir, 'state.json.draft');
  writeFileSync(draft, JSON.stringify({ ...state, faults: state.faults.slice(0, MAX_FAULTS) }, null, 2));
  renameSync(draft, join(dir, 'state.json'));
}
