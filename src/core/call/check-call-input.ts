/**
 * The input of `llmCall` as it comes. What came by a door was checked there and stands in the ledger; what a trusted Temporal
 * caller sends inline, in any language, was not, and would otherwise fail somewhere in the middle, again and again.
 */
import { HoldfastError, isErrorCode } from '../errors.ts';
import { isJsonObject, type Json, type JsonObject } from '../json.ts';
import { parseTags } from './parse-tags.ts';
import type { CallInput } from './types.ts';

const MAX_NAME_LENGTH = 1_000;
/** What no store can keep in a name, and no one can read. */
const CONTROL = /\p{Cc}/u;
/** What the call counts with, in the parts of its door's plan. */
const COUNTS_OF_PLAN = {
  first: [],
  retries: ['maxAttempts', 'initialBackoffMs', 'maxBackoffMs', 'maxRetryAfterMs'],
  timeouts: ['connectMs', 'firstTokenMs', 'idleMs', 'totalMs'],
} as const;

/**
 * Looks at shapes only: names, wire, prices and the body itself are checked where they are used, with a typed error of the call.
 * @param workflowId must be the call's id: everything finds the one by the other.
 * @throws HoldfastError `invalid_request`, with the path of the first wrong field as `param`.
 */
export function checkCallInput(input: unknown, workflowId: string): asserts input is CallInput {
  if (!isJsonObject(input)) throw wrong('input', 'an object');
  if (input.callId !== workflowId) throw wrong('callId', 'the id of the workflow');
  if (input.kind !== 'chat' && input.kind !== 'embedding') throw wrong('kind', '"chat" or "embedding"');
  if (!isJsonObject(input.principal)) throw wrong('principal', 'an object');
  if (input.inline === undefined) {
    // No more than tells a reference of a door from something else: a call that was accepted must not be refused here.
    if (typeof input.requestRef !== 'string') throw wrong('requestRef', 'a string, or null beside an inline request');
    if (input.admission !== undefined) checkAdmission(input.admission);
    return;
  }
  checkName(input.callId, 'callId');
  checkName(input.model, 'model');
  checkPrincipal(input.principal);
  if (input.mode !== undefined && input.mode !== 'background') throw wrong('mode', '"background" or absent');
  if (input.takesRollbacks !== undefined && typeof input.takesRollbacks !== 'boolean') {
    throw wrong('takesRollbacks', 'true, false or absent');
  }
  if (input.tags !== undefined) parseTags(input.tags, 'tags');
  checkInline(input, input.inline);
}

function checkPrincipal({ tenant, key, models, team }: JsonObject): void {
  checkName(tenant, 'principal.tenant');
  if (key !== null) checkName(key, 'principal.key');
  if (models !== null && !(Array.isArray(models) && models.every((model) => typeof model === 'string'))) {
    throw wrong('principal.models', 'a list of strings, or null for all');
  }
  if (team !== undefined) checkName(team, 'principal.team');
}

/** What the call reads of its door's decision; without it the workflow would fail in the middle, and be tried for ever. */
function checkAdmission(admission: Json): void {
  if (!isJsonObject(admission)) throw wrong('admission', 'an object');
  const { allowed, error, plan } = admission;
  if (allowed === false) {
    if (!isJsonObject(error) || typeof error.message !== 'string') throw wrong('admission.error', 'the reason');
    if (!isErrorCode(error.code)) throw wrong('admission.error.code', 'a code of Holdfast');
    return;
  }
  if (allowed !== true) throw wrong('admission.allowed', 'true or false');
  if (!isJsonObject(plan)) throw wrong('admission.plan', 'an object');
  if (!Array.isArray(plan.candidates) || !plan.candidates.every(isJsonObject)) {
    throw wrong('admission.plan.candidates', 'a list of objects');
  }
  for (const [part, counts] of Object.entries(COUNTS_OF_PLAN)) {
    const given = plan[part];
    if (!isJsonObject(given)) throw wrong(`admission.plan.${part}`, 'an object');
    for (const count of counts) {
      if (typeof given[count] !== 'number') throw wrong(`admission.plan.${part}.${count}`, 'a number');
    }
  }
}

function checkInline({ requestRef, admission }: JsonObject, inline: Json): void {
  if (!isJsonObject(inline)) throw wrong('inline', 'an object');
  if (requestRef !== null) throw wrong('requestRef', 'null beside an inline request');
  if (admission !== undefined) throw wrong('admission', 'absent beside an inline request: the call decides it');
  checkName(inline.wire, 'inline.wire');
  if (!isJsonObject(inline.body)) throw wrong('inline.body', 'an object');
  if (typeof inline.stream !== 'boolean') throw wrong('inline.stream', 'true or false');
}

function checkName(value: Json | undefined, path: string): void {
  if (typeof value !== 'string' || value === '' || value.length > MAX_NAME_LENGTH || CONTROL.test(value)) {
    throw wrong(path, `a string of 1 to ${String(MAX_NAME_LENGTH)} characters without control characters`);
  }
}

function wrong(path: string, expected: string): HoldfastError {
  return new HoldfastError('invalid_request', `The input of llmCall is wrong: ${path} must be ${expected}.`, {
    param: path,
  });
}
