import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checkpointsName, newestCheckpointName } from '../../../src/actors/operations/audit/checkpoint-file.ts';
import { verifyFolder } from '../../../src/actors/operations/audit/folder-verification.ts';
import { nodeDisk } from '../../../src/actors/operations/node-disk.ts';
import { limits } from '../../../src/limits.ts';
import { encodeBlockHead } from '../../../src/protocols/audit/block-head.ts';
import { testVault } from '../../actors/operations/audit/audit-lab.ts';
import { evidence, notary, trust, writtenLog } from '../../actors/operations/audit/proof-lab.ts';

/** A folder that somebody hands to the auditor, or that somebody else can write to. */
const log = await writtenLog('node-1', 3);
const kept = evidence(notary('node-1'), log.ranges.at(-1)!, [notary('node-2')]);
const segments = [...new Set(log.blocks.map(({ path }) => path))];
const nameOf = (index: number): string => segments[index]!.split('/').at(-1)!;
const recordsOfOne = 12;

function handedOver() {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-hostile-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of log.disk.paths()) writeFileSync(join(folder, path.split('/').at(-1)!), log.disk.peek(path)!);
  writeFileSync(join(folder, newestCheckpointName), `${kept}\n`);
  writeFileSync(join(folder, checkpointsName), `${kept}\n`);
  return folder;
}
const verified = (folder: string) => verifyFolder({ disk: nodeDisk, folder, vault: testVault, trust });
const terabyte = 2 ** 40;

describe('a folder of an audit log that is not what it seems', () => {
  it('is good as it was written, whatever else lies in it', async () => {
    const folder = handedOver();
    for (const name of ['audit-000000000001.seg\n', 'audit-1.seg', '\u001b[2J.seg', 'audit-0000000000001.seg'])
      writeFileSync(join(folder, name), 'x');
    mkdirSync(join(folder, 'deep'));
    expect(await verified(folder)).toMatchObject({ valid: true, records: 36 });
  });

  it('costs no memory for a segment that says it is a terabyte', async () => {
    const folder = handedOver();
    truncateSync(join(folder, nameOf(1)), terabyte);
    expect(await verified(folder)).toMatchObject({ valid: false, firstBad: { sequence: recordsOfOne + 1 } });
  });

  it.each([checkpointsName, newestCheckpointName])('costs no memory for a terabyte of %s', async (name) => {
    const folder = handedOver();
    truncateSync(join(folder, name), terabyte);
    await expect(verified(folder)).rejects.toThrow(`${name} is longer than`);
  });

  it('costs no time for a segment full of heads of blocks as long as the rest', async () => {
    const folder = handedOver();
    const path = segments[1]!;
    const { from } = log.blocks.find((block) => block.path === path)!;
    const bytes = Buffer.alloc(limits.auditSegmentBytesMax);
    bytes.set(log.disk.peek(path)!.subarray(0, from));
    for (let at = from; at + 16 <= bytes.length; at += 16)
      bytes.set(encodeBlockHead({ number: 1, records: 1, sealedBytes: bytes.length - at - 16 }), at);
    writeFileSync(join(folder, nameOf(1)), bytes);
    const begin = process.threadCpuUsage();
    expect(await verified(folder)).toMatchObject({ valid: false, firstBad: { sequence: recordsOfOne + 1 } });
    const { user, system } = process.threadCpuUsage(begin);
    expect(user + system).toBeLessThan(3_000_000);
  });

  it('is bad where a segment is no file, and nobody waits for one', async () => {
    for (const put of [
      (path: string) => execFileSync('mkfifo', [path]),
      (path: string) => mkdirSync(path),
      (path: string) => symlinkSync('/dev/zero', path),
      (path: string) => symlinkSync(path, path),
    ]) {
      const folder = handedOver();
      const path = join(folder, nameOf(1));
      rmSync(path);
      put(path);
      expect(await verified(folder)).toMatchObject({
        valid: false,
        firstBad: { sequence: recordsOfOne + 1, reason: expect.stringContaining('no file') },
      });
    }
  });
});
