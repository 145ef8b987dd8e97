import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nextBootEpoch, raiseBootEpoch } from '../../src/actors/boot-epoch.ts';
import { openNodeStore } from '../../src/actors/operations/node-store.ts';
import { MemoryStore } from '../../src/testing/memory-store.ts';

const holding = (text: string | Uint8Array): MemoryStore => {
  const store = new MemoryStore();
  store.hold('node', 'boot-epoch', typeof text === 'string' ? new TextEncoder().encode(text) : text);
  return store;
};

describe('the boots of a node', () => {
  it('are counted from one, across openings of its database', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'caxton-boot-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    for (const boot of [1, 2, 3]) {
      const store = await openNodeStore(join(folder, 'state.db'));
      expect(await nextBootEpoch(store)).toBe(boot);
      await store.close();
    }
  });

  it('never share a number, whatever others have seen', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(fc.nat(1_000)), { maxLength: 30 }), async (steps) => {
        const store = new MemoryStore();
        let highest = 0;
        for (const seen of steps) {
          if (seen === null) {
            const epoch = await nextBootEpoch(store);
            expect(epoch).toBe(highest + 1);
            highest = epoch;
          } else {
            await raiseBootEpoch(store, seen);
            highest = Math.max(highest, seen);
          }
        }
      }),
    );
  });

  it('have no number when it could not be made durable', async () => {
    const store = holding('7');
    store.fault = new Error('ENOSPC');
    await expect(nextBootEpoch(store)).rejects.toThrow('ENOSPC');
    store.fault = undefined;
    expect(await nextBootEpoch(store)).toBe(8);
  });

  it.each(['', ' ', '0', '-1', '1.5', '1e3', '0x10', '7\n', 'seven', '99999999999', '4294967295'])(
    'are not counted anew when the store holds %j',
    async (text) => {
      await expect(nextBootEpoch(holding(text))).rejects.toMatchObject({ code: 'MALFORMED' });
      await expect(raiseBootEpoch(holding(text), 5)).rejects.toMatchObject({ code: 'MALFORMED' });
    },
  );

  it('are not counted anew when the store holds no text', async () => {
    await expect(nextBootEpoch(holding(Uint8Array.of(0xff)))).rejects.toMatchObject({ code: 'MALFORMED' });
  });

  it('end, and do not wrap, past the last number that the wire carries', async () => {
    const last = holding(String(0xffff_fffe));
    await expect(nextBootEpoch(last)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    const store = holding('7');
    await expect(raiseBootEpoch(store, 0xffff_ffff)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expect(raiseBootEpoch(store, Number.NaN)).rejects.toThrow(RangeError);
    expect(await nextBootEpoch(store)).toBe(8);
  });
});
