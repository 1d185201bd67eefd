/** The text a client holds must be the text of one attempt: all of it, or a beginning that says that it is one. */
import type { CallEvidence } from './judge-end.ts';
import { answerOf } from './provider-script.ts';

export function judgeText({ call, submissions, requests }: CallEvidence): string[] {
  const wholes = requests
    .filter(({ outcome }) => outcome === 'whole')
    .map(({ nonce, nth }) => answerOf(nonce, nth).text);
  const begun = requests.map(({ sentText }) => sentText);
  const faults: string[] = [];
  for (const { end, text, isStream, status } of submissions) {
    if (end === 'whole' && !wholes.includes(text)) faults.push(`no whole answer of the provider is "${text}"`);
    if (end === 'silent') faults.push(`a stream with status ${String(status)} ended without end mark and error`);
    const isPart = isStream && end !== 'whole' && text !== '';
    if (isPart && !begun.some((sent) => sent.startsWith(text))) faults.push(`no answer begins with "${text}"`);
  }
  const answers = new Set(submissions.filter(({ end }) => end === 'whole').map(({ text }) => text));
  if (answers.size > 1) faults.push(`the key ${call.nonce} had ${String(answers.size)} answers`);
  return faults;
}
