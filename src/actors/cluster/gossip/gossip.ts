import { AsyncLocalStorage } from 'node:async_hooks';
import { unwrap } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import { encodePushPull, encodePushPullPages } from '../../../protocols/link/push-pull-frame.ts';
import type { SignedClaim } from '../../../protocols/swim/claim.ts';
import { isOut, type Member } from '../../../protocols/swim/member.ts';
import type { PartitionMode } from '../../../protocols/swim/partition.ts';
import {
  createSwim,
  isNews,
  memberOf,
  members,
  partition,
  pushPull,
  type SwimEffect,
  type SwimInput,
  type SwimState,
  snapshot,
  step,
  type Via,
} from '../../../protocols/swim/swim.ts';
import type { ClaimRefusal } from '../../../protocols/swim/verification.ts';
import type { Unverified } from '../../../unverified.ts';
import type { Address, DatagramSocket } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { PeerLink } from '../links/links.ts';
import { plaintextBytesMax } from './gossip-datagram.ts';
import { GossipIntake, type HeardPacket } from './gossip-intake.ts';
import type { GossipOptions } from './gossip-options.ts';
import { MemberSnapshot } from './member-snapshot.ts';
import { PacketSender } from './packet-sender.ts';

/**
 * The shell around the SWIM rules: performs their effects with datagrams, timers and links, and gives them nothing
 * that was not opened and verified. Membership is also what decides whom this node keeps links to.
 */
export class Gossip {
  readonly #options: GossipOptions;
  readonly #timers = new Set<unknown>();
  readonly #swim: SwimState;
  readonly #intake: GossipIntake;
  readonly #sender: PacketSender;
  readonly #snapshot: MemberSnapshot;
  #socket: DatagramSocket | undefined;
  #joined = false;
  #closed = false;
  #listening = false;
  #turn: Promise<void> = Promise.resolve();
  /** Runs a function as a part of the actor that opened this. */
  #asMember: <R>(body: () => R) => R = (body) => body();

  constructor(options: GossipOptions) {
    const { identity } = options;
    this.#options = options;
    this.#swim = createSwim({
      self: {
        nodeId: identity.nodeId,
        bootEpoch: options.swim.bootEpoch,
        boxKey: options.swim.boxKey,
        addresses: [options.advertise],
      },
      config: options.swim.config,
      seed: options.swim.seed,
      expectedSize: options.swim.expectedSize,
      sign: (bytes) => identity.signClaim(bytes),
      utf8,
      plaintextBytesMax,
      overLinks: true,
    });
    const { directory, clock, store, onTrouble } = options;
    const isNewsHere = (claim: Unverified<SignedClaim>): boolean => isNews(this.#swim, claim);
    this.#intake = new GossipIntake({ ...options, self: identity.nodeId, isNews: isNewsHere });
    this.#sender = new PacketSender(options);
    this.#snapshot = new MemberSnapshot({
      store,
      clock,
      take: () =>
        encodePushPullPages(utf8, { directory: directory.entries(clock.now()), claims: snapshot(this.#swim) }),
      trouble: onTrouble,
    });
  }

  get seeds(): readonly Address[] {
    return this.#options.seeds;
  }

  /** Where datagrams arrive. */
  get address(): Address | undefined {
    return this.#socket?.address;
  }

  members(): readonly Member[] {
    return members(this.#swim);
  }

  member(nodeId: NodeId): Member | undefined {
    return memberOf(this.#swim, nodeId);
  }

  /** Others are revoked now: they are members no more. */
  revoke(): void {
    this.#input({ type: 'revoked', nodes: this.#options.revoked?.() ?? [], now: this.#now() });
  }

  partition(): PartitionMode {
    return partition(this.#swim);
  }

  /** Opens the socket and starts the rules’ timers; after a crash of the chart, anew with what is known already. */
  open(): Promise<void> {
    const { network, bind } = this.#options;
    return this.#inTurn(async () => {
      await this.#release();
      this.#socket = await network.bindDatagrams(bind);
      this.#socket.onMessage((bytes, source) => this.#receive(bytes, source));
      this.#listen();
      this.#closed = false;
      this.#joined = false;
      // A bug in a timer belongs to the member, whoever’s frame or datagram it was that set it.
      this.#asMember = AsyncLocalStorage.snapshot();
      await this.#snapshot.recall((kept) => this.#restore(kept));
      this.#input({ type: 'start', now: this.#now() });
      // What it missed while it was closed.
      this.revoke();
    });
  }

  #restore(kept: Uint8Array): void {
    this.#input({ type: 'restored', claims: unwrap(this.#intake.remembered(kept)), now: this.#now() });
  }

  /** Dials the seeds; what they answer to a push/pull makes this node a member. */
  join(): void {
    const { links } = this.#options;
    for (const address of this.seeds) links.ensure({ address });
    // After a crash of the chart the links still stand, and none of them will become ready again.
    for (const link of links.all()) this.#sendPushPull(link, 'push-pull');
  }

  /** Says goodbye: the leave claim spreads by gossip and over the links. */
  leave(): void {
    this.#input({ type: 'leave', now: this.#now() });
    for (const link of this.#options.links.all()) this.#sendPushPull(link, 'push-pull');
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed = true;
    return this.#inTurn(() => this.#release());
  }

  /** One after the other: a chart that is restarted may begin while what its last life began is still under way. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #release(): Promise<void> {
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers.clear();
    const socket = this.#socket;
    this.#socket = undefined;
    await socket?.close();
    await this.#snapshot.flush();
  }

  /** Links outlive this actor, so it listens to them once. */
  #listen(): void {
    if (this.#listening) return;
    this.#listening = true;
    const { links } = this.#options;
    links.onFrame('gossip', (link, frame) => this.#receiveFrame(link, frame));
    links.onFrame('push-pull', (link, frame) => this.#answerPushPull(link, frame));
    links.onFrame('push-pull-reply', (link, frame) => this.#takePushPull(link, frame));
    links.onReady((link) => this.#linkReady(link));
    links.onClosed((link) => this.#input({ type: 'link.lost', peer: link.nodeId, now: this.#now() }));
  }

  /** The rules count on a clock that never goes back; certificates are judged by the other one. */
  #now(): number {
    return this.#options.clock.monotonic();
  }

  #input(input: SwimInput): void {
    if (this.#closed) return;
    for (const effect of step(this.#swim, input).effects) this.#perform(effect);
  }

  #perform(effect: SwimEffect): void {
    const { clock, links, onMember, onPartition, onEpochStale, onLeft, onPushPull } = this.#options;
    switch (effect.type) {
      case 'send':
        this.#sender.send(effect, this.#socket);
        return;
      case 'schedule': {
        const due = (): void => {
          this.#timers.delete(timer);
          this.#input({ type: 'timer', timer: effect.timer, now: this.#now() });
        };
        const timer = this.#asMember(() => clock.setTimeout(due, effect.delayMs));
        this.#timers.add(timer);
        return;
      }
      case 'member.changed':
        this.#memberChanged(effect.member);
        this.#asMember(() => this.#snapshot.changed());
        onMember(effect.member);
        return;
      case 'partition.changed':
        onPartition(effect.mode);
        return;
      case 'push-pull': {
        const link = links.get(effect.with);
        if (link) this.#sendPushPull(link, 'push-pull');
        if (link) onPushPull?.(link);
        return;
      }
      case 'need-directory': // The push/pull that comes with it asks whoever told of the member.
        return;
      case 'epoch-stale':
        onEpochStale(effect.known);
        return;
      case 'left':
        onLeft();
        return;
    }
  }

  #memberChanged(member: Member): void {
    const { links, seals, identity } = this.#options;
    if (member.self || member.nodeId === identity.nodeId) return;
    seals.learn(member.nodeId, member.bootEpoch, member.boxKey);
    const [address] = member.addresses;
    if (isOut(member)) links.forget(member.nodeId);
    // Whoever was dead or unreachable before a restart may be back: only a link tells, for a datagram’s key is of a boot.
    else if (address) links.ensure({ address, nodeId: member.nodeId });
  }

  #receive(datagram: Uint8Array, source: Address): void {
    const heard = this.#intake.datagram(datagram);
    if (!heard) return;
    this.#sender.heard(heard.from, source, datagram.length);
    this.#hear(heard, 'datagram');
  }

  #receiveFrame(link: PeerLink, frame: Frame): void {
    const [heard, known] = [this.#intake.framed(link, frame), this.member(link.nodeId)];
    // What one boot says shows no life of another. Of a newer one the push/pull comes first.
    if (heard && known && known.bootEpoch === link.hello.bootEpoch) this.#hear(heard, 'link');
  }

  #hear({ from, packet, refusals }: HeardPacket, via: Via): void {
    this.#input({ type: 'packet', from, packet, via, now: this.#now() });
    this.#askForMissing(from, refusals);
  }

  #linkReady(link: PeerLink): void {
    this.#input({ type: 'link.ready', peer: link.nodeId, bootEpoch: link.hello.bootEpoch, now: this.#now() });
    // Both ends would do; the dialer begins, so that one exchange is enough.
    if (link.side === 'dialer') this.#sendPushPull(link, 'push-pull');
  }

  #sendPushPull(link: PeerLink, kind: 'push-pull' | 'push-pull-reply'): void {
    const { directory, identity, clock } = this.#options;
    const { nodeId: self, svid, binding } = identity;
    const content = encodePushPull(utf8, {
      directory: [
        { nodeId: self, certificate: svid.der, binding },
        ...directory.entries(clock.now()).filter(({ nodeId }) => nodeId !== identity.nodeId),
      ],
      claims: pushPull(this.#swim),
    });
    link.send(kind, new Uint8Array(0), content);
  }

  #answerPushPull(link: PeerLink, frame: Frame): void {
    if (this.#takePushPull(link, frame)) this.#sendPushPull(link, 'push-pull-reply');
  }

  #takePushPull(link: PeerLink, frame: Frame): boolean {
    const heard = this.#intake.document(link, frame);
    if (!heard) return false;
    const { from, claims, refusals } = heard;
    this.#input({ type: 'claims', from, claims, now: this.#now() });
    this.#askForMissing(from, refusals);
    if (!this.#joined) {
      this.#joined = true;
      this.#options.onJoined();
    }
    return true;
  }

  #askForMissing(from: NodeId, refusals: readonly ClaimRefusal[]): void {
    for (const { missing } of refusals)
      if (missing !== undefined) this.#input({ type: 'directory.missing', from, node: missing, now: this.#now() });
  }
}
