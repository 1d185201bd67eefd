/** The data converter of everything that speaks to Temporal here: clients, workers, completions. */
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { createHistoryCodec, type HistoryCodecOptions } from './history-codec.ts';

/** For `bundleWorkflowCode`, where workflows are to seal the texts of their failures too. */
export const encodingFailureConverterPath = fileURLToPath(
  new URL(`./encoding-failure-converter${extname(import.meta.url)}`, import.meta.url),
);

/** Decodes what was sealed; seals when there is a sealer. */
export function createHistoryConverter(options: HistoryCodecOptions): DataConverter {
  return {
    payloadCodecs: [createHistoryCodec(options)],
    ...(options.sealer && { failureConverterPath: encodingFailureConverterPath }),
  };
}
