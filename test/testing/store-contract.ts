import { describe, expect, it } from 'vitest';
import type { Store } from '../../src/actors/kernel/ports.ts';
import { limits } from '../../src/limits.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A state database under test: what one process after the other opens. */
export interface StoreLab {
  /** Rejects with ALREADY_EXISTS while it is open. */
  open(): Promise<Store>;
}

/** What holds for every `Store`. */
export function storeContract(name: string, make: () => StoreLab): void {
  describe(`${name}: the store`, () => {
    it('keeps what was put, apart by collection, across openings', async () => {
      const lab = make();
      const store = await lab.open();
      await store.put('node', 'boot', bytes('1'));
      await store.put('node', 'boot', bytes('2'));
      await store.put('other', 'boot', bytes('x'));
      await store.put('node', 'a', new Uint8Array(0));
      await store.delete('other', 'boot');
      await store.delete('other', 'never');
      await store.close();
      const again = await lab.open();
      expect(await again.get('node', 'boot')).toEqual(bytes('2'));
      expect(await again.get('other', 'boot')).toBeUndefined();
      expect(await again.entries('never')).toEqual([]);
      expect(await again.entries('node')).toEqual([
        ['a', new Uint8Array(0)],
        ['boot', bytes('2')],
      ]);
      await again.close();
    });

    it('gives entries by key, in the order of their UTF-8', async () => {
      const store = await make().open();
      const keys = ['b', '\u{1f600}', 'B', '', '\uff5e', 'ab', 'a'];
      await Promise.all(keys.map((key) => store.put('c', key, bytes(key))));
      expect((await store.entries('c')).map(([key]) => key)).toEqual(['', 'B', 'a', 'ab', 'b', '\uff5e', '\u{1f600}']);
      await store.close();
    });

    it('does all that is asked at once in the order in which it was asked', async () => {
      const store = await make().open();
      const seen = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          void store.put('c', 'k', bytes(String(i)));
          return store.get('c', 'k');
        }),
      );
      expect(seen).toEqual(seen.map((_, i) => bytes(String(i))));
      await store.close();
    });

    it('takes the bytes as they are now and hands out bytes of their own', async () => {
      const store = await make().open();
      // A Buffer, whose `slice` shares memory.
      const value = Buffer.from('before!');
      const put = store.put('c', 'k', value.subarray(0, 6));
      value.fill(0);
      await put;
      (await store.get('c', 'k'))?.fill(0);
      (await store.entries('c'))[0]?.[1].fill(0);
      expect(await store.get('c', 'k')).toEqual(bytes('before'));
      await store.close();
    });

    it('refuses what is too long', async () => {
      const store = await make().open();
      const long = new Uint8Array(limits.storeValueBytesMax + 1);
      await expect(store.put('c', 'k', long)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
      await expect(store.get('c', 'k'.repeat(2_000))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
      await expect(store.entries('c'.repeat(2_000))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
      await store.close();
    });

    it('answers what was asked before it closes, and refuses what comes after', async () => {
      const store = await make().open();
      const put = store.put('c', 'k', bytes('v'));
      const closed = store.close();
      await expect(store.get('c', 'k')).rejects.toMatchObject({ code: 'STOPPED' });
      await Promise.all([put, closed, store.close()]);
    });

    it('is open to one at a time', async () => {
      const lab = make();
      const store = await lab.open();
      await expect(lab.open()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
      await store.close();
      await (await lab.open()).close();
    });
  });
}
