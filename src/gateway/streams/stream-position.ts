/** Where a client stands in a stream: the `id` of the last event that it got, `callId.attempt.seq`. */
import { HoldfastError } from '../../core/errors.ts';

export interface StreamPosition {
  callId: string;
  /** From 1. */
  attempt: number;
  /** Counts the events of the attempt, as this client's wire has them, from 0. */
  seq: number;
}

/** From the right: the id of a call that a trusted caller named may have dots. */
const POSITION = /^([\x21-\x7e]{1,255})\.([1-9]\d{0,8})\.(\d{1,9})$/;

export function formatStreamPosition({ callId, attempt, seq }: StreamPosition): string {
  return `${callId}.${String(attempt)}.${String(seq)}`;
}

/** @throws HoldfastError `invalid_request` for what is not an id of ours. */
export function parseStreamPosition(text: string): StreamPosition {
  const [, callId, attempt, seq] = POSITION.exec(text) ?? [];
  if (callId === undefined) {
    throw new HoldfastError(
      'invalid_request',
      'The Last-Event-ID is not the id of an event of a stream from here; leave it out to get the stream from its start.',
      { param: 'Last-Event-ID' },
    );
  }
  return { callId, attempt: Number(attempt), seq: Number(seq) };
}
