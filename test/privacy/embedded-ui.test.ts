/** `holdfast up` with sealed histories: the UI of its own server is told where they are opened, and is let in there. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readServerState } from '../../src/temporal/server/server-state.ts';
import { until } from '../support/test-node.ts';
import { createUpHome, type UpHome, type UpProcess } from '../support/up-process.ts';

let at: UpHome;
let up: UpProcess;

beforeAll(async () => {
  at = await createUpHome('providers: { sim: { kind: simulated } }\nsecurity: { encryptHistories: true }\n');
  up = await at.start();
});
afterAll(async () => {
  await up.stop();
  await at.remove();
});

test("the server's UI has the codec of this gateway, and a page of it may decode", async () => {
  const ui = `http://127.0.0.1:${String(readServerState(at.home)?.uiPort)}`;
  // The server answers before its UI listens.
  await until('the UI answers', () =>
    fetch(`${ui}/api/v1/settings`).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
  const settings = (await (await fetch(`${ui}/api/v1/settings`)).json()) as { Codec: { Endpoint: string } };
  expect(settings.Codec.Endpoint).toBe(`${at.url}/codec`);
  const decode = (origin: string) =>
    fetch(`${settings.Codec.Endpoint}/decode`, {
      method: 'POST',
      headers: { origin, 'content-type': 'application/json', 'x-namespace': 'default' },
      body: JSON.stringify({ payloads: [] }),
    });
  for (const origin of [ui, ui.replace('127.0.0.1', 'localhost')]) {
    const allowed = await decode(origin);
    expect(allowed.status).toBe(200);
    expect(allowed.headers.get('access-control-allow-origin')).toBe(origin);
  }
  expect((await decode('http://127.0.0.1:1')).status).toBe(403);
});
