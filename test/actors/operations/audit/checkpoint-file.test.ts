import { expect, it } from 'vitest';
import {
  CheckpointFile,
  checkpointsName,
  newestCheckpointName,
} from '../../../../src/actors/operations/audit/checkpoint-file.ts';
import { verifyEvidence } from '../../../../src/actors/operations/audit/proof-check.ts';
import type { CosignedCheckpoint } from '../../../../src/actors/operations/audit/signed-head.ts';
import { sha256 } from '../../../../src/crypto/port.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { decodeCheckpointEvidence } from '../../../../src/protocols/audit/evidence.ts';
import { emptyRange, extendRange, leafHash } from '../../../../src/protocols/audit/merkle.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { evidence, folder, notary, trust } from './proof-lab.ts';

const one = notary('node-1');
const two = notary('node-2');
const leaf = leafHash(new Uint8Array(1), sha256);

function checkpointOf(size: number): CosignedCheckpoint {
  const range = extendRange(emptyRange, Array<Uint8Array>(size).fill(leaf), sha256);
  const decoded = unwrap(decodeCheckpointEvidence(evidence(one, range, [two])));
  return { ...unwrap(verifyEvidence(decoded, trust)).checkpoint, keys: decoded.unverified.keys };
}

/** A file beside a log, and the sizes that its lines have. */
async function lab(first = 1) {
  const disk = new MemoryDisk();
  await disk.makeFolder(folder, 0o700);
  const clock = new ManualClock();
  const life = () => new CheckpointFile({ disk, clock, folder, first: async () => first });
  const path = `${folder}/${checkpointsName}`;
  const text = () => Buffer.from(disk.peek(path) ?? []).toString();
  const sizes = () =>
    text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number(JSON.parse(line).note.split('\n')[1]));
  return { disk, clock, life, path, text, sizes };
}

it('the newest checkpoint is always there, older ones with a pause between them', async () => {
  const { disk, clock, life, sizes } = await lab();
  const file = life();
  for (const [size, waitMs] of [
    [1, 0],
    [2, 60_000],
    [1_002, 0],
    [1_003, 1_000],
    [1_004, 60_000],
    [1_005, 3_600_000],
  ] as const) {
    await clock.advanceAsync(waitMs);
    await file.keep(checkpointOf(size));
    const newest = Buffer.from(disk.peek(`${folder}/${newestCheckpointName}`)!).toString();
    expect(JSON.parse(newest).note).toContain(`\n${size}\n`);
  }
  expect(sizes()).toEqual([1, 1_002, 1_005]);
});

it('half a line that a crash left is cut off by the next life, and a line that was changed is not', async () => {
  const { disk, life, path, text, sizes } = await lab();
  await life().keep(checkpointOf(1));
  const whole = text();
  disk.put(path, whole + whole.slice(0, 50));
  await life().keep(checkpointOf(2));
  expect(sizes()).toEqual([1, 2]);
  disk.put(path, `changed\n${text()}`);
  await life().keep(checkpointOf(3));
  expect(text().split('\n')[0]).toBe('changed');
  // One whose break alone is missing is whole.
  disk.put(path, whole.trimEnd());
  await life().keep(checkpointOf(2));
  expect(sizes()).toEqual([1, 2]);
});

it('goes with the records that retention removed', async () => {
  const { disk, life, path, text } = await lab();
  await life().keep(checkpointOf(3));
  const [three = ''] = text().split('\n');
  const later = await lab(4);
  later.disk.put(path, `${three}\n`);
  await later.life().keep(checkpointOf(8));
  expect(later.sizes()).toEqual([8]);
  expect(disk.peek(path)).toBeDefined();
});

it('keeps fewer of the older ones when there are too many, and the newer ones all', async () => {
  const { disk, life, path, text, sizes } = await lab();
  await life().keep(checkpointOf(1));
  const [line = ''] = text().split('\n');
  const withSize = (size: number) => line.replace(String.raw`audit\n1\n`, String.raw`audit\n${size}\n`);
  const count = Math.ceil(limits.checkpointFileBytesMax / (line.length + 4));
  disk.put(path, Array.from({ length: count }, (_, i) => `${withSize(i + 1)}\n`).join(''));
  await life().keep(checkpointOf(count + 1));
  expect(text().length).toBeLessThan(limits.checkpointFileBytesMax / 2 + 2 * line.length);
  const left = sizes();
  expect(left.length).toBeGreaterThan(count / 4);
  const gaps = left.slice(1).map((size, i) => size - left[i]!);
  expect(Math.min(...gaps)).toBeGreaterThan(0);
  expect(new Set(gaps.slice(gaps.length / 2))).toEqual(new Set([1]));
  expect(gaps[0]).toBeGreaterThan(1);
});
