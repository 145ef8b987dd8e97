import { describe, expect, it } from 'vitest';
import { MemberSnapshot } from '../../../../src/actors/cluster/gossip/member-snapshot.ts';
import { limits } from '../../../../src/limits.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';

function keeping(store = new MemoryStore()) {
  const clock = new ManualClock(0);
  const kept = { taken: 0, troubles: [] as string[] };
  const snapshot = new MemberSnapshot({
    store,
    clock,
    take: () => Uint8Array.of(++kept.taken),
    trouble: (what) => void kept.troubles.push(what),
  });
  return { clock, kept, snapshot, store };
}

const written = (store: MemoryStore) => store.get('gossip', 'members');

describe('the members kept in the store', () => {
  it('are nothing at the first boot', async () => {
    const given: Uint8Array[] = [];
    const { snapshot, kept } = keeping();
    await snapshot.recall((bytes) => void given.push(bytes));
    expect([given, kept.troubles]).toEqual([[], []]);
  });

  it('are given to the next boot, once', async () => {
    const { store, snapshot } = keeping();
    snapshot.changed();
    await snapshot.flush();
    const given: Uint8Array[] = [];
    const next = keeping(store).snapshot;
    for (let life = 0; life < 2; life++) await next.recall((bytes) => void given.push(bytes));
    expect(given).toEqual([Uint8Array.of(1)]);
  });

  it('that cannot be read or understood are told and done without', async () => {
    const { store, snapshot, kept } = keeping();
    await store.put('gossip', 'members', Uint8Array.of(9));
    await snapshot.recall(() => {
      throw new Error('no claims');
    });
    store.get = () => Promise.reject(new Error('no disk'));
    const next = keeping(store);
    await next.snapshot.recall(() => {});
    expect([kept.troubles.length, next.kept.troubles.length]).toEqual([1, 1]);
  });

  it('are written once for all changes of a while, as they are at its end', async () => {
    const { clock, kept, snapshot, store } = keeping();
    for (let change = 0; change < 100; change++) {
      snapshot.changed();
      await clock.advanceAsync(10);
    }
    expect(kept.taken).toBe(0);
    await clock.advanceAsync(limits.gossipSnapshotMs);
    expect(kept.taken).toBe(1);
    expect(await written(store)).toEqual(Uint8Array.of(1));
    await clock.advanceAsync(10 * limits.gossipSnapshotMs);
    expect(kept.taken).toBe(1);
  });

  it('are written at the end if something waits, and only then', async () => {
    const { kept, snapshot } = keeping();
    await snapshot.flush();
    expect(kept.taken).toBe(0);
    snapshot.changed();
    await snapshot.flush();
    expect(kept.taken).toBe(1);
  });

  it('that cannot be written are tried again with the next change', async () => {
    const store = new MemoryStore();
    const { kept, snapshot } = keeping(store);
    const put = store.put.bind(store);
    store.put = () => Promise.reject(new Error('no room'));
    snapshot.changed();
    await snapshot.flush();
    expect(kept.troubles).toHaveLength(1);
    store.put = put;
    snapshot.changed();
    await snapshot.flush();
    expect(await written(store)).toEqual(Uint8Array.of(2));
  });
});
