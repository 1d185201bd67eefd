/** `holdfast/core`: the vocabulary. */
export * from './errors.ts';
export * from './json.ts';
export * from './money.ts';
export * from './usage.ts';
export * from './names.ts';
export type * from './chat.ts';
export type * from './call/types.ts';
export type * from './settings.ts';
export type * from './ports/ledger.ts';
export type * from './ports/provider.ts';
export type * from './ports/stream-bus.ts';
export { runCall } from './call/run-call.ts';
export { CallInterruptedError, type CallPorts } from './call/ports.ts';
