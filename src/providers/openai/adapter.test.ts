import { describeAdapter, SECRET } from '../adapter-contract.ts';
import { openai, openaiCompatible, simulated } from './adapter.ts';

for (const adapter of [openai, openaiCompatible, simulated]) {
  describeAdapter(adapter, {
    fixtures: 'openai',
    streamFields: { stream: true, stream_options: { include_usage: true } },
    authHeader: ['authorization', `Bearer ${SECRET}`],
  });
}
