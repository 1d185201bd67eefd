import { describeAdapter, SECRET } from '../adapter-contract.ts';
import { geminiAdapter } from './adapter.ts';

describeAdapter(
  geminiAdapter(() => 1_700_000_000_000),
  { fixtures: 'gemini', streamFields: {}, authHeader: ['x-goog-api-key', SECRET] },
);
