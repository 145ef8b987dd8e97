import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor } from 'xstate';
import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { nodeClock } from '../../../../src/actors/kernel/node-clock.ts';
import { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import { auditWriter, auditWriterInput } from '../../../../src/actors/operations/audit/audit-writer.ts';
import { nodeDisk } from '../../../../src/actors/operations/node-disk.ts';
import { limits } from '../../../../src/limits.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import {
  auditLab,
  denied,
  deployed,
  FaultyDisk,
  firstSegment,
  granted,
  inState,
  ioFault,
  logParts,
  recordsOf,
  shutDown,
  testFolder,
  until,
} from './audit-lab.ts';

const types = async (log: AuditLog): Promise<string[]> => {
  const tail = await log.tail(100);
  return tail.ok ? tail.value.map(({ type, identity }) => `${type} ${identity}`) : [];
};

describe('a disk that refuses', () => {
  it.each(['append', 'half', 'sync', 'everything'] as const)('blocks the log (%s) until it gives in', async (at) => {
    const { log, disk, clock, start } = auditLab();
    const writer = start();
    await inState(writer, 'writing');
    await log.record(deployed('default/before'));
    disk.fault = { at, error: ioFault };
    const failed = await log.record(deployed('default/failed'));
    expect(failed).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    expect(!failed.ok && failed.refusal.reasons.join(' ')).toContain('EIO');
    await inState(writer, 'blocked');
    expect(log.head()).toMatchObject({ state: 'blocked', sequence: 1 });
    expect(await log.record(deployed('default/at-once'))).toMatchObject({ ok: false });

    disk.fault = { at: 'everything', error: ioFault };
    await clock.advanceAsync(60_000);
    expect(writer.getSnapshot().matches('blocked')).toBe(true);
    disk.fault = undefined;
    await until('it recovers', () => {
      clock.advance(1_000);
      return writer.getSnapshot().matches('writing');
    });
    expect((await log.record(deployed('default/after'))).ok).toBe(true);
    const seen = await types(log);
    expect(seen[0]).toBe('AgentDeployed default/before');
    expect(seen.at(-1)).toBe('AgentDeployed default/after');
    // Its act was refused, so its record must not say that it happened.
    expect(seen.join()).not.toMatch(/failed|at-once/);
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true } });
  });

  it('loses nothing that nobody waited for', async () => {
    const { log, disk, clock, start } = auditLab();
    const writer = start();
    await inState(writer, 'writing');
    disk.fault = { at: 'sync', error: ioFault };
    log.note(deployed('default/noted'));
    await inState(writer, 'blocked');
    log.note(deployed('default/noted-while-blocked'));
    log.note(granted('default/planner'));
    // Whoever is turned away hears of the block, and leaves a trace all the same.
    expect(await log.record(denied('10.0.0.1'))).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    disk.fault = undefined;
    await until('it recovers', () => {
      clock.advance(1_000);
      return writer.getSnapshot().matches('writing');
    });
    clock.advance(1_000);
    await until('all is written', () => log.head().sequence >= 4);
    const seen = await types(log);
    for (const name of [
      'AgentDeployed default/noted',
      'AgentDeployed default/noted-while-blocked',
      'AccessGranted default/planner',
      'LoginFailure anonymous',
    ])
      expect(seen).toContain(name);
  });

  it.each(['append', 'open'] as const)(
    'is asked again ever more rarely (%s), though it can be opened in between',
    async (at) => {
      const { log, disk, clock, start } = auditLab();
      const writer = start();
      await inState(writer, 'writing');
      disk.fault = { at: 'append', error: ioFault };
      // Kept, so that each life of the writer tries to write it at once.
      log.note(deployed('default/noted'));
      await inState(writer, 'blocked');
      disk.fault = { at, error: ioFault };
      const waiting = () => writer.getSnapshot().matches({ blocked: 'waiting' } as never);
      for (const wait of [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]) {
        await until('it waits', waiting);
        clock.advance(wait - 1);
        expect(waiting(), `before ${wait} ms`).toBe(true);
        clock.advance(1);
        expect(waiting(), `after ${wait} ms`).toBe(false);
      }
      await until('it waits', waiting);
      disk.fault = undefined;
      clock.advance(10_000);
      await until('what was kept is written', () => log.head().sequence >= 2);
      expect((await recordsOf(log)).map(({ type }) => type)).toEqual(['AuditRecovered', 'AgentDeployed']);

      disk.fault = { at: 'append', error: ioFault };
      expect((await log.record(deployed())).ok).toBe(false);
      await inState(writer, 'blocked');
      disk.fault = undefined;
      clock.advance(250);
      await inState(writer, 'writing');
    },
  );

  it('to begin a new segment is asked ever more rarely too, and the log tells once that it goes on', async () => {
    const { log, disk, clock, folder, start } = auditLab();
    const writer = start();
    await inState(writer, 'writing');
    await log.record(deployed('default/one'));
    // No new file, as in a folder that lost its right to write; the old one still takes records.
    const { writeFileAtomic } = disk;
    disk.writeFileAtomic = async (path) => {
      throw new Error(`EACCES: permission denied, open '${path}'`);
    };
    clock.advance(86_400_000);
    const refused = await log.record(deployed('default/two'));
    expect(!refused.ok && refused.refusal.reasons.join(' ')).toContain('EACCES');
    await inState(writer, 'blocked');
    const waiting = () => writer.getSnapshot().matches({ blocked: 'waiting' } as never);
    for (const wait of [250, 500, 1_000, 2_000, 4_000]) {
      await until('it waits', waiting);
      expect(log.head().sequence).toBe(1);
      clock.advance(wait - 1);
      expect(waiting(), `before ${wait} ms`).toBe(true);
      clock.advance(1);
      expect(waiting(), `after ${wait} ms`).toBe(false);
    }
    disk.writeFileAtomic = writeFileAtomic;
    await until('it recovers', () => {
      clock.advance(1_000);
      return writer.getSnapshot().matches('writing');
    });
    expect((await log.record(deployed('default/three'))).ok).toBe(true);
    expect((await recordsOf(log)).map(({ type }) => type)).toEqual([
      'AgentDeployed',
      'AuditRecovered',
      'AgentDeployed',
    ]);
    expect(readdirSync(folder)).toContain('audit-000000000002.seg');
  });

  it('that loses the end of the log keeps it blocked', async () => {
    const { log, disk, clock, folder, start } = auditLab();
    const writer = start();
    await inState(writer, 'writing');
    await log.record(deployed('default/one'));
    await log.record(deployed('default/two'));
    disk.fault = { at: 'sync', error: ioFault };
    await log.record(deployed('default/three'));
    disk.fault = undefined;
    writeFileSync(join(folder, firstSegment), '');
    let reasons = '';
    await until('it says why', () => {
      clock.advance(1_000);
      void log.record(deployed('default/four')).then((refused) => {
        if (!refused.ok) reasons = refused.refusal.reasons.join(' ');
      });
      return reasons.includes('was changed');
    });
    expect(writer.getSnapshot().matches('blocked')).toBe(true);
  });
});

describe('the writer', () => {
  it('crashes with the reason when the log cannot be opened at the start', async () => {
    const folder = join(testFolder(), 'audit');
    writeFileSync(folder, 'a file where the folder should be');
    const writer = auditLab({ folder }).start();
    await until('it has crashed', () => writer.getSnapshot().status === 'error');
    expect(String(writer.getSnapshot().error)).toContain('EEXIST');
  });

  it('finishes what waits before its final state', async () => {
    const { log, start } = auditLab();
    const writer = start();
    const waiting = Promise.all([1, 2, 3].map((i) => log.record(deployed(`default/a${i}`))));
    await inState(writer, 'writing');
    await shutDown(writer);
    expect((await waiting).every(({ ok }) => ok)).toBe(true);
    expect(log.head()).toMatchObject({ state: 'closed', sequence: 3 });
  });

  it('refuses who waits when it is shut down before it has opened', async () => {
    const { log, start, disk } = auditLab();
    disk.fault = { at: 'open', error: ioFault };
    const waiting = log.record(deployed());
    const writer = start();
    await shutDown(writer);
    expect(await waiting).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
  });

  it('that is killed and started again leaves no gap', async () => {
    const { log, start } = auditLab();
    for (let life = 1; life <= 5; life++) {
      const writer = start();
      const first = log.record(deployed(`default/first-${life}`));
      await first;
      const second = log.record(deployed(`default/second-${life}`));
      writer.stop();
      const next = start();
      expect((await second).ok).toBe(true);
      next.stop();
    }
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: 10 } });
  });

  it('crashes and restarts under a supervisor while acts wait', async () => {
    const folder = testFolder();
    mkdirSync(folder, { recursive: true });
    const log = new AuditLog({ ...logParts, disk: new FaultyDisk(), clock: nodeClock, folder });
    const kernel = createKernel({ clock: nodeClock, metrics: createMetrics(), tap: () => undefined });
    await kernel.start({
      kind: 'supervisor',
      id: 'node',
      strategy: 'one-for-one',
      intensity: 5,
      children: [
        {
          kind: 'worker',
          id: 'audit-writer',
          logic: auditWriter,
          input: auditWriterInput(log),
          startedWhen: (snapshot) => snapshot.matches('writing'),
        },
      ],
    });
    const all = Array.from({ length: 20 }, (_, i) => log.record(deployed(`default/a${i}`)));
    expect((await Promise.all(all)).every(({ ok }) => ok)).toBe(true);
    await kernel.stop();
    expect(log.head().state).toBe('closed');
    const again = new AuditLog({ ...logParts, disk: nodeDisk, clock: nodeClock, folder });
    await again.open();
    expect(await again.verify()).toMatchObject({ ok: true, value: { valid: true, records: 20 } });
    await again.close();
  });
});

describe('a disk that is full', () => {
  const folder = '/audit';
  /** A log on a disk with so much room, its writer, and what fills the disk. */
  const full = async (roomBytes: number) => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const log = new AuditLog({ ...logParts, disk, clock, folder });
    const writer = createActor(auditWriter, { input: { log }, clock });
    writer.subscribe({ error: () => {} });
    writer.start();
    onTestFinished(() => void writer.stop());
    await inState(writer, 'writing');
    await log.record(deployed('default/before'));
    const used = disk.paths().reduce((sum, path) => sum + disk.peek(path)!.length, 0);
    disk.capacityBytes = used + roomBytes;
    return { disk, clock, log, writer };
  };

  it('takes acts of class A from the reserve, counts the rest, and goes on when there is room again', async () => {
    const { disk, clock, log, writer } = await full(100);
    expect((await log.record(deployed('default/on-reserve'))).ok).toBe(true);
    await inState(writer, 'sparing');
    expect(log.head().state).toBe('sparing');
    for (let i = 0; i < 20; i++) log.note(granted('default/planner'));
    expect(await log.record(denied('10.0.0.1'))).toMatchObject({ ok: true });
    for (let i = 0; i < 50; i++) expect((await log.record(deployed(`default/a${i}`))).ok).toBe(true);
    expect((await types(log)).filter((seen) => !seen.startsWith('AgentDeployed'))).toEqual(
      expect.not.arrayContaining(['AccessGranted default/planner']),
    );
    // Room for what is written, but not for a reserve beside it: it stays careful.
    await clock.advanceAsync(limits.auditReserveRetryMs);
    expect(writer.getSnapshot().matches('sparing')).toBe(true);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await clock.advanceAsync(limits.auditReserveRetryMs);
    await inState(writer, 'writing');
    await until('all is written', () => log.head().sequence >= 55);
    const seen = await types(log);
    expect(seen).toContain('AccessGranted default/planner');
    expect(seen).toContain('LoginFailure anonymous');
    expect(seen).toContain('AuditRecovered node/node-1');
    expect(disk.peek(`${folder}/reserve`)).toHaveLength(limits.auditReserveBytes);
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true } });
  });

  it('that had no room for the reserve gives it with the next segment, once there is some', async () => {
    const disk = new MemoryDisk({ capacityBytes: 100_000 });
    const log = new AuditLog({ ...logParts, disk, clock: new ManualClock(), folder });
    await log.open();
    await log.rotate();
    expect(log.holdsReserve).toBe(false);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await log.rotate();
    expect(log.holdsReserve).toBe(true);
    await log.close();
  });

  it('blocks when the reserve is spent as well, says that the disk is full, and recovers by itself', async () => {
    const { disk, clock, log, writer } = await full(100);
    const bulky = { ...deployed(), reasons: ['x'.repeat(500)] };
    let refused: Awaited<ReturnType<typeof log.record>> | undefined;
    for (let i = 0; i < 5_000 && !refused; i++) {
      const result = await log.record(bulky);
      if (!result.ok) refused = result;
    }
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    if (refused && !refused.ok) expect(refused.refusal.reasons.join(' ')).toContain('ENOSPC');
    await inState(writer, 'blocked');
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await until('it recovers', () => {
      clock.advance(1_000);
      return writer.getSnapshot().matches('writing');
    });
    expect((await log.record(deployed('default/after'))).ok).toBe(true);
    const tail = await log.tail(2);
    expect(tail.ok && tail.value[0]).toMatchObject({ type: 'AuditRecovered', metadata: { refused: 1 } });
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true } });
    expect(log.holdsReserve).toBe(true);
  });
});
