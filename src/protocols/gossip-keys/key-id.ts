/** What tells one gossip key from all others. No secret: whoever holds the key can check it, nobody can turn it back. */
export interface KeyId {
  /** Grows with each rotation; it is the key version of datagrams. */
  readonly epoch: number;
  /** Who made it; empty for the first key of a cluster. */
  readonly proposer: string;
  /**
   * How many steps the cluster’s revocations had taken when it was made (`RotationView.revocations`): whoever was revoked
   * by then never gets it.
   */
  readonly revocations: number;
  /** Of the key and all of the above, hexadecimal. */
  readonly hash: string;
}

/** The last epoch: a datagram has 32 bits for it. */
export const keyEpochMax = 0xffff_ffff;

/**
 * The one order of all keys, the same everywhere: of two that were proposed at once the one that leaves out more of the
 * revoked wins, then the later name and hash. A node’s sealing key only grows in it.
 */
export const compareKeys = (a: KeyId, b: KeyId): number =>
  a.epoch - b.epoch ||
  a.revocations - b.revocations ||
  compareTexts(a.proposer, b.proposer) ||
  compareTexts(a.hash, b.hash);

/** Whether both are one key. */
export const isSameKey = (a: KeyId, b: KeyId): boolean => compareKeys(a, b) === 0;

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
