/** What carrying out an attempt needs. */
import type { AttemptOrder } from '../core/call/types.ts';
import type { Ledger } from '../core/ports/ledger.ts';
import type { AttemptCharge } from '../core/ports/ledger/attempts.ts';
import type { BudgetSpec } from '../core/ports/ledger/budgets.ts';
import type { CallView } from '../core/ports/ledger/views.ts';
import type { FaultPoints } from '../core/ports/fault-points.ts';
import type { PayloadStore } from '../core/ports/payload-store.ts';
import type { CallRequest, ProviderAdapter, ProviderAnswer } from '../core/ports/provider.ts';
import type { StreamBus } from '../core/ports/stream-bus.ts';
import type { ProviderSettings } from '../core/settings.ts';
import type { Dispatcher } from '../providers/dispatch/dispatcher.ts';

export interface AttemptDeps {
  ledger: Ledger;
  payloads: PayloadStore;
  bus: StreamBus;
  dispatcher: Dispatcher;
  adapters: ReadonlyMap<string, ProviderAdapter>;
  /** @throws HoldfastError `not_found` for a provider that the configuration lacks. */
  providerNamed(name: string): ProviderSettings;
  /** The secret's version as of now. @throws HoldfastError `provider_auth` when there is none. */
  resolveCredential(reference: string): Promise<{ name: string; version: number; reveal(): string }>;
  budgetsOf(order: Pick<AttemptOrder, 'tenant' | 'key' | 'team' | 'user'>): readonly BudgetSpec[];
  /** The price of what an answer counted, or of an estimate when it did not count. */
  charge(provider: ProviderSettings, model: string, request: CallRequest, answer: ProviderAnswer): AttemptCharge;
  /** Names this process life in attempt rows. */
  owner: string;
  payloadTtlMs: number;
  /** Unix milliseconds. */
  now(): number;
  /** Aborts when this process is to end: streams of work in the background are left for another to take up. Default: never. */
  leaving?: AbortSignal;
  /** Waits; rejects when the signal aborts. Default: real time. */
  pause?(ms: number, signal: AbortSignal): Promise<unknown>;
  /** Told of each call that ends with an answer here. */
  onCallEnd(call: CallView): void;
  /** Tests only. */
  faults?: FaultPoints | undefined;
  /** Told of what should not happen; the attempt itself ends with a recorded outcome. */
  onDefect(error: unknown): void;
}
