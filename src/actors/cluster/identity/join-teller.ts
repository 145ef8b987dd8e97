import { keyringToText } from '../../../crypto/keyring.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { encodeJoinFacts, type JoinFacts } from '../../../protocols/link/join-frame.ts';
import { addressText } from '../../address.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { NodeBase } from '../../node-base.ts';
import type { Gossip } from '../gossip/gossip.ts';
import type { KeyRotation } from '../gossip/key-rotation.ts';
import { Patience } from '../gossip/patience.ts';
import type { LinkSession } from '../links/link-session.ts';
import type { Links } from '../links/links.ts';

/**
 * A CA node tells whoever is linked what members know, the gossip key included: the peer’s certificate says that it is
 * one. Each time is in the audit log before the answer leaves.
 */
export function tellNewcomers(base: NodeBase, links: Links, gossip: Gossip, keys: KeyRotation): void {
  const { ports, audit } = base;
  const patience = new Patience(ports.clock, { count: 6, periodMs: 60_000, burst: 3 });
  const telling = new Set<NodeId>();
  const tell = async (link: LinkSession): Promise<void> => {
    const facts = await factsOf({ base, gossip, keys, newcomer: link.nodeId });
    const recorded = await audit.record({
      type: 'NodeEnrolled',
      identity: link.svid.spiffeId,
      sourceIp: link.channel.remote.host,
      outcome: 'success',
      reasons: ['A member was told the gossip key and how to find the others.'],
      certificateSerial: link.svid.serial,
      metadata: {},
    });
    const { header, content } = encodeJoinFacts(utf8, facts);
    if (recorded.ok) link.send('join-answer', header, content);
  };
  links.onFrame('join-request', (link, { header, content }) => {
    if (header.length + content.length > 0) {
      link.violated('A join request has neither header nor content.');
      return;
    }
    const { nodeId } = link;
    if (telling.has(nodeId) || !patience.with(nodeId)) return;
    patience.spend(nodeId);
    telling.add(nodeId);
    tell(link)
      .catch((error: unknown) => base.fault(`${nodeId} could not be told what members know`, error))
      .finally(() => telling.delete(nodeId));
  });
}

interface FactsRooms {
  readonly base: NodeBase;
  readonly gossip: Gossip;
  readonly keys: KeyRotation;
  readonly newcomer: NodeId;
}

async function factsOf({ base, gossip, keys, newcomer }: FactsRooms): Promise<JoinFacts> {
  const { config, files, ports } = base;
  const { cluster } = config;
  const authorities: string[] = [];
  for (const path of cluster.authorityKeyPaths) {
    const bytes = await ports.disk.readFile(path);
    if (bytes) authorities.push(utf8.decode(bytes).trim());
  }
  const others = gossip
    .members()
    .filter(({ self, status }) => !self && status === 'alive')
    .flatMap(({ addresses }) => addresses.slice(0, 1));
  return {
    gossipKeys: keyringToText(keys.ring),
    authorities,
    trustNotice: files.trust.text,
    expectedSize: cluster.expectedSize,
    profile: cluster.profile,
    members: [cluster.advertise, ...others].slice(0, limits.joinFactsMembersMax).map(addressText),
    lastBoot: gossip.member(newcomer)?.bootEpoch ?? 0,
  };
}
