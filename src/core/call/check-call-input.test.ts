import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HoldfastError } from '../errors.ts';
import { checkCallInput } from './check-call-input.ts';

const principal = { tenant: 'acme', key: 'app', models: ['smart'] };
const stored = { callId: 'call_1', kind: 'chat', model: 'smart', principal, requestRef: 'p_1' };
const plan = {
  decisionId: 'dec_1',
  candidates: [{ provider: 'sim' }],
  first: {},
  retries: { maxAttempts: 2, initialBackoffMs: 1, maxBackoffMs: 1, maxRetryAfterMs: 1 },
  timeouts: { connectMs: 1, firstTokenMs: 1, idleMs: 1, totalMs: 1 },
};
const inline = {
  ...stored,
  requestRef: null,
  inline: { wire: 'openai-chat', body: { model: 'smart' }, stream: false },
};

/** The path that is found wrong; null for an input that is right. */
function wrongIn(input: unknown): string | null {
  try {
    checkCallInput(input, 'call_1');
    return null;
  } catch (error) {
    if (!HoldfastError.is(error) || error.code !== 'invalid_request') throw error;
    expect(error.message).not.toContain('hunter2');
    return error.param ?? '';
  }
}

describe('the input of llmCall', () => {
  it.each([
    stored,
    inline,
    { ...stored, tags: { a: 'b' }, mode: 'background', takesRollbacks: true, admission: { allowed: true, plan } },
    { ...stored, admission: { allowed: false, error: { code: 'permission_denied', message: 'no' } } },
    // What a door took has what the door made of it: a tag more, a longer one, a name that no one would give.
    {
      ...stored,
      model: 'a\n',
      tags: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`t${n}`, 'x'.repeat(300)])),
    },
    { ...inline, principal: { tenant: 'acme', key: null, models: null, team: 'blue' } },
  ])('is right: %j', (input) => expect(wrongIn(input)).toBeNull());

  it.each([
    [null, 'input'],
    ['hunter2', 'input'],
    [{ ...stored, callId: 'call_2' }, 'callId'],
    [{ ...stored, kind: 'image' }, 'kind'],
    [{ ...inline, model: undefined }, 'model'],
    [{ ...inline, model: 'a\u0000b' }, 'model'],
    [{ ...inline, model: 'hunter2'.repeat(200) }, 'model'],
    [{ ...stored, principal: 'hunter2' }, 'principal'],
    [{ ...inline, principal: { ...principal, tenant: '' } }, 'principal.tenant'],
    [{ ...inline, principal: { tenant: 'acme', models: null } }, 'principal.key'],
    [{ ...inline, principal: { ...principal, models: 'smart' } }, 'principal.models'],
    [{ ...inline, principal: { ...principal, team: 7 } }, 'principal.team'],
    [{ ...inline, mode: 'foreground' }, 'mode'],
    [{ ...inline, takesRollbacks: 'yes' }, 'takesRollbacks'],
    [{ ...inline, tags: { a: 1 } }, 'tags'],
    [{ ...stored, requestRef: null }, 'requestRef'],
    [{ ...inline, requestRef: 'p_1' }, 'requestRef'],
    [{ ...inline, admission: { allowed: true } }, 'admission'],
    [{ ...stored, admission: 'hunter2' }, 'admission'],
    [{ ...stored, admission: {} }, 'admission.allowed'],
    [{ ...stored, admission: { allowed: false } }, 'admission.error'],
    [{ ...stored, admission: { allowed: true } }, 'admission.plan'],
    [{ ...stored, admission: { allowed: true, plan: { ...plan, candidates: [null] } } }, 'admission.plan.candidates'],
    [{ ...stored, admission: { allowed: true, plan: { ...plan, timeouts: 7 } } }, 'admission.plan.timeouts'],
    [{ ...stored, admission: { allowed: false, error: { code: 'hunter2', message: 'no' } } }, 'admission.error.code'],
    [{ ...stored, admission: { allowed: true, plan: { ...plan, timeouts: {} } } }, 'admission.plan.timeouts.connectMs'],
    [
      { ...stored, admission: { allowed: true, plan: { ...plan, retries: { ...plan.retries, maxBackoffMs: '1' } } } },
      'admission.plan.retries.maxBackoffMs',
    ],
    [{ ...inline, inline: 'hunter2' }, 'inline'],
    [{ ...inline, inline: { body: {}, stream: false } }, 'inline.wire'],
    [{ ...inline, inline: { ...inline.inline, body: ['hunter2'] } }, 'inline.body'],
    [{ ...inline, inline: { ...inline.inline, stream: undefined } }, 'inline.stream'],
  ])('is wrong: %j, at %s', (input, path) => expect(wrongIn(input)).toBe(path));

  it('is refused with a path, or right, whatever stands in one of its fields', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(inline)), fc.jsonValue(), (field, value) => {
        const wrong = wrongIn({ ...inline, [field]: value });
        if (wrong !== null) expect(wrong).not.toBe('');
      }),
    );
  });
});
