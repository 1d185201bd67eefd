import { describe, expect, it } from 'vitest';
import { isLoopbackHost, isPrivateHost } from './private-host.ts';

/** Host as a URL gives it, private, loopback. */
const hosts: [string, boolean, boolean][] = [
  ['127.0.0.1', true, true],
  ['127.8.9.10', true, true],
  ['localhost', true, true],
  ['LOCALHOST', true, true],
  ['localhost.', true, true],
  ['api.localhost', true, false],
  ['::1', true, true],
  ['[::1]', true, true],
  ['0.0.0.0', true, false],
  ['::', true, false],
  ['[::]', true, false],
  ['10.0.0.1', true, false],
  ['10.255.255.255', true, false],
  ['11.0.0.0', false, false],
  ['9.255.255.255', false, false],
  ['172.15.255.255', false, false],
  ['172.16.0.0', true, false],
  ['172.31.255.255', true, false],
  ['172.32.0.0', false, false],
  ['192.168.0.1', true, false],
  ['192.169.0.1', false, false],
  ['169.254.169.254', true, false],
  ['100.64.0.1', true, false],
  ['100.128.0.1', false, false],
  ['fc00::1', true, false],
  ['fdff::1', true, false],
  ['fe80::1', true, false],
  ['[fe80::1]', true, false],
  ['::ffff:127.0.0.1', true, false],
  ['::ffff:7f00:1', true, false],
  ['::ffff:a00:1', true, false],
  ['::ffff:8.8.8.8', false, false],
  ['2001:4860:4860::8888', false, false],
  ['8.8.8.8', false, false],
  ['1.1.1.1', false, false],
  ['printer.local', true, false],
  ['metadata.google.internal', true, false],
  ['metadata.google.internal.', true, false],
  ['api.openai.com', false, false],
  ['localhost.example.com', false, false],
  ['127.0.0.1.example.com', false, false],
  ['mylocal', false, false],
  ['internal.example.com', false, false],
];

describe.each(hosts)('%s', (host, isPrivate, isLoopback) => {
  it(`is ${isPrivate ? 'private' : 'public'}${isLoopback ? ', and of this machine' : ''}`, () => {
    expect(isPrivateHost(host)).toBe(isPrivate);
    expect(isLoopbackHost(host)).toBe(isLoopback);
  });
});

it.each(['http://127.1', 'http://2130706433', 'http://0x7f.0.0.1', 'http://0177.0.0.1', 'http://[::ffff:127.0.0.1]'])(
  '%s is seen through, because a URL spells addresses out',
  (url) => {
    expect(isPrivateHost(new URL(url).hostname)).toBe(true);
  },
);
