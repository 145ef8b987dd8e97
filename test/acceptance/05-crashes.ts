/**
 * Issue 5, “Shown by” 1, second half: ten thousand seeded power cuts of a disk that discards and reorders what was not
 * synced, two in each history, while records are written, segments change, and old ones are compressed and retired.
 * `05-crashes.ts [HISTORIES] [FIRST SEED]`.
 */
import { crashTwice } from '../actors/operations/audit/audit-crash.ts';

const histories = Number(process.argv[2] ?? 5_000);
const first = Number(process.argv[3] ?? 1);
for (let seed = first; seed < first + histories; seed++) {
  await crashTwice(seed).catch((error: unknown) => {
    throw new Error(`seed ${seed}: ${error}`, { cause: error });
  });
  if ((seed - first + 1) % 500 === 0) console.log(`${2 * (seed - first + 1)} power cuts`);
}
console.log('every act that was answered is in its log, nothing was invented, and every log holds');
