/** Named credentials with versions. The secret is read at dispatch, inside a worker, and goes nowhere else. */
export interface SecretMetadata {
  name: string;
  /** Counts from 1; a new value makes a new version. */
  version: number;
  createdAt: string;
  /** `env` or `file`. */
  origin: string;
}

export interface ResolvedSecret extends SecretMetadata {
  value: string;
}

export interface SecretStore {
  /** The newest version, or the named one. Null when there is none. */
  resolve(name: string, version?: number): Promise<ResolvedSecret | null>;
  list(): Promise<SecretMetadata[]>;
  set(name: string, value: string): Promise<SecretMetadata>;
  remove(name: string): Promise<boolean>;
}
