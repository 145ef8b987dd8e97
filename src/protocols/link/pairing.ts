import type { NodeId } from '../../names.ts';

/** A link to a peer, as far as the choice between two of them goes. */
export interface Candidate {
  /** This node’s side of it. */
  readonly side: 'dialer' | 'acceptor';
  /** The peer’s boot. */
  readonly bootEpoch: number;
  /** The number that its dialler gave it. */
  readonly dial: number;
}

/**
 * One link a pair of nodes: which of two stays. Both ends come to the same answer, whatever order they saw them in.
 * A higher boot of the peer always replaces and a lower one never does: the old process is gone. Of one boot, the link
 * that the lower node id dialled stays. Two that the same side dialled: the later dial, since a side dials again only
 * when its old link is dead to it.
 */
export function chooseLink(
  self: NodeId,
  peer: NodeId,
  existing: Candidate | undefined,
  incoming: Candidate,
): 'keep-existing' | 'replace' {
  if (!existing || incoming.bootEpoch > existing.bootEpoch) return 'replace';
  if (incoming.bootEpoch < existing.bootEpoch) return 'keep-existing';
  if (incoming.side === existing.side) return incoming.dial > existing.dial ? 'replace' : 'keep-existing';
  return dialledByLower(self, peer, incoming) ? 'replace' : 'keep-existing';
}

const dialledByLower = (self: NodeId, peer: NodeId, { side }: Candidate): boolean =>
  side === 'dialer' ? self < peer : peer < self;
