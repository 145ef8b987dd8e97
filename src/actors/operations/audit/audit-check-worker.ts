import { parentPort, workerData } from 'node:worker_threads';
import { vaultRingFromText } from '../../../crypto/vault.ts';
import { unwrap } from '../../../errors.ts';
import { nodeDisk } from '../node-disk.ts';
import { checkSegment } from './audit-check.ts';
import type { CheckAnswer, CheckRequest } from './audit-check-threads.ts';
import { readSegmentFile } from './audit-segment.ts';

/** A thread that checks segments, one after the other, as `audit-check-threads.ts` asks. */

const vault = unwrap(vaultRingFromText((workerData as { readonly ring: string }).ring));

parentPort!.on('message', async ({ segment, bytes }: CheckRequest) => {
  let answer: CheckAnswer;
  try {
    const found = await readSegmentFile(nodeDisk, segment);
    answer = { report: await checkSegment(segment, found.subarray(0, bytes), vault) };
  } catch (error) {
    answer = { error: error instanceof Error ? error.message : String(error) };
  }
  parentPort!.postMessage(answer);
});
