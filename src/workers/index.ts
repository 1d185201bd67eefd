/** `holdfast/worker`: the Temporal workers without a door. */
export { createDomain, type Domain, type DomainOptions } from './domain.ts';
export { startEngineWorkers, type EngineWorkers, type EngineWorkersOptions } from './engine-workers.ts';
export { createHistoryDataConverter, type HistoryDataConverterOptions } from './history-data-converter.ts';
export { workflowBundle } from './bundle.ts';
