import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/names.ts';
import { isSameKey, type KeyId } from '../../../src/protocols/gossip-keys/key-id.ts';
import { createRotation, step } from '../../../src/protocols/gossip-keys/rotation.ts';
import { announcement, heldKeys } from '../../../src/protocols/gossip-keys/stage.ts';
import type { RotationInput, RotationState, RotationTimes } from '../../../src/protocols/gossip-keys/state.ts';

const times: RotationTimes = {
  intervalMs: 3_600_000,
  fallbackMs: 15_000,
  graceMs: 30_000,
  retireMs: 60_000,
  retireMsMax: 600_000,
  askMs: 2_000,
};
const first: KeyId = { epoch: 1, proposer: '', revocations: 0, hash: '00' };
type Input = RotationInput extends infer I ? (I extends { now: number } ? Omit<I, 'now'> : never) : never;

/**
 * Honest members with links that lose nothing, and one that is not: its name comes first, so it is asked first, and it
 * tells and gives each of the others what it likes.
 */
class Cluster {
  readonly insider = 'a' as NodeId;
  readonly states = new Map<NodeId, RotationState>();
  now = 0;
  made = 0;
  readonly #quorum: number;

  constructor(size: number) {
    this.#quorum = Math.floor(size / 2) + 1;
    const names = Array.from({ length: size - 1 }, (_, at) => `n${at + 1}` as NodeId);
    for (const self of names) {
      const live = [this.insider, ...names.filter((name) => name !== self)];
      const view = { live, majority: true, quorum: this.#quorum, revocations: 0, revoked: [] };
      this.states.set(self, createRotation({ self, times, view, sealing: first, switchedMs: 0, retiring: [], now: 0 }));
    }
  }

  get honest(): readonly NodeId[] {
    return [...this.states.keys()];
  }

  feed(node: NodeId, input: Input): void {
    const { state, effects } = step(this.states.get(node)!, { ...input, now: this.now } as RotationInput);
    this.states.set(node, state);
    for (const effect of effects) {
      if (effect.type === 'make')
        this.feed(node, {
          type: 'made',
          id: { epoch: effect.epoch, revocations: effect.revocations, proposer: node, hash: `m${this.made++}` },
        });
      else if (effect.type === 'ask') {
        const has =
          effect.peer === this.insider ||
          heldKeys(this.states.get(effect.peer)!).some((id) => isSameKey(id, effect.id));
        if (has) this.feed(node, { type: 'received', peer: effect.peer, id: effect.id });
      }
    }
  }

  /** What honest members say of what they hold is on its way for a moment, and the insider is faster. */
  deliver(): void {
    for (const node of this.honest)
      for (const other of this.honest)
        if (other !== node) this.feed(other, { type: 'peer', peer: node, keys: announcement(this.states.get(node)!) });
  }

  /** Says to one that the old key seals still, and that another one is held ready. */
  offers(node: NodeId, candidate: KeyId): void {
    this.feed(node, { type: 'peer', peer: this.insider, keys: { sealing: first, candidate } });
  }
}

describe('an insider', () => {
  it.each([4, 5, 9])(
    'does not keep a cluster of %i from a new key by having a better one for each all the time',
    (size) => {
      const cluster = new Cluster(size);
      let offered = 1_000_000;
      const offerAll = (): void => {
        // Another one for each, and each better than all before.
        for (const node of cluster.honest)
          cluster.offers(node, { epoch: 2, revocations: 0, proposer: 'zz', hash: String(offered++) });
      };
      cluster.now = times.intervalMs;
      const dueMs = cluster.now;
      const epochs = () => cluster.honest.map((node) => cluster.states.get(node)!.sealing.epoch);
      for (let tick = 0; tick < 1_200 && epochs().some((epoch) => epoch === 1); tick++) {
        for (let each = 0; each < 10; each++) offerAll();
        cluster.deliver();
        cluster.now += 1_000;
        for (const node of cluster.honest) cluster.feed(node, { type: 'tick' });
      }
      cluster.deliver();
      expect(epochs().every((epoch) => epoch > 1)).toBe(true);
      expect(cluster.now - dueMs).toBeLessThan(10 * 60_000);
      // And they agree.
      expect(new Set(cluster.honest.map((node) => cluster.states.get(node)!.sealing.hash)).size).toBe(1);
    },
  );
});
