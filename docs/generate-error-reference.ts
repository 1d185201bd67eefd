/** Writes docs/errors.md from the catalogue: `npx node docs/generate-error-reference.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { errorTable, type ErrorEntry } from '../src/core/errors.ts';

const target = new URL('errors.md', import.meta.url);

const SHAPES = [
  [
    '`/v1/messages`, and any request with the header `anthropic-version`',
    '`{"type":"error","error":{"type","message","code","details"?},"request_id"}`, header `request-id`',
  ],
  ['everywhere else', '`{"error":{"message","type","param","code","details"?}}`'],
  ['inside a started stream', 'the same body as an SSE event, then the connection closes without the end mark'],
];

const INTRODUCTION = `# Errors

<!-- Generated from src/core/errors.ts by docs/generate-error-reference.ts; test/docs/errors.test.ts compares them. -->

\`code\` is stable: match on it, not on the message. It is also the type of the Temporal failure. No error holds a secret
or a prompt.

${table(['where', 'shape'], SHAPES).join('\n')}

Headers: \`x-should-retry\` (what the table says; the official SDKs obey it), \`x-holdfast-error-source\` (\`gateway\` or
\`provider\`), \`x-request-id\`, and \`Retry-After\` with every error that may be retried. A failed call also has
\`x-holdfast-call-id\`; \`GET /api/v1/calls/{id}\` lists its attempts.

A body over \`gateway.maxBodyBytes\` is \`invalid_request\` with status 413. \`provider_rejected\` has the provider's own 4xx.
409 is never used, because SDKs retry it.
`;

export function errorReference(): string {
  const codes = Object.entries<ErrorEntry>(errorTable);
  const rows = codes.map(([code, { status, sdkMayRetry, openaiType, anthropicType }]) => [
    `[\`${code}\`](#${code})`,
    String(status),
    sdkMayRetry ? 'yes' : 'no',
    `\`${openaiType}\``,
    `\`${anthropicType}\``,
  ]);
  const sections = codes.map(([code, { meaning, remedy }]) => `### ${code}\n\n${meaning}\n\nRemedy: ${remedy}\n`);
  return [
    INTRODUCTION,
    '## All codes\n',
    ...table(['code', 'status', 'SDK may retry', 'OpenAI `type`', 'Anthropic `type`'], rows),
    '',
    '## What each means\n',
    sections.join('\n'),
  ].join('\n');
}

/** Cells padded as Prettier does it. */
function table(headings: string[], rows: string[][]): string[] {
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [line(headings), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)];
}

export function writtenErrorReference(): string {
  return readFileSync(target, 'utf8');
}

if (import.meta.main) writeFileSync(target, errorReference());
