import type { KeyObject } from 'node:crypto';
import type { NodeConfig } from '../../../src/config.ts';
import { privateKeyFromPem, rawPublicKey } from '../../../src/crypto/keys.ts';
import { signDocument } from '../../../src/crypto/signed-document.ts';
import { unwrap } from '../../../src/errors.ts';
import type { NodeId } from '../../../src/names.ts';
import { type Notice, noticePayload } from '../../../src/protocols/notice/notice.ts';
import { type ClusterFiles, makeClusterFiles } from '../../../src/testing/cluster-files.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../src/testing/memory-disk.ts';
import { MemoryNetwork } from '../../../src/testing/memory-network.ts';
import type { PathConditions } from '../../../src/testing/network/paths.ts';
import { insecureSeededCrypto } from '../../../src/testing/seeded-crypto.ts';
import { seededRandom } from '../../../src/testing/seeded-random.ts';
import { TestCluster } from '../../../src/testing/test-cluster.ts';
import { TestNode, type TestWorld } from '../../../src/testing/test-node.ts';

export interface WorldOptions {
  /** How many machines: node-1, node-2 … */
  readonly size: number;
  readonly seed: number;
  readonly profile: NodeConfig['cluster']['profile'];
  /** One node renews the certificates of all; otherwise each renews its own. */
  readonly byCaNode: boolean;
  /** A power cut leaves holes in what a disk had not synced. */
  readonly scattersWrites: boolean;
}

/** How all paths behave when nothing is wrong. */
export const usualPath: PathConditions = { latencyMs: 1, jitterMs: 2, loss: 0, duplication: 0, reordering: 0 };

/** Machines with complete nodes on one clock, and the keys of those who run them. */
export interface World {
  readonly cluster: TestCluster;
  readonly names: readonly NodeId[];
  /** A disk as the machine was installed with. */
  newDisk(): MemoryDisk;
  /** A cluster document as its authority signs it. */
  sign(notice: Pick<Notice, 'kind' | 'generation' | 'body'>): string;
  /** The raw Ed25519 key with which a node signs its claims. */
  claimKeyOf(node: string): Uint8Array | undefined;
  /** Hears what nodes tell their operators. */
  readonly faults: Set<NonNullable<TestWorld['onFault']>>;
}

/** Making keys and certificates takes longer than a simulated minute, so clusters of one size share theirs. */
const filesOf = new Map<string, Promise<ClusterFiles>>();

function clusterFiles(names: readonly NodeId[], byCaNode: boolean): Promise<ClusterFiles> {
  const key = `${names.length} ${byCaNode}`;
  const made =
    filesOf.get(key) ??
    makeClusterFiles({
      nodes: names,
      crypto: insecureSeededCrypto(`simulated ${key}`),
      now: new ManualClock().now(),
      policy: 'policies: []\n',
      ...(byCaNode ? { caNodes: names.slice(0, 1) } : {}),
    });
  filesOf.set(key, made);
  return made;
}

/** Makes the machines; none of them runs yet. */
export async function createWorld({ size, seed, profile, byCaNode, scattersWrites }: WorldOptions): Promise<World> {
  const names = Array.from({ length: size }, (_, index) => `node-${index + 1}` as NodeId);
  const files = await clusterFiles(names, byCaNode);
  const random = seededRandom(seed);
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, random: seededRandom(random.uint32()), conditions: usualPath });
  const newDisk = (): MemoryDisk => {
    const disk = new MemoryDisk({ random: seededRandom(random.uint32()), scattersWrites });
    files.putOn(disk);
    for (const id of names) configure(disk, files.configPathOf(id), profile);
    return disk;
  };
  const deployer = unwrap(privateKeyFromPem(files.deployerPem));
  const faults: World['faults'] = new Set();
  const cluster = new TestCluster(seed, clock, network, (onEvent) => {
    const onFault: TestWorld['onFault'] = (...fault) => {
      for (const hear of faults) hear(...fault);
    };
    const world: TestWorld = { clock, network, random, deployer, expose: [], onEvent, onFault };
    return names.map((id) => new TestNode(world, files.configPathOf(id), newDisk()));
  });
  const installed = newDisk();
  const keyAt = (path: string): KeyObject =>
    unwrap(privateKeyFromPem(Buffer.from(installed.peek(`/cluster/${path}`) ?? []).toString()));
  const authority = keyAt('keys/authority.key');
  const clusterId = cluster.machine(names[0]!).config.cluster.id;
  const claimKeys = new Map(names.map((id) => [id as string, rawPublicKey(keyAt(`nodes/${id}/claim.key`))]));
  return {
    cluster,
    names,
    newDisk,
    sign: (notice) => {
      const whole = { v: 1, clusterId, issuedAt: clock.now(), ...notice } as Notice;
      return signDocument('notice', authority, Buffer.from(noticePayload(whole)));
    },
    claimKeyOf: (node) => claimKeys.get(node),
    faults,
  };
}

/** The profile is the only thing that simulated nodes are told otherwise than those of a test cluster. */
function configure(disk: MemoryDisk, path: string, profile: WorldOptions['profile']): void {
  const text = Buffer.from(disk.peek(path) ?? []).toString();
  disk.put(path, text.replace('profile: local', `profile: ${profile}`), 0o644);
}
