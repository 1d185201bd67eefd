/** The other nodes of a fleet, by the names of their process lives. */
export interface Peers {
  /** True only where it is known that this process runs no more; false where nobody can say. Never rejects. */
  isGone(node: string): Promise<boolean>;
}
