import { describe, expect, test } from 'vitest';
import { fromPostgresError, leavesConnectionSound, mayBeTriedAgain } from './postgres-error.ts';

function errorWith(code: string | undefined, message = 'as the server says'): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}

describe('errors of the server and of the way to it are engine_unavailable, with what to do', () => {
  test.each([
    ['57P01', /stopping/],
    ['57P03', /starting/],
    ['57014', /too long/],
    ['53300', /max_connections/],
    ['53100', /disk/],
    ['55P03', /lock for too long/],
    ['28P01', /password/],
    ['3D000', /createdb/],
    ['25006', /primary/],
    ['42501', /right/],
    ['40P01', /each other/],
    ['08006', /connection was lost/],
    ['ECONNREFUSED', /connection was lost/],
    ['EAI_AGAIN', /connection was lost/],
    ['EPIPE', /connection was lost/],
    ['SELF_SIGNED_CERT_IN_CHAIN', /sslrootcert/],
  ])('%s', (code, remedy) => {
    const error = errorWith(code);
    const translated = fromPostgresError(error);
    expect(translated).toMatchObject({ code: 'engine_unavailable', retryAfterMs: 1000, cause: error });
    expect(translated).toHaveProperty('message', expect.stringMatching(remedy));
    expect(translated).toHaveProperty('message', expect.stringContaining(code));
  });

  test.each([
    'Connection terminated unexpectedly',
    'Connection terminated due to connection timeout',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
    'The server does not support SSL connections',
  ])('%s', (message) => {
    expect(fromPostgresError(errorWith(undefined, message))).toMatchObject({ code: 'engine_unavailable' });
  });
});

test.each([errorWith('22P02'), errorWith('23505'), new TypeError('a defect of ours'), 'no error'])(
  '%s stays as it is',
  (error) => {
    expect(fromPostgresError(error)).toBe(error);
  },
);

test('only what the server undid for the sake of another is tried again', () => {
  for (const code of ['40001', '40P01', '23505', '0A000']) expect(mayBeTriedAgain(errorWith(code))).toBe(true);
  for (const code of ['57P01', '55P03', '08006', 'EPIPE', '23503'])
    expect(mayBeTriedAgain(errorWith(code))).toBe(false);
});

test('a connection is used again only after an answer of the server', () => {
  expect(leavesConnectionSound(errorWith('23505'))).toBe(true);
  for (const code of ['0A000', 'ECONNRESET', undefined]) expect(leavesConnectionSound(errorWith(code))).toBe(false);
});
