import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/actors/kernel/utf8.ts';
import { createNode, type Node } from '../../src/actors/node.ts';
import { blocksOf, leavesOf } from '../../src/actors/operations/audit/audit-block.ts';
import { listSegments, openSegment, readSegmentFile } from '../../src/actors/operations/audit/audit-segment.ts';
import type { StopPhaseName } from '../../src/actors/operations/control.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import { loadConfig } from '../../src/config.ts';
import { vaultRingFromText } from '../../src/crypto/vault.ts';
import { type DevelopmentCluster, developmentCluster } from '../../src/development/development-cluster.ts';
import { clusterLayout } from '../../src/development/layout.ts';
import { unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { FaultInjector } from '../../src/testing/faults.ts';

let folder = '';
let cluster: DevelopmentCluster;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'caxton-node-crashes-'));
  cluster = await developmentCluster({ folder: join(folder, 'cluster') });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One node on real sockets and files. */
async function start(config = cluster.config()): Promise<{ readonly node: Node; readonly faults: FaultInjector }> {
  const faults = new FaultInjector();
  return { node: await createNode(config, { ports: { faults: faults.hook } }), faults };
}

/** A receiver of syslog, and the configuration of a node that forwards its log to it. */
async function forwarding() {
  const layout = clusterLayout(cluster.folder);
  const { config: file, apiCertificate, apiKey } = layout.node('node-1' as NodeId);
  const pem = { cert: await readFile(apiCertificate), key: await readFile(apiKey) };
  const receiver = createServer(pem, (socket) => {
    socket.on('error', () => {}).resume();
  });
  const { port } = await new Promise<AddressInfo>((resolve) =>
    receiver.listen(0, '127.0.0.1', () => resolve(receiver.address() as AddressInfo)),
  );
  const text = (await readFile(file, 'utf8')).replace(
    /^( *)forward_to_siem: false/m,
    `$1forward_to_siem: true
$1siem: [{ name: soc, kind: syslog, address: "127.0.0.1:${port}", ca_cert: "${layout.caCert}" }]`,
  );
  return { receiver, config: unwrap(loadConfig(text, { file })) };
}

/** What this process holds open of sockets and of the node’s files. */
async function held(): Promise<readonly string[]> {
  const numbers = await readdir('/proc/self/fd');
  const what = await Promise.all(numbers.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return what.filter((name) => name.startsWith('socket:') || name.includes('caxton-node-crashes-'));
}

/** The types of what is in the log. */
async function records(): Promise<readonly string[]> {
  const { audit, vault } = cluster.config().security;
  if (vault.kind !== 'file') throw new Error('The vault’s key is not in a file.');
  const ring = unwrap(vaultRingFromText(await readFile(vault.path, 'utf8')));
  const types: string[] = [];
  for (const segment of await listSegments(nodeDisk, audit.logPath)) {
    const bytes = await readSegmentFile(nodeDisk, segment);
    for (const block of blocksOf(unwrap(openSegment(segment, bytes, ring)), bytes))
      for (const leaf of leavesOf(block.leaves))
        types.push((JSON.parse(utf8.decode(leaf.subarray(1))) as { type: string }).type);
  }
  return types;
}

describe.runIf(process.platform === 'linux')('a node', () => {
  const endIn: readonly (readonly [string, StopPhaseName])[] = [
    ['/node/cluster/gossip-member', 'leave-cluster'],
    ['/node/cluster/link-listener', 'leave-cluster'],
    ['/node/cluster', 'leave-cluster'],
    ['/node/messaging/message-router', 'drain'],
    ['/node/operations/management-api', 'stop-accepting'],
    ['/node/audit-writer', 'flush-audit'],
  ];
  it.each(endIn)('that stops while %s ends leaves nothing open and loses no record', async (path, phase) => {
    const before = await held();
    for (const [how, late] of [
      ['crash', false],
      ['kill', false],
      ['crash', true],
      ['kill', true],
    ] as const) {
      const begin = (await records()).length;
      const { node, faults } = await start();
      const audited = node.control.audit({
        type: 'LoginSuccess',
        caller: { identity: `apikey:${how}`, sourceIp: '127.0.0.1', requestId: path },
        reasons: [],
      });
      // Before its phase it is restarted; after that nobody does it.
      if (late)
        node.on((event) => {
          if (event.type === 'node.stopping' && event.phase === phase) setImmediate(() => faults[how](path));
        });
      const stopped = node.stop();
      if (!late) faults[how](path);
      await stopped;
      expect((await audited).ok).toBe(true);
      expect(await held()).toEqual(before);
      const written = (await records()).slice(begin);
      expect(written).toEqual(expect.arrayContaining(['NodeStarted', 'LoginSuccess', 'NodeStopped']));
    }
  });

  it('whose root crashes ends with the reason, writes that down, and holds nothing any more', async () => {
    const before = await held();
    const { node, faults } = await start();
    const since = performance.now();
    faults.crash('/node');
    expect(await node.ended).toMatchObject({ reason: 'gave-up', error: { name: 'InjectedFault' } });
    // Nobody waits for a writer that is gone.
    expect(performance.now() - since).toBeLessThan(5_000);
    expect(await held()).toEqual(before);
    expect((await records()).at(-1)).toBe('NodeStopped');
    const { node: again } = await start();
    expect(await again.control.auditVerify()).toMatchObject({ value: { valid: true } });
    await again.stop();
  });

  it.each(['/node', '/node/operations/siem/soc'])(
    'that forwards its log lets the receiver go, though %s ends before it was told to',
    async (path) => {
      const { receiver, config } = await forwarding();
      try {
        const connections = async () =>
          new Promise<number>((resolve) => receiver.getConnections((_, count) => resolve(count)));
        const { node, faults } = await start(config);
        await expect.poll(connections).toBe(1);
        if (path !== '/node') void node.stop();
        while (path !== '/node' && !node.kernel.stopping) await new Promise(setImmediate);
        faults.kill(path);
        await node.ended;
        await node.stop();
        await expect.poll(connections).toBe(0);
      } finally {
        receiver.close();
      }
    },
  );
});
