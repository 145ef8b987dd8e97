import type { NodeId } from '../../src/names.ts';
import { decodePushPull, encodePushPull } from '../../src/protocols/link/push-pull-frame.ts';
import type { Utf8 } from '../../src/protocols/msgpack/writer.ts';
import { isNews } from '../../src/protocols/swim/belief.ts';
import { type Chance, drawBelow, drawUint32, seededChance } from '../../src/protocols/swim/chance.ts';
import type { SignedClaim } from '../../src/protocols/swim/claim.ts';
import { type SwimConfig, swimProfiles } from '../../src/protocols/swim/config.ts';
import type { Member, MemberStatus } from '../../src/protocols/swim/member.ts';
import { decodePacket, encodePacket } from '../../src/protocols/swim/packet.ts';
import { pushPull } from '../../src/protocols/swim/push-pull.ts';
import type { SwimEffect, SwimInput, SwimOptions, SwimState } from '../../src/protocols/swim/state.ts';
import { createSwim, memberOf, members, partition, step } from '../../src/protocols/swim/swim.ts';
import { type ClaimAuthority, verifyClaims, verifyPacket } from '../../src/protocols/swim/verification.ts';
import { unverified } from '../../src/unverified.ts';

/** UTF-8 as the rules want it. */
export const utf8: Utf8 = {
  encode: (text) => new TextEncoder().encode(text),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
};

/** What a datagram leaves after a seal of 61 + 16 bytes. */
export const plaintextBytesMax = 1_400 - 77;

/** A claim key that is nothing but the node’s name: the rules see only whether a signature fits. */
export const keyOf = (node: string): Uint8Array => utf8.encode(`claim key of ${node}`);

/** 64 bytes that depend on every byte of key and message (FNV-1a, chained). No security: for simulations only. */
export function fakeSign(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  let hash = 0x811c9dc5;
  const mix = (byte: number) => {
    hash = Math.imul(hash ^ byte, 0x01000193);
  };
  key.forEach(mix);
  bytes.forEach(mix);
  const signature = new Uint8Array(64);
  for (let at = 0; at < signature.length; at++) {
    mix(at);
    signature[at] = hash >>> 24;
  }
  return signature;
}

/** Knows every node’s key, as a complete directory would. */
export const fakeAuthority: ClaimAuthority = {
  claimKeyOf: keyOf,
  verify: (key, bytes, signature) => fakeSign(key, bytes).every((byte, at) => byte === signature[at]),
};

/** Options of one member with fake keys; the parts that a test cares about can be replaced. */
export function swimOptions(node: string, changes: Partial<SwimOptions> & { epoch?: number } = {}): SwimOptions {
  const { epoch, ...rest } = changes;
  return {
    self: {
      nodeId: node as NodeId,
      bootEpoch: epoch ?? 1,
      boxKey: new Uint8Array(32).fill((epoch ?? 1) & 0xff),
      addresses: [{ host: '127.0.0.1', port: 7_700 + (Number(node.replace(/\D/g, '')) || 0) }],
    },
    config: swimProfiles.local,
    seed: 1,
    expectedSize: 3,
    plaintextBytesMax,
    sign: (bytes) => fakeSign(keyOf(node), bytes),
    utf8,
    ...rest,
  };
}

export interface SwimClusterOptions {
  /** How many members: node-1, node-2 … */
  readonly size: number;
  readonly seed: number;
  readonly config?: SwimConfig;
  readonly expectedSize?: number;
  /** The part of datagrams that is lost, 0 to 1. */
  readonly loss?: number;
  /** One-way delay, uniform between the two. */
  readonly delayMs?: readonly [least: number, most: number];
  /** False: a kill or a partition closes no link, as when a machine freezes. Default true. */
  readonly linksReport?: boolean;
}

interface Host {
  readonly id: string;
  state: SwimState;
  epoch: number;
  running: boolean;
}

/** Something that a member told its shell, for people and for comparison. */
export interface TraceLine {
  readonly atMs: number;
  readonly node: string;
  readonly text: string;
}

const redialMs = 300;

/**
 * A cluster in one thread under virtual time: real states, real codecs, fake signatures; seeded loss, delay and
 * partitions. The same options and acts give the same trace.
 */
export class SwimCluster {
  now = 0;
  readonly trace: TraceLine[] = [];
  /** Datagrams sent so far. */
  packets = 0;
  readonly #options: SwimClusterOptions;
  readonly #chance: Chance;
  readonly #hosts = new Map<string, Host>();
  readonly #agenda = new Agenda();
  readonly #links = new Set<string>();
  readonly #severed = new Set<string>();
  #sideOf = new Map<string, number>();

  constructor(options: SwimClusterOptions) {
    this.#options = options;
    this.#chance = seededChance(options.seed);
    for (let number = 1; number <= options.size; number++) this.start(`node-${number}`);
  }

  /** Boots a node, for the first time or again; `epoch` defaults to one more than before. */
  start(id: string, epoch = (this.#hosts.get(id)?.epoch ?? 0) + 1): void {
    const state = createSwim(
      swimOptions(id, {
        epoch,
        seed: drawUint32(this.#chance),
        expectedSize: this.#options.expectedSize ?? this.#options.size,
        config: this.#options.config ?? swimProfiles.local,
      }),
    );
    const host: Host = { id, state, epoch, running: true };
    this.#hosts.set(id, host);
    this.#note(id, `starts, epoch ${epoch}`);
    this.#feed(host, { type: 'start', now: this.now });
    this.#redial(10);
  }

  /** The process is gone at once; its sockets close. */
  kill(id: string): void {
    this.#host(id).running = false;
    this.#note(id, 'is killed');
    this.#dropLinks();
  }

  /** Asks a node to leave; it stops when it says that it is done. */
  leave(id: string): void {
    this.#note(id, 'is asked to leave');
    this.#feed(this.#host(id), { type: 'leave', now: this.now });
  }

  /** Cuts the cluster into groups that cannot reach each other. */
  split(...groups: readonly string[][]): void {
    this.#sideOf = new Map(groups.flatMap((group, side) => group.map((id) => [id, side] as const)));
    this.#note('network', `splits ${groups.map((group) => group.join(' ')).join(' | ')}`);
    this.#dropLinks();
  }

  /** Ends every split and one-way cut; links come back. */
  heal(): void {
    this.#sideOf.clear();
    this.#severed.clear();
    this.#note('network', 'heals');
    this.#redial(redialMs);
  }

  /** Datagrams from one node to another vanish; links stay. */
  sever(from: string, to: string): void {
    this.#severed.add(`${from}>${to}`);
  }

  /** Hands a node something that its shell would have authenticated: for attacks by insiders. */
  inject(id: string, input: SwimInput): void {
    this.#feed(this.#host(id), input);
  }

  /** Lets virtual time pass. */
  run(durationMs: number): void {
    const endMs = this.now + durationMs;
    for (let entry = this.#agenda.next(endMs); entry; entry = this.#agenda.next(endMs)) {
      this.now = entry.atMs;
      entry.act();
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

  #note(node: string, text: string): void {
    this.trace.push({ atMs: this.now, node, text });
  }

  #feed(host: Host, input: SwimInput): void {
    if (!host.running) return;
    const { state } = host;
    const { effects } = step(state, input);
    checkCounts(state);
    for (const effect of effects) if (host.state === state) this.#perform(host, effect);
  }

  #perform(host: Host, effect: SwimEffect): void {
    switch (effect.type) {
      case 'send':
        this.#send(host, effect.to, encodePacket(effect.packet, utf8, plaintextBytesMax));
        break;
      case 'schedule':
        this.#later(host, effect.delayMs, (now) => ({ type: 'timer', timer: effect.timer, now }));
        break;
      case 'push-pull':
        this.#exchange(host, effect.with, true);
        break;
      case 'member.changed':
        this.#note(host.id, describe(effect.member));
        break;
      case 'partition.changed':
        this.#note(host.id, `partition ${effect.mode}`);
        break;
      case 'epoch-stale':
        this.#note(host.id, `epoch is stale, known ${effect.known}`);
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

  /** An input for this boot of a host, in a while. */
  #later(host: Host, delayMs: number, input: (now: number) => SwimInput): void {
    const { state } = host;
    this.#agenda.add(this.now + delayMs, () => {
      if (host.running && host.state === state) this.#feed(host, input(this.now));
    });
  }

  #delay(): number {
    const [least, most] = this.#options.delayMs ?? [1, 3];
    return least + drawBelow(this.#chance, most - least + 1);
  }

  #reaches(from: string, to: string): boolean {
    return this.#sideOf.get(from) === this.#sideOf.get(to) && (this.#hosts.get(to)?.running ?? false);
  }

  #send(from: Host, to: string, bytes: Uint8Array): void {
    this.packets++;
    const lost = drawUint32(this.#chance) / 0x1_0000_0000 < (this.#options.loss ?? 0);
    const delayMs = this.#delay();
    if (lost || this.#severed.has(`${from.id}>${to}`) || !this.#reaches(from.id, to)) return;
    const host = this.#host(to);
    this.#later(host, delayMs, (now) => {
      const decoded = decodePacket(bytes, utf8);
      if (!decoded.ok) throw new Error(`a member sent a malformed packet: ${decoded.refusal.reasons.join(' ')}`);
      const news = (claim: Parameters<typeof isNews>[1]) => isNews(host.state, claim);
      const { packet, refusals } = verifyPacket(decoded.value, fakeAuthority, news);
      if (refusals.length > 0) throw new Error(`a member sent a false claim: ${refusals[0]?.reasons.join(' ')}`);
      return { type: 'packet', from: from.id as NodeId, packet, now };
    });
  }

  /** One direction of a push/pull over a link; the first asks for the other. */
  #exchange(from: Host, to: string, first: boolean): void {
    const host = this.#hosts.get(to);
    if (!host || !this.#links.has(linkName(from.id, to))) return;
    const bytes = encodePushPull(utf8, { directory: [], claims: pushPull(from.state) });
    this.#later(host, this.#delay(), (now) => {
      const decoded = decodePushPull(utf8, bytes);
      if (!decoded.ok) throw new Error('a member sent a malformed document');
      if (first) this.#exchange(host, from.id, false);
      const news = (claim: Parameters<typeof isNews>[1]) => isNews(host.state, claim);
      const claims: readonly SignedClaim[] = verifyClaims(
        unverified(decoded.value.unverified.claims),
        fakeAuthority,
        news,
      ).claims;
      return { type: 'claims', from: from.id as NodeId, claims, now };
    });
  }

  #pairs(): (readonly [Host, Host])[] {
    const hosts = [...this.#hosts.values()];
    return hosts.flatMap((a, at) => hosts.slice(at + 1).map((b) => [a, b] as const));
  }

  #dropLinks(): void {
    for (const [a, b] of this.#pairs()) {
      const name = linkName(a.id, b.id);
      if (!this.#links.has(name) || (this.#reaches(a.id, b.id) && this.#reaches(b.id, a.id))) continue;
      this.#links.delete(name);
      if (this.#options.linksReport === false) continue;
      this.#later(a, 1, (now) => ({ type: 'link.lost', peer: b.id as NodeId, now }));
      this.#later(b, 1, (now) => ({ type: 'link.lost', peer: a.id as NodeId, now }));
    }
  }

  #redial(afterMs: number): void {
    this.#agenda.add(this.now + afterMs, () => {
      for (const [a, b] of this.#pairs()) {
        const name = linkName(a.id, b.id);
        if (this.#links.has(name) || !this.#reaches(a.id, b.id) || !this.#reaches(b.id, a.id)) continue;
        this.#links.add(name);
        this.#later(a, this.#delay(), (now) => ({ type: 'link.ready', peer: b.id as NodeId, bootEpoch: b.epoch, now }));
        this.#later(b, this.#delay(), (now) => ({ type: 'link.ready', peer: a.id as NodeId, bootEpoch: a.epoch, now }));
      }
    });
  }
}

const linkName = (a: string, b: string): string => [a, b].sort().join('|');

function describe(member: Member): string {
  if (member.self) {
    return member.status === 'left' ? 'announces its leave' : `refutes with incarnation ${member.incarnation}`;
  }
  if (member.status === 'suspect') return `${member.nodeId} suspected by ${member.accusers.join(', ')}`;
  if (member.status === 'dead') return `${member.nodeId} certified dead by ${member.accusers.join(', ')}`;
  if (member.status !== 'alive') return `${member.nodeId} ${member.status}`;
  return `${member.nodeId} alive (epoch ${member.bootEpoch}, incarnation ${member.incarnation})`;
}

/** The counters by status are kept by hand in the rules; here they are counted anew. */
function checkCounts({ roster }: SwimState): void {
  const counted = { alive: 0, suspect: 0, unreachable: 0, dead: 0, left: 0, revoked: 0 };
  for (const { status } of roster.records.values()) counted[status]++;
  for (const status of Object.keys(counted) as MemberStatus[]) {
    if (counted[status] !== roster.counts[status]) throw new Error(`the count of ${status} members is off`);
  }
}

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

/** Entries by time, then by the order in which they were added: a binary heap. */
class Agenda {
  readonly #heap: Entry[] = [];
  #added = 0;

  add(atMs: number, act: () => void): void {
    const heap = this.#heap;
    let at = heap.length;
    const entry: Entry = { atMs, order: this.#added++, act };
    heap.push(entry);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  /** Removes the first entry that is due by `endMs`. */
  next(endMs: number): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    if (!first || first.atMs > endMs) return undefined;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    return first;
  }

  #sink(entry: Entry): void {
    const heap = this.#heap;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = child + 1;
      if (right < heap.length && isBefore(heap[right]!, heap[child]!)) child = right;
      if (!isBefore(heap[child]!, entry)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = entry;
  }
}

const isBefore = (a: Entry, b: Entry): boolean => (a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs);
