import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createActor } from 'xstate';
import type { Clock } from '../../../../src/actors/kernel/ports.ts';
import { auditKeeper } from '../../../../src/actors/operations/audit/audit-keeper.ts';
import { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import { AuditUpkeep } from '../../../../src/actors/operations/audit/audit-upkeep.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { createVaultRing, type VaultRing } from '../../../../src/crypto/vault.ts';
import { unwrap } from '../../../../src/errors.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { deployed, logParts, recordsOf, testVault, until } from './audit-lab.ts';

const folder = '/audit';
const dayMs = 86_400_000;

/** A log with a writer that rotates as the chart does, its upkeep, and a vault that can be exchanged. */
async function lab(retentionDays = 3, disk = new MemoryDisk()) {
  const clock = new ManualClock();
  /** How far the wall clock is wrong. */
  const skew = { ms: 0 };
  const wall: Clock = {
    now: () => clock.now() + skew.ms,
    monotonic: () => clock.monotonic(),
    setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
    clearTimeout: (timer) => clock.clearTimeout(timer),
  };
  const vault = { ring: testVault as VaultRing, next: testVault as VaultRing };
  const log = new AuditLog({ ...logParts, disk, clock: wall, folder, vault: () => vault.ring });
  const faults: string[] = [];
  const upkeep = new AuditUpkeep({
    disk,
    clock: wall,
    crypto: osCrypto,
    folder,
    log,
    vault: {
      get ring() {
        return vault.ring;
      },
      async reload() {
        vault.ring = vault.next;
      },
    },
    retentionMs: retentionDays * dayMs,
    fault: (message, error) => faults.push(`${message}: ${error}`),
  });
  await log.open();
  log.setMode('writing');
  const stop = new AbortController();
  void (async () => {
    while (!stop.signal.aborted) {
      await log.write(stop.signal);
      if (!stop.signal.aborted) await log.rotate();
    }
  })().catch((error) => log.setMode('blocked', error));
  const segments = () => disk.paths().filter((path) => path.endsWith('.seg'));
  return {
    clock,
    disk,
    log,
    vault,
    faults,
    segments,
    skew,
    upkeep,
    tidy: () => upkeep.tidy(new AbortController().signal),
    async day(records: number) {
      for (let i = 0; i < records; i++)
        unwrap(await log.record({ ...deployed(`default/a${i}`), reasons: ['again '.repeat(50)] }));
      await clock.advanceAsync(dayMs);
    },
    valid: async () => unwrap(await log.verify()),
    stop: () => stop.abort(),
  };
}

describe('closed segments', () => {
  it('are compressed, and the log is the same log', async () => {
    const { day, tidy, disk, segments, valid, log, faults } = await lab();
    await day(40);
    await day(2);
    await log.record(deployed());
    await until('three segments', () => segments().length === 3);
    const before = await valid();
    const records = await recordsOf(log);
    const bytes = disk.peek(segments()[0]!)!.length;
    await tidy();
    expect(faults).toEqual([]);
    expect(disk.peek(segments()[0]!)!.length).toBeLessThan(bytes / 5);
    expect(await valid()).toEqual(before);
    expect(await recordsOf(log)).toEqual(records);
    const tail = unwrap(await log.tail(5));
    expect(tail.map(({ seq }) => seq)).toEqual([39, 40, 41, 42, 43]);
  });

  it('that were changed stay as they lie, and the others are tidied all the same', async () => {
    const { day, tidy, disk, segments, log, faults, valid } = await lab();
    for (let i = 0; i < 3; i++) await day(3);
    await log.record(deployed());
    const [first, second] = segments() as [string, string];
    const changed = disk.peek(first)!;
    changed[changed.length - 1]! ^= 1;
    disk.put(first, changed);
    const size = disk.peek(second)!.length;
    await tidy();
    expect(disk.peek(first)).toEqual(changed);
    expect(disk.peek(second)!.length).toBeLessThan(size);
    expect(faults.join()).toContain(first);
    expect(await valid()).toMatchObject({ valid: false, firstBad: { sequence: 3 } });
  });

  it('are retired when their time is over, which a record says first, and the proof goes on', async () => {
    const { day, tidy, segments, log, valid } = await lab(3);
    for (let i = 0; i < 6; i++) await day(4);
    await log.record(deployed());
    expect(segments()).toHaveLength(7);
    const { headHash } = await valid();
    await tidy();
    // Six days lie behind; what ended three days ago or earlier goes.
    expect(segments()).toHaveLength(4);
    const verified = await valid();
    expect(verified).toMatchObject({ valid: true, records: 14 });
    expect(verified.headHash).not.toBe(headHash);
    const [oldest, ...rest] = await recordsOf(log);
    expect(oldest!.seq).toBe(13);
    // Who asks from the first record on gets what there is.
    expect(unwrap(await log.tail(5, 1)).map(({ seq }) => seq)).toEqual([13, 14, 15, 16, 17]);
    expect(unwrap(await log.tail(5, 12))[0]?.seq).toBe(13);
    expect(rest.at(-1)).toMatchObject({ type: 'AuditRetired', metadata: { through: 12, segments: 3 } });
    await tidy();
    expect(await valid()).toMatchObject({ valid: true, records: 14 });
  });

  it('that somebody else removed are missed, though others were retired', async () => {
    const { day, tidy, segments, log, valid, disk } = await lab(3);
    for (let i = 0; i < 6; i++) await day(4);
    await log.record(deployed());
    await tidy();
    await disk.remove(segments()[0]!);
    expect(await valid()).toMatchObject({ valid: false, firstBad: { sequence: 13 } });
  });

  it('are kept past their time while somebody has still to read them, which is told once, but not on a full disk', async () => {
    const { day, tidy, segments, log, upkeep, faults } = await lab(3);
    for (let i = 0; i < 6; i++) await day(4);
    await log.record(deployed());
    let read = 7;
    upkeep.readers.add(() => 100);
    upkeep.readers.add(() => read);
    await tidy();
    await tidy();
    // One segment of four records was read as a whole.
    expect(segments()).toHaveLength(6);
    expect(faults).toEqual([expect.stringContaining('keeps 2 segments past their time')]);
    read = 8;
    await tidy();
    expect(segments()).toHaveLength(5);
    log.setMode('sparing');
    await tidy().catch(() => {});
    expect(segments()).toHaveLength(4);
  });

  it('that are past their time go at once when the disk is full, and nothing is written anew then', async () => {
    const { clock, day, segments, log, disk, upkeep } = await lab(3);
    for (let i = 0; i < 6; i++) await day(4);
    await log.record(deployed());
    const kept = segments().slice(3);
    const bytes = kept.map((path) => disk.peek(path)!.length);
    const rounds = vi.spyOn(upkeep, 'tidy');
    const keeper = createActor(auditKeeper, { input: { upkeep }, clock }).start();
    onTestFinished(() => void keeper.stop());
    for (const times of [1, 2]) {
      log.setMode('sparing');
      await until('a round', () => keeper.getSnapshot().matches('waiting') && rounds.mock.calls.length === times);
      expect(segments()).toEqual(kept);
      expect(kept.slice(0, -1).map((path) => disk.peek(path)!.length)).toEqual(bytes.slice(0, -1));
      // Once for each time that it is full.
      log.setMode('sparing');
      expect(rounds).toHaveBeenCalledTimes(times);
      log.setMode('writing');
    }
    expect((await recordsOf(log)).at(-1)).toMatchObject({ type: 'AuditRetired', metadata: { through: 12 } });
    keeper.stop();
    expect(log.listeners.size).toBe(0);
  });

  it('are kept by their own times when the clock was wrong for a while', async () => {
    const { clock, skew, day, tidy, segments, log } = await lab(3);
    await day(1);
    // As at a start without a battery: 1970. Then ten years ahead, for a while.
    skew.ms = dayMs - clock.now();
    await log.record(deployed('default/back'));
    skew.ms = 3_650 * dayMs;
    await log.record(deployed('default/ahead'));
    await tidy();
    skew.ms = 0;
    await log.record(deployed('default/right'));
    await day(1);
    await tidy();
    expect((await recordsOf(log)).map(({ identity }) => identity)).toEqual([
      'default/a0',
      'default/back',
      'default/ahead',
      'default/right',
      'default/a0',
    ]);
    for (let i = 0; i < 6; i++) await day(1);
    await tidy();
    expect(await log.reader.first()).toBeGreaterThan(4);
    expect(segments().length).toBeLessThan(6);
  });

  it('that cannot be removed are told, and no second record says that they are retired', async () => {
    const { day, tidy, segments, log, disk, faults, valid } = await lab(3);
    for (let i = 0; i < 6; i++) await day(4);
    await log.record(deployed());
    disk.fail('remove', 'EACCES');
    for (let i = 0; i < 3; i++) await tidy();
    expect(segments()).toHaveLength(7);
    expect(faults.join()).toContain('EACCES');
    expect((await recordsOf(log)).filter(({ type }) => type === 'AuditRetired')).toHaveLength(1);
    disk.mend();
    await tidy();
    expect(segments()).toHaveLength(4);
    expect((await recordsOf(log)).filter(({ type }) => type === 'AuditRetired')).toHaveLength(1);
    expect(await valid()).toMatchObject({ valid: true });
  });

  it('are not retired when that cannot be recorded', async () => {
    const { day, tidy, segments, log, disk } = await lab(1);
    for (let i = 0; i < 4; i++) await day(1);
    await log.record(deployed());
    const all = segments();
    disk.fail('sync', 'EIO');
    await Promise.allSettled([tidy()]);
    expect(segments()).toEqual(all);
  });
});

describe('a vault that was rotated', () => {
  it('takes over: a new segment under the new key, the old ones wrapped anew, nothing lost', async () => {
    const { day, tidy, segments, log, valid, vault, disk, stop } = await lab();
    await day(3);
    await log.record(deployed());
    vault.next = unwrap(testVault.rotated(osCrypto));
    await tidy();
    await until('a new segment', () => segments().length === 3);
    await log.record(deployed());
    await tidy();
    expect(await valid()).toMatchObject({ valid: true });
    expect((await recordsOf(log)).map(({ type }) => type)).toContain('VaultKeyRotated');
    // The old key opens nothing any more, and may be dropped.
    vault.ring = unwrap(vault.next.without(testVault.currentId));
    vault.next = vault.ring;
    expect(await valid()).toMatchObject({ valid: true });
    stop();
    await log.close();
    const again = new AuditLog({ ...logParts, disk, clock: new ManualClock(), folder, vault: () => vault.ring });
    await again.open();
    expect(again.head().sequence).toBe(log.head().sequence);
  });

  it('is on record though the log refused that at first', async () => {
    const { day, tidy, log, vault, faults } = await lab();
    await day(1);
    vault.next = unwrap(testVault.rotated(osCrypto));
    log.setMode('blocked', new Error('EIO'));
    await tidy();
    expect(faults.join()).toContain('cannot be written');
    log.setMode('writing');
    for (let i = 0; i < 2; i++) await tidy();
    const told = (await recordsOf(log)).filter(({ type }) => type === 'VaultKeyRotated');
    expect(told).toMatchObject([{ metadata: { key: vault.next.currentId, held: 2 } }]);
  });

  it('is missed when the log needs a key that it no longer holds', async () => {
    const { day, log, vault } = await lab();
    await day(2);
    await log.record(deployed());
    vault.ring = createVaultRing(osCrypto);
    expect(unwrap(await log.verify())).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
  });
});
