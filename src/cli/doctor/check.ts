/** What each look of the doctor gives. */
export interface Finding {
  name: string;
  status: 'ok' | 'warn' | 'fail';
  message: string;
  /** What to do about it; only where something is to be done. */
  remedy?: string;
}

export interface DoctorInput {
  home: string;
  env: NodeJS.ProcessEnv;
}

export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
