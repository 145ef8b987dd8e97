import { verifyNodeSvid } from '../../crypto/svid.ts';
import { type Refusal, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId, TrustDomain } from '../../names.ts';
import { closeCodes } from '../../protocols/link/close-codes.ts';
import type { Frame, FrameKind } from '../../protocols/link/frame.ts';
import type { Hello } from '../../protocols/link/hello.ts';
import { chooseLink } from '../../protocols/link/pairing.ts';
import { addressText } from '../address.ts';
import type { Address, Clock, LinkChannel, Metrics, Network, Random, TlsIdentity } from '../kernel/ports.ts';
import type { Ref } from '../kernel/ref.ts';
import type { WorkerSpec } from '../kernel/spec.ts';
import type { LinkView } from '../operations/control.ts';
import { type LinkEnd, LinkSession } from './link-session.ts';
import {
  type DialTarget,
  dialRefusal,
  type PeerConnectionEvent,
  type PeerConnectionInput,
  type PeerConnectionWork,
  peerConnection,
} from './peer-connection.ts';

/** Where peer-connections live in the tree: one child each. */
export const linksPath = '/node/cluster/links';

/** A link that is up. */
export type PeerLink = LinkSession;

export interface LinksOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly metrics: Metrics;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly identity: () => TlsIdentity;
  readonly hello: () => Hello;
  /** Starts a peer-connection under the supervisor of links. */
  readonly spawn: (spec: WorkerSpec) => void;
  /** Forgets one that has ended. */
  readonly stop: (id: string) => void;
}

type Listener<A extends unknown[]> = (...args: A) => void;

/**
 * All links of this node, at most one a peer. Says whom to dial and which of two links stays; the connections
 * themselves are actors, one each.
 */
export class Links {
  readonly #options: LinksOptions;
  readonly #ready = new Map<NodeId, LinkSession>();
  /** Whom this node wants a link to, and where they are. */
  readonly #wanted = new Map<NodeId, Address>();
  readonly #seeds = new Map<string, Address>();
  /** Dialling connections by what they dial: a node id, or a seed’s address. */
  readonly #dialers = new Map<string, string>();
  readonly #frames = new Map<FrameKind, Listener<[LinkSession, Frame]>>();
  readonly #onReady: Listener<[LinkSession]>[] = [];
  readonly #onClosed: Listener<[LinkSession, string]>[] = [];
  readonly #onRefused: Listener<[{ readonly remote: string; readonly refusal: Refusal }]>[] = [];
  #spawned = 0;
  #connections = 0;
  #closing = false;

  constructor(options: LinksOptions) {
    this.#options = options;
  }

  /** Wants a link: dials, and dials again with backoff, until it is up or `forget`. Idempotent; an address may change. */
  ensure(target: DialTarget): void {
    if (target.nodeId === undefined) this.#seeds.set(addressText(target.address), target.address);
    else if (target.nodeId === this.#options.hello().nodeId) return;
    else this.#wanted.set(target.nodeId, target.address);
    this.#dial(target);
  }

  /** No longer wants a link to the node; one that is up is left to end by itself. */
  forget(nodeId: NodeId): void {
    this.#wanted.delete(nodeId);
  }

  get(nodeId: NodeId): PeerLink | undefined {
    return this.#ready.get(nodeId);
  }

  all(): readonly PeerLink[] {
    return [...this.#ready.values()];
  }

  /** One handler a kind. A kind without one is ignored: a newer peer may send what this version does not know. */
  onFrame(kind: FrameKind, handler: Listener<[LinkSession, Frame]>): void {
    this.#frames.set(kind, handler);
  }

  onReady(listener: Listener<[LinkSession]>): void {
    this.#onReady.push(listener);
  }

  onClosed(listener: Listener<[LinkSession, string]>): void {
    this.#onClosed.push(listener);
  }

  onRefused(listener: Listener<[{ readonly remote: string; readonly refusal: Refusal }]>): void {
    this.#onRefused.push(listener);
  }

  /** A channel from the listener. */
  accept(channel: LinkChannel): void {
    if (this.#closing || this.#connections >= limits.linksMax) {
      channel.close(closeCodes.limit.code, 'no more links');
      return;
    }
    this.#spawn('accept', { channel }, 'temporary');
  }

  /** A connection that TLS refused before it became a channel. */
  refusedByTls(remote: Address, reason: string): void {
    const { refusal } = refuse('CERTIFICATE_REFUSED', `TLS refused the connection: ${reason}.`);
    this.#refused(addressText(remote), refusal);
  }

  /** Before the node stops: nobody is dialled or accepted any more. */
  stop(): void {
    this.#closing = true;
    this.#wanted.clear();
    this.#seeds.clear();
  }

  views(): readonly LinkView[] {
    return this.all().map((link) => this.view(link));
  }

  view(link: PeerLink): LinkView {
    return {
      peer: link.nodeId,
      state: link.isReady ? (link.congested ? 'ready.congested' : 'ready.flowing') : 'greeting',
      side: link.side,
      spiffeId: link.svid.spiffeId,
      serial: link.svid.serial,
      tlsProtocol: link.channel.tls.protocol,
      keyExchange: link.keyExchange,
      since: new Date(link.since).toISOString(),
    };
  }

  #dial(target: DialTarget): void {
    const key = keyOf(target);
    if (this.#closing || this.#dialers.has(key)) return;
    if (target.nodeId !== undefined && this.#ready.has(target.nodeId)) return;
    const id = this.#spawn('dial', { target }, 'transient', key);
    this.#dialers.set(key, id);
  }

  #spawn(kind: string, more: Partial<PeerConnectionInput>, restart: 'temporary' | 'transient', key?: string): string {
    const id = `${kind}-${++this.#spawned}`;
    this.#connections++;
    const work = this.#workFor(id, key);
    this.#options.spawn({
      kind: 'worker',
      id,
      logic: peerConnection,
      restart,
      shutdown: 2_000,
      input: ({ self }: { self: Ref<PeerConnectionEvent> }): PeerConnectionInput => ({
        work,
        notify: (event) => void self.tell(event, 'control'),
        ...more,
      }),
    });
    return id;
  }

  #workFor(id: string, key: string | undefined): PeerConnectionWork {
    const { network, metrics, identity, random } = this.#options;
    let session: LinkSession | undefined;
    return {
      dial: (target, signal) => network.dialLink({ address: this.#addressOf(target), identity: identity(), signal }),
      begin: (channel, target, notify) => {
        session = this.#begin(channel, target, notify);
        return session;
      },
      release: () => session?.close('goodbye', 'the connection ends'),
      dialFailed: (target, error) => {
        metrics.count('link_dials_failed');
        const refused = dialRefusal(error);
        if (refused) this.#refused(addressText(target.address), { code: refused.code, reasons: [refused.message] });
      },
      wanted: (target) => !this.#closing && this.#isWanted(target),
      random: () => random.uint32(),
      gone: () => {
        this.#connections--;
        if (key !== undefined) this.#dialers.delete(key);
        this.#options.stop(id);
      },
    };
  }

  #isWanted({ nodeId, address }: DialTarget): boolean {
    if (nodeId === undefined) return this.#seeds.has(addressText(address));
    return this.#wanted.has(nodeId) && !this.#ready.has(nodeId);
  }

  #addressOf({ nodeId, address }: DialTarget): Address {
    return (nodeId !== undefined && this.#wanted.get(nodeId)) || address;
  }

  #begin(
    channel: LinkChannel,
    target: DialTarget | undefined,
    notify: (event: PeerConnectionEvent) => void,
  ): LinkSession | undefined {
    const { clock, trustDomain, clusterId, identity, hello } = this.#options;
    const svid = verifyNodeSvid(channel.peerCertificate, {
      caPem: identity().caPem,
      trustDomain,
      now: clock.now(),
      ...(target?.nodeId === undefined ? {} : { nodeId: target.nodeId }),
    });
    if (!svid.ok) {
      this.#refused(addressText(channel.remote), svid.refusal);
      channel.close(closeCodes.certificateRefused.code, svid.refusal.reasons[0]);
      return undefined;
    }
    const session = new LinkSession({
      clock,
      channel,
      svid: svid.value,
      own: hello(),
      trustDomain,
      clusterId,
      expected: target?.nodeId,
      admit: (candidate, theirs) => this.#admit(candidate, theirs),
      onReady: (link) => this.#linkUp(link, target, notify),
      onFrame: (link, frame) => this.#frames.get(frame.kind)?.(link, frame),
      onCongestion: (congested) => notify({ type: congested ? 'link.congested' : 'link.flowing' }),
      onEnd: (end) => this.#linkEnded(session, end, notify),
    });
    session.open();
    return session;
  }

  #admit(candidate: LinkSession, hello: Hello): true | string {
    const { nodeId } = candidate;
    const existing = this.#ready.get(nodeId);
    const choice = chooseLink(
      this.#options.hello().nodeId,
      nodeId,
      existing && { side: existing.side, bootEpoch: existing.hello.bootEpoch },
      { side: candidate.side, bootEpoch: hello.bootEpoch },
    );
    if (choice === 'keep-existing') return `The link to ${nodeId} that exists is kept.`;
    existing?.close('duplicate', 'a newer link takes its place');
    return true;
  }

  #linkUp(link: LinkSession, target: DialTarget | undefined, notify: (event: PeerConnectionEvent) => void): void {
    const other = this.#ready.get(link.nodeId);
    // Two greetings may have been under way at once: the same rule decides when the second comes up.
    if (other && other !== link) {
      const admitted = this.#admit(link, link.hello);
      if (admitted !== true) {
        link.close('duplicate', admitted);
        return;
      }
    }
    if (target && target.nodeId === undefined) this.#seeds.delete(addressText(target.address));
    this.#ready.set(link.nodeId, link);
    this.#options.metrics.gauge('links_ready', this.#ready.size);
    notify({ type: 'link.ready' });
    for (const listener of this.#onReady) listener(link);
  }

  #linkEnded(link: LinkSession, end: LinkEnd, notify: (event: PeerConnectionEvent) => void): void {
    notify({ type: 'link.closed', end });
    if (end.refusal && end.reason !== 'duplicate') this.#refused(addressText(link.channel.remote), end.refusal);
    if (this.#ready.get(link.nodeId) !== link) return;
    this.#ready.delete(link.nodeId);
    this.#options.metrics.gauge('links_ready', this.#ready.size);
    for (const listener of this.#onClosed) listener(link, end.text);
    const address = this.#wanted.get(link.nodeId);
    // One that was accepted is not dialled by anybody here: whoever is wanted is dialled now.
    if (address && end.reason !== 'duplicate') this.#dial({ address, nodeId: link.nodeId });
  }

  #refused(remote: string, refusal: Refusal): void {
    this.#options.metrics.count('links_refused', { code: refusal.code });
    for (const listener of this.#onRefused) listener({ remote, refusal });
  }
}

const keyOf = ({ nodeId, address }: DialTarget): string => nodeId ?? addressText(address);
