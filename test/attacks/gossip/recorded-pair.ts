import { createSocket } from 'node:dgram';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeNetwork } from '../../../src/actors/cluster/links/node-network.ts';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';
import type { Address, Network } from '../../../src/actors/kernel/ports.ts';
import { createNode, type Node } from '../../../src/actors/node.ts';
import { developmentCluster } from '../../../src/development/development-cluster.ts';
import { until } from '../lab/until.ts';

/** A node whose datagrams from the other are written down as they arrive, and who can be handed some past its socket’s buffer. */
export interface RecordedNode {
  readonly node: Node;
  readonly heard: Uint8Array[];
  hand(bytes: Uint8Array): void;
  /** What has been counted, of one code or of all. */
  count(metric: string, code?: string): number;
}

/** Two nodes as users run them, `target` and `friend`, in this process. */
export interface RecordedPair {
  readonly target: RecordedNode;
  readonly friend: RecordedNode;
  /** Sends to the target’s UDP port from a socket of an attacker; resolves when all were handed to the system. */
  send(datagrams: readonly Uint8Array[]): Promise<void>;
  /** What nobody may change: members with boots and incarnations, and agents, as both see them. */
  view(): string;
  bothAlive(): Promise<void>;
  /** Stops the target and starts it again, in its next boot. */
  restartTarget(): Promise<void>;
  close(): Promise<void>;
}

export async function recordedPair(): Promise<RecordedPair> {
  const folder = await mkdtemp(join(tmpdir(), 'caxton-recorded-'));
  const cluster = await developmentCluster({ folder, nodes: ['target', 'friend'] });
  const members = new Set(cluster.nodes.map((id) => cluster.config(id).cluster.bind.port));
  const start = async (id: string): Promise<RecordedNode> => {
    const heard: Uint8Array[] = [];
    let hand: (bytes: Uint8Array, from: Address) => void = () => {};
    const real = createNodeNetwork({ clock: nodeClock });
    const network: Network = {
      ...real,
      async bindDatagrams(address) {
        const socket = await real.bindDatagrams(address);
        return Object.assign(Object.create(socket) as typeof socket, {
          onMessage(handler: (bytes: Uint8Array, from: Address) => void) {
            hand = handler;
            socket.onMessage((bytes, from) => {
              if (members.has(from.port) && heard.length < 4_096) heard.push(new Uint8Array(bytes));
              handler(bytes, from);
            });
          },
        });
      },
    };
    const node = await createNode(cluster.config(id), { deployer: cluster.deployer, ports: { network } });
    return {
      node,
      heard,
      hand: (bytes) => hand(bytes, { host: '127.0.0.1', port: 9 }),
      count: (metric, code) =>
        node.control
          .metrics()
          .filter(({ name, labels }) => name === metric && (code === undefined || labels.code === code))
          .reduce((sum, { value }) => sum + value, 0),
    };
  };
  let target = await start('target');
  const friend = await start('friend');
  await target.node.deploy('default/echo', () => {});
  const attacker = createSocket('udp4');
  const pair: RecordedPair = {
    get target() {
      return target;
    },
    friend,
    async send(datagrams) {
      const { host, port } = cluster.config('target').cluster.bind;
      await Promise.all(
        datagrams.map((bytes) => new Promise<void>((resolve) => attacker.send(bytes, port, host, () => resolve()))),
      );
    },
    view: () =>
      JSON.stringify(
        [target, friend].map(({ node: { control } }) => [
          control
            .members()
            .map(({ nodeId, status, bootEpoch, incarnation }) => ({ nodeId, status, bootEpoch, incarnation })),
          control.agents().map(({ agentId, node, generation }) => ({ agentId, node, generation })),
        ]),
      ),
    bothAlive: () =>
      until('both see both alive, and the agent', () =>
        [target, friend].every(
          ({ node: { control } }) =>
            control.members().filter(({ status }) => status === 'alive').length === 2 &&
            control.agents().some(({ agentId }) => agentId === 'default/echo'),
        ),
      ),
    async restartTarget() {
      await target.node.stop();
      target = await start('target');
      await target.node.deploy('default/echo', () => {});
      await pair.bothAlive();
    },
    async close() {
      attacker.close();
      await Promise.all([target.node.stop(), friend.node.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
  await pair.bothAlive();
  return pair;
}
