import { sha256 } from '../../../crypto/port.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { utf8 } from '../../kernel/utf8.ts';

/** The witnesses of a log among the peers: always the same ones while their links stand, and others for each log. */
export function witnessesOf(log: NodeId, peers: readonly NodeId[]): readonly NodeId[] {
  const weight = (peer: NodeId) => Buffer.from(sha256(utf8.encode(`${log} ${peer}`))).toString('hex');
  return peers
    .map((peer) => ({ peer, weight: weight(peer) }))
    .sort((a, b) => (a.weight < b.weight ? -1 : 1))
    .slice(0, limits.auditWitnessesMax)
    .map(({ peer }) => peer);
}
