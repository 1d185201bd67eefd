import { sleep } from '@temporalio/workflow';

export async function sleepThirtyDays(): Promise<string> {
  await sleep('30 days');
  return 'awake';
}

export async function greet(name: string): Promise<string> {
  return await Promise.resolve(`hello ${name}`);
}
