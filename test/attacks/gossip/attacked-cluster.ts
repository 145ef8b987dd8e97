import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { readNodeFiles } from '../../../src/actors/node-files.ts';
import type { MemberView } from '../../../src/actors/operations/control.ts';
import type { NodeId } from '../../../src/names.ts';
import { type SignedClaim, type Subject, type SuspectClaim, signSuspicion } from '../../../src/protocols/swim/claim.ts';
import { createTestCluster, type TestCluster, type TestClusterOptions } from '../../../src/testing/index.ts';
import { Insider } from './insider.ts';

type Status = MemberView['status'];

/** Honest nodes in virtual time, whole, with everything that went over the wires since their start; and an insider. */
export interface AttackedCluster {
  readonly cluster: TestCluster;
  readonly insider: Insider;
  /** The honest ones, victim included. */
  readonly honest: readonly NodeId[];
  readonly victim: NodeId;
  /** All honest ones but the victim: those who might believe something about it. */
  readonly others: readonly NodeId[];
  /** Datagrams as anybody on the wire sees them, with whom they were from and for. */
  readonly captured: readonly Captured[];
  /** How one node sees a member. */
  seen(by: NodeId, of: NodeId): MemberView | undefined;
  /** What honest nodes, or these of them, thought of a member since `mark`, each change in turn. */
  thoughtOf(node: NodeId, observers?: readonly NodeId[]): readonly Status[];
  /** Forgets what was thought so far. */
  mark(): void;
  count(node: NodeId, metric: string, code?: string): number;
  /** A suspicion that the honest node itself signed: what the insider may have captured when it was due. */
  genuine(accuser: string, subject: Subject): Promise<SignedClaim<SuspectClaim>>;
  /** Everything that no attack may change, but for incarnations, which an accused member raises. */
  standing(): string;
  close(): Promise<void>;
}

export interface Captured {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

const names = ['alpha', 'bravo', 'carol', 'victim'] as NodeId[];

/** Starts the nodes and puts mallory into the wrong hands. */
export async function attackedCluster(
  honest: readonly NodeId[] = names,
  options: TestClusterOptions = {},
): Promise<AttackedCluster> {
  const cluster = await createTestCluster({ ...options, nodes: [...honest, 'mallory'] });
  const captured: Captured[] = [];
  cluster.network.onTraffic(({ kind, from, to, bytes }) => {
    if (kind === 'datagram' && to !== undefined) captured.push({ from, to, bytes });
  });
  await cluster.until('the cluster is whole', () => cluster.isWhole());
  await cluster.advance(3_000);
  const insider = await Insider.takeOver(cluster);
  let thoughts: { readonly by: NodeId; readonly of: NodeId; readonly status: Status }[] = [];
  cluster.on((event) => {
    if (event.type !== 'member.changed' || event.member.self) return;
    thoughts.push({ by: event.nodeId, of: event.member.nodeId, status: event.member.status });
  });
  const seen = (by: NodeId, of: NodeId) => membersAt(cluster, by).find(({ nodeId }) => nodeId === of);
  const attacked: AttackedCluster = {
    cluster,
    insider,
    honest,
    victim: 'victim' as NodeId,
    others: honest.filter((id) => id !== 'victim'),
    captured,
    seen,
    thoughtOf: (node, observers = honest) =>
      thoughts.filter(({ by, of }) => of === node && observers.includes(by)).map(({ status }) => status),
    mark: () => {
      thoughts = [];
    },
    count: (node, metric, code) =>
      cluster
        .node(node)
        .control.metrics()
        .filter(({ name, labels }) => name === metric && (code === undefined || labels.code === code))
        .reduce((sum, { value }) => sum + value, 0),
    async genuine(accuser, { node, epoch, incarnation }) {
      const { config, disk } = cluster.machine(accuser);
      const { identity } = await readNodeFiles(config, disk, cluster.clock.now());
      const claim: SuspectClaim = { kind: 'suspect', node, epoch, incarnation, accuser: config.node.id };
      return signSuspicion(claim, (bytes) => identity.signClaim(bytes), utf8);
    },
    standing: () =>
      JSON.stringify(
        cluster.running.map((id) => [
          id,
          membersAt(cluster, id)
            .map(({ nodeId, status, bootEpoch, address }) => [nodeId, status, bootEpoch, address])
            .sort(),
        ]),
      ),
    close: () => cluster.close(),
  };
  await cluster.until('the insider passes for a member', () =>
    honest.every((id) => {
      const view = seen(id, insider.nodeId);
      return view?.status === 'alive' && view.bootEpoch === insider.epoch;
    }),
  );
  await cluster.advance(2_000);
  attacked.mark();
  return attacked;
}

const membersAt = (cluster: TestCluster, node: NodeId): readonly MemberView[] => cluster.node(node).control.members();
