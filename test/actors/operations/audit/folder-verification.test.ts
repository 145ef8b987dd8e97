import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkpointsName, newestCheckpointName } from '../../../../src/actors/operations/audit/checkpoint-file.ts';
import { createVaultRing } from '../../../../src/crypto/vault.ts';
import { crypto, flipBit, makeCa } from '../../../crypto/fixtures.ts';
import { blockRecords, checked, copied, evidence, folder, notary, writtenLog } from './proof-lab.ts';

const one = notary('node-1');
const two = notary('node-2');
const three = notary('node-3');
const log = await writtenLog('node-1', 3);
const size = log.ranges.at(-1)!.size;
const rangeAfter = (blocks: number) => log.ranges[blocks - 1]!;
/** What was countersigned on the way: after the 4th, 8th and last block. */
const kept = [4, 8, 12].map((blocks) => evidence(one, rangeAfter(blocks), [two, three]));
log.disk.put(`${folder}/${newestCheckpointName}`, `${kept[2]}\n`);
log.disk.put(`${folder}/${checkpointsName}`, `\n${kept[0]}\n\n${kept[1]}\n\n{"torn`);
const segments = [...new Set(log.blocks.map(({ path }) => path))];

describe('a copy of an audit log', () => {
  it('is good as it was written', async () => {
    expect(await checked(log.disk)).toMatchObject({
      valid: true,
      records: size,
      headSequence: size,
      origin: 'test.caxton.internal/node/node-1/audit',
      checkpoints: 3,
      witnessedSize: size,
      witnesses: ['node-2', 'node-3'],
    });
  });

  it('names the first record of the block in which any bit was changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(log.blocks.length - 1), fc.nat(), async (which, place) => {
        const { path, from, to, first } = log.blocks[which]!;
        const disk = copied(log.disk);
        const bit = from * 8 + (place % ((to - from) * 8));
        disk.put(path, flipBit(disk.peek(path)!, bit));
        expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: first } });
      }),
      { numRuns: 80 },
    );
  });

  it('names the first record of the segment in whose header any bit was changed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(2), fc.nat(), async (which, place) => {
        const { path, from, first } = log.blocks[which * 4]!;
        const disk = copied(log.disk);
        disk.put(path, flipBit(disk.peek(path)!, place % (from * 8)));
        expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: first } });
      }),
      { numRuns: 60 },
    );
  });

  it('names the first record that is missing, doubled or in another’s place', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('remove', 'double', 'swap'),
        fc.nat(log.blocks.length - 1),
        fc.nat(log.blocks.length - 1),
        async (act, a, b) => {
          const [here, there] = [log.blocks[a]!, log.blocks[b]!];
          const bytes = log.disk.peek(here.path)!;
          const block = bytes.slice(here.from, here.to);
          const other = log.disk.peek(there.path)!.slice(there.from, there.to);
          if (act === 'swap' && a === b) return;
          const put = act === 'remove' ? [] : act === 'double' ? [block, block] : [other];
          const disk = copied(log.disk);
          disk.put(here.path, Buffer.concat([bytes.subarray(0, here.from), ...put, bytes.subarray(here.to)]));
          const bad = act === 'double' ? here.first + blockRecords : here.first;
          expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: bad } });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('names the first record that is gone, wherever its tail was cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(log.blocks.length - 1), fc.nat(), async (which, place) => {
        const { path, from, to, first } = log.blocks[which]!;
        const disk = copied(log.disk);
        for (const later of segments.slice(segments.indexOf(path) + 1)) await disk.remove(later);
        disk.put(path, disk.peek(path)!.slice(0, from + (place % (to - from))));
        expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: first } });
      }),
      { numRuns: 40 },
    );
    const empty = copied(log.disk);
    for (const path of segments) await empty.remove(path);
    expect(await checked(empty)).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
  });

  it('names the segment that is missing, renamed or another node’s', async () => {
    for (const [at, path] of segments.entries()) {
      const first = at * 4 * blockRecords + 1;
      const missing = copied(log.disk);
      await missing.remove(path);
      // That the oldest are gone without a record that they were retired shows in the whole.
      expect(await checked(missing)).toMatchObject({ valid: false, firstBad: { sequence: first } });
      const other = await writtenLog('node-2', 3);
      const swapped = copied(log.disk);
      swapped.put(path, other.disk.peek(path)!);
      expect(await checked(swapped)).toMatchObject({ valid: false, firstBad: { sequence: first } });
      // Whatever checkpoint stands within it: its own roots say nothing about this log.
      swapped.put(`${folder}/${newestCheckpointName}`, evidence(one, rangeAfter(at * 4 + 3), [two]));
      await swapped.remove(`${folder}/${checkpointsName}`);
      expect(await checked(swapped, [kept[0]!])).toMatchObject({ valid: false, firstBad: { sequence: first } });
      const renamed = copied(log.disk);
      renamed.put(path, log.disk.peek(segments[(at + 1) % 3]!)!);
      expect(await checked(renamed)).toMatchObject({ valid: false, firstBad: { sequence: first } });
    }
  });

  it('is not opened by another vault', async () => {
    expect(await checked(log.disk, [], createVaultRing(crypto))).toMatchObject({
      valid: false,
      firstBad: { sequence: 1 },
    });
  });
});

describe('the checkpoints beside a log', () => {
  const [newest, older] = [`${folder}/${newestCheckpointName}`, `${folder}/${checkpointsName}`];

  it('are found to be changed, whichever bit of them was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(newest, older), fc.nat(), async (path, place) => {
        const disk = copied(log.disk);
        const whole = log.disk.peek(path)!;
        // The line that a crash tore ends the second file.
        const bytes = path === older ? whole.subarray(0, whole.length - '\n{"torn'.length) : whole;
        disk.put(path, flipBit(bytes, place % (bytes.length * 8)));
        expect(await checked(disk)).toMatchObject({ valid: false, records: size });
      }),
      { numRuns: 150 },
    );
  });

  it('may end with half a line, as a crash leaves it, and with nothing else', async () => {
    const line = kept[1]!;
    for (const at of [0, 1, 20, line.length - 3]) {
      const disk = copied(log.disk);
      disk.put(older, `\n${kept[0]}\n\n${line.slice(0, at)}`);
      expect(await checked(disk)).toMatchObject({ valid: true });
      disk.put(older, `\n${line.slice(0, Math.max(1, at))}\n\n${kept[0]}\n`);
      expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: 0 } });
      disk.put(newest, line.slice(0, at));
      expect(await checked(disk)).toMatchObject({ valid: false });
    }
  });

  it('from elsewhere must be checkpoints, and one of this log at least', async () => {
    expect(await checked(log.disk, ['no checkpoint'])).toMatchObject({ valid: false, firstBad: { sequence: 0 } });
    const other = evidence(two, rangeAfter(4), [one]);
    expect(await checked(log.disk, [other])).toMatchObject({ valid: false, firstBad: { sequence: 0 } });
    // A witness’s or a SIEM’s file holds those of many logs.
    expect(await checked(log.disk, [other, kept[1]!, ''])).toMatchObject({ valid: true, checkpoints: 4 });
  });
});

it('reads whatever lies beside a log', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), fc.nat(2_000), async (noise, at) => {
      const disk = copied(log.disk);
      const line = Buffer.from(kept[2]!);
      disk.put(`${folder}/${newestCheckpointName}`, Buffer.concat([line.subarray(0, at), noise, line.subarray(at)]));
      disk.put(`${folder}/${checkpointsName}`, noise);
      expect((await checked(disk)).headSequence).toBe(size);
    }),
    { numRuns: 40 },
  );
});

describe('a log that was written anew by somebody with its vault key', () => {
  /** The same number of records, another from `from` on. */
  const forged = (from: number) =>
    writtenLog('node-1', 3, (sequence) => (sequence < from ? `word ${sequence}` : `other ${sequence}`));

  it('differs from the first checkpoint after the change', async () => {
    for (const from of [1, 5, 12, 13, 20, 24, 25, 36]) {
      const { disk } = await forged(from);
      disk.put(`${folder}/${newestCheckpointName}`, kept[2]!);
      disk.put(`${folder}/${checkpointsName}`, kept.join('\n'));
      const fits = Math.floor((from - 1) / 12) * 12;
      expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: fits + 1 } });
    }
  });

  it('is found with a stolen log key as well, by whoever holds a checkpoint that a witness signed', async () => {
    const { disk, ranges } = await forged(20);
    // The thief signs anew and leaves out the witnesses, whose keys are elsewhere.
    disk.put(`${folder}/${newestCheckpointName}`, evidence(one, ranges.at(-1)!, []));
    expect(await checked(disk)).toMatchObject({ valid: true, witnessedSize: 0, witnesses: [] });
    expect(await checked(disk, [kept[1]!])).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
    expect(await checked(disk, kept)).toMatchObject({ valid: false, firstBad: { sequence: 13 } });
  });

  it('is found by the newest checkpoint alone, though the thief signed one of the same size', async () => {
    const { disk, ranges } = await forged(20);
    disk.put(`${folder}/${newestCheckpointName}`, evidence(one, ranges.at(-1)!, []));
    const found = await checked(disk, [kept[2]!]);
    expect(found).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
    expect(found.firstBad?.reason).toContain('Two different trees');
  });

  it('proves nothing about its beginning by checkpoints that the thief could make', async () => {
    const { disk, ranges } = await forged(20);
    const own = [4, 8].map((blocks) => evidence(one, ranges[blocks - 1]!, []));
    disk.put(`${folder}/${checkpointsName}`, own.join('\n'));
    expect(await checked(disk, [kept[2]!])).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
    expect(await checked(disk, [kept[0]!, kept[2]!])).toMatchObject({ valid: false, firstBad: { sequence: 13 } });
  });

  it('is bad from where it was written anew, though something behind that does not open either', async () => {
    const { disk, blocks } = await forged(20);
    const { path, from, first } = blocks[10]!;
    disk.put(path, flipBit(disk.peek(path)!, from * 8 + 300));
    expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: first } });
    expect(await checked(disk, kept)).toMatchObject({ valid: false, firstBad: { sequence: 13 } });
  });

  it('is good up to the last checkpoint that fits, when one segment was replaced', async () => {
    const { disk } = await forged(14);
    const mixed = copied(log.disk);
    mixed.put(segments[1]!, disk.peek(segments[1]!)!);
    expect(await checked(mixed)).toMatchObject({ valid: false, firstBad: { sequence: 13 } });
    await mixed.remove(`${folder}/${newestCheckpointName}`);
    await mixed.remove(`${folder}/${checkpointsName}`);
    expect(await checked(mixed)).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
  });

  it('is not found after the last checkpoint that anybody else has, and the report says where that is', async () => {
    const { disk, ranges } = await forged(30);
    disk.put(`${folder}/${newestCheckpointName}`, evidence(one, ranges.at(-1)!, []));
    expect(await checked(disk, kept.slice(0, 2))).toMatchObject({ valid: true, witnessedSize: 24 });
  });

  it('gains nothing by checkpoints that nobody has to believe', async () => {
    const { disk, ranges } = await forged(20);
    const strangers = makeCa();
    const [thief, friend] = [notary('node-1', strangers), notary('node-2', strangers)];
    disk.put(`${folder}/${newestCheckpointName}`, evidence(thief, ranges.at(-1)!, [friend]));
    expect(await checked(disk)).toMatchObject({ valid: false, checkpoints: 0, firstBad: { sequence: 0 } });
    // Under the name of another node, whose certificate is good.
    const renamed = JSON.parse(evidence(one, ranges.at(-1)!, [two]));
    renamed.keys = [three.entry, two.entry].map(({ nodeId, certificate, binding }) => ({
      nodeId: nodeId === 'node-3' ? 'node-1' : nodeId,
      certificate: Buffer.from(certificate).toString('base64'),
      binding: Buffer.from(binding).toString('base64'),
    }));
    disk.put(`${folder}/${newestCheckpointName}`, JSON.stringify(renamed));
    expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: 0 } });
  });

  it('cannot be passed off with another log’s checkpoint', async () => {
    const { disk } = await forged(20);
    disk.put(`${folder}/${newestCheckpointName}`, evidence(two, log.ranges.at(-1)!, [one]));
    expect(await checked(disk)).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
  });
});
