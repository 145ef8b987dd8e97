/** Which side of a possible partition this node is on, by quorum of the expected size and never of who is left. */
export type PartitionMode = 'majority' | 'minority' | 'isolated';

/**
 * @param reachable members alive or suspect, this node included
 * @param expectedSize how many members the operator says there should be
 */
export function partitionMode(reachable: number, expectedSize: number): PartitionMode {
  if (reachable * 2 > expectedSize) return 'majority';
  return reachable <= 1 ? 'isolated' : 'minority';
}
