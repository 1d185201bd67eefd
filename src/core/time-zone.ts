/** Clocks of time zones, by the rules that the runtime's Intl knows. */

const MINUTE_MS = 60_000;
/** There are about 600 names; each formatter takes some tens of KB. */
const MAX_FORMATTERS = 64;
const OFFSET = /GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/;

const formatters = new Map<string, Intl.DateTimeFormat>();

/** Whether this is the IANA name of a time zone, such as `Europe/Berlin`; a bare offset is none, it knows no summer. */
export function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    formatterOf(name);
    return true;
  } catch {
    return false;
  }
}

/** What a clock in the zone is ahead of UTC at this instant, in milliseconds. */
export function zoneOffsetMs(timeZone: string, at: number): number {
  if (timeZone === 'UTC') return 0;
  const text = formatterOf(timeZone).format(at);
  const match = OFFSET.exec(text);
  if (!match) throw new Error(`no offset in "${text}"`);
  const [, sign, hours = '0', minutes = '0', seconds = '0'] = match;
  const amount = (Number(hours) * 60 + Number(minutes)) * MINUTE_MS + Number(seconds) * 1_000;
  return sign === '-' ? -amount : amount;
}

function formatterOf(timeZone: string): Intl.DateTimeFormat {
  const known = formatters.get(timeZone);
  if (known) return known;
  const made = new Intl.DateTimeFormat('en-US', { timeZone, timeZoneName: 'longOffset' });
  const [oldest] = formatters.keys();
  if (formatters.size >= MAX_FORMATTERS && oldest !== undefined) formatters.delete(oldest);
  formatters.set(timeZone, made);
  return made;
}
