import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { compareCounters, outranks, type SignedClaim } from './claim.ts';

/**
 * Claims that wait to ride on packets. Each is sent `retransmitLimit` times: first those sent least often, of these the
 * largest that still fits, of these the newest. One tier per number of transmissions, each sorted, so that a packet is
 * filled in a few binary searches even when thousands wait.
 */
export interface BroadcastQueue {
  readonly tiers: Broadcast[][];
  readonly bySubject: Map<NodeId, Broadcast[]>;
  count: number;
  newest: number;
}

interface Broadcast {
  readonly claim: SignedClaim;
  readonly order: number;
  transmits: number;
}

export const createBroadcasts = (): BroadcastQueue => ({ tiers: [], bySubject: new Map(), count: 0, newest: 0 });

/** How often each member sends a claim: `mult · ⌈log10(N+1)⌉`, which reaches all with high probability. */
export const retransmitLimit = (mult: number, clusterSize: number): number =>
  mult * Math.ceil(Math.log10(clusterSize + 1));

/** Queues a claim. What it overrules about the same member leaves the queue. */
export function enqueue(queue: BroadcastQueue, claim: SignedClaim): void {
  if (queue.count >= limits.broadcastsMax) dropMostSent(queue);
  const subject = claim.claim.node;
  const kept: Broadcast[] = [];
  for (const waiting of queue.bySubject.get(subject) ?? []) {
    if (replaces(claim, waiting.claim)) removeFromTier(queue, waiting);
    else kept.push(waiting);
  }
  const broadcast: Broadcast = { claim, order: ++queue.newest, transmits: 0 };
  kept.push(broadcast);
  queue.bySubject.set(subject, kept);
  insertIntoTier(queue, broadcast);
}

/** Takes all claims about a member out of the queue that `unwanted` picks. */
export function withdraw(queue: BroadcastQueue, subject: NodeId, unwanted: (claim: SignedClaim) => boolean): void {
  for (const waiting of queue.bySubject.get(subject) ?? []) {
    if (unwanted(waiting.claim)) discard(queue, waiting);
  }
}

/**
 * Chooses the claims for one packet and counts them as sent.
 *
 * @param room bytes left in the packet
 * @param countMax claims left in the packet
 * @param transmitsMax after so many transmissions a claim leaves the queue
 * @returns alive claims first, because a suspicion counts only where its subject is known
 */
export function takeBroadcasts(
  queue: BroadcastQueue,
  room: number,
  countMax: number,
  transmitsMax: number,
): SignedClaim[] {
  const taken: Broadcast[] = [];
  let left = room;
  for (const tier of queue.tiers) {
    let at = firstFitting(tier, left);
    while (at < tier.length && taken.length < countMax) {
      const [broadcast] = tier.splice(at, 1) as [Broadcast];
      taken.push(broadcast);
      queue.count--;
      left -= size(broadcast);
      at = Math.max(at, firstFitting(tier, left));
    }
  }
  for (const broadcast of taken) {
    broadcast.transmits++;
    if (broadcast.transmits < transmitsMax) insertIntoTier(queue, broadcast);
    else forget(queue, broadcast);
  }
  const claims = taken.map(({ claim }) => claim);
  return [...claims.filter(isAlive), ...claims.filter((claim) => !isAlive(claim))];
}

const isAlive = (claim: SignedClaim): boolean => claim.claim.kind === 'alive';
const size = (broadcast: Broadcast): number => broadcast.claim.wire.length;

/** An alive claim stays beside the suspicion of its own incarnation: without it strangers could not place the suspicion. */
function replaces(newer: SignedClaim, older: SignedClaim): boolean {
  if (
    newer.claim.kind === 'suspect' &&
    older.claim.kind === 'suspect' &&
    compareCounters(newer.claim, older.claim) === 0
  )
    return newer.claim.accuser === older.claim.accuser;
  if (!outranks(newer.claim, older.claim)) return newer.claim.kind === older.claim.kind;
  const besides = isAlive(older) && newer.claim.kind !== 'leave' && compareCounters(newer.claim, older.claim) === 0;
  return !besides;
}

/** Sorted by size, the largest first, then by age, the newest first. */
const sortsBefore = (a: Broadcast, b: Broadcast): boolean =>
  size(a) === size(b) ? a.order > b.order : size(a) > size(b);

function firstWhere(tier: readonly Broadcast[], holds: (broadcast: Broadcast) => boolean): number {
  let low = 0;
  let high = tier.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(tier[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

const firstFitting = (tier: readonly Broadcast[], room: number): number =>
  firstWhere(tier, (broadcast) => size(broadcast) <= room);

function insertIntoTier(queue: BroadcastQueue, broadcast: Broadcast): void {
  while (queue.tiers.length <= broadcast.transmits) queue.tiers.push([]);
  const tier = queue.tiers[broadcast.transmits]!;
  const at = firstWhere(tier, (other) => sortsBefore(broadcast, other));
  tier.splice(at, 0, broadcast);
  queue.count++;
}

function removeFromTier(queue: BroadcastQueue, broadcast: Broadcast): void {
  const tier = queue.tiers[broadcast.transmits]!;
  const at = firstWhere(tier, (other) => !sortsBefore(other, broadcast));
  if (tier[at] !== broadcast) throw new Error('broadcast queue out of order');
  tier.splice(at, 1);
  queue.count--;
}

function discard(queue: BroadcastQueue, broadcast: Broadcast): void {
  removeFromTier(queue, broadcast);
  forget(queue, broadcast);
}

function forget(queue: BroadcastQueue, broadcast: Broadcast): void {
  const subject = broadcast.claim.claim.node;
  const rest = (queue.bySubject.get(subject) ?? []).filter((other) => other !== broadcast);
  if (rest.length === 0) queue.bySubject.delete(subject);
  else queue.bySubject.set(subject, rest);
}

function dropMostSent(queue: BroadcastQueue): void {
  const last = queue.tiers.findLast((tier) => tier.length > 0)?.at(-1);
  if (last) discard(queue, last);
}
