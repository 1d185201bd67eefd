import { describe, expect, it } from 'vitest';
import { fastestMs } from '../../test/support/fastest.ts';
import { HoldfastError } from '../core/errors.ts';
import type { Json, JsonObject } from '../core/json.ts';
import { REDACTORS } from '../config/schema.ts';
import { passesLuhn, passesMod97, personalDetectors } from './detectors/personal-data.ts';
import { secretDetectors } from './detectors/secrets.ts';
import { createContentInspector } from './inspect-content.ts';

const inspectAll = createContentInspector({ redact: REDACTORS, blockSecrets: true });
const inspect = (body: JsonObject) => inspectAll({ wire: 'openai-chat', stream: false, body }).body;
const textOf = (text: string) => inspect({ text })['text'];

function blockedBy(body: JsonObject): HoldfastError {
  try {
    inspect(body);
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error('it was let through');
}

const long = (length: number, text = 'Ab3') => text.repeat(length).slice(0, length);
const JWT = `eyJ${long(20)}.eyJ${long(30)}.${long(43)}`;

/** For each detector what it must find and what only looks like it. */
const secrets: Record<string, { finds: string[]; leaves: string[] }> = {
  'anthropic-key': {
    finds: [`sk-ant-api03-${long(40)}`, `key=sk-ant-${long(20)}`],
    leaves: ['sk-ant-short', 'sk-ant colony'],
  },
  'openai-key': {
    finds: [`sk-${long(48)}`, `sk-proj-${long(60)}`, `sk-svcacct-${long(30)}`, `"sk-${long(20)}"`],
    leaves: [`sk-${'-'.repeat(30)}`, 'sk-learn-is-a-library-for-machines', `task-${long(40)}`, `sk-${long(19)}`],
  },
  'aws-access-key': {
    finds: ['AKIAIOSFODNN7EXAMPLE', 'id ASIAIOSFODNN7EXAMPLE.'],
    leaves: ['AKIAIOSFODNN7EXAMPL', 'AKIAIOSFODNN7EXAMPLEX', 'akiaiosfodnn7example', 'XAKIAIOSFODNN7EXAMPLE'],
  },
  'google-api-key': { finds: [`AIza${long(35)}`], leaves: [`AIza${long(34)}`, `xAIza${long(35)}`] },
  'google-oauth-token': { finds: [`ya29.${long(30)}`], leaves: ['ya29.short', `ya28.${long(30)}`] },
  'github-token': {
    finds: [`ghp_${long(36)}`, `ghs_${long(40)}`],
    leaves: [`ghp_${long(35)}`, `ghx_${long(36)}`, `sighp_${long(36)}`],
  },
  'slack-token': { finds: [`xoxb-1234567890-abc`], leaves: ['xoxb-short', 'xoxq-1234567890123'] },
  'holdfast-key': { finds: [`hk_${long(43)}`], leaves: [`hk_${long(42)}`, 'hk_short'] },
  'private-key': {
    finds: ['-----BEGIN PRIVATE KEY-----', '-----BEGIN RSA PRIVATE KEY-----', '-----BEGIN OPENSSH PRIVATE KEY-----'],
    leaves: ['-----BEGIN PUBLIC KEY-----', '-----BEGIN CERTIFICATE-----', 'BEGIN PRIVATE KEY'],
  },
  jwt: {
    finds: [JWT, `Bearer ${JWT}`, `token=${JWT}`],
    leaves: [JWT.split('.').slice(0, 2).join('.'), `eyJ${long(40)}`],
  },
};

const personal: Record<string, { finds: string[]; leaves: string[] }> = {
  email: {
    finds: ['ada@example.com', 'a.b+c@mail.example.co.uk', 'ADA_1@EXAMPLE.ORG'],
    leaves: ['ada@localhost', '@example.com', 'ada at example.com', 'npm i pkg@1.2.3', 'ada@.com'],
  },
  phone: {
    finds: ['+49 30 901820', '+1 (415) 555-2671', '+14155552671', '+44-20-7946-0958'],
    leaves: ['4155552671', '2+2', '+1', '1+4155552671', 'C++11 2020 2021'],
  },
  card: {
    finds: ['4111111111111111', '4111 1111 1111 1111', '5500-0000-0000-0004', '378282246310005'],
    leaves: ['4111111111111112', '411111111111', '1234567890123456', '1792512345678'],
  },
  ssn: {
    finds: ['123-45-6789', '078-05-1120'],
    leaves: ['000-12-3456', '666-12-3456', '900-12-3456', '123-00-4567', '123-45-0000', '123456789'],
  },
  iban: {
    finds: ['DE89370400440532013000', 'DE89 3704 0044 0532 0130 00', 'GB29NWBK60161331926819'],
    leaves: ['DE88370400440532013000', 'GB29NWBK60161331926810', 'AB12'],
  },
};

describe('secrets', () => {
  it('every detector has examples', () => {
    expect(Object.keys(secrets)).toEqual(secretDetectors.map(({ name }) => name));
    expect(Object.keys(personal)).toEqual(Object.keys(personalDetectors));
    expect(Object.keys(personal).sort()).toEqual([...REDACTORS].sort());
  });

  for (const [name, { finds, leaves }] of Object.entries(secrets)) {
    it.each(finds)(`${name}: %s blocks the call, and the error does not repeat it`, (secret) => {
      const error = blockedBy({ text: `please use ${secret} now` });
      expect(error).toMatchObject({ code: 'content_blocked', param: 'text', details: { detector: name } });
      expect(JSON.stringify(error.toRecord())).not.toContain(secret);
      expect(error.message).toContain(name);
    });

    it.each(leaves)(`${name}: %s is not one`, (text) => {
      expect(textOf(text)).toBe(text);
    });
  }

  it('are found twice in a row: a detector keeps no state between texts', () => {
    for (let round = 0; round < 3; round++) expect(blockedBy({ text: JWT }).details).toEqual({ detector: 'jwt' });
  });

  it('name the path at which they stand', () => {
    const messages = [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'fine' },
          { type: 'text', text: JWT },
        ],
      },
    ];
    expect(blockedBy({ messages }).param).toBe('messages[0].content[1].text');
    const tools = [{ function: { arguments: JSON.stringify({ token: JWT }) } }];
    expect(blockedBy({ tools }).param).toBe('tools[0].function.arguments');
  });

  it('pass when blocking is off', () => {
    const open = createContentInspector({ redact: ['email'], blockSecrets: false });
    const body = { text: `${JWT} of ada@example.com` };
    expect(open({ wire: 'openai-chat', stream: false, body }).body['text']).toBe(`${JWT} of [email]`);
  });
});

describe('personal data', () => {
  for (const [name, { finds, leaves }] of Object.entries(personal)) {
    it.each(finds)(`${name}: %s is masked, and nothing around it`, (text) => {
      expect(textOf(`of (${text}), please`)).toBe(`of ([${name}]), please`);
    });

    it.each(leaves)(`${name}: %s is not one`, (text) => {
      expect(textOf(text)).toBe(text);
    });
  }

  it('is masked wherever it stands, all of it, and the rest stays the same object content', () => {
    const body: JsonObject = {
      model: 'm',
      temperature: 0.5,
      stop: null,
      n: 1,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'a@b.io and c@d.io, 123-45-6789' }] }],
      metadata: { nested: [['x@y.io']] },
    };
    expect(inspect(body)).toEqual({
      ...body,
      messages: [{ role: 'user', content: [{ type: 'text', text: '[email] and [email], [ssn]' }] }],
      metadata: { nested: [['[email]']] },
    });
  });

  it('is masked only as configured', () => {
    const some = createContentInspector({ redact: ['ssn'], blockSecrets: false });
    const body = { text: 'a@b.io 123-45-6789' };
    expect(some({ wire: 'openai-chat', stream: false, body }).body).toEqual({ text: 'a@b.io [ssn]' });
    const none = createContentInspector({ redact: [], blockSecrets: false });
    expect(none({ wire: 'openai-chat', stream: false, body }).body).toBe(body);
  });

  it('checks digits as their standards do', () => {
    expect(['79927398713', '4111111111111111'].every(passesLuhn)).toBe(true);
    expect(['79927398710', '4111111111111121'].some(passesLuhn)).toBe(false);
    expect(['DE89370400440532013000', 'FR1420041010050500013M02606'].every(passesMod97)).toBe(true);
    expect(['DE89370400440532013001', 'FR1420041010050500013M02607'].some(passesMod97)).toBe(false);
  });
});

describe('inline data', () => {
  // Holds, by chance, what would be a key in a text.
  const base64 = `${Buffer.from('picture').toString('base64').replaceAll('=', '')}/AKIAIOSFODNN7EXAMPLE/4111111111111111==`;
  const untouched: [string, Json][] = [
    ['a data URL', { type: 'image_url', image_url: { url: `data:image/png;base64,${base64}` } }],
    ['an Anthropic source', { type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64 } }],
    ['OpenAI audio', { type: 'input_audio', input_audio: { format: 'wav', data: base64 } }],
    [
      "an image in a tool's result",
      {
        type: 'tool_result',
        tool_use_id: 'x',
        content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64 } }],
      },
    ],
    [
      'an image in a document',
      {
        type: 'document',
        source: {
          type: 'content',
          content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64 } }],
        },
      },
    ],
  ];
  it.each(untouched)('in %s passes untouched', (_, part) => {
    expect(inspect({ messages: [{ role: 'user', content: [part] }] })).toEqual({
      messages: [{ role: 'user', content: [part] }],
    });
  });

  const disguised: [string, Json][] = [
    ['text behind a data prefix', `data:;base64, my key is ${JWT}`],
    ['text in a data field', { type: 'base64', data: `my key is ${JWT}` }],
    ['a field beside a data field', { format: 'wav', data: 'AAAA', note: JWT }],
    ['a data URL of plain text', `data:text/plain,${JWT}`],
  ];
  it.each(disguised)('does not hide %s', (_, content) => {
    expect(blockedBy({ messages: [{ role: 'user', content }] })).toMatchObject({ code: 'content_blocked' });
  });

  const key = 'AKIAABCDEFGHIJ234567';
  const elsewhere: [string, JsonObject][] = [
    ["a tool's input", { messages: [{ content: [{ type: 'tool_use', input: { format: 'csv', data: key } }] }] }],
    [
      "a source in a tool's input",
      { messages: [{ content: [{ input: { source: { type: 'base64', media_type: 'image/png', data: key } } }] }] },
    ],
    ['metadata', { metadata: { format: 'csv', data: key } }],
    ['a source that is no part of a message', { source: { type: 'base64', media_type: 'image/png', data: key } }],
    ['a source without a media type', { messages: [{ content: [{ source: { type: 'base64', data: key } }] }] }],
    ['tags', { format: 'csv', data: key }],
  ];
  it.each(elsewhere)('is not what %s has under such names', (_, body) => {
    expect(blockedBy(body)).toMatchObject({ code: 'content_blocked' });
  });
});

describe('time', () => {
  const MEGABYTE = 1024 * 1024;
  const CEILING_MS = 1_000;
  const hostile = [
    'a',
    'a.',
    '-eyJ',
    '.eyJaaaaaaaaaaa',
    'eyJaaaaaaaaaaaa.',
    'sk-',
    '-sk-',
    '1 ',
    '1-',
    '1',
    '.1',
    '+1 ',
  ];
  hostile.push('+1 (1) ', 'a@a.', 'a@', '@a.', 'AB12 ', 'AB12', 'ghp_', 'ya29.', 'AKIA', '123-45-', '-----BEGIN ', ' ');

  it.each(hostile)('on 1 MB of %j stays far below a second', (unit) => {
    const text = unit.repeat(Math.ceil(MEGABYTE / unit.length));
    const inspectIt = () => {
      try {
        textOf(text);
      } catch (error) {
        if (!HoldfastError.is(error)) throw error;
      }
    };
    expect(fastestMs(inspectIt)).toBeLessThan(CEILING_MS);
  });

  it('grows with the length of the text, not with its square', () => {
    const timeOf = (length: number) => {
      const text = 'a.-eyJ1 +'.repeat(length / 9);
      return fastestMs(() => textOf(text));
    };
    timeOf(MEGABYTE / 8);
    expect(timeOf(2 * MEGABYTE)).toBeLessThan(40 * Math.max(5, timeOf(MEGABYTE / 8)));
  });
});

it('keeps a __proto__ field a plain field', () => {
  const body = JSON.parse('{"__proto__":{"polluted":"a@b.io"}}') as JsonObject;
  expect(JSON.stringify(inspect(body))).toBe('{"__proto__":{"polluted":"[email]"}}');
  expect(({} as { polluted?: string }).polluted).toBeUndefined();
});
