import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AuditLog } from '../../../src/actors/operations/audit-log.ts';
import { ManualClock } from '../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../src/testing/memory-disk.ts';
import { auditLab, deployed, inState, until } from './audit-lab.ts';

const folder = '/audit';
const path = `${folder}/audit-000000000001.jsonl`;
const logOn = (disk: MemoryDisk): AuditLog =>
  new AuditLog({ disk, clock: new ManualClock(), nodeId: 'node-1', folder });

const linesOf = (disk: MemoryDisk): { identity: string; type: string }[] =>
  Buffer.from(disk.peek(path) ?? [])
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

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
    expect(linesOf(disk).length).toBeGreaterThan(0);
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
          const keptNames = linesOf(found).map(({ identity }) => identity);
          for (const name of letThrough) expect(keptNames).toContain(name);
          expect(await again.verify()).toMatchObject({ ok: true, value: { valid: true } });
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('a log whose last line is torn', () => {
  const original = (async () => {
    const disk = new MemoryDisk();
    const log = logOn(disk);
    const stop = writing(log);
    for (const name of ['default/a', 'default/b', 'default/c']) await log.record(deployed(name));
    stop.abort();
    await log.close();
    return disk.peek(path)!;
  })();

  it('anywhere is cut back to the last whole one, says so, and goes on', async () => {
    const bytes = await original;
    const second = bytes.indexOf(10) + 1;
    const third = bytes.indexOf(10, second) + 1;
    for (let length = third + 1; length < bytes.length; length += 7) {
      const disk = new MemoryDisk();
      const torn = bytes.slice(0, length);
      disk.put(path, torn);
      const log = logOn(disk);
      await log.open();
      expect(linesOf(disk).map(({ type }) => type)).toEqual(['AgentDeployed', 'AgentDeployed', 'AuditRepaired']);
      expect(linesOf(disk)[2]).toMatchObject({ metadata: { file: path, cutBytes: length - third } });
      expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: 3 } });
    }
  });

  it.each<[string, (bytes: Uint8Array) => Uint8Array]>([
    ['with a changed byte', (bytes) => bytes.with(40, bytes[40]! ^ 1)],
    ['without its first line', (bytes) => bytes.slice(bytes.indexOf(10) + 1)],
    ['with a line that is no record', (bytes) => Buffer.concat([bytes, Buffer.from('hello\n')])],
    ['with a line twice', (bytes) => Buffer.concat([bytes, bytes])],
    ['with bytes that are no text', (bytes) => Buffer.concat([bytes, Uint8Array.of(0xff, 0xfe, 10)])],
    ['with an empty line', (bytes) => Buffer.concat([bytes, Uint8Array.of(10)])],
  ])('is another thing than a log %s: that is refused, names the file and stays as it is', async (_, damage) => {
    const disk = new MemoryDisk();
    const damaged = damage(Uint8Array.from(await original));
    disk.put(path, damaged);
    const error = await logOn(disk)
      .open()
      .then(
        () => undefined,
        (reason: unknown) => reason,
      );
    expect(error).toMatchObject({ code: 'MALFORMED' });
    expect(String(error)).toContain(path);
    expect(disk.peek(path)).toEqual(Uint8Array.from(damaged));
  });
});

describe('a log that somebody takes away while it is written', () => {
  const fileIn = (home: string): string => join(home, 'audit-000000000001.jsonl');
  it.each<[string, (file: string) => void]>([
    ['removed', (file) => rmSync(file)],
    ['moved away', (file) => renameSync(file, `${file}.old`)],
    ['emptied', (file) => truncateSync(file, 0)],
    [
      'replaced by a copy',
      (file) => {
        const copy = readFileSync(file);
        rmSync(file);
        writeFileSync(file, copy);
      },
    ],
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
});
