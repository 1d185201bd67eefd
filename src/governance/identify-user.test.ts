import { expect, it } from 'vitest';
import { identifyUser } from './identify-user.ts';

const mask = (tags: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(tags).map(([name, tag]) => [name, tag.replace(/\S+@\S+\.\S+/, '[email]')]));
const identify = (tags: Record<string, string>, endUser: string | null, isToldApart = true) =>
  identifyUser({ tags, endUser, isToldApart, mask });

it.each([
  ['the tag', { user: 'alice' }, null],
  ["the request's own field", {}, 'alice'],
  ['the tag before the field', { user: 'alice' }, 'bob'],
])('the user is %s', (_what, tags, endUser) => {
  expect(identify(tags, endUser)).toEqual({ user: 'alice' });
});

it('the ids of identity providers, UUIDs and hashes are opaque', () => {
  const ids = ['auth0|5f7c', '0190a3c4-7b1e-7000-8000-1c2d3e4f5a6b', 'nY2+/9a==', 'a'.repeat(256), 'x_y.z:1~2'];
  for (const id of ids) expect(identify({}, id)).toEqual({ user: id });
});

it.each(['ann@example.com', 'Ann Lee', '', 'a'.repeat(257), 'ann\n', 'änn'])(
  'where users are told apart, "%s" is refused with what to send instead',
  (id) => {
    expect(() => identify({ user: id }, null)).toThrow(/opaque id/);
    expect(() => identify({ user: id }, null)).toThrow(
      expect.objectContaining({ code: 'invalid_request', param: 'user' }),
    );
  },
);

it('where users are not told apart, a tag is a tag, and a field that says too much is left out', () => {
  expect(identify({ user: 'ann@example.com', team: 'x' }, null, false)).toEqual({ user: '[email]', team: 'x' });
  expect(identify({ team: 'x' }, 'ann@example.com', false)).toEqual({ team: 'x' });
  expect(identify({}, 'alice', false)).toEqual({ user: 'alice' });
});

it('a call for nobody has no user', () => {
  expect(identify({ team: 'x' }, null)).toEqual({ team: 'x' });
});
