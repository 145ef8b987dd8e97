import { describe, expect, it } from 'vitest';
import { MemberSnapshot } from '../../../../src/actors/cluster/gossip/member-snapshot.ts';
import { limits } from '../../../../src/limits.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';

const onePage = (taken: number): readonly Uint8Array[] => [Uint8Array.of(taken)];

function keeping(store = new MemoryStore(), pages = onePage) {
  const clock = new ManualClock(0);
  const kept = { taken: 0, troubles: [] as string[] };
  const snapshot = new MemberSnapshot({
    store,
    clock,
    take: () => pages(++kept.taken),
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
    // Twice over, so that what counts only beside what stands on a later page counts too.
    expect(given).toEqual([Uint8Array.of(1), Uint8Array.of(1)]);
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

  it('are kept on as many pages as they need; one that cannot be used does not cost the others', async () => {
    const { store, snapshot } = keeping(new MemoryStore(), () => [1, 2, 3].map((page) => Uint8Array.of(page)));
    snapshot.changed();
    await snapshot.flush();
    const given: number[] = [];
    const next = keeping(store);
    await next.snapshot.recall(([page]) => {
      given.push(page!);
      if (page === 2) throw new Error('no claims');
    });
    expect([given, next.kept.troubles.length]).toEqual([[1, 2, 3, 1, 3], 1]);
  });

  it('are written page by page, only those that changed, and those that are no more are gone', async () => {
    const store = new MemoryStore();
    let pages = [1, 2, 3];
    const first = keeping(store, () => pages.map((page) => Uint8Array.of(page)));
    first.snapshot.changed();
    await first.snapshot.flush();
    const put: string[] = [];
    const whole = store.put.bind(store);
    store.put = (collection, key, value) => {
      put.push(key);
      return whole(collection, key, value);
    };
    // Also by the boot after, which has seen what is there.
    const { snapshot } = keeping(store, () => pages.map((page) => Uint8Array.of(page)));
    await snapshot.recall(() => {});
    pages = [1, 4];
    snapshot.changed();
    await snapshot.flush();
    expect(put).toEqual(['members-1']);
    expect((await store.entries('gossip')).map(([key]) => key)).toEqual(['members', 'members-1']);
  });
});
