/** TLS that no client trusts, and what clients say before they find that out. */
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A self-signed certificate for localhost and its key, made for these tests alone. */
const SELF_SIGNED = {
  key:
    'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg9oHktRgXXdaJICDxP1eVMWvmnBwpqiDWUTpLlsPQ6eWhRANCAARS' +
    'ZQg0v3NggJM86aWudcdChvhYd+UJkY2O8UXjz2W17lTsv9BCD3oues5KB7/JmAKn6C4cAkODBPuK1IFWFqVm',
  cert:
    'MIIBfjCCASWgAwIBAgIUVfWZTL3WGJA0fgTTgzuCbaBLow8wCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2' +
    'MTEyMTAzNDcxMFoYDzIxMjYxMDI4MDM0NzEwWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC' +
    'AARSZQg0v3NggJM86aWudcdChvhYd+UJkY2O8UXjz2W17lTsv9BCD3oues5KB7/JmAKn6C4cAkODBPuK1IFWFqVmo1MwUTAdBgNV' +
    'HQ4EFgQUd2ypEX+nm1q6gDl3oAAI4oUbSzgwHwYDVR0jBBgwFoAUd2ypEX+nm1q6gDl3oAAI4oUbSzgwDwYDVR0TAQH/BAUwAwEB' +
    '/zAKBggqhkjOPQQDAgNHADBEAiAH9MNxu9xnmjy3bKg6ROrjSc29X0kM1Wiwe9rV25qtZAIgAZWkVySmih6Bf9e7qMNdIWkMpbhz' +
    'UE33wQobxp4kTIM=',
};
const pem = (label: string, base64: string) => `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
export const selfSigned = () => ({
  key: pem('PRIVATE KEY', SELF_SIGNED.key),
  cert: pem('CERTIFICATE', SELF_SIGNED.cert),
});

/** A server that hears which protocols its clients offer (ALPN), and takes none of them. */
export async function startProtocolListener(): Promise<{ offered: string[][]; port: number; close(): void }> {
  const offered: string[][] = [];
  const server = createServer({
    ...selfSigned(),
    ALPNCallback({ protocols }) {
      offered.push(protocols);
      return undefined;
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { offered, port: (server.address() as AddressInfo).port, close: () => void server.close() };
}
