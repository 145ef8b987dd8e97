import { X509Certificate } from 'node:crypto';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { type AnyActorLogic, createActor, type EventObject } from 'xstate';
import { Links, type PeerLink } from '../../../../src/actors/cluster/links/links.ts';
import type { LinksOptions } from '../../../../src/actors/cluster/links/links-options.ts';
import { createNodeNetwork } from '../../../../src/actors/cluster/links/node-network.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import { nodeRandom } from '../../../../src/actors/kernel/node-random.ts';
import type {
  Address,
  Clock,
  LinkChannel,
  LinkServer,
  Metrics,
  Network,
  TlsIdentity,
} from '../../../../src/actors/kernel/ports.ts';
import type { Message, Ref } from '../../../../src/actors/kernel/ref.ts';
import type { WorkerSpec } from '../../../../src/actors/kernel/spec.ts';
import { type IssuedCertificate, issueCa, issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../../../src/crypto/keys.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { ok, type Refusal, unwrap } from '../../../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../../../src/names.ts';
import { type Hello, linkVersions } from '../../../../src/protocols/link/hello.ts';

export const domain = 'test.caxton.internal' as TrustDomain;
export const loopback: Address = { host: '127.0.0.1', port: 0 };

const startedAt = nodeClock.now();
const dayMs = 86_400_000;

export const makeCa = (): IssuedCertificate =>
  issueCa(osCrypto, { trustDomain: domain, notBefore: startedAt - dayMs, notAfter: startedAt + dayMs });

/** What a node of `ca` shows; it believes `caPem`, its own CA unless told otherwise. */
export function identityOf(
  ca: IssuedCertificate,
  nodeId: string,
  { caPem = ca.certPem, notAfter = startedAt + dayMs / 2 }: { caPem?: string; notAfter?: number } = {},
): TlsIdentity {
  const keys = osCrypto.generateKeyPair('p256');
  const certPem = unwrap(
    issueNodeCertificate(osCrypto, {
      ca,
      nodeId,
      trustDomain: domain,
      publicKey: keys.publicKey,
      notBefore: startedAt - dayMs / 2,
      notAfter,
      dns: [],
      ip: ['127.0.0.1'],
    }),
  );
  return { certPem, keyPem: privateKeyToPem(keys.privateKey), caPem };
}

export const derOf = (pem: string): Uint8Array => new Uint8Array(new X509Certificate(pem).raw);

/** Polls until `probe` gives something; fails with `what` after `withinMs`. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false,
  withinMs = 8_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + withinMs;
  for (;;) {
    const found = probe();
    if (found) return found as NonNullable<T>;
    if (performance.now() > end) throw new Error(`did not happen within ${withinMs} ms: ${what}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 2));
  }
}

/** Everything that one channel told its handler. */
export interface Heard {
  readonly messages: Uint8Array[];
  readonly violations: string[];
  readonly ends: { readonly code: number; readonly reason: string }[];
  drained: number;
}

export function listenTo(channel: LinkChannel): Heard {
  const heard: Heard = { messages: [], violations: [], ends: [], drained: 0 };
  channel.setHandler({
    message: (bytes) => void heard.messages.push(bytes),
    violated: (reason) => void heard.violations.push(reason),
    drained: () => {
      heard.drained++;
    },
    closed: (code, reason) => void heard.ends.push({ code, reason }),
  });
  return heard;
}

/** Things to undo at the end of a test, last first. */
export class Undo {
  readonly #steps: (() => unknown)[] = [];

  add<T>(value: T, step: (value: T) => unknown): T {
    this.#steps.push(() => step(value));
    return value;
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}

export interface OpenServer {
  readonly server: LinkServer;
  readonly channels: LinkChannel[];
  readonly refused: { readonly remote: Address; readonly reason: string }[];
}

/** A server of links alone, with whatever it accepts and refuses written down. */
export async function serveLinks(
  undo: Undo,
  network: Network,
  identity: TlsIdentity,
  onChannel: (channel: LinkChannel) => void = () => {},
): Promise<OpenServer> {
  const channels: LinkChannel[] = [];
  const refused: OpenServer['refused'] = [];
  const server = await network.listenLinks({
    address: loopback,
    identity,
    onChannel: (channel) => {
      channels.push(channel);
      onChannel(channel);
    },
    onRefused: (remote, reason) => void refused.push({ remote, reason }),
  });
  undo.add(server, (open) => {
    for (const channel of channels) channel.close(4000, 'the test ends');
    void open.close();
  });
  return { server, channels, refused };
}

/** One node as far as links go: its `Links`, its port, and a plain XState actor for each peer-connection. */
export interface LinkNode {
  readonly nodeId: NodeId;
  readonly links: Links;
  readonly address: Address;
  readonly refused: { readonly remote: string; readonly refusal: Refusal }[];
  readonly closed: { readonly peer: NodeId; readonly reason: string }[];
  readonly ready: PeerLink[];
  readonly metrics: Metrics;
  readonly actors: Map<string, HostedChart>;
  readonly crashes: unknown[];
  /** Connections to its port cut and the port closed, as when the process dies. */
  kill(): Promise<void>;
}

export interface HostedChart {
  state(): string;
  send(event: EventObject): void;
  stop(): void;
}

export interface LinkNodeOptions {
  readonly clock?: Clock;
  readonly bootEpoch?: number;
  readonly clusterId?: string;
  readonly port?: number;
  readonly features?: readonly string[];
  readonly spawn?: LinksOptions['spawn'];
  readonly revoked?: NonNullable<LinksOptions['revoked']>;
}

/** Starts actors as the kernel does: neither they nor their messages run on the sender’s stack. */
export function chartHost(clock: Clock, crashes: unknown[]) {
  const actors = new Map<string, HostedChart>();
  const start = (spec: WorkerSpec): void => {
    const self: Ref<Message> = {
      path: `/test/${spec.id}`,
      tell: (message) => {
        setImmediate(() => {
          // What comes to an actor that has ended is a dead letter.
          if (actor.getSnapshot().status === 'active') actor.send(message as EventObject);
        });
        return ok(undefined);
      },
      send: (message) => Promise.resolve(self.tell(message)),
    };
    const input = (spec.input as (scope: { self: Ref<Message> }) => unknown)({ self });
    const actor = createActor(spec.logic as AnyActorLogic, { id: spec.id, input, clock });
    actor.subscribe({ error: (error) => void crashes.push(error) });
    actors.set(spec.id, {
      state: () => {
        const { value } = actor.getSnapshot() as { value: string | Record<string, string> };
        return typeof value === 'string' ? value : Object.entries(value).flat().join('.');
      },
      send: (event) => {
        if (actor.getSnapshot().status === 'active') actor.send(event);
      },
      stop: () => void actor.stop(),
    });
    actor.start();
  };
  const spawn = async (spec: WorkerSpec) => {
    queueMicrotask(() => start(spec));
    return ok(undefined);
  };
  return { actors, spawn, stop: (id: string) => void actors.delete(id) };
}

export async function startLinkNode(
  undo: Undo,
  nodeId: string,
  identity: TlsIdentity,
  options: LinkNodeOptions = {},
): Promise<LinkNode> {
  const { clock = nodeClock, bootEpoch = 1, clusterId = 'cluster-1', port = 0, features = [] } = options;
  const crashes: unknown[] = [];
  const host = chartHost(clock, crashes);
  const network = createNodeNetwork({ clock });
  const metrics = createMetrics();
  const sockets: LinkChannel[] = [];
  const own: Hello = {
    versions: linkVersions,
    nodeId: nodeId as NodeId,
    trustDomain: domain,
    clusterId,
    bootEpoch,
    dial: 0,
    features,
    addresses: [],
    group: '',
    notices: [],
  };
  const links = new Links({
    clock,
    random: nodeRandom,
    network,
    metrics,
    trustDomain: domain,
    clusterId,
    identity: () => identity,
    hello: () => own,
    ...(options.revoked ? { revoked: options.revoked } : {}),
    spawn: options.spawn ?? host.spawn,
    stop: host.stop,
  });
  const node = {
    nodeId: nodeId as NodeId,
    links,
    refused: [] as { remote: string; refusal: Refusal }[],
    closed: [] as { peer: NodeId; reason: string }[],
    ready: [] as PeerLink[],
    metrics,
    actors: host.actors,
    crashes,
  };
  links.onRefused((refused) => void node.refused.push(refused));
  links.onClosed((link, reason) => void node.closed.push({ peer: link.nodeId, reason }));
  links.onReady((link) => void node.ready.push(link));
  const server = await network.listenLinks({
    address: { ...loopback, port },
    identity,
    onChannel: (channel) => {
      sockets.push(channel);
      links.accept(channel);
    },
    onRefused: (remote, reason, shown) => links.refusedByTls(remote, reason, shown),
  });
  let dead = false;
  const kill = async (): Promise<void> => {
    if (dead) return;
    dead = true;
    links.stop();
    for (const actor of [...host.actors.values()]) actor.send({ type: 'kernel.shutdown' });
    for (const channel of sockets) channel.close(4000, 'the test ends');
    await server.close();
  };
  undo.add(kill, (step) => step());
  return { ...node, address: server.address, kill };
}

/** A TCP server that takes connections and says what it is told to, or nothing. */
export async function serveTcp(undo: Undo, onSocket: (socket: Socket) => void = () => {}): Promise<Address> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.add(server, (open) => {
    for (const socket of sockets) socket.destroy();
    open.close();
  });
  return { host: '127.0.0.1', port: (server.address() as { port: number }).port };
}

/** A TCP connection that says nothing by itself. */
export function connectTcp(undo: Undo, address: Address): { readonly socket: Socket; readonly ended: () => boolean } {
  let ended = false;
  const socket = createConnection({ host: address.host, port: address.port });
  socket.on('error', () => {});
  socket.on('close', () => {
    ended = true;
  });
  undo.add(socket, (open) => open.destroy());
  return { socket, ended: () => ended };
}
