/** Request bodies, answers and frame logs by content hash. History and the ledger hold only the references. */
export interface PayloadStore {
  /**
   * Stores bytes encrypted and returns their reference: a keyed hash of tenant and content, so that a reference tells
   * nothing of the content and two tenants never share one. Storing again extends the expiry.
   */
  put(tenant: string, bytes: Uint8Array, expiresAt: number): Promise<string>;
  /** The bytes, or null when they expired or never were. @throws when they are there but do not decrypt. */
  get(ref: string): Promise<Uint8Array | null>;
}
