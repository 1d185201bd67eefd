/** Each boundary of a call, what goes wrong there, and what is promised all the same. */
import type { CallOutcome } from '../../src/core/call/types.ts';
import type { AttemptState } from '../../src/core/ports/ledger/views.ts';
import type { Fault } from './fault-action.ts';

export interface Scenario extends Fault {
  promise: string;
  /** `plain` answers in one piece, `stream` in events, `down` fails, `job` works in the background, `live-job` in events. */
  model: 'plain' | 'stream' | 'down' | 'careful' | 'job' | 'live-job';
  /** Started in Temporal, with the request inline; its caller comes to the door with the same key. */
  isInline?: boolean;
  /** What the world does while the node holds. */
  meanwhile?: 'engine-killed' | 'ledger-locked' | 'call-cancelled';
  /** What the caller sees of its first request: a status, or a broken connection. */
  first: number | 'lost';
  /** What the caller gets who asks again with its key, of the call or of a new one. */
  again: number;
  outcome: CallOutcome;
  /** Of the call that the key stands for at last. */
  attempts: AttemptState[];
  /** Requests that the provider got, of all calls of this key. */
  hits: number;
}

const HOUR_MS = 3_600_000;
const kill = { action: { do: 'kill' }, first: 'lost' } as const;
const answered = { model: 'plain', again: 200, outcome: 'succeeded' } as const;
const once = { attempts: ['settled'], hits: 1 } satisfies Partial<Scenario>;
const paidTwice = { attempts: ['unknown', 'settled'], hits: 2 } satisfies Partial<Scenario>;
const refused = {
  model: 'down',
  again: 502,
  outcome: 'failed',
  attempts: ['failed'],
  hits: 1,
} satisfies Partial<Scenario>;
const away = (what: 'ledger-away' | 'disk-full' | 'engine-away' | 'bus-away') => ({ do: 'throw', what }) as const;

export const scenarios: readonly Scenario[] = [
  {
    promise: 'killed before the acceptance, a node owes nothing: the caller that asks again has its first call',
    point: 'before-accept',
    ...kill,
    ...answered,
    ...once,
  },
  {
    promise: 'a call that was accepted when its node was killed is started by the next node, once',
    point: 'after-accept',
    ...kill,
    ...answered,
    ...once,
  },
  {
    promise: 'a call whose node was killed on its way to the engine is started by the next node, once',
    point: 'before-start',
    ...kill,
    ...answered,
    ...once,
  },
  {
    promise: 'a call that the engine has goes on without the node that started it',
    point: 'after-start',
    ...kill,
    ...answered,
    ...once,
  },
  {
    promise: 'a call without a door that had its row when its node was killed is admitted by the next one, once',
    point: 'after-row',
    ...kill,
    ...answered,
    ...once,
    isInline: true,
  },
  {
    promise: 'a call without a door that was admitted when its node was killed is not held for twice',
    point: 'after-hold',
    ...kill,
    ...answered,
    ...once,
    isInline: true,
  },
  {
    promise: 'killed before an attempt is recorded, its node has sent nothing, and the next one sends it',
    point: 'before-dispatch',
    ...kill,
    ...answered,
    ...once,
  },
  {
    promise: 'killed between the record of an attempt and its bytes, it is unknown, and the next one shows beside it',
    point: 'after-dispatch',
    ...kill,
    ...answered,
    attempts: ['unknown', 'settled'],
    hits: 1,
  },
  {
    promise:
      'a stream whose node was killed in its middle is asked for again on record, and its caller gets all of one',
    point: 'mid-stream',
    ...kill,
    ...answered,
    ...paidTwice,
    model: 'stream',
  },
  {
    promise:
      'work in the background whose id died with its node is not begun again, and its outcome is said to be unknown',
    point: 'after-job-start',
    ...kill,
    model: 'job',
    again: 502,
    outcome: 'failed',
    attempts: ['unknown'],
    hits: 1,
  },
  {
    promise: 'work in the background whose id is in the ledger is collected by the next node, begun once',
    point: 'after-job-id',
    ...kill,
    ...answered,
    ...once,
    model: 'job',
  },
  {
    promise: 'work in the background whose answer died on its way to the ledger is asked for again, and paid for once',
    point: 'before-record',
    ...kill,
    ...answered,
    ...once,
    model: 'job',
  },
  {
    promise:
      'work in the background whose stream died with its node is followed by the next from its start, begun once',
    point: 'mid-stream',
    ...kill,
    ...answered,
    ...once,
    model: 'live-job',
  },
  {
    promise:
      'a streamed answer of work in the background that died on its way to the ledger is had again, paid for once',
    point: 'before-record',
    ...kill,
    ...answered,
    ...once,
    model: 'live-job',
  },
  {
    promise: 'an answer that died with its node in memory is asked for again on record',
    point: 'answered',
    ...kill,
    ...answered,
    ...paidTwice,
  },
  {
    promise: 'an answer that died on its way to the ledger is asked for again on record',
    point: 'before-record',
    ...kill,
    ...answered,
    ...paidTwice,
  },
  {
    promise: 'an answer that is in the ledger when its node is killed is given to its caller, and not asked for again',
    point: 'after-record',
    ...kill,
    ...answered,
    ...once,
  },
  {
    promise:
      'an attempt that must not be paid for twice ends its call as unknown when it was lost, and is not sent again',
    point: 'answered',
    ...kill,
    model: 'careful',
    again: 502,
    outcome: 'failed',
    attempts: ['unknown'],
    hits: 1,
  },
  {
    promise: 'a failed call whose node was killed before its settlement is settled by the next',
    point: 'before-settle',
    ...kill,
    ...refused,
  },
  {
    promise: 'a failed call whose node was killed after its settlement stays as it was settled',
    point: 'after-settle',
    ...kill,
    ...refused,
  },

  {
    promise: 'a ledger that is away at the acceptance costs nothing: the caller is told to come again',
    point: 'before-accept',
    action: away('ledger-away'),
    ...answered,
    ...once,
    first: 503,
  },
  {
    promise: 'an attempt waits for a ledger that is away, and is sent once',
    point: 'before-dispatch',
    action: away('ledger-away'),
    times: 2,
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise: 'an answer that was paid for waits for a ledger that is away',
    point: 'before-record',
    action: away('ledger-away'),
    times: 3,
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise: 'an answer that was paid for waits for a ledger that another process has locked',
    point: 'before-record',
    action: { do: 'hold' },
    meanwhile: 'ledger-locked',
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise: 'an answer that was paid for waits for room on a full disk',
    point: 'before-record',
    action: away('disk-full'),
    times: 3,
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise: 'a ledger that is away in the middle of a stream costs no text of it',
    point: 'mid-stream',
    action: away('ledger-away'),
    ...answered,
    ...once,
    model: 'stream',
    first: 200,
  },
  {
    promise: 'a settlement waits for a ledger that is away',
    point: 'before-settle',
    action: away('ledger-away'),
    times: 2,
    ...refused,
    first: 502,
  },
  {
    promise: 'a start that fails ends the call before it holds money for long, and its key is free for another',
    point: 'before-start',
    action: away('engine-away'),
    ...answered,
    ...once,
    first: 503,
  },
  {
    promise: 'an engine that is killed at a start: the caller is told to come again, and pays once',
    point: 'before-start',
    action: { do: 'hold' },
    meanwhile: 'engine-killed',
    ...answered,
    ...once,
    first: 503,
  },
  {
    promise: 'an engine that is killed when the answer is recorded keeps it from nobody, and learns of it later',
    point: 'after-record',
    action: { do: 'hold' },
    meanwhile: 'engine-killed',
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise: 'a bus that is away when the answer is recorded: its caller finds it in the ledger',
    point: 'after-record',
    action: away('bus-away'),
    ...answered,
    ...once,
    first: 200,
  },

  {
    promise: 'a cancel that comes when the answer is on its way to the ledger loses nothing that was paid for',
    point: 'before-record',
    action: { do: 'hold' },
    meanwhile: 'call-cancelled',
    ...answered,
    ...once,
    first: 200,
  },

  {
    promise: 'a clock set back lengthens a call, and changes nothing of its money',
    point: 'before-dispatch',
    action: { do: 'jump', ms: -2 * HOUR_MS },
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise:
      'an answer that comes after its day, by a clock that was set forward, is charged in the day that held for it',
    point: 'before-record',
    action: { do: 'jump', ms: 26 * HOUR_MS },
    ...answered,
    ...once,
    first: 200,
  },
  {
    promise: 'a clock set beyond the deadline before the bytes leave ends the call in time, and nothing is sent',
    point: 'after-dispatch',
    action: { do: 'jump', ms: 2 * HOUR_MS },
    model: 'plain',
    first: 504,
    again: 504,
    outcome: 'timed_out',
    attempts: ['failed'],
    hits: 0,
  },
];
