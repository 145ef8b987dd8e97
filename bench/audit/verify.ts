/** Verifies a log again and again: in this thread (0) or with so many of its own. */
import { join } from 'node:path';
import { play } from '../runner/process.ts';
import { deployed, folder, logIn, writing } from './lab.ts';

const { path, remove } = folder();
const [threads, records] = process.argv.slice(2).map(Number) as [number, number];
const log = logIn(join(path, 'audit'), { verifyThreads: threads });
const close = await writing(log);
const batch = 4_096;
for (let written = 0; written < records; written += batch)
  await Promise.all(Array.from({ length: batch }, () => log.record(deployed)));

play({
  round: async () => {
    const begin = performance.now();
    const verified = await log.verify();
    const seconds = (performance.now() - begin) / 1_000;
    if (!verified.ok || !verified.value.valid) throw new Error('the log does not hold');
    return { perSecond: verified.value.records / seconds };
  },
  stop: async () => {
    await close();
    remove();
  },
});
