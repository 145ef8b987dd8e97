import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { adjustAwareness, failedProbePenalty, stretched } from './awareness.ts';
import { nackPart } from './config.ts';
import { channelTo, sendPacket } from './gossip.ts';
import { isOut, type MemberRecord, standingAccusations } from './member.ts';
import { drawMembers, nextInRound } from './roster.ts';
import type { SwimTimer, Turn, Via } from './state.ts';
import { accuse } from './suspicion.ts';

/** One question whether a member answers, from the ping to the verdict. */
export interface Probe {
  readonly seq: number;
  readonly target: NodeId;
  /** The boot that was asked; a restart meanwhile voids the question. */
  readonly epoch: number;
  readonly startedTurn: number;
  /** `accuse`: silence makes a suspicion. `relay`: only for somebody else. `reach`: one of the dead, who may be back. */
  readonly purpose: 'accuse' | 'relay' | 'reach';
  /** Whoever asked for it, by ping-req. */
  readonly requester: Requester | undefined;
  /** The link broke just now: traffic still under way is no answer. */
  readonly urgent: boolean;
  /** The middlemen asked, and the last word of each. */
  readonly middlemen: Map<NodeId, 'ack' | 'nack' | undefined>;
}

interface Requester {
  readonly node: NodeId;
  readonly seq: number;
}

/** One probe interval begins: probes the next member of the round, and one of the dead whose time has come. */
export function probeTick(turn: Turn): void {
  const { state, now, effects } = turn;
  const { roster, chance, options } = state;
  const delayMs = stretched(state.awareness, options.config.probeIntervalMs);
  effects.push({ type: 'schedule', timer: { type: 'probe' }, delayMs });
  state.directoryAsks.clear();
  state.directoryAsked.clear();
  state.relays.clear();
  const next = nextInRound(roster, chance, (member) => member.status !== 'dead' && !isOut(member));
  if (next) startProbe(turn, next, 'accuse');
  if (roster.counts.dead > 0 && now >= state.nextReachMs) reachOneOfTheDead(turn);
}

/**
 * Whoever is dead is contacted again, less and less often and never not at all: so two halves of a cluster find each
 * other after any time, and nobody has to know that there was a partition.
 */
function reachOneOfTheDead(turn: Turn): void {
  const { state, now } = turn;
  const { roster, chance, options } = state;
  const [dead] = drawMembers(roster, chance, 1, ({ status, reachAtMs }) => status === 'dead' && reachAtMs <= now);
  if (dead) {
    dead.reachAtMs = now + dead.reachIntervalMs;
    dead.reachIntervalMs = Math.min(2 * dead.reachIntervalMs, options.config.deadProbeIntervalMaxMs);
    startProbe(turn, dead, 'reach');
    return;
  }
  state.nextReachMs = Number.POSITIVE_INFINITY;
  for (const { status, reachAtMs } of roster.records.values()) {
    if (status === 'dead') state.nextReachMs = Math.min(state.nextReachMs, reachAtMs);
  }
}

/** Pings a member and sets the timers that will judge the answer. Does nothing when too many probes are under way. */
export function startProbe(
  turn: Turn,
  target: MemberRecord,
  purpose: Probe['purpose'],
  { requester, urgent = false }: { requester?: Requester; urgent?: boolean } = {},
): void {
  const { state } = turn;
  if (state.probes.size >= limits.probesMax) return;
  const { probeTimeoutMs, probeIntervalMs, awarenessMax } = state.options.config;
  const seq = state.nextSeq++;
  state.probes.set(seq, {
    seq,
    target: target.nodeId,
    epoch: target.epoch,
    startedTurn: state.turn,
    purpose,
    requester,
    urgent,
    middlemen: new Map(),
  });
  sendPacket(turn, target, { kind: 'ping', seq, target: target.nodeId });
  if (requester && awarenessMax > 0) schedule(turn, { type: 'probe.nack', seq }, probeTimeoutMs * nackPart);
  if (purpose === 'accuse') schedule(turn, { type: 'probe.timeout', seq }, stretched(state.awareness, probeTimeoutMs));
  schedule(turn, { type: 'probe.end', seq }, stretched(state.awareness, probeIntervalMs));
}

const schedule = (turn: Turn, timer: SwimTimer, delayMs: number): void => {
  turn.effects.push({ type: 'schedule', timer, delayMs });
};

/** A member asks us to probe another. With a suspicion standing, it also asks for our own signature if we fail. */
export function probeForAnother(turn: Turn, from: MemberRecord, seq: number, target: NodeId): void {
  const { state } = turn;
  const record = state.roster.records.get(target);
  if (!record || isOut(record)) {
    const kind = target === state.self.nodeId ? 'ack' : 'nack';
    sendPacket(turn, from, { kind, seq }, { via: channelTo(from) });
    return;
  }
  const relays = state.relays.get(from.nodeId) ?? 0;
  if (relays >= limits.relaysPerRequesterMax) return;
  state.relays.set(from.nodeId, relays + 1);
  const accusers = standingAccusations(record).map(({ suspicion }) => suspicion.claim.accuser);
  const isWitness = accusers.length > 0 && !accusers.includes(state.self.nodeId) && record.status !== 'dead';
  startProbe(turn, record, isWitness ? 'accuse' : 'relay', { requester: { node: from.nodeId, seq } });
}

/**
 * An ack counts from the member that was pinged, or from a middleman that was asked; from nobody else. A middleman’s is
 * hearsay, and is weighed when all had the time to speak.
 */
export function hearAck(turn: Turn, from: MemberRecord, seq: number, via: Via): void {
  const probe = turn.state.probes.get(seq);
  if (probe?.target === from.nodeId) {
    from.overLink = via === 'link';
    succeed(turn, probe);
  } else if (probe?.middlemen.has(from.nodeId)) probe.middlemen.set(from.nodeId, 'ack');
}

/** A middleman is well, though the target has not answered it either. */
export function hearNack(turn: Turn, from: NodeId, seq: number): void {
  const probe = turn.state.probes.get(seq);
  if (probe?.middlemen.has(from)) probe.middlemen.set(from, 'nack');
}

/**
 * The direct answer is late: tries over the link, which takes another way through the machine if not through the network,
 * and asks others to try. A witness, who was asked itself, only tries once more: if it asked on, one death would send
 * questions around without end.
 */
export function probeTimesOut(turn: Turn, seq: number): void {
  const { probes, roster, chance, options } = turn.state;
  const probe = probes.get(seq);
  if (!probe || (!probe.urgent && wasHeard(turn, probe))) return;
  const record = roster.records.get(probe.target)!;
  if (probe.urgent && record.linkLost && !wasHeard(turn, probe)) {
    // Two ways to it are silent. Whoever is accused is probed by others as well, and has its time to refute.
    probes.delete(seq);
    if (record.epoch === probe.epoch) accuse(turn, record);
    return;
  }
  const ping = { kind: 'ping', seq, target: probe.target } as const;
  if (!record.linkLost && options.overLinks) sendPacket(turn, record, ping, { via: 'link' });
  if (probe.requester) {
    sendPacket(turn, record, ping);
    return;
  }
  const eligible = ({ status, nodeId }: MemberRecord) => status === 'alive' && nodeId !== probe.target;
  for (const middleman of drawMembers(roster, chance, options.config.indirectChecks, eligible)) {
    probe.middlemen.set(middleman.nodeId, undefined);
    sendPacket(turn, middleman, { kind: 'ping-req', seq, target: probe.target }, { via: channelTo(middleman) });
  }
}

/** Tells whoever asked for a probe that there is no answer yet. */
export function reportNack(turn: Turn, seq: number): void {
  const { probes, roster } = turn.state;
  const probe = probes.get(seq);
  const requester = probe?.requester && roster.records.get(probe.requester.node);
  if (!probe?.requester || !requester) return;
  const kind = wasHeard(turn, probe) ? 'ack' : 'nack';
  sendPacket(turn, requester, { kind, seq: probe.requester.seq }, { via: channelTo(requester) });
}

/** The probe’s time is over without an ack of the target itself. */
export function probeEnds(turn: Turn, seq: number): void {
  const { probes, roster, awareness } = turn.state;
  const probe = probes.get(seq);
  if (!probe) return;
  const record = roster.records.get(probe.target)!;
  if (probe.purpose === 'accuse' && (wasHeard(turn, probe) || isVouchedFor(record, probe))) {
    succeed(turn, probe);
    if (probe.urgent) startProbe(turn, record, 'accuse');
    return;
  }
  probes.delete(seq);
  if (probe.purpose !== 'accuse' || record.epoch !== probe.epoch) return;
  const received = [...probe.middlemen.values()].filter(Boolean).length;
  if (!probe.requester) adjustAwareness(awareness, failedProbePenalty(probe.middlemen.size, received));
  accuse(turn, record);
}

/**
 * Whether middlemen say that it answers. One of them may lie, and must neither hide a death nor be believed against the
 * others: who is outvoted is believed once, because packets get lost, and not again before the target is heard itself.
 */
function isVouchedFor(record: MemberRecord, { middlemen }: Probe): boolean {
  const said = (word: 'ack' | 'nack') => [...middlemen.keys()].filter((node) => middlemen.get(node) === word);
  const acks = said('ack');
  if (acks.length === 0 || acks.length >= said('nack').length) return acks.length > 0;
  const before = record.outvoted ?? new Set();
  record.outvoted = new Set([...before, ...acks]);
  return record.outvoted.size > before.size;
}

function succeed(turn: Turn, probe: Probe): void {
  const { probes, roster, awareness } = turn.state;
  probes.delete(probe.seq);
  if (probe.purpose === 'accuse') {
    turn.effects.push({ type: 'cancel', timer: { type: 'probe.timeout', seq: probe.seq } });
    if (!probe.requester) adjustAwareness(awareness, -1);
  }
  const requester = probe.requester && roster.records.get(probe.requester.node);
  if (!probe.requester || !requester) return;
  sendPacket(turn, requester, { kind: 'ack', seq: probe.requester.seq }, { via: channelTo(requester) });
}

/** Any authenticated traffic since the ping shows life as well as an ack does. */
const wasHeard = ({ state }: Turn, probe: Probe): boolean =>
  (state.roster.records.get(probe.target)?.contactTurn ?? 0) > probe.startedTurn;
