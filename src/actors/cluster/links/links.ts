import { type Refusal, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { closeCodes } from '../../../protocols/link/close-codes.ts';
import type { Hello } from '../../../protocols/link/hello.ts';
import { chooseLink } from '../../../protocols/link/pairing.ts';
import { addressText } from '../../address.ts';
import type { Address, LinkChannel } from '../../kernel/ports.ts';
import { type Beginning, type Connection, ConnectionTable } from './connection-table.ts';
import { cutRevoked } from './link-cuts.ts';
import { LinkListeners } from './link-listeners.ts';
import { LinkSession } from './link-session.ts';
import { type LinkEnd, withoutNotices } from './link-session-options.ts';
import type { LinksOptions } from './links-options.ts';
import {
  type DialTarget,
  dialRefusal,
  type PeerConnectionEvent,
  type PeerConnectionWork,
  peerConnectionSpec,
} from './peer-connection.ts';
import { closeReasonOf, judgePeer, ownRefusal, refusalOfTls } from './peer-judgement.ts';
import { Redials } from './redials.ts';
import { RetiringLinks } from './retiring-links.ts';
import { keyOf, WantedPeers } from './wanted-peers.ts';

/** Where peer-connections live in the tree: one child each. */
export const linksPath = '/node/cluster/links';

/** A link that is up. */
export type PeerLink = LinkSession;

const full = `This node has ${limits.linksMax} connections already.`;

/**
 * All links of this node, at most one a peer. Says whom to dial and which of two links stays; the connections
 * themselves are actors, one each.
 */
export class Links extends LinkListeners {
  readonly #options: LinksOptions;
  readonly #ready = new Map<NodeId, LinkSession>();
  readonly #retiring: RetiringLinks;
  readonly #wanted = new WantedPeers();
  readonly #connections: ConnectionTable;
  readonly #redials: Redials;
  #closing = false;
  /** Dials of this boot that reached somebody. */
  #dials = 0;

  constructor(options: LinksOptions) {
    super();
    this.#options = options;
    this.#retiring = new RetiringLinks(options.clock);
    this.#connections = new ConnectionTable(options.clock, (connection) => this.#freed(connection));
    this.#redials = new Redials(options.clock, options.random, (target) => {
      if (this.#isWanted(target)) this.#dial(target);
    });
  }

  /** Wants a link: dials, and dials again with backoff, until it is up or `forget`. Idempotent; an address may change. */
  ensure(target: DialTarget): void {
    if (target.nodeId === this.#options.hello().nodeId) return;
    this.#wanted.want(target);
    if (this.#isWanted(target)) this.#dial(target);
  }

  /** No longer wants a link to the node; one that is up is left to end by itself. */
  forget(nodeId: NodeId): void {
    this.#wanted.forget(nodeId);
  }

  /** Dials the peer of a link that this side dialled, for another one that takes its place once it is up. */
  renew({ nodeId, channel }: PeerLink): void {
    if (this.#closing || this.#connections.size >= limits.linksMax) return;
    this.#spawn('renew', 'transient', {
      target: { nodeId, address: this.#wanted.addressOf(nodeId) ?? channel.remote },
    });
  }

  get(nodeId: NodeId): PeerLink | undefined {
    return this.#ready.get(nodeId);
  }

  all(): readonly PeerLink[] {
    return [...this.#ready.values()];
  }

  /** Closes every connection with an identity that is revoked or suspended now; all, with a goodbye, when this node is revoked. */
  cutRevoked(): void {
    cutRevoked(this.#connections.sessions(), this.#options);
  }

  /** Every link, whatever becomes of it: those on their way and those that another has replaced too. */
  sessions(): Iterable<LinkSession> {
    return this.#connections.sessions();
  }

  /** Dials all who are wanted and not linked: after this node itself was refused and has another certificate. */
  redial(): void {
    for (const target of this.#wanted.all()) if (this.#isWanted(target)) this.#dial(target);
  }

  /** A channel from the listener. Past `linksMax` it is refused with LIMIT_EXCEEDED. */
  accept(channel: LinkChannel): void {
    const takesNone = this.#closing || ownRefusal(this.#options) !== undefined;
    if (!takesNone && this.#connections.size < limits.linksMax) {
      this.#spawn('accept', 'temporary', { channel });
      return;
    }
    channel.close(closeCodes.limit.code, 'no more links');
    if (takesNone) return;
    const { refusal } = refuse('LIMIT_EXCEEDED', full);
    this.#refused(addressText(channel.remote), refusal);
  }

  /** A connection that TLS refused before it became a channel: what it showed is judged too, to say why. */
  refusedByTls(remote: Address, reason: string, shown?: Uint8Array): void {
    const refusal = refusalOfTls(reason, shown && judgePeer(this.#options, shown, undefined));
    this.#refused(addressText(remote), refusal);
  }

  /** Before the node stops: nobody is dialled or accepted any more. */
  stop(): void {
    this.#closing = true;
    this.#wanted.clear();
    this.#connections.releaseClaims();
    this.#redials.clear();
  }

  #dial(target: DialTarget): void {
    if (this.#closing || this.#connections.dials(target) || ownRefusal(this.#options)) return;
    if (target.nodeId !== undefined && this.#ready.has(target.nodeId)) return;
    if (this.#connections.size < limits.linksMax) {
      this.#spawn('dial', 'transient', { target });
      return;
    }
    this.#options.metrics.count('links_not_dialled');
    const { refusal } = refuse('LIMIT_EXCEEDED', `${keyOf(target)} is not dialled: ${full}`);
    if (this.#wanted.postpone(target)) this.#refused(addressText(target.address), refusal);
  }

  #isWanted(target: DialTarget): boolean {
    return this.#wanted.isWanted(target, (nodeId) => this.#ready.has(nodeId));
  }

  /** A place is free. */
  #freed({ target, session }: Connection): void {
    const next = this.#wanted.takePostponed((nodeId) => this.#ready.has(nodeId));
    if (next) this.#dial(next);
    const nodeId = target?.nodeId ?? session?.nodeId;
    const address = target?.address ?? (nodeId && this.#wanted.addressOf(nodeId));
    if (address && !this.#closing) this.#redials.later({ address, ...(nodeId && { nodeId }) });
  }

  #spawn(kind: string, restart: 'temporary' | 'transient', what: Beginning): void {
    const connection = this.#connections.claim(kind, what);
    const work = this.#workFor(connection);
    const started = this.#options.spawn(peerConnectionSpec(connection.id, restart, work, what));
    void started.then(({ ok }) => {
      if (!ok) this.#connections.release(connection);
    });
  }

  #workFor(connection: Connection): PeerConnectionWork {
    const { network, metrics, identity, random } = this.#options;
    return {
      occupy: () => this.#connections.occupy(connection),
      dial: async (target, signal) => {
        const address = (target.nodeId !== undefined && this.#wanted.addressOf(target.nodeId)) || target.address;
        const channel = await network.dialLink({ address, identity: identity(), signal });
        connection.session = undefined;
        connection.revoked = false;
        connection.channel = channel;
        // Its actor ended meanwhile and has released everything but this.
        if (signal.aborted) channel.close(closeCodes.goodbye.code, 'the connection ends');
        return channel;
      },
      begin: (channel, _, notify) => {
        connection.session = this.#begin(connection, channel, notify);
        return connection.session;
      },
      dialFailed: (target, error) => {
        metrics.count('link_dials_failed');
        const refused = dialRefusal(error);
        if (refused) this.#refused(addressText(target.address), { code: refused.code, reasons: [refused.message] });
      },
      wanted: (target) => !this.#closing && !ownRefusal(this.#options) && this.#isWanted(target),
      isRevoked: () => connection.revoked,
      random: () => random.uint32(),
      leave: () => this.#connections.leave(connection),
      release: () => this.#connections.release(connection),
      gone: () => {
        this.#connections.release(connection);
        this.#options.stop(connection.id);
      },
    };
  }

  #begin(
    connection: Connection,
    channel: LinkChannel,
    notify: (event: PeerConnectionEvent) => void,
  ): LinkSession | undefined {
    const { clock, trustDomain, clusterId, hello } = this.#options;
    const { target } = connection;
    const svid = judgePeer(this.#options, channel.peerCertificate, target?.nodeId);
    if (!svid.ok) {
      connection.revoked = svid.refusal.code === 'REVOKED';
      this.#refused(addressText(channel.remote), svid.refusal);
      channel.close(closeCodes[closeReasonOf(svid.refusal)].code, svid.refusal.reasons[0]);
      return undefined;
    }
    if (channel.side === 'acceptor') this.#connections.makeRoom(svid.value.nodeId);
    const session = new LinkSession({
      clock,
      channel,
      svid: svid.value,
      own: hello(),
      trustDomain,
      clusterId,
      dial: channel.side === 'dialer' ? ++this.#dials : 0,
      expected: target?.nodeId,
      notices: this.#options.notices?.(svid.value.nodeId) ?? withoutNotices,
      admit: (candidate, theirs) => this.#admit(candidate, theirs),
      onReady: (link) => this.#linkUp(link, target, notify),
      onFrame: (link, frame) => this.tellFrame(link, frame),
      onCongestion: (congested) => notify({ type: congested ? 'link.congested' : 'link.flowing' }),
      onEnd: (end) => this.#linkEnded(connection, session, end, notify),
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
      existing && { side: existing.side, bootEpoch: existing.hello.bootEpoch, dial: existing.dial },
      { side: candidate.side, bootEpoch: hello.bootEpoch, dial: candidate.dial },
    );
    return choice === 'replace' ? true : `The link to ${nodeId} that exists is kept.`;
  }

  #linkUp(link: LinkSession, target: DialTarget | undefined, notify: (event: PeerConnectionEvent) => void): void {
    const other = this.#ready.get(link.nodeId);
    // Two greetings may have been under way at once: the same rule decides when the second comes up.
    const admitted = this.#admit(link, link.hello);
    if (admitted !== true) {
      link.close('duplicate', admitted);
      return;
    }
    this.#wanted.answered(target, link.nodeId);
    // A member that dialled us is behind the addresses that it names: no need to dial those to find out. Its word counts
    // for the host that it comes from; otherwise it could keep us from every seed but itself.
    for (const address of link.hello.addresses)
      if (address.host === link.channel.remote.host) this.#wanted.answered({ address }, link.nodeId);
    this.#ready.set(link.nodeId, link);
    // The process of an older boot is gone; what the same one has sent may still arrive.
    if (other && other.hello.bootEpoch < link.hello.bootEpoch) other.close('duplicate', 'a newer boot takes its place');
    else if (other) this.#retiring.retire(other);
    this.#options.metrics.gauge('links_ready', this.#ready.size);
    notify({ type: 'link.ready' });
    this.tellReady(link);
  }

  #linkEnded(
    connection: Connection,
    link: LinkSession,
    end: LinkEnd,
    notify: (event: PeerConnectionEvent) => void,
  ): void {
    const { nodeId } = link;
    const { runs, target } = connection;
    // The peer’s word for it: knock seldom. Whoever suspended the peer itself does not knock at all.
    const isOut = end.reason === 'revoked' || end.reason === 'suspended';
    connection.revoked = end.reason === 'revoked' || (isOut && !end.refusal);
    notify({ type: 'link.closed', end });
    this.#retiring.ended(link);
    if (end.refusal && end.reason !== 'duplicate') this.#refused(addressText(link.channel.remote), end.refusal);
    if (end.reason === 'duplicate' || isOut) this.#wanted.answered(target, nodeId);
    if (isOut && !end.refusal) this.tellOut(nodeId, end.reason === 'suspended' ? 'suspended' : 'revoked', end.text);
    if (this.#ready.get(nodeId) === link) {
      this.#ready.delete(nodeId);
      this.#options.metrics.gauge('links_ready', this.#ready.size);
      this.tellClosed(link, end);
    }
    const address = this.#wanted.addressOf(nodeId);
    // One that was accepted is not dialled by anybody here: whoever is wanted is dialled now. Not for a duplicate,
    // whose rival is up or on its way and comes by here when it fails; nor when this node’s own links are stopped.
    if (address && runs && end.reason !== 'duplicate') this.#dial({ address, nodeId });
  }

  #refused(remote: string, refusal: Refusal): void {
    this.#options.metrics.count('links_refused', { code: refusal.code });
    this.tellRefused(remote, refusal);
  }
}
