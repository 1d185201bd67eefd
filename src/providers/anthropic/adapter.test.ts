import { describeAdapter, SECRET } from '../adapter-contract.ts';
import { anthropicAdapter } from './adapter.ts';

describeAdapter(
  anthropicAdapter(() => 1_700_000_000_000),
  { fixtures: 'anthropic', streamFields: { stream: true }, authHeader: ['x-api-key', SECRET] },
);
