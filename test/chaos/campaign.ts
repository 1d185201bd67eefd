/** Rounds until there are enough, or until told to stop: parts started, rounds played and judged, state kept. */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../src/temporal/server/free-ports.ts';
import { campaignConfig, writeConfig } from './campaign-config.ts';
import { loadState, saveState, type CampaignState, type TargetKind } from './campaign-state.ts';
import { startChild } from './child-process.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { createFleetTarget } from './fleet-target.ts';
import { createHoldfastTarget } from './holdfast-target.ts';
import { judge } from './judge.ts';
import { planRound, type RoundPlan, type Shape } from './plan.ts';
import { createPlainTarget } from './plain-target.ts';
import { playRound, untilQuiet, type Evidence } from './play-round.ts';
import { askProvider } from './provider-truth.ts';
import { add } from './tally.ts';
import type { Target } from './target.ts';

const MOCK_PROVIDER = fileURLToPath(new URL('./mock-provider.ts', import.meta.url));
const READY_WITHIN_MS = 60_000;

export interface CampaignOptions {
  rounds: number;
  seed: string;
  target: TargetKind;
  shape: Shape;
  stateDir: string;
  callsARound: number;
  /** Looked at after each round. */
  mustStop(): boolean;
  onLine(line: string): void;
}

export async function runCampaign(options: CampaignOptions): Promise<CampaignState> {
  const { rounds, seed, target: kind, shape, stateDir, callsARound, mustStop, onLine } = options;
  let state = loadState(stateDir, { seed, target: kind, shape, callsARound });
  state = { ...state, sessions: state.sessions + 1 };
  saveState(stateDir, state);
  if (state.reached > 0) onLine(`going on after round ${String(state.reached)}`);
  const parts = await startParts(options);
  const { target, truth } = parts;
  try {
    // What a session that was broken off left behind ends before anything is counted.
    await untilQuiet(target, truth);
    await target.abandonUnknown();
    for (let round = state.reached + 1; round <= rounds && !mustStop(); round++) {
      const plan = planRound(seed, round, callsARound, shape);
      const evidence = await playRound(plan, { ...parts, session: `s${String(state.sessions)}` });
      const { tally, faults } = judge(plan, evidence);
      if (faults.length > 0) keepEvidence(stateDir, evidence, faults);
      state = {
        ...state,
        reached: round,
        tally: add(state.tally, tally),
        faults: [...state.faults, ...faults.map((fault) => `round ${String(round)} (${namesOf(plan)}): ${fault}`)],
      };
      saveState(stateDir, state);
      onLine(`round ${String(round)} of ${String(rounds)}: ${describeRound(plan, evidence, faults)}`);
    }
    await target.stop();
  } finally {
    await parts.stop();
  }
  return state;
}

async function startParts(options: CampaignOptions) {
  const { seed } = options;
  const [gateway = 0, temporal = 0, ui = 0, network = 0, provider = 0] = await freePorts(5);
  const mock = await startChild({
    args: [MOCK_PROVIDER, seed, String(provider)],
    readyLine: /^ready$/m,
    readyWithinMs: READY_WITHIN_MS,
  });
  const proxy = await startFaultProxy(network, provider);
  const target = await createTarget(options, { gateway, temporal, ui }, network);
  await target.start();
  return {
    target,
    proxy,
    truth: askProvider(`http://127.0.0.1:${String(provider)}`),
    async stop() {
      target.abandon();
      await proxy.close();
      mock.signal('SIGTERM');
      await mock.exited;
      if (mock.output() !== 'ready\n') throw new Error(`the mock provider failed:\n${mock.output()}`);
    },
  };
}

async function createTarget(
  { target, shape, stateDir, rounds }: CampaignOptions,
  ports: { gateway: number; temporal: number; ui: number },
  providerPort: number,
): Promise<Target> {
  const home = join(stateDir, 'home');
  if (target === 'plain-proxy') return createPlainTarget(ports.gateway, providerPort);
  if (shape === 'embedded') {
    return createHoldfastTarget({ home, ports, configPath: writeConfig(home, providerPort, rounds) });
  }
  return createFleetTarget(campaignConfig(home, providerPort, rounds));
}

/** Beside the home, whose ledger and Temporal server have the rest of the story. */
function keepEvidence(dir: string, evidence: Evidence, faults: readonly string[]): void {
  appendFileSync(join(dir, 'evidence.jsonl'), `${JSON.stringify({ faults, ...evidence }, bigintAsText)}\n`);
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

function describeRound(plan: RoundPlan, { hits, requests }: Evidence, faults: readonly string[]) {
  const took = ((Date.now() - (hits.at(-1)?.at ?? NaN)) / 1000).toFixed(1);
  const verdict = faults.length === 0 ? 'ok' : `BROKEN: ${faults.join('; ')}`;
  return `${namesOf(plan)}, ${String(requests.length)} dispatches, quiet after ${took} s, ${verdict}`;
}

function namesOf({ faults, network }: RoundPlan): string {
  const killed = faults.map(({ kind }) => kind).join(', then ');
  return network ? `${killed}; network ${network.kind}` : killed;
}
