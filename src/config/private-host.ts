import { BlockList, isIP } from 'node:net';

/** An IPv4 address mapped into IPv6 is checked by the IPv4 rules; a rule for all mapped ones would match every IPv4 address. */
const privateRanges = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  privateRanges.addSubnet(network, prefix, 'ipv4');
}
privateRanges.addAddress('::1', 'ipv6');
privateRanges.addAddress('::', 'ipv6');
privateRanges.addSubnet('fc00::', 7, 'ipv6');
privateRanges.addSubnet('fe80::', 10, 'ipv6');

/** True for hosts of this machine or a private network, as written: names are not resolved, except the well-known ones. */
export function isPrivateHost(hostname: string): boolean {
  const host = bareHost(hostname);
  const family = isIP(host);
  if (family !== 0) return privateRanges.check(host, family === 4 ? 'ipv4' : 'ipv6');
  return host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.local') || host.endsWith('.internal');
}

/** True when a server bound to this host is reached from this machine only. */
export function isLoopbackHost(hostname: string): boolean {
  const host = bareHost(hostname);
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/** Without the brackets of IPv6, and without the dot that ends a full name: `localhost.` is `localhost`. */
function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$|\.$/g, '').toLowerCase();
}
