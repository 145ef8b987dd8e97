import { LinkRenewal } from '../../src/actors/cluster/links/link-renewal.ts';
import { Links, linksPath } from '../../src/actors/cluster/links/links.ts';
import { createNodeNetwork } from '../../src/actors/cluster/links/node-network.ts';
import { createKernel } from '../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { nodeRandom } from '../../src/actors/kernel/node-random.ts';
import type { Address, LinkServer, TlsIdentity } from '../../src/actors/kernel/ports.ts';
import type { SupervisorSpec } from '../../src/actors/kernel/spec.ts';
import type { NodeId } from '../../src/names.ts';
import { renewalFeature } from '../../src/protocols/link/certificate-frame.ts';
import { linkVersions } from '../../src/protocols/link/hello.ts';
import { type Authority, identityOf, trustDomain } from './authority.ts';

/** A node as far as links go: its links under a supervisor, a port, and a certificate that can be renewed. */
export class LinkPeer {
  readonly nodeId: NodeId;
  readonly links: Links;
  readonly #authority: Authority;
  readonly #renewal: LinkRenewal;
  readonly #stop: () => Promise<void>;
  #identity: TlsIdentity;
  #server: LinkServer | undefined;

  private constructor(nodeId: NodeId, authority: Authority) {
    this.nodeId = nodeId;
    this.#authority = authority;
    this.#identity = identityOf(authority, nodeId);
    const metrics = createMetrics();
    const kernel = createKernel({ clock: nodeClock, metrics });
    const supervisor = (id: string, children: SupervisorSpec['children']): SupervisorSpec => ({
      kind: 'supervisor',
      id,
      strategy: 'one-for-one',
      intensity: 100,
      periodMs: 5_000,
      children,
    });
    void kernel.start(supervisor('node', [supervisor('cluster', [supervisor('links', [])])]));
    this.#stop = () => kernel.stop();
    this.links = new Links({
      clock: nodeClock,
      random: nodeRandom,
      network: createNodeNetwork({ clock: nodeClock }),
      metrics,
      trustDomain,
      clusterId: 'bench',
      identity: () => this.#identity,
      hello: () => ({
        versions: linkVersions,
        nodeId,
        trustDomain,
        clusterId: 'bench',
        bootEpoch: 1,
        dial: 0,
        features: [renewalFeature],
        addresses: [],
        group: '',
        notices: [],
      }),
      spawn: (spec) => kernel.startChild(linksPath, spec),
      stop: (id) => void kernel.stopChild(linksPath, id),
    });
    this.#renewal = new LinkRenewal({ clock: nodeClock, random: nodeRandom, links: this.links });
  }

  static async start(nodeId: string, authority: Authority): Promise<LinkPeer> {
    const peer = new LinkPeer(nodeId as NodeId, authority);
    peer.#server = await createNodeNetwork({ clock: nodeClock }).listenLinks({
      address: { host: '127.0.0.1', port: 0 },
      identity: peer.#identity,
      onChannel: (channel) => peer.links.accept(channel),
      onRefused: () => {},
    });
    return peer;
  }

  get address(): Address {
    return this.#server!.address;
  }

  /** The certificate is another one from now on, and links change to it. */
  rotate(): void {
    this.#identity = identityOf(this.#authority, this.nodeId);
    this.#server!.setIdentity(this.#identity);
    this.#renewal.renewed();
  }

  async stop(): Promise<void> {
    this.links.stop();
    await this.#stop();
    await this.#server?.close();
  }
}
