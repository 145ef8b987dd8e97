import { mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import { nodeDisk } from '../../../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { createVaultRing } from '../../../../src/crypto/vault.ts';
import { unwrap } from '../../../../src/errors.ts';
import { limits } from '../../../../src/limits.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crashTwice } from './audit-crash.ts';
import {
  auditLab,
  deployed,
  firstSegment,
  inState,
  logParts,
  recordsOf,
  testFolder,
  testVault,
  until,
} from './audit-lab.ts';

const folder = '/audit';
const path = `${folder}/${firstSegment}`;
const logOn = (disk: MemoryDisk): AuditLog => new AuditLog({ ...logParts, disk, clock: new ManualClock(), folder });

/** Opens the log and writes until the signal comes, as the writer does. */
function writing(log: AuditLog): AbortController {
  const stop = new AbortController();
  void log
    .open()
    .then(() => log.write(stop.signal))
    .catch(() => undefined);
  return stop;
}

describe('an act is answered only when its record is durable', () => {
  it('and not before the sync ends, however many wait', async () => {
    const disk = new MemoryDisk();
    const log = logOn(disk);
    await log.open();
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    let syncs = 0;
    disk.before = (act) => {
      if (act !== 'sync') return undefined;
      syncs += 1;
      return held;
    };
    const stop = new AbortController();
    const written = log.write(stop.signal);
    let answered = 0;
    const all = Array.from({ length: 20 }, (_, i) =>
      log.record(deployed(`default/a${i}`)).then((result) => {
        answered += 1;
        return result.ok && result.value.sequence;
      }),
    );
    await until('the sync has begun', () => syncs === 1);
    expect(disk.peek(path)!.length).toBeGreaterThan(1_000);
    expect(answered).toBe(0);
    expect(log.head().sequence).toBe(0);
    expect(await log.tail(10)).toEqual({ ok: true, value: [] });
    release();
    expect(await Promise.all(all)).toEqual(all.map((_, i) => i + 1));
    expect(syncs).toBeLessThanOrEqual(2);
    stop.abort();
    await written;
  });

  it('so that no power cut, at whatever moment, takes a record of an act that was let through', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (bursts, cutAt, kept) => {
          const disk = new MemoryDisk();
          let after: MemoryDisk | undefined;
          let acts = 0;
          disk.before = () => {
            acts += 1;
            if (acts === cutAt) after = disk.crash(kept);
          };
          const log = logOn(disk);
          const stop = writing(log);
          const letThrough: string[] = [];
          let made = 0;
          for (const burst of bursts) {
            const waiting = Array.from({ length: burst }, () => {
              made += 1;
              const name = `default/a${made}`;
              return log.record(deployed(name)).then(({ ok }) => ok && letThrough.push(name));
            });
            // After the cut the rest waits for a writer that is gone: the test does not.
            await Promise.race([Promise.all(waiting), until('the power is cut', () => after !== undefined)]);
          }
          stop.abort();
          const found = after ?? disk.crash(0);
          const again = logOn(found);
          await again.open();
          const keptNames = (await recordsOf(again)).map(({ identity }) => identity);
          for (const name of letThrough) expect(keptNames).toContain(name);
          expect(await again.verify()).toMatchObject({ ok: true, value: { valid: true } });
        },
      ),
      { numRuns: 150 },
    );
  });
});

/** A log of three records, a block each: its bytes, and where its blocks begin. */
const original = (async () => {
  const disk = new MemoryDisk();
  const log = logOn(disk);
  const stop = writing(log);
  const ends: number[] = [];
  for (const name of ['default/a', 'default/b', 'default/c']) {
    await log.record(deployed(name));
    ends.push(disk.peek(path)!.length);
  }
  stop.abort();
  await log.close();
  return { bytes: disk.peek(path)!, ends };
})();

const opening = (disk: MemoryDisk): Promise<unknown> =>
  logOn(disk)
    .open()
    .then(
      () => undefined,
      (reason: unknown) => reason,
    );

describe('a log whose last block is torn', () => {
  it('anywhere is cut back to the last whole one, says so, and goes on', async () => {
    const { bytes, ends } = await original;
    for (let length = ends[1]! + 1; length < bytes.length; length += 7) {
      const disk = new MemoryDisk();
      disk.put(path, bytes.slice(0, length));
      const log = logOn(disk);
      await log.open();
      const records = await recordsOf(log);
      expect(records.map(({ type }) => type)).toEqual(['AgentDeployed', 'AgentDeployed', 'AuditRepaired']);
      expect(records[2]).toMatchObject({ metadata: { file: path, cutBytes: length - ends[1]! } });
      expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: 3 } });
    }
  });

  it('and has a piece of zeros within it, as a disk leaves it that wrote out of order, is cut back as well', async () => {
    const { bytes, ends } = await original;
    for (let from = ends[1]!; from < bytes.length; from += 11) {
      const disk = new MemoryDisk();
      disk.put(path, Uint8Array.from(bytes).fill(0, from, from + 16));
      const log = logOn(disk);
      await log.open();
      expect((await recordsOf(log)).map(({ type }) => type).at(-1)).toBe('AuditRepaired');
    }
  });

  it.each<[string, (log: { bytes: Uint8Array; ends: number[] }) => Uint8Array]>([
    ['with a changed byte in its header', ({ bytes }) => bytes.with(60, bytes[60]! ^ 1)],
    ['with a changed byte in its first block', ({ bytes, ends }) => bytes.with(ends[0]! - 5, bytes[ends[0]! - 5]! ^ 1)],
    ['with another length of its second block', ({ bytes, ends }) => bytes.with(ends[0]! + 13, 0xff)],
    [
      'without its second block',
      ({ bytes, ends }) => Buffer.concat([bytes.subarray(0, ends[0]), bytes.subarray(ends[1])]),
    ],
    [
      'with two blocks exchanged',
      ({ bytes, ends: [a, b, c] }) => Buffer.concat([bytes.subarray(0, a), bytes.subarray(b, c), bytes.subarray(a, b)]),
    ],
    ['with a block twice', ({ bytes, ends }) => Buffer.concat([bytes.subarray(0, ends[1]), bytes.subarray(ends[0])])],
  ])('is another thing than a log %s: that is refused, names the file and stays as it is', async (_, damage) => {
    const disk = new MemoryDisk();
    const damaged = Uint8Array.from(damage(await original));
    disk.put(path, damaged);
    const error = await opening(disk);
    expect(String(error)).toContain(path);
    expect(['MALFORMED', 'SEAL_INVALID']).toContain((error as { code: string }).code);
    expect(disk.peek(path)).toEqual(damaged);
  });
});

describe('a log that cannot be read', () => {
  it('for want of its vault key says which key it needs, and stays as it is', async () => {
    const { bytes } = await original;
    const disk = new MemoryDisk();
    disk.put(path, bytes);
    const other = createVaultRing(osCrypto);
    const log = new AuditLog({ ...logParts, disk, clock: new ManualClock(), folder, vault: () => other });
    const error = await log.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'SEAL_INVALID' });
    expect(String(error)).toContain(testVault.currentId);
    expect(String(error)).toContain('security.vault.key_path');
    expect(disk.peek(path)).toEqual(bytes);
  });

  it('in its older part for want of an older key says so at the start, and stays as it is', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    let ring = testVault;
    const log = new AuditLog({ ...logParts, disk, clock, folder, vault: () => ring });
    await log.open();
    const stop = new AbortController();
    const written = log.write(stop.signal);
    await log.record(deployed('default/a'));
    ring = unwrap(testVault.rotated(osCrypto));
    const next = log.record(deployed('default/b'));
    await written;
    await log.rotate();
    void log.write(stop.signal);
    await next;
    stop.abort();
    await log.close();
    ring = unwrap(ring.without(testVault.currentId));
    const error = await new AuditLog({ ...logParts, disk, clock, folder, vault: () => ring }).open().catch((e) => e);
    expect(error).toMatchObject({ code: 'SEAL_INVALID' });
    expect(String(error)).toContain(testVault.currentId);
    expect(String(error)).toContain(path);
    expect(String(error)).toContain('security.vault.key_path');
  });

  it('for having something else than a file in it names the folder and what it is', async () => {
    const home = testFolder();
    mkdirSync(join(home, firstSegment));
    const log = new AuditLog({ ...logParts, disk: nodeDisk, clock: new ManualClock(), folder: home });
    const error = await log.open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'FILE_UNREADABLE' });
    expect(String(error)).toContain(`The audit folder ${home} cannot be used: EISDIR`);
  });

  it('for being another node’s is refused, though the vault key is the same', async () => {
    const disk = new MemoryDisk();
    disk.put(path, (await original).bytes);
    const log = new AuditLog({ ...logParts, disk, clock: new ManualClock(), folder, nodeId: 'node-2' });
    await expect(log.open()).rejects.toThrow('node-1');
  });

  it('for being an earlier version’s lines of text says what to do with them', async () => {
    const disk = new MemoryDisk();
    disk.put(`${folder}/audit-000000000001.jsonl`, '{"seq":1}\n');
    const error = await opening(disk);
    expect(error).toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(String(error)).toContain('Move these files');
    expect(disk.paths()).toEqual([`${folder}/audit-000000000001.jsonl`]);
  });
});

it('keeps a reserve that no file system can compress or leave out', async () => {
  const disk = new MemoryDisk();
  await logOn(disk).open();
  const reserve = disk.peek(`${folder}/reserve`)!;
  expect(reserve.length).toBe(limits.auditReserveBytes);
  expect(zstdCompressSync(reserve).length).toBeGreaterThan(0.99 * reserve.length);
});

it('holds nothing in clear', async () => {
  const text = Buffer.from((await original).bytes).toString('latin1');
  for (const word of ['default/a', 'AgentDeployed', 'outcome']) expect(text).not.toContain(word);
});

it('says at its next start that the vault was rotated meanwhile, once', async () => {
  const disk = new MemoryDisk();
  disk.put(path, (await original).bytes);
  const ring = unwrap(testVault.rotated(osCrypto));
  for (let life = 0; life < 2; life++) {
    const log = new AuditLog({ ...logParts, disk, clock: new ManualClock(), folder, vault: () => ring });
    await log.open();
    const stop = new AbortController();
    const written = log.write(stop.signal);
    void log.record(deployed(`default/life-${life}`));
    // The first of them needs a segment under the new key.
    if (life === 0) {
      await written;
      await log.rotate();
    }
    stop.abort();
    await log.close();
    const types = (await recordsOf(log)).map(({ type }) => type);
    expect(types.filter((type) => type === 'VaultKeyRotated')).toHaveLength(1);
    expect(types.at(-1)).toBe('AgentDeployed');
  }
});

it('says that it was cut back also when the disk takes the cut and not at once the record of it', async () => {
  const disk = new MemoryDisk();
  disk.put(path, (await original).bytes.slice(0, -9));
  const log = logOn(disk);
  disk.fail('append', 'ENOSPC');
  await expect(log.open()).rejects.toThrow('ENOSPC');
  disk.mend();
  await log.open();
  expect((await recordsOf(log)).map(({ type }) => type).at(-1)).toBe('AuditRepaired');
});

describe('a log that somebody takes away while it is written', () => {
  const fileIn = (home: string): string => join(home, firstSegment);
  it.each<[string, (file: string) => void]>([
    ['removed', (file) => rmSync(file)],
    ['moved away', (file) => renameSync(file, `${file}.old`)],
    ['emptied', (file) => truncateSync(file, 0)],
  ])('is noticed at the next record when it is %s: the act is refused, and so are all after it', async (_, take) => {
    const { log, folder: home, clock, start } = auditLab();
    const writer = start();
    await inState(writer, 'writing');
    expect((await log.record(deployed('default/one'))).ok).toBe(true);
    take(fileIn(home));
    const next = await log.record(deployed('default/two'));
    expect(next).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    if (!next.ok) expect(next.refusal.reasons.join(' ')).toContain(fileIn(home));
    await inState(writer, 'blocked');
    for (let i = 0; i < 5; i++) await clock.advanceAsync(10_000);
    expect((await log.record(deployed('default/three'))).ok).toBe(false);
    expect(log.head().sequence).toBe(1);
  });

  it('is noticed too when it is replaced by a copy: the act is refused, and the log goes on in the copy', async () => {
    const { log, folder: home, clock, start } = auditLab();
    const writer = start();
    await inState(writer, 'writing');
    expect((await log.record(deployed('default/one'))).ok).toBe(true);
    const copy = readFileSync(fileIn(home));
    rmSync(fileIn(home));
    writeFileSync(fileIn(home), copy);
    const next = await log.record(deployed('default/two'));
    expect(next).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    const again = inState(writer, 'writing');
    await vi.waitFor(async () => {
      await clock.advanceAsync(10_000);
      expect(log.head().state).toBe('writing');
    }, 10_000);
    await again;
    expect((await log.record(deployed('default/three'))).ok).toBe(true);
    const records = await recordsOf(log);
    expect(records.map(({ type }) => type)).toEqual(['AgentDeployed', 'AuditRecovered', 'AgentDeployed']);
  });
});

describe('a disk that discards and reorders what was not synced', () => {
  // The acceptance script runs ten thousand of them.
  it('leaves every record of an act that was answered, wherever the power is cut', async () => {
    for (let seed = 1; seed <= 100; seed++)
      await crashTwice(seed).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error}`, { cause: error });
      });
  }, 30_000);
});
