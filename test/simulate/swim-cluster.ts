import type { NodeId } from '../../src/names.ts';
import { decodePushPull, encodePushPull } from '../../src/protocols/link/push-pull-frame.ts';
import { isNews } from '../../src/protocols/swim/belief.ts';
import { type Chance, drawBelow, drawUint32, seededChance } from '../../src/protocols/swim/chance.ts';
import { type AliveClaim, type SignedClaim, signAlive } from '../../src/protocols/swim/claim.ts';
import { type SwimConfig, swimProfiles } from '../../src/protocols/swim/config.ts';
import type { Member, MemberStatus } from '../../src/protocols/swim/member.ts';
import { decodePacket, encodePacket, type Packet } from '../../src/protocols/swim/packet.ts';
import { pushPull } from '../../src/protocols/swim/push-pull.ts';
import { snapshot } from '../../src/protocols/swim/snapshot.ts';
import type { SwimEffect, SwimInput, SwimState, SwimTrial, Via } from '../../src/protocols/swim/state.ts';
import { createSwim, memberOf, members, partition, step } from '../../src/protocols/swim/swim.ts';
import { verifyClaims, verifyPacket } from '../../src/protocols/swim/verification.ts';
import { unverified } from '../../src/unverified.ts';
import { Agenda } from './agenda.ts';
import { Checkers } from './checkers.ts';
import { fakeAuthority, plaintextBytesMax, swimOptions, utf8 } from './fake-claims.ts';
import { type Founders, latentRoster } from './latent-roster.ts';
import { Network, type NetworkOptions } from './network.ts';
import { describe, TraceHash, type TraceLine } from './trace.ts';

export interface SwimClusterOptions extends NetworkOptions {
  /** How many members: node-1, node-2 … */
  readonly size: number;
  readonly seed: number;
  readonly config?: SwimConfig;
  readonly expectedSize?: number;
  readonly trial?: SwimTrial;
  /** False: links come and go without a word, save between strangers. Default true. */
  readonly linksReport?: boolean;
  /** Packets can go over links too. Default false. */
  readonly overLinks?: boolean;
  /**
   * All know each other from the beginning. Links then stand wherever the network carries them and say nothing, and no
   * lines are written: thousands of members take a second of time to make.
   */
  readonly founded?: boolean;
  /** Packets and documents pass through the codecs and every signature is checked. Default true, but not when founded. */
  readonly encoded?: boolean;
  /** A member that is blocked goes no further than its next send. Default false: sending never waits. */
  readonly blockingSends?: boolean;
  /** A member that learns that its counter was lost starts again by itself. Default false. */
  readonly restartsWhenStale?: boolean;
  /** Called when a member’s view of another changes. */
  readonly onMember?: (observer: string, member: Member, atMs: number) => void;
}

type Untimed<I> = I extends unknown ? Omit<I, 'now'> : never;
type Happening = Untimed<SwimInput>;

interface Host {
  readonly id: NodeId;
  readonly index: number;
  state: SwimState;
  epoch: number;
  running: boolean;
  /** What is kept on disk. */
  saved: readonly SignedClaim[];
  /** Its clock: how fast it goes, and what it showed when. */
  rate: number;
  readonly offsetMs: number;
  /** Until then what it sends and receives waits; its timers run. */
  blockedUntilMs: number;
  /** Its probing loop waits for a send. */
  stuck: boolean;
  waiting: (() => void)[];
  /** Until then nothing runs at all. */
  frozenUntilMs: number;
  backlog: Happening[];
  /** What it was told, through all its boots, for `replay`. */
  readonly heard: SignedClaim[];
}

const redialMs = 300;
const savesMs = 5_000;
/** Old gossip that a member keeps, to repeat it. */
const heardMax = 500;
/** Counting all members anew after each step would make large clusters quadratic. */
const countedSizeMax = 64;

/**
 * A cluster in one thread under virtual time: real states of the rules, fake signatures; seeded loss, delay, cuts,
 * stalls and restarts. The same options and acts give the same trace. Whatever happens, the checkers look on.
 */
export class SwimCluster {
  readonly network: Network;
  readonly trace: TraceLine[] = [];
  readonly hash = new TraceHash();
  now = 0;
  /** Datagrams sent so far, and steps taken. */
  packets = 0;
  steps = 0;
  readonly #options: SwimClusterOptions;
  readonly #chance: Chance;
  readonly #hosts = new Map<string, Host>();
  readonly #agenda = new Agenda<() => void>();
  readonly #links = new Set<string>();
  readonly #checkers = new Checkers();
  readonly #founders: Founders | undefined;
  #suspended: ReadonlySet<NodeId> = new Set();

  constructor(options: SwimClusterOptions) {
    this.#options = options;
    this.#chance = seededChance(options.seed);
    this.network = new Network(this.#chance, options);
    const ids = Array.from({ length: options.size }, (_, index) => `node-${index + 1}` as NodeId);
    if (options.founded) {
      const claims = ids.map((id) => firstClaim(id));
      this.#founders = { ids, claims, indexOf: new Map(ids.map((id, index) => [id, index])) };
      for (const claim of claims) this.#checkers.claimSent(claim);
    }
    for (const id of ids) this.start(id);
  }

  /** Boots a node, for the first time or again; `epoch` defaults to one more than before. */
  start(
    id: string,
    epoch = (this.#hosts.get(id)?.epoch ?? 0) + 1,
    changes: { disk?: boolean; host?: string } = {},
  ): void {
    const before = this.#hosts.get(id);
    const state = createSwim(
      swimOptions(id, {
        epoch,
        seed: drawUint32(this.#chance),
        expectedSize: this.#options.expectedSize ?? this.#options.size,
        config: this.#options.config ?? swimProfiles.local,
        ...(this.#options.trial ? { trial: this.#options.trial } : {}),
        ...(this.#options.overLinks ? { overLinks: true } : {}),
        ...(changes.host ? { host: changes.host } : {}),
      }),
    );
    const host: Host = {
      id: id as NodeId,
      index: before?.index ?? this.#hosts.size,
      state:
        this.#founders && !before
          ? {
              ...state,
              roster: latentRoster(this.#founders, id as NodeId),
              self: { ...state.self, alive: this.#founders.claims[this.#hosts.size]! },
            }
          : state,
      epoch,
      running: true,
      saved: changes.disk === true ? (before?.saved ?? []) : [],
      rate: before?.rate ?? 1,
      offsetMs: before?.offsetMs ?? 0,
      blockedUntilMs: 0,
      stuck: false,
      waiting: [],
      frozenUntilMs: 0,
      backlog: [],
      heard: before?.heard ?? [],
    };
    this.#hosts.set(id, host);
    this.#note(id, `starts, epoch ${epoch}`);
    if (host.saved.length > 0) this.#feed(host, { type: 'restored', claims: host.saved });
    this.#feed(host, { type: 'start' });
    if (this.#suspended.size > 0) this.#tellSuspended(host);
    if (!this.#founders) this.#redial(10);
    else if (before) this.#greetAnybody(host);
    if (this.#options.size <= countedSizeMax) this.#save(host);
  }

  /** The process is gone at once; its sockets close. */
  kill(id: string): void {
    const host = this.#host(id);
    if (!host.running) return;
    host.running = false;
    this.#note(id, 'is killed');
    this.#dropLinks();
  }

  /** Asks a node to leave; it stops when it says that it is done. */
  leave(id: string): void {
    this.#note(id, 'is asked to leave');
    this.#feed(this.#host(id), { type: 'leave' });
  }

  /** From now on these members are suspended, and no others: each has no links, and all know it. */
  suspend(...ids: readonly string[]): void {
    this.#suspended = new Set(ids as readonly NodeId[]);
    this.#note('authority', `suspends ${ids.join(' ') || 'nobody'}`);
    this.#dropLinks();
    for (const host of this.#hosts.values()) this.#tellSuspended(host);
    if (!this.#founders) this.#redial(redialMs);
  }

  #tellSuspended(host: Host): void {
    this.#feed(host, { type: 'revoked', nodes: [...this.#suspended].filter((id) => id !== host.id) });
  }

  /** Cuts the cluster into groups that cannot reach each other. */
  split(...groups: readonly string[][]): void {
    this.network.split(groups);
    this.#note('network', `splits ${groups.map((group) => group.join(' ')).join(' | ')}`);
    this.#dropLinks();
    if (!this.#founders) this.#redial(redialMs);
  }

  /** Ends every split and one-way cut; links come back. */
  heal(): void {
    this.network.heal();
    this.#note('network', 'heals');
    if (!this.#founders) this.#redial(redialMs);
  }

  /** Datagrams from one node to another vanish; links stay. */
  sever(from: string, to: string): void {
    this.network.sever(from, to);
  }

  /** Changes what a node’s wire loses; links fall and come back accordingly. */
  impair(id: string, changes: Partial<ReturnType<Network['wire']>>): void {
    Object.assign(this.network.wire(id), changes);
    this.#note(id, `wire ${JSON.stringify(changes)}`);
    this.#dropLinks();
    if (!this.#founders) this.#redial(redialMs);
  }

  /**
   * A member’s process stops just before it sends and just after it receives, for a while: what Lifeguard calls an
   * anomaly. With `blockingSends`, as in the program that the paper measured, the loops that send stop there too: only the
   * deadlines of suspicions run on. Without, all timers do, and what they send is held.
   */
  block(id: string, durationMs: number): void {
    const host = this.#host(id);
    host.blockedUntilMs = Math.max(host.blockedUntilMs, this.now + durationMs);
    this.#agenda.add(host.blockedUntilMs, () => {
      if (host.blockedUntilMs > this.now) return;
      host.stuck = false;
      // Of a dead boot nothing is sent any more.
      for (const act of host.waiting.splice(0)) if (this.#hosts.get(id) === host) act();
    });
  }

  /** A member’s process stands still, timers and all, and then catches up. */
  freeze(id: string, durationMs: number): void {
    const host = this.#host(id);
    this.#note(id, `freezes for ${durationMs} ms`);
    host.frozenUntilMs = Math.max(host.frozenUntilMs, this.now + durationMs);
    this.#agenda.add(host.frozenUntilMs, () => {
      if (host.frozenUntilMs > this.now) return;
      for (const input of host.backlog.splice(0)) this.#feed(host, input);
    });
  }

  /** From now on a member’s clock goes so many times as fast as time. */
  skew(id: string, rate: number): void {
    const host = this.#host(id);
    Object.assign(host, { rate, offsetMs: this.#clock(host) - this.now * rate });
  }

  /** A member repeats old gossip to another in a fresh packet, as one that was told late or means ill might. */
  replay(from: string, to: string, count: number): void {
    const host = this.#host(from);
    if (host.heard.length === 0 || !host.running || from === to) return;
    const claims = Array.from({ length: count }, () => host.heard[drawBelow(this.#chance, host.heard.length)]!);
    this.#transmit(host, to, { kind: 'gossip', claims }, 'datagram');
  }

  /** Hands a node something that its shell would have authenticated: for attacks by insiders. */
  inject(id: string, input: Happening): void {
    this.#feed(this.#host(id), input);
  }

  /** Lets virtual time pass. */
  run(durationMs: number): void {
    const endMs = this.now + durationMs;
    for (let act = this.#agenda.next(endMs); act; act = this.#agenda.next(endMs)) {
      this.now = this.#agenda.nowMs;
      act();
    }
    this.now = endMs;
  }

  state(id: string): SwimState {
    return this.#host(id).state;
  }

  /** How `observer` sees `subject`. */
  view(observer: string, subject: string): Member | undefined {
    return memberOf(this.#host(observer).state, subject as NodeId);
  }

  status(observer: string, subject: string): MemberStatus | undefined {
    return this.view(observer, subject)?.status;
  }

  partition(id: string): string {
    return partition(this.#host(id).state);
  }

  isRunning(id: string): boolean {
    return this.#host(id).running;
  }

  /** Whether every running node sees exactly these as alive, itself included. */
  agreesOnAlive(...ids: readonly string[]): boolean {
    const wanted = [...ids].sort().join();
    return [...this.#hosts.values()]
      .filter((host) => host.running)
      .every(({ state }) => {
        const alive = members(state).filter(({ status }) => status === 'alive');
        return (
          alive
            .map(({ nodeId }) => nodeId)
            .sort()
            .join() === wanted
        );
      });
  }

  /** The trace as text, from a moment on. */
  traceText(sinceMs = 0): string {
    return this.trace
      .filter(({ atMs }) => atMs >= sinceMs)
      .map(({ atMs, node, text }) => `${(atMs / 1_000).toFixed(3).padStart(8)}  ${node}: ${text}\n`)
      .join('');
  }

  #host(id: string): Host {
    const host = this.#hosts.get(id);
    if (!host) throw new Error(`no such node: ${id}`);
    return host;
  }

  get #encodes(): boolean {
    return this.#options.encoded ?? !this.#founders;
  }

  #note(node: string, text: string): void {
    if (!this.#founders) this.trace.push({ atMs: this.now, node, text });
  }

  #clock(host: Host): number {
    return host.rate === 1 ? this.now + host.offsetMs : this.now * host.rate + host.offsetMs;
  }

  #feed(host: Host, happening: Happening): void {
    if (!host.running) return;
    if (host.frozenUntilMs > this.now) {
      host.backlog.push(happening);
      return;
    }
    if (this.#isHeld(host, happening)) {
      host.waiting.push(() => this.#feed(host, happening));
      return;
    }
    const { state } = host;
    this.steps++;
    this.hash.number(this.now);
    this.hash.number(host.index);
    const { effects } = step(state, { ...happening, now: this.#clock(host) } as SwimInput);
    if (state.roster.records.size <= countedSizeMax) this.#checkers.counts(state);
    for (const effect of effects) if (host.state === state && host.running) this.#perform(host, effect);
  }

  #isHeld(host: Host, happening: Happening): boolean {
    if (!this.#options.blockingSends || host.blockedUntilMs <= this.now) return false;
    if (happening.type !== 'timer' || happening.timer.type === 'suspicion') return false;
    // The loop that probes comes as far as its next ping, whose time runs from before it is sent.
    if (happening.timer.type !== 'probe' || host.stuck) return true;
    host.stuck = true;
    return false;
  }

  #perform(host: Host, effect: SwimEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(host, effect.to, effect.packet, effect.via);
        break;
      case 'schedule':
        this.#later(host, effect.delayMs / host.rate, { type: 'timer', timer: effect.timer });
        break;
      case 'push-pull':
        this.#unblocked(host, () => this.#exchange(host, effect.with, true));
        break;
      case 'member.changed':
        this.hash.text(effect.member.status);
        if (!effect.member.self)
          this.#checkers.memberChanged(host.state, effect.member, host.state.revoked.has(effect.member.nodeId));
        if (!this.#founders) this.#note(host.id, describe(effect.member));
        this.#options.onMember?.(host.id, effect.member, this.now);
        break;
      case 'partition.changed':
        this.#note(host.id, `partition ${effect.mode}`);
        break;
      case 'epoch-stale':
        this.#note(host.id, `epoch is stale, known ${effect.known}`);
        if (this.#options.restartsWhenStale) this.#startAgain(host, effect.known + 1);
        break;
      case 'left':
        this.#note(host.id, 'has left');
        host.running = false;
        this.#dropLinks();
        break;
      case 'need-directory':
        this.#note(host.id, `needs the directory entry of ${effect.node}`);
    }
  }

  #startAgain(host: Host, epoch: number): void {
    this.#agenda.add(this.now, () => {
      if (!host.running || this.#hosts.get(host.id) !== host) return;
      this.kill(host.id);
      this.start(host.id, epoch);
    });
  }

  /** Now, or when the host is no longer blocked. */
  #unblocked(host: Host, act: () => void): void {
    if (host.blockedUntilMs > this.now) host.waiting.push(act);
    else act();
  }

  /** An input for this boot of a host, in a while. */
  #later(host: Host, delayMs: number, happening: Happening): void {
    const { state } = host;
    this.#agenda.add(this.now + delayMs, () => {
      if (host.running && host.state === state) this.#feed(host, happening);
    });
  }

  #send(from: Host, to: string, packet: Packet, via: Via): void {
    for (const claim of packet.claims) this.#checkers.claimSent(claim);
    this.#unblocked(from, () => this.#transmit(from, to, packet, via));
  }

  #transmit(from: Host, to: string, packet: Packet, via: Via): void {
    const host = this.#hosts.get(to);
    if (via === 'link') {
      if (host && this.#isLinked(from, host)) this.#arrives(from, host, packet, via, this.network.delayMs());
      return;
    }
    this.packets++;
    this.hash.packet(packet);
    if (!host) return;
    for (const delayMs of this.network.arrivals(from.id, to)) this.#arrives(from, host, packet, via, delayMs);
  }

  #arrives(from: Host, host: Host, packet: Packet, via: Via, delayMs: number): void {
    const { state } = host;
    const bytes = this.#encodes ? encodePacket(packet, utf8, plaintextBytesMax) : undefined;
    const receive = () => {
      if (!host.running || host.state !== state) return;
      const read = bytes ? readPacket(state, bytes) : newsOf(state, packet);
      if (host.heard.length < heardMax) host.heard.push(...read.claims);
      this.#feed(host, { type: 'packet', from: from.id, packet: read, via });
    };
    this.#agenda.add(this.now + delayMs, () => this.#unblocked(host, receive));
  }

  /** One direction of a push/pull over a link; the first asks for the other. */
  #exchange(from: Host, to: string, first: boolean): void {
    const host = this.#hosts.get(to);
    if (!host || !from.running || !this.#isLinked(from, host)) return;
    const { state } = host;
    const document = pushPull(from.state);
    const bytes = this.#encodes ? encodePushPull(utf8, { directory: [], claims: document }) : undefined;
    const receive = () => {
      if (!host.running || host.state !== state) return;
      const claims = bytes ? readDocument(state, bytes) : document.filter((claim) => isNews(state, unverified(claim)));
      this.#feed(host, { type: 'claims', from: from.id, claims });
      if (first) this.#exchange(host, from.id, false);
    };
    this.#agenda.add(this.now + this.network.delayMs(), () => this.#unblocked(host, receive));
  }

  #save(host: Host): void {
    const { state } = host;
    this.#agenda.add(this.now + savesMs, () => {
      if (!host.running || host.state !== state) return;
      host.saved = snapshot(state);
      this.#save(host);
    });
  }

  /** Some way to a member that runs, as a seed would be. */
  #greetAnybody(host: Host): void {
    const others = [...this.#hosts.values()].filter((other) => other.running && other !== host);
    const other = others[drawBelow(this.#chance, others.length)];
    if (other) this.#agenda.add(this.now + 10, () => this.#exchange(host, other.id, true));
  }

  #isLinked(a: Host, b: Host): boolean {
    if (!this.#founders) return this.#links.has(linkName(a.id, b.id));
    return a.running && b.running && this.network.carriesLink(a.id, b.id);
  }

  #canLink(a: Host, b: Host): boolean {
    const isOut = this.#suspended.has(a.id) || this.#suspended.has(b.id);
    return a.running && b.running && !isOut && this.network.carriesLink(a.id, b.id);
  }

  #pairs(): (readonly [Host, Host])[] {
    const hosts = [...this.#hosts.values()];
    return hosts.flatMap((a, at) => hosts.slice(at + 1).map((b) => [a, b] as const));
  }

  #dropLinks(): void {
    if (this.#founders) return;
    for (const [a, b] of this.#pairs()) {
      const name = linkName(a.id, b.id);
      if (!this.#links.has(name) || this.#canLink(a, b)) continue;
      this.#links.delete(name);
      if (this.#options.linksReport === false) continue;
      this.#later(a, 1, { type: 'link.lost', peer: b.id });
      this.#later(b, 1, { type: 'link.lost', peer: a.id });
    }
  }

  #redial(afterMs: number): void {
    const always = this.#options.linksReport !== false;
    this.#agenda.add(this.now + afterMs, () => {
      for (const [a, b] of this.#pairs()) {
        const name = linkName(a.id, b.id);
        if (this.#links.has(name) || !this.#canLink(a, b)) continue;
        this.#links.add(name);
        if (!always && memberOf(a.state, b.id) && memberOf(b.state, a.id)) continue;
        this.#later(a, this.network.delayMs(), { type: 'link.ready', peer: b.id, bootEpoch: b.epoch });
        this.#later(b, this.network.delayMs(), { type: 'link.ready', peer: a.id, bootEpoch: a.epoch });
      }
    });
  }
}

const linkName = (a: string, b: string): string => (a < b ? `${a}|${b}` : `${b}|${a}`);

/** The alive claim with which every founder begins. */
function firstClaim(id: NodeId): SignedClaim<AliveClaim> {
  const { self, sign } = swimOptions(id);
  const { bootEpoch: epoch, boxKey, addresses } = self;
  return signAlive({ kind: 'alive', node: id, epoch, incarnation: 1, boxKey, addresses }, sign, utf8);
}

function newsOf(state: SwimState, packet: Packet): Packet {
  if (packet.claims.length === 0) return packet;
  return { ...packet, claims: packet.claims.filter((claim) => isNews(state, unverified(claim))) };
}

function readPacket(state: SwimState, bytes: Uint8Array): Packet {
  const decoded = decodePacket(bytes, utf8);
  if (!decoded.ok) throw new Error(`a member sent a malformed packet: ${decoded.refusal.reasons.join(' ')}`);
  const { packet, refusals } = verifyPacket(decoded.value, fakeAuthority, (claim) => isNews(state, claim));
  if (refusals.length > 0) throw new Error(`a member sent a false claim: ${refusals[0]?.reasons.join(' ')}`);
  return packet;
}

function readDocument(state: SwimState, bytes: Uint8Array): readonly SignedClaim[] {
  const decoded = decodePushPull(utf8, bytes);
  if (!decoded.ok) throw new Error('a member sent a malformed document');
  const { claims } = decoded.value.unverified;
  return verifyClaims(unverified(claims), fakeAuthority, (claim) => isNews(state, claim)).claims;
}
