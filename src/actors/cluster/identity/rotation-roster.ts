import type { NodeId } from '../../../names.ts';
import type { RotationState } from '../../../protocols/notice/root-rotation.ts';
import type { Member, MemberStatus } from '../../../protocols/swim/member.ts';
import type { NodeBase } from '../../node-base.ts';
import type { Directory } from '../directory.ts';
import type { RootAcknowledgements } from './root-acknowledgements.ts';
import { rotationMember } from './rotation-member.ts';

/** What this node knows of a member for a rotation. */
export interface RosterEntry {
  readonly nodeId: NodeId;
  readonly status: MemberStatus | 'suspended' | 'unknown';
  readonly acknowledgement: string | undefined;
  /** DER with intermediates. */
  readonly certificate: Uint8Array | undefined;
}

/** Every member that was not revoked, this node included: who left, is down or is suspended may come back. */
export function rosterOf(
  { nodeId, revocations, files, ports }: NodeBase,
  directory: Directory,
  acknowledgements: RootAcknowledgements,
  members: readonly Pick<Member, 'nodeId' | 'status'>[],
): readonly RosterEntry[] {
  const statuses = new Map(members.map((member) => [member.nodeId, member.status]));
  const ids = new Set([nodeId, ...statuses.keys(), ...acknowledgements.known.keys()]);
  const now = ports.clock.now();
  return [...ids]
    .filter((id) => revocations.find('node', id) === undefined)
    .map((id) => {
      const known = acknowledgements.known.get(id);
      if (id === nodeId)
        return {
          nodeId: id,
          status: 'alive',
          acknowledgement: acknowledgements.own(),
          certificate: files.identity.svid.der,
        };
      return {
        nodeId: id,
        status: revocations.ofNode(id) ? 'suspended' : (statuses.get(id) ?? 'unknown'),
        acknowledgement: known?.acknowledgement,
        certificate: known?.certificate ?? directory.entryOf(id, now)?.certificate,
      };
    });
}

/** What a rotation has come to for these; undefined while there is no bundle. */
export function rotationOf(
  { roots, config, ports, notices, revocations }: NodeBase,
  roster: readonly RosterEntry[],
): RotationState | undefined {
  const { inForce } = roots;
  if (!inForce) return undefined;
  const now = ports.clock.now();
  const { id: clusterId, trustDomain } = config.cluster;
  const { shelves } = notices.state;
  const hashes = shelves.roots ? [shelves.roots.current, ...shelves.roots.rivals].map(({ hash }) => hash) : [];
  const { generation } = inForce;
  const judge = { clusterId, trustDomain, bundle: inForce, generation, hashes, revoked: revocations.find, now };
  return {
    bundle: inForce.body,
    generation,
    members: roster
      .map(({ nodeId, status, acknowledgement, certificate }) => ({
        ...rotationMember(
          nodeId,
          acknowledgement === undefined ? [] : [acknowledgement],
          certificate ? [certificate] : [],
          judge,
        ),
        suspended: status === 'suspended',
      }))
      // Of whom no certificate is known that counts nothing can be dropped.
      .filter(({ endsAt }) => endsAt !== undefined),
    now,
  };
}
