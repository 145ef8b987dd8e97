import { actorsFeature, type Denial, LinkTransport } from '../../../../src/actors/cluster/links/link-transport.ts';
import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import type { Exposed } from '../../../../src/actors/kernel/exposure.ts';
import type { Kernel } from '../../../../src/actors/kernel/kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import type { WorkerSpec } from '../../../../src/actors/kernel/spec.ts';
import type { IssuedCertificate } from '../../../../src/crypto/certificate.ts';
import type { NodeId } from '../../../../src/names.ts';
import type { Member } from '../../../../src/protocols/swim/member.ts';
import { identityOf, type LinkNode, type LinkNodeOptions, startLinkNode, type Undo, until } from './link-lab.ts';

/** A kernel whose transport goes over real links: TLS sockets on loopback. */
export interface KernelNode {
  readonly node: LinkNode;
  readonly kernel: Kernel;
  readonly transport: LinkTransport;
  readonly denials: Denial[];
  /** What the cluster would know of members. */
  readonly members: Map<string, Pick<Member, 'bootEpoch' | 'status'>>;
}

export interface KernelNodeOptions extends LinkNodeOptions {
  readonly exposed?: Exposed;
  readonly children?: readonly WorkerSpec[];
}

export async function startKernelNode(
  undo: Undo,
  ca: IssuedCertificate,
  id: string,
  { exposed = () => undefined, children = [], ...options }: KernelNodeOptions = {},
): Promise<KernelNode> {
  const node = await startLinkNode(undo, id, identityOf(ca, id), { features: [actorsFeature], ...options });
  const metrics = createMetrics();
  const transport = new LinkTransport({ nodeId: id as NodeId, clock: nodeClock, metrics });
  const kernel = createKernel({ clock: nodeClock, metrics, transport, exposed });
  const denials: Denial[] = [];
  const members: KernelNode['members'] = new Map();
  transport.connect({
    links: node.links,
    member: (peer) => members.get(peer) as Member | undefined,
    onDenied: (denial) => denials.push(denial),
  });
  await kernel.start({ kind: 'supervisor', id: 'node', strategy: 'one-for-one', intensity: 100, children });
  undo.add(kernel, async (running) => {
    await running.stop();
    transport.stop();
  });
  return { node, kernel, transport, denials, members };
}

/** Dials and waits for the link, at both ends. */
export async function linkUp(from: LinkNode, to: LinkNode): Promise<void> {
  from.links.ensure({ address: to.address, nodeId: to.nodeId });
  await until('the link is up', () => from.links.get(to.nodeId) && to.links.get(from.nodeId));
}
