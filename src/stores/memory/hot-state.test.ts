import { hotStateContract } from '../hot-state-contract.ts';
import { createMemoryHotState } from './hot-state.ts';

hotStateContract(createMemoryHotState);
