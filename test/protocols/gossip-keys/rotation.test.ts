import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { NodeId } from '../../../src/names.ts';
import { compareKeys, isSameKey, type KeyId } from '../../../src/protocols/gossip-keys/key-id.ts';
import { createRotation, step } from '../../../src/protocols/gossip-keys/rotation.ts';
import { announcement, heldKeys, nextInMs, stageOf } from '../../../src/protocols/gossip-keys/stage.ts';
import type {
  RotationEffect,
  RotationInput,
  RotationState,
  RotationTimes,
  RotationView,
} from '../../../src/protocols/gossip-keys/state.ts';

const [one, two, three] = ['node-1', 'node-2', 'node-3'] as [NodeId, NodeId, NodeId];
const times: RotationTimes = {
  intervalMs: 3_600_000,
  fallbackMs: 15_000,
  graceMs: 30_000,
  retireMs: 60_000,
  retireMsMax: 600_000,
  askMs: 2_000,
};
const first: KeyId = { epoch: 1, proposer: '', revocations: 0, hash: 'aa' };
const keyOf = (epoch: number, proposer: NodeId = one, more: Partial<KeyId> = {}): KeyId => ({
  ...first,
  epoch,
  proposer,
  hash: 'bb',
  ...more,
});
const viewWith = (more: Partial<RotationView> = {}): RotationView => ({
  live: [two, three],
  majority: true,
  quorum: 2,
  revocations: 0,
  revoked: [],
  ...more,
});

/** A node whose clock a test sets, and what it did. */
function node(self: NodeId = one, view: Partial<RotationView> = {}, more: Partial<RotationTimes> = {}) {
  const live = [one, two, three].filter((other) => other !== self);
  let state: RotationState = createRotation({
    self,
    times: { ...times, ...more },
    view: viewWith({ live, ...view }),
    sealing: first,
    switchedMs: 0,
    retiring: [],
    now: 0,
  });
  let now = 0;
  type Input = RotationInput extends infer I ? (I extends { now: number } ? Omit<I, 'now'> : never) : never;
  const hear = (input: Input): readonly RotationEffect[] => {
    const next = step(state, { ...input, now } as RotationInput);
    state = next.state;
    return next.effects;
  };
  return {
    hear,
    get state() {
      return state;
    },
    get stage() {
      return stageOf(state);
    },
    at(ms: number) {
      now = ms;
      return hear({ type: 'tick' });
    },
    says: (peer: NodeId, sealing: KeyId, candidate?: KeyId) =>
      hear({ type: 'peer', peer, keys: { sealing, candidate } }),
    /** Says that it seals with a key, and gives it when asked. */
    gives(peer: NodeId, sealing: KeyId, candidate?: KeyId) {
      const id = candidate ?? sealing;
      return [...this.says(peer, sealing, candidate), ...hear({ type: 'received', peer, id })];
    },
    sees: (more: Partial<RotationView>) => hear({ type: 'view', view: { ...state.view, ...more } }),
  };
}

const types = (effects: readonly RotationEffect[]): string[] =>
  effects.map((effect) => (effect.type === 'changed' ? effect.change : effect.type));

describe('the member whose turn it is', () => {
  it('proposes when the interval is over, and the others only when nothing came of it', () => {
    const nodes = [one, two, three].map((id) => node(id));
    expect(nodes.map((n) => types(n.at(times.intervalMs - 1)))).toEqual([[], [], []]);
    expect(nodes.map((n) => types(n.at(times.intervalMs)))).toEqual([['make'], [], []]);
    expect(nodes.map((n) => n.stage)).toEqual(['proposing', 'stable', 'stable']);
    expect(types(nodes[1]!.at(times.intervalMs + times.fallbackMs))).toEqual(['make']);
    expect(types(nodes[2]!.at(times.intervalMs + times.fallbackMs))).toEqual([]);
    expect(types(nodes[2]!.at(times.intervalMs + 2 * times.fallbackMs))).toEqual(['make']);
  });

  it('is another one when the first is gone, and nobody’s in a minority', () => {
    const second = node(two, { live: [three] });
    expect(types(second.at(times.intervalMs))).toEqual(['make']);
    const alone = node(one, { live: [], majority: false });
    expect(types(alone.at(2 * times.intervalMs))).toEqual([]);
    alone.hear({ type: 'rotate' });
    expect(alone.stage).toBe('stable');
    expect(types(alone.sees({ live: [two], majority: true }))).toEqual(['make']);
  });

  it('holds what it made, and seals with it when all live members hold it', () => {
    const n = node();
    expect(n.hear({ type: 'rotate' })).toEqual([{ type: 'make', epoch: 2, revocations: 0, reason: 'operator' }]);
    expect(types(n.hear({ type: 'made', id: keyOf(2) }))).toEqual(['proposed']);
    expect(announcement(n.state)).toEqual({ sealing: first, candidate: keyOf(2) });
    expect(n.hear({ type: 'request', peer: two, id: keyOf(2) })).toEqual([{ type: 'give', peer: two, id: keyOf(2) }]);
    expect(types(n.says(two, first, keyOf(2)))).toEqual([]);
    expect(n.stage).toBe('distributing');
    expect(types(n.says(three, first, keyOf(2)))).toEqual(['switched']);
    expect([n.state.sealing, n.stage]).toEqual([keyOf(2), 'switching']);
  });

  it('makes nothing of what it planned when another key has come meanwhile', () => {
    const n = node();
    n.hear({ type: 'rotate' });
    n.gives(two, keyOf(2, two));
    expect([n.state.sealing, n.state.plan]).toEqual([keyOf(2, two), undefined]);
    expect(types(n.hear({ type: 'made', id: keyOf(2) }))).toEqual([]);
  });
});

describe('a key that is held ready', () => {
  const holding = (view: Partial<RotationView> = {}) => {
    const n = node(one, view);
    n.gives(two, first, keyOf(2, two));
    return n;
  };

  it('is asked for, and taken only then', () => {
    const n = node();
    expect(types(n.hear({ type: 'received', peer: two, id: keyOf(2, two) }))).toEqual([]);
    expect(n.says(two, first, keyOf(2, two))).toEqual([{ type: 'ask', peer: two, id: keyOf(2, two) }]);
    expect(types(n.hear({ type: 'received', peer: three, id: keyOf(2, two) }))).toEqual([]);
    expect(types(n.hear({ type: 'received', peer: two, id: keyOf(2, two) }))).toEqual(['held']);
  });

  it('waits for a live member until the grace is over, and never for less than a quorum', () => {
    const n = holding();
    n.says(two, first, keyOf(2, two));
    expect(types(n.at(times.graceMs - 1))).toEqual([]);
    expect(types(n.at(times.graceMs))).toEqual(['switched']);
    const few = holding({ quorum: 3 });
    few.says(two, first, keyOf(2, two));
    expect(types(few.at(10 * times.graceMs))).toEqual([]);
    const minority = holding({ majority: false });
    minority.says(two, first, keyOf(2, two));
    minority.says(three, first, keyOf(2, two));
    expect(types(minority.at(10 * times.graceMs))).toEqual([]);
    expect(minority.stage).toBe('distributing');
  });

  it('gives way to a greater one, and is kept to open', () => {
    const n = holding();
    expect(types(n.gives(three, first, keyOf(2, three)))).toEqual(['ask', 'held']);
    expect(n.state.candidate?.id).toEqual(keyOf(2, three));
    expect(heldKeys(n.state)).toContainEqual(keyOf(2, two));
    expect(types(n.says(two, first, keyOf(2, one)))).toEqual([]);
  });

  it('cannot be pushed aside for ever', () => {
    const n = node(one, { live: [two, three] });
    const better = (at: number): KeyId => keyOf(2, two, { hash: String(1_000 + at) });
    for (let at = 0; at < 100; at++) n.gives(two, first, better(at));
    expect(n.state.candidate?.id).toEqual(better(limits.gossipKeyCandidatesMax));
    n.says(three, first, n.state.candidate?.id);
    expect(types(n.at(times.graceMs))).toContain('switched');
  });

  it('seals as soon as a datagram comes that is sealed with it: somebody has switched', () => {
    const n = holding();
    expect(types(n.hear({ type: 'heard', id: keyOf(2, three) }))).toEqual([]);
    expect(types(n.hear({ type: 'heard', id: keyOf(2, two) }))).toEqual(['switched']);
    expect(types(n.hear({ type: 'heard', id: first }))).toEqual([]);
  });
});

describe('a member that is behind', () => {
  it('takes what a peer seals with, however far, and seals with it at once', () => {
    const n = node();
    expect(types(n.gives(two, keyOf(40, three), keyOf(41, three)))).toEqual(['ask']);
    expect(types(n.hear({ type: 'received', peer: two, id: keyOf(40, three) }))).toEqual(['switched', 'ask']);
    expect(types(n.hear({ type: 'received', peer: two, id: keyOf(41, three) }))).toEqual(['held']);
  });

  it('asks one peer after the other, and none that is gone', () => {
    const n = node();
    expect(n.says(three, keyOf(2))).toEqual([{ type: 'ask', peer: three, id: keyOf(2) }]);
    expect(n.says(two, keyOf(2))).toEqual([]);
    expect(n.at(times.askMs)).toEqual([{ type: 'ask', peer: two, id: keyOf(2) }]);
    expect(n.hear({ type: 'lost', peer: two })).toEqual([{ type: 'ask', peer: three, id: keyOf(2) }]);
    expect(n.hear({ type: 'lost', peer: three })).toEqual([]);
  });

  it('is not led to the last epoch there is: epochs cost time', () => {
    const n = node();
    expect(types(n.says(two, keyOf(2 ** 32 - 1)))).toEqual(['leap']);
    const most = 1 + limits.gossipKeyEpochsMax;
    expect(types(n.gives(two, keyOf(most)))).toEqual(['ask', 'switched']);
    expect(types(n.says(two, keyOf(most + 2)))).toEqual(['leap']);
    n.at(2 * limits.gossipKeyEpochMs);
    expect(types(n.gives(two, keyOf(most + 2)))).toEqual(['switched']);
  });

  it('does not switch without end for a peer that always has another key, but after a revocation in any case', () => {
    const n = node();
    for (let epoch = 2; epoch < 100; epoch++) n.gives(two, keyOf(epoch));
    expect(n.state.sealing.epoch).toBe(1 + limits.gossipKeySwitchesMax);
    n.sees({ revocations: 1 });
    expect(types(n.gives(two, keyOf(100, one, { revocations: 1 })))).toContain('switched');
    n.at(limits.gossipKeySwitchMs * 3);
    expect(types(n.gives(two, keyOf(101, one, { revocations: 1 })))).toContain('switched');
  });
});

describe('a revocation', () => {
  it('forces a rotation, whatever the interval, and a key that was made before it does not count', () => {
    const n = node();
    n.gives(two, first, keyOf(2, two));
    n.says(two, first, keyOf(2, two));
    expect(n.sees({ live: [two], revocations: 1, revoked: [three] })).toEqual([
      { type: 'make', epoch: 2, revocations: 1, reason: 'revocation' },
    ]);
    expect(n.state.sealing).toEqual(first);
    n.hear({ type: 'made', id: keyOf(2, one, { revocations: 1 }) });
    expect(types(n.says(two, first, keyOf(2, one, { revocations: 1 })))).toEqual(['switched']);
    expect(n.state.due).toBe(undefined);
  });

  it('is heard of before a key is taken or given that was made after it', () => {
    const n = node();
    const later = keyOf(2, two, { revocations: 1 });
    expect(types(n.says(two, first, later))).toEqual(['behind']);
    expect(types(n.says(two, later))).toEqual(['behind']);
    expect(types(n.sees({ revocations: 1, revoked: [three] }))).toContain('ask');
    expect(types(n.hear({ type: 'received', peer: two, id: later }))).toEqual(['switched']);
    // It lost the notices, and does not know any more who must not have the key.
    n.sees({ revocations: 0, revoked: [] });
    expect(n.hear({ type: 'request', peer: three, id: later })).toEqual([]);
  });

  it('ends everything that comes from whoever is revoked', () => {
    const n = node();
    n.says(three, keyOf(2));
    n.sees({ live: [two], revocations: 1, revoked: [three] });
    expect(n.state.peers).toEqual(new Map());
    expect(types(n.hear({ type: 'received', peer: three, id: keyOf(2) }))).toEqual([]);
    expect(n.hear({ type: 'request', peer: three, id: first })).toEqual([]);
    expect(n.says(three, keyOf(9))).toEqual([]);
  });

  it('retires the old key when its time is over, though some member lags behind', () => {
    const n = node();
    n.sees({ revocations: 1, revoked: [] });
    n.gives(two, keyOf(2, two, { revocations: 1 }));
    expect(n.stage).toBe('switching');
    expect(types(n.at(times.retireMs))).toEqual(['retired']);
  });
});

describe('an old key', () => {
  it('opens until all live members seal with the new one, and not for ever', () => {
    const n = node();
    n.gives(two, keyOf(2, two));
    expect(types(n.at(times.retireMs))).toEqual([]);
    n.says(three, keyOf(2, two));
    expect(n.stage).toBe('stable');
    const lagging = node();
    lagging.gives(two, keyOf(2, two));
    expect(types(lagging.at(times.retireMsMax - 1))).toEqual([]);
    expect(types(lagging.at(times.retireMsMax))).toEqual(['retired']);
  });
});

describe('whatever comes', () => {
  const id = fc.record({
    epoch: fc.integer({ min: 1, max: 5 }),
    proposer: fc.constantFrom(one, two, three, '' as const),
    revocations: fc.integer({ min: 0, max: 2 }),
    hash: fc.constantFrom('aa', 'bb', 'cc'),
  });
  const peer = fc.constantFrom(two, three);
  const input = fc.oneof(
    fc.record({
      type: fc.constant('peer' as const),
      peer,
      keys: fc.record({ sealing: id, candidate: fc.option(id, { nil: undefined }) }),
    }),
    fc.record({ type: fc.constant('received' as const), peer, id }),
    fc.record({ type: fc.constant('request' as const), peer, id }),
    fc.record({ type: fc.constant('lost' as const), peer }),
    fc.record({ type: fc.constant('heard' as const), id }),
    fc.record({ type: fc.constant('made' as const), id }),
    fc.record({ type: fc.constantFrom('rotate' as const, 'tick' as const) }),
    fc.record({
      type: fc.constant('view' as const),
      view: fc.record({
        live: fc.subarray([two, three]),
        majority: fc.boolean(),
        quorum: fc.constant(2),
        revocations: fc.integer({ min: 0, max: 2 }),
        revoked: fc.subarray([three]),
      }),
    }),
  );

  it('the sealing key only grows, few keys are held, none is given that is not held, and the state stays as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(input, fc.integer({ min: 0, max: 700_000 })), { maxLength: 40 }), (inputs) => {
        let now = 0;
        let { state } = node();
        for (const [what, ms] of inputs) {
          now += ms;
          const frozen = JSON.stringify(state);
          const next = step(state, { ...what, now } as RotationInput);
          expect(JSON.stringify(state)).toBe(frozen);
          expect(compareKeys(next.state.sealing, state.sealing)).toBeGreaterThanOrEqual(0);
          expect(heldKeys(next.state).length).toBeLessThanOrEqual(limits.gossipKeysMax);
          for (const effect of next.effects)
            if (effect.type === 'give') {
              expect(heldKeys(state).some((held) => isSameKey(held, effect.id))).toBe(true);
              expect(state.view.revoked).not.toContain(effect.peer);
              expect(effect.id.revocations).toBeLessThanOrEqual(state.view.revocations);
            }
          const waitMs = nextInMs(next.state, now);
          expect(waitMs === undefined || waitMs > 0).toBe(true);
          state = next.state;
        }
      }),
    );
  });

  it('the order of keys is one', () => {
    fc.assert(
      fc.property(id, id, id, (a, b, c) => {
        expect(Math.sign(compareKeys(a, b)) + Math.sign(compareKeys(b, a))).toBe(0);
        if (compareKeys(a, b) <= 0 && compareKeys(b, c) <= 0) expect(compareKeys(a, c)).toBeLessThanOrEqual(0);
        if (isSameKey(a, b)) expect(a).toEqual(b);
      }),
    );
  });
});
