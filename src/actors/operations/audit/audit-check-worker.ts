import { parentPort, workerData } from 'node:worker_threads';
import { vaultRingFromText } from '../../../crypto/vault.ts';
import { unwrap } from '../../../errors.ts';
import { readIntoSync } from '../node-disk.ts';
import { checkSegment } from './audit-check.ts';
import type { CheckAnswer, CheckRequest } from './audit-check-threads.ts';
import { found, segmentBytesRead } from './audit-segment.ts';

/** A thread that checks segments, one after the other, as `audit-check-threads.ts` asks. */

const vault = unwrap(vaultRingFromText((workerData as { readonly ring: string }).ring));

/** For one segment after the other: new memory for each would cost as much as reading it. */
const room = new Uint8Array(segmentBytesRead);

parentPort!.on('message', async ({ segment, bytes }: CheckRequest) => {
  let answer: CheckAnswer;
  try {
    const read = async () => found(segment, readIntoSync(segment.path, room)).subarray(0, bytes);
    answer = { report: await checkSegment(segment, read, vault) };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  parentPort!.postMessage(answer);
});
