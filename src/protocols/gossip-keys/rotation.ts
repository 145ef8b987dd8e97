import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { isHeld, isLater, isLeap, isNext, isPaced } from './admission.ts';
import { compareKeys, isSameKey, type KeyId, keyEpochMax } from './key-id.ts';
import { contestEndMs, hasConfirmed, rankOf, switchCostMs } from './stage.ts';
import type {
  PeerKeys,
  RotationEffect,
  RotationInput,
  RotationReason,
  RotationState,
  RotationStep,
  RotationTimes,
  RotationView,
} from './state.ts';

/**
 * How the members change the key that their gossip is sealed with, without an operator and without a leader.
 *
 * What a node seals with only grows in one order that all share, and whoever is behind takes the later key from whoever
 * has it, over mutual TLS. So two proposals at once, a proposer that is lost, and a member that was away end alike: all
 * hold the greatest. A key begins to seal where all live members, or after a while a quorum of the expected size, are
 * known to hold it. A key carries how many revocations its proposer knew; nobody takes or gives one that knows of more
 * than itself, so it never reaches whoever was revoked by then.
 */
export interface RotationOptions {
  readonly self: NodeId;
  readonly times: RotationTimes;
  readonly view: RotationView;
  readonly sealing: KeyId;
  /** By the clock of the inputs; may be before it began. */
  readonly switchedMs: number;
  readonly candidate?: KeyId | undefined;
  /** Other keys that are held still. */
  readonly retiring: readonly KeyId[];
  readonly now: number;
}

/** A node at its start, with what it has kept. */
export const createRotation = (options: RotationOptions): RotationState => {
  const { self, times, view, sealing, switchedMs, candidate, retiring, now } = options;
  return {
    self,
    times,
    view,
    sealing,
    switchedMs,
    candidate: candidate && { id: candidate, sinceMs: now, replaced: 0, firstMs: now },
    retiring: retiring.map((id) => ({ id, sinceMs: now })),
    peers: new Map(),
    due: undefined,
    plan: undefined,
    asked: undefined,
    epochsWholeMs: now,
    switchesWholeMs: now,
  };
};

interface Turn {
  state: RotationState;
  readonly now: number;
  readonly effects: RotationEffect[];
}

/** Takes one input. The state that was given stays as it was. Refuses by ignoring. */
export function step(state: RotationState, input: RotationInput): RotationStep {
  const turn: Turn = { state, now: input.now, effects: [] };
  hear(turn, input);
  catchUp(turn);
  dropStale(turn);
  decide(turn);
  retire(turn);
  propose(turn);
  ask(turn);
  return { state: turn.state, effects: turn.effects };
}

const set = (turn: Turn, change: Partial<RotationState>): void => {
  turn.state = { ...turn.state, ...change };
};

function hear(turn: Turn, input: RotationInput): void {
  if ('peer' in input && turn.state.view.revoked.includes(input.peer)) return;
  switch (input.type) {
    case 'view':
      set(turn, { view: input.view, peers: without(turn.state.peers, input.view.revoked) });
      return;
    case 'peer':
      hearPeer(turn, input.peer, input.keys);
      return;
    case 'lost':
      set(turn, {
        peers: without(turn.state.peers, [input.peer]),
        ...(turn.state.asked?.peer === input.peer ? { asked: { ...turn.state.asked, open: false } } : {}),
      });
      return;
    case 'request':
      give(turn, input.peer, input.id);
      return;
    case 'received':
      take(turn, input.peer, input.id);
      return;
    case 'heard':
      if (isHeld(turn.state, input.id) && compareKeys(input.id, turn.state.sealing) > 0)
        switchTo(turn, input.id, 'A datagram came that was sealed with it.');
      return;
    case 'made':
      made(turn, input.id);
      return;
    case 'rotate':
      set(turn, { due: { reason: 'operator', sinceMs: input.now } });
      return;
    case 'tick':
      return;
  }
}

const without = (peers: RotationState['peers'], nodes: readonly NodeId[]): RotationState['peers'] =>
  nodes.some((node) => peers.has(node)) ? new Map([...peers].filter(([node]) => !nodes.includes(node))) : peers;

function hearPeer(turn: Turn, peer: NodeId, keys: PeerKeys): void {
  set(turn, { peers: new Map(turn.state.peers).set(peer, keys) });
  const { sealing, candidate } = keys;
  const newest = Math.max(sealing.revocations, candidate?.revocations ?? 0);
  if (newest > turn.state.view.revocations) turn.effects.push({ type: 'behind', peer });
  if (isLeap(turn.state, sealing, turn.now)) turn.effects.push({ type: 'leap', peer, id: sealing });
}

/** Only what is in use or about to be; an old key is of no use to anybody who has a link. */
function give(turn: Turn, peer: NodeId, id: KeyId): void {
  const { sealing, candidate, view } = turn.state;
  const isWanted = isSameKey(id, sealing) || (candidate && isSameKey(id, candidate.id));
  if (isWanted && id.revocations <= view.revocations) turn.effects.push({ type: 'give', peer, id });
}

function take(turn: Turn, peer: NodeId, id: KeyId): void {
  const { asked, peers } = turn.state;
  if (!asked?.open || asked.peer !== peer || !isSameKey(asked.id, id)) return;
  set(turn, { asked: { ...asked, open: false } });
  const theirs = peers.get(peer);
  if (theirs && isSameKey(theirs.sealing, id) && isLater(turn.state, id, turn.now)) follow(turn, id, peer);
  else if (isNext(turn.state, id, turn.now)) hold(turn, id, 'held', `${peer} gave it.`);
}

function follow(turn: Turn, id: KeyId, peer: NodeId): void {
  const { epochsWholeMs, sealing } = turn.state;
  const cost = (id.epoch - sealing.epoch) * limits.gossipKeyEpochMs;
  set(turn, { epochsWholeMs: Math.max(turn.now, epochsWholeMs) + cost });
  switchTo(turn, id, `${peer} seals with it.`);
}

function hold(turn: Turn, id: KeyId, change: 'held' | 'proposed', reason: string): void {
  const { candidate } = turn.state;
  // It may have been confirmed elsewhere all the same.
  if (candidate) putAside(turn, candidate.id);
  const isRival = candidate !== undefined && candidate.id.revocations === id.revocations;
  const { replaced, firstMs } = isRival
    ? { replaced: candidate.replaced + 1, firstMs: candidate.firstMs }
    : { replaced: 0, firstMs: turn.now };
  set(turn, { candidate: { id, sinceMs: turn.now, replaced, firstMs } });
  turn.effects.push({ type: 'changed', change, id, reasons: [reason] });
}

/** Kept to open what others seal with it. Past the limit the oldest goes. */
function putAside(turn: Turn, id: KeyId): void {
  const retiring = [...turn.state.retiring.filter((other) => !isSameKey(other.id, id)), { id, sinceMs: turn.now }];
  set(turn, { retiring: retiring.slice(2 - limits.gossipKeysMax) });
}

function switchTo(turn: Turn, id: KeyId, reason: string): void {
  const { candidate, sealing, switchesWholeMs, times } = turn.state;
  putAside(turn, sealing);
  if (candidate && !isSameKey(candidate.id, id) && candidate.id.epoch <= id.epoch) putAside(turn, candidate.id);
  set(turn, {
    sealing: id,
    switchedMs: turn.now,
    candidate: candidate && candidate.id.epoch > id.epoch ? candidate : undefined,
    retiring: turn.state.retiring.filter((other) => !isSameKey(other.id, id)),
    due: undefined,
    plan: undefined,
    switchesWholeMs: Math.max(turn.now, switchesWholeMs) + switchCostMs(times),
  });
  turn.effects.push({ type: 'changed', change: 'switched', id, reasons: [reason] });
}

/** To whatever a peer seals with, as far as it is held already. */
function catchUp(turn: Turn): void {
  for (const [peer, { sealing }] of turn.state.peers)
    if (isHeld(turn.state, sealing) && isLater(turn.state, sealing, turn.now)) follow(turn, sealing, peer);
}

/** A proposal that another has overtaken. */
function dropStale(turn: Turn): void {
  const { candidate, plan, sealing } = turn.state;
  if (candidate && candidate.id.epoch <= sealing.epoch) {
    putAside(turn, candidate.id);
    set(turn, { candidate: undefined });
  }
  if (plan && plan.epoch <= sealing.epoch) set(turn, { plan: undefined });
}

/**
 * A minority never advances: it may only follow. Where one member has kept the others from holding the same key, one of
 * them seals with what it has, and the others follow that.
 */
function decide(turn: Turn): void {
  const { candidate, view, times } = turn.state;
  if (!candidate || !view.majority || candidate.id.revocations < view.revocations) return;
  if (turn.now >= contestEndMs(turn.state, candidate)) {
    switchTo(turn, candidate.id, 'Somebody always has another key for each member, so they would never agree on one.');
    return;
  }
  const confirmed = 1 + view.live.filter((node) => hasConfirmed(turn.state, node, candidate.id)).length;
  const members = 1 + view.live.length;
  if (confirmed < view.quorum) return;
  if (confirmed < members && turn.now < candidate.sinceMs + times.graceMs) return;
  switchTo(turn, candidate.id, `${confirmed} of ${members} live members hold it.`);
}

/** Not before all live members seal with the new key, unless that takes too long; after a revocation in any case. */
function retire(turn: Turn): void {
  const { retiring, times, view, sealing } = turn.state;
  const allSwitched = view.live.every((node) => {
    const theirs = turn.state.peers.get(node);
    return theirs && compareKeys(theirs.sealing, sealing) >= 0;
  });
  const isOver = ({ id, sinceMs }: RotationState['retiring'][number]): boolean =>
    (turn.now >= sinceMs + times.retireMs && (allSwitched || id.revocations < sealing.revocations)) ||
    turn.now >= sinceMs + times.retireMsMax;
  const over = retiring.filter(isOver);
  if (over.length === 0) return;
  set(turn, { retiring: retiring.filter((key) => !isOver(key)) });
  for (const { id } of over) turn.effects.push({ type: 'changed', change: 'retired', id, reasons: [] });
}

function reasonNow({ view, sealing, switchedMs, times, due }: RotationState, now: number): RotationReason | undefined {
  if (view.revocations > sealing.revocations) return 'revocation';
  if (due?.reason === 'operator') return 'operator';
  return now >= switchedMs + times.intervalMs ? 'interval' : undefined;
}

/** The members have their turns in the order of their names, so that normally one proposes. An operator’s word is at once. */
function propose(turn: Turn): void {
  const { state, now } = turn;
  const { view, sealing, candidate, plan, times } = state;
  const reason = reasonNow(state, now);
  if (!reason) {
    if (state.due) set(turn, { due: undefined });
    return;
  }
  const sinceMs = reason === 'interval' ? state.switchedMs + times.intervalMs : now;
  const due = state.due?.reason === reason ? state.due : { reason, sinceMs };
  set(turn, { due });
  if (!view.majority || sealing.epoch >= keyEpochMax) return;
  if (candidate && candidate.id.revocations >= view.revocations) return;
  if (plan && plan.revocations >= view.revocations) return;
  if (reason !== 'operator' && now < due.sinceMs + rankOf(state) * times.fallbackMs) return;
  const next = { epoch: sealing.epoch + 1, revocations: view.revocations };
  if (!isPaced(state, next, now)) return;
  set(turn, { plan: next });
  turn.effects.push({ type: 'make', ...next, reason });
}

function made(turn: Turn, id: KeyId): void {
  const { plan, due } = turn.state;
  if (!plan || plan.epoch !== id.epoch || plan.revocations !== id.revocations) return;
  set(turn, { plan: undefined });
  if (isNext(turn.state, id, turn.now)) hold(turn, id, 'proposed', reasons[due?.reason ?? 'interval']);
}

const reasons: Readonly<Record<RotationReason, string>> = {
  interval: 'The rotation interval is over.',
  revocation: 'Something was revoked or suspended since the last key was made.',
  operator: 'An operator asked for it.',
};

/** One peer after the other, so that one which has nothing to give keeps this node from no other. */
function ask(turn: Turn): void {
  const { state, now } = turn;
  const { asked, peers, times } = state;
  if (asked?.open && now < asked.sinceMs + times.askMs) return;
  const wanted = [...peers.keys()]
    .sort()
    .map((peer) => ({ peer, id: wantedFrom(turn, peer) }))
    .filter((want): want is { peer: NodeId; id: KeyId } => want.id !== undefined);
  const want = wanted.find(({ peer }) => asked !== undefined && peer > asked.peer) ?? wanted[0];
  if (!want) {
    if (asked) set(turn, { asked: undefined });
    return;
  }
  set(turn, { asked: { ...want, sinceMs: now, open: true } });
  turn.effects.push({ type: 'ask', ...want });
}

/** What this node lacks of a peer’s: the key that it seals with, or the one that it holds ready. */
function wantedFrom({ state, now }: Turn, peer: NodeId): KeyId | undefined {
  const { sealing, candidate } = state.peers.get(peer)!;
  if (isLater(state, sealing, now)) return sealing;
  return candidate && !isHeld(state, candidate) && isNext(state, candidate, now) ? candidate : undefined;
}
