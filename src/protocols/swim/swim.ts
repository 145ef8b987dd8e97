import { CaxtonError, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { createAwareness } from './awareness.ts';
import { believe } from './belief.ts';
import { createBroadcasts } from './broadcast.ts';
import { drawBelow, seededChance } from './chance.ts';
import { type AliveClaim, counterMax, type SignedClaim } from './claim.ts';
import { checkSwimConfig } from './config.ts';
import { recordContact } from './contact.ts';
import { gossip, scheduleGossip, sendPacket } from './gossip.ts';
import { isOut, type Member, viewOf } from './member.ts';
import type { Packet } from './packet.ts';
import { type PartitionMode, partitionMode } from './partition.ts';
import { probationEnds } from './probation.ts';
import {
  hearAck,
  hearNack,
  probeEnds,
  probeForAnother,
  probeTick,
  probeTimesOut,
  reportNack,
  startProbe,
} from './probe.ts';
import { pushPullDelayMs, pushPullTick, schedulePushPull } from './push-pull.ts';
import { revokeMembers } from './revocation.ts';
import { createRoster, rosterSize } from './roster.ts';
import { announceLeave, createSelf, viewOfSelf } from './self.ts';
import { restore } from './snapshot.ts';
import type { SwimInput, SwimOptions, SwimState, SwimStep, SwimTimer, Turn, Via } from './state.ts';
import { hurry, resumeSuspicion, suspicionExpires } from './suspicion.ts';

export { isNews } from './belief.ts';
export { pushPull } from './push-pull.ts';
export { snapshot } from './snapshot.ts';
export type { SwimEffect, SwimInput, SwimOptions, SwimState, SwimStep, SwimTimer, Via } from './state.ts';

/**
 * The member’s side of SWIM (Das, Gupta, Motivala, DSN 2002) with Lifeguard and signed claims, without sockets, timers
 * or chance of its own: inputs in, effects out.
 *
 * @throws CaxtonError CONFIG_INVALID when the tunables, the boot epoch or the addresses are out of range
 */
export function createSwim(options: SwimOptions): SwimState {
  unwrap(checkSwimConfig(options.config));
  const { bootEpoch, addresses } = options.self;
  if (!Number.isSafeInteger(bootEpoch) || bootEpoch < 0 || bootEpoch > counterMax) {
    throw new CaxtonError('CONFIG_INVALID', `The boot epoch must be a whole number up to ${counterMax}.`);
  }
  if (addresses.length < 1 || addresses.length > limits.addressesMax) {
    throw new CaxtonError('CONFIG_INVALID', `A member has one to ${limits.addressesMax} addresses.`);
  }
  return {
    options,
    self: createSelf(options),
    roster: createRoster(),
    broadcasts: createBroadcasts(),
    probes: new Map(),
    awareness: createAwareness(options.config.awarenessMax),
    chance: seededChance(options.seed),
    directoryAsks: new Set(),
    directoryAsked: new Set(),
    relays: new Map(),
    revoked: new Set(),
    turn: 0,
    nextSeq: 1,
    nextSuspicionRound: 1,
    gossipScheduled: false,
    nextReachMs: Number.POSITIVE_INFINITY,
    partition: partitionMode(1, options.expectedSize),
    mode: 'active',
  };
}

/** Takes one input and returns what the shell is to do; the state is changed in place. Refuses by ignoring. */
export function step(state: SwimState, input: SwimInput): SwimStep {
  state.turn++;
  const turn: Turn = { state, now: input.now, effects: [], restores: input.type === 'restored' };
  dispatch(turn, input);
  judgePartition(turn);
  scheduleGossip(turn);
  if (state.mode === 'leaving' && (state.broadcasts.count === 0 || nobodyHears(state))) {
    state.mode = 'left';
    turn.effects.push({ type: 'left' });
  }
  return { state, effects: turn.effects };
}

function dispatch(turn: Turn, input: SwimInput): void {
  if (isOfRevoked(turn.state, input)) return;
  switch (input.type) {
    case 'start':
      start(turn);
      break;
    case 'packet':
      hearPacket(turn, input.from, input.packet, input.via ?? 'datagram');
      break;
    case 'timer':
      timerDue(turn, input.timer);
      break;
    case 'claims':
      hearClaims(turn, input.from, input.claims);
      break;
    case 'restored':
      restore(turn, input.claims);
      break;
    case 'directory.missing':
      askForDirectory(turn, input.from, input.node);
      break;
    case 'link.lost':
      linkLost(turn, input.peer);
      break;
    case 'link.ready':
      linkReady(turn, input.peer, input.bootEpoch);
      break;
    case 'revoked':
      revokeMembers(turn, input.nodes);
      break;
    case 'leave':
      leave(turn);
      break;
  }
}

/** What comes from a revoked node is not even looked at. */
function isOfRevoked({ revoked }: SwimState, input: SwimInput): boolean {
  if ('from' in input) return revoked.has(input.from);
  return 'peer' in input && revoked.has(input.peer);
}

/**
 * Members that start together must not probe together, so the first tick comes at a random part of the interval. Started
 * again, the timers of before are gone and what they stood for must not wait for them: nobody would judge the probes
 * under way, let the gossip out or end a suspicion.
 */
function start(turn: Turn): void {
  const { self, chance, options, probes, roster } = turn.state;
  const { probeIntervalMs, pushPullIntervalMs } = options.config;
  self.sinceMs ??= turn.now;
  probes.clear();
  turn.state.gossipScheduled = false;
  if (roster.counts.suspect > 0) for (const record of roster.records.values()) resumeSuspicion(turn, record);
  turn.effects.push({ type: 'schedule', timer: { type: 'probe' }, delayMs: drawBelow(chance, probeIntervalMs) });
  schedulePushPull(turn, drawBelow(chance, pushPullDelayMs(pushPullIntervalMs, rosterSize(roster))));
}

function hearPacket(turn: Turn, from: NodeId, packet: Packet, via: Via): void {
  hearClaims(turn, from, packet.claims);
  const sender = turn.state.roster.records.get(from);
  if (!sender) {
    // Sealed for us by a node that we cannot place: its alive claim comes with a push/pull.
    turn.effects.push({ type: 'push-pull', with: from });
    return;
  }
  const { self, mode } = turn.state;
  if (mode === 'left') return;
  if (packet.kind === 'ping' && packet.target === self.nodeId) {
    sendPacket(turn, sender, { kind: 'ack', seq: packet.seq }, { via });
  } else if (packet.kind === 'ping-req') probeForAnother(turn, sender, packet.seq, packet.target);
  else if (packet.kind === 'ack') hearAck(turn, sender, packet.seq, via);
  else if (packet.kind === 'nack') hearNack(turn, from, packet.seq);
}

/**
 * What the sender says of itself comes first, so that a new boot is not taken for a sign of life of the old one; then
 * the contact counts; then who else lives, because verdicts count only where accused and accusers are members.
 */
function hearClaims(turn: Turn, from: NodeId, claims: readonly SignedClaim[]): void {
  const isOwnWord = ({ claim }: SignedClaim) =>
    claim.node === from && (claim.kind === 'alive' || claim.kind === 'leave');
  for (const claim of claims) if (isOwnWord(claim)) believe(turn, claim);
  const sender = turn.state.roster.records.get(from);
  if (sender) recordContact(turn, sender);
  const hearsay = claims.filter((claim) => !isOwnWord(claim));
  for (const signed of hearsay) if (signed.claim.kind === 'alive') believe(turn, signed);
  for (const signed of hearsay) if (signed.claim.kind !== 'alive') believe(turn, signed);
}

function timerDue(turn: Turn, timer: SwimTimer): void {
  const { state } = turn;
  if (timer.type === 'gossip') {
    state.gossipScheduled = false;
    gossip(turn, state.options.config.gossipNodes);
  } else if (state.mode === 'active') memberTimerDue(turn, timer);
}

function memberTimerDue(turn: Turn, timer: Exclude<SwimTimer, { type: 'gossip' }>): void {
  const { roster } = turn.state;
  switch (timer.type) {
    case 'probe':
      probeTick(turn);
      break;
    case 'probe.timeout':
      probeTimesOut(turn, timer.seq);
      break;
    case 'probe.nack':
      reportNack(turn, timer.seq);
      break;
    case 'probe.end':
      probeEnds(turn, timer.seq);
      break;
    case 'push-pull':
      pushPullTick(turn);
      break;
    case 'probation': {
      const record = roster.records.get(timer.node);
      if (record && probationEnds(turn, record)) startProbe(turn, record, 'accuse');
      break;
    }
    case 'suspicion': {
      const record = roster.records.get(timer.node);
      if (record && suspicionExpires(turn, record, timer.round)) startProbe(turn, record, 'accuse');
    }
  }
}

/**
 * Once per node and peer in a probe interval: a flood of claims that cannot be verified must not become a flood of
 * questions, each of them a document.
 */
function askForDirectory(turn: Turn, from: NodeId, node: NodeId): void {
  const { directoryAsks, directoryAsked } = turn.state;
  // First: whoever was asked has no say in what others are asked for.
  if (directoryAsked.has(from)) return;
  if (directoryAsks.has(node) || directoryAsks.size >= limits.directoryAsksMax) return;
  directoryAsks.add(node);
  directoryAsked.add(from);
  turn.effects.push({ type: 'need-directory', node });
  turn.effects.push({ type: 'push-pull', with: from });
}

function linkLost(turn: Turn, peer: NodeId): void {
  const record = turn.state.roster.records.get(peer);
  if (!record) return;
  record.linkLost = true;
  if (turn.state.mode !== 'active' || isOut(record) || record.status === 'dead') return;
  hurry(turn, record);
  startProbe(turn, record, 'accuse', { urgent: true });
}

function linkReady(turn: Turn, peer: NodeId, bootEpoch: number | undefined): void {
  const record = turn.state.roster.records.get(peer);
  const isNewBoot = record !== undefined && bootEpoch !== undefined && bootEpoch > record.epoch;
  // A stranger, or one that was away: each side may have missed what the other knows.
  if (record?.status !== 'alive' || isNewBoot) turn.effects.push({ type: 'push-pull', with: peer });
  if (!record) return;
  record.linkLost = false;
  if (!isNewBoot) recordContact(turn, record);
}

const leaveBurst = 8;

function leave(turn: Turn): void {
  const { state } = turn;
  if (state.mode !== 'active') return;
  state.mode = 'leaving';
  state.probes.clear();
  announceLeave(turn);
  gossip(turn, leaveBurst);
}

const nobodyHears = ({ roster }: SwimState): boolean => roster.counts.alive + roster.counts.suspect === 0;

function judgePartition(turn: Turn): void {
  const { state } = turn;
  const { counts } = state.roster;
  const mode = partitionMode(1 + counts.alive + counts.suspect, state.options.expectedSize);
  if (mode === state.partition) return;
  state.partition = mode;
  turn.effects.push({ type: 'partition.changed', mode });
}

/** Every member that this node remembers, itself first. */
export const members = (state: SwimState): readonly Member[] => [
  viewOfSelf(state),
  ...[...state.roster.records.values()].map(viewOf),
];

/** One member by its id, itself included; nothing for a stranger. */
export function memberOf(state: SwimState, node: NodeId): Member | undefined {
  if (node === state.self.nodeId) return viewOfSelf(state);
  const record = state.roster.records.get(node);
  return record && viewOf(record);
}

/** On which side of a possible partition this node is. */
export const partition = (state: SwimState): PartitionMode => state.partition;

/** This node’s present alive claim: for `hello` and the first push. */
export const ownAlive = (state: SwimState): SignedClaim<AliveClaim> => state.self.alive;
