import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import { nodeDisk } from '../../../../src/actors/operations/node-disk.ts';
import { unwrap } from '../../../../src/errors.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { deployed, logParts } from './audit-lab.ts';

/** A log of six segments, a day each, on the real disk; it goes on being open. */
async function sixDays(): Promise<{ log: AuditLog; folder: string }> {
  const clock = new ManualClock();
  const folder = join(mkdtempSync(join(tmpdir(), 'caxton-audit-')), 'audit');
  const log = new AuditLog({ ...logParts, disk: nodeDisk, clock, folder });
  await log.open();
  for (let day = 0; day < 6; day++) {
    const records = [1, 2, 3].map((i) => log.record(deployed(`default/a${i}`)));
    const stop = new AbortController();
    const written = log.write(stop.signal);
    await Promise.all(records);
    stop.abort();
    await written;
    await clock.advanceAsync(86_400_000);
    if (day < 5) await log.rotate();
  }
  return { log, folder };
}

describe('a log of many segments is checked in threads', () => {
  let log: AuditLog;
  let folder: string;
  beforeAll(async () => {
    ({ log, folder } = await sixDays());
    return async () => {
      await log.close();
      rmSync(join(folder, '..'), { recursive: true });
    };
  });
  const paths = () =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.seg'))
      .map((name) => join(folder, name));

  it('and they find what one thread finds', async () => {
    expect(unwrap(await log.verify())).toMatchObject({ valid: true, records: 18, headSequence: 18 });
    for (const [damage, sequence] of [
      [(path: string) => writeFileSync(path, readFileSync(path).subarray(0, -3)), 7],
      [(path: string) => rmSync(path), 7],
      [(path: string) => writeFileSync(path, 'x'), 7],
      [(path: string) => writeFileSync(path, readFileSync(paths()[1]!)), 7],
    ] as const) {
      const path = paths()[2]!;
      const whole = readFileSync(path);
      damage(path);
      expect(unwrap(await log.verify())).toMatchObject({ valid: false, firstBad: { sequence } });
      writeFileSync(path, whole);
    }
    expect(unwrap(await log.verify()).valid).toBe(true);
  });
});
