import { expect, it } from 'vitest';
import { CheckThreads } from '../../../../src/actors/operations/audit/audit-check-threads.ts';
import type { Segment } from '../../../../src/actors/operations/audit/audit-segment.ts';
import type { VaultRing } from '../../../../src/crypto/vault.ts';

/** No thread can read these keys: each ends with an error before it is asked anything. */
const wrongKeys = { toText: () => 'no ring' } as VaultRing;
const request = { segment: { path: '/nowhere/1.seg' } as Segment, bytes: undefined };

it('threads that fail while nobody asks them anything harm nobody, and what is asked of them later is refused', async () => {
  const threads = new CheckThreads(wrongKeys, 2);
  // An error without a listener would be an uncaught exception, which fails this run.
  for (let asked = 0; asked < 5; asked += 1)
    await expect(threads.check(request)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  await threads.stop();
});

it('who waits for a thread is refused when the last one has ended', async () => {
  const threads = new CheckThreads(wrongKeys, 1);
  const asked = await Promise.allSettled([1, 2, 3].map(() => threads.check(request)));
  expect(asked.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  await threads.stop();
});
