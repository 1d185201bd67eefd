import { streamBusContract } from '../stream-bus-contract.ts';
import { createMemoryStreamBus } from './stream-bus.ts';

streamBusContract(createMemoryStreamBus);
