import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AuditLog } from '../../../../src/actors/operations/audit/audit-log.ts';
import { limits } from '../../../../src/limits.ts';
import { blockMark } from '../../../../src/protocols/audit/block-head.ts';
import { auditPolicy } from '../../../../src/protocols/audit/level.ts';
import {
  type AuditLab,
  auditLab,
  denied,
  deployed,
  firstSegment,
  granted,
  inState,
  recordsOf,
  shutDown,
  until,
} from './audit-lab.ts';

const running = async (...options: Parameters<typeof auditLab>): Promise<AuditLab> => {
  const lab = auditLab(...options);
  await inState(lab.start(), 'writing');
  return lab;
};

const segments = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.seg'))
    .map((name) => join(folder, name));

const types = async (log: AuditLog): Promise<string[]> => (await recordsOf(log)).map(({ type }) => type);

const fill = async (log: AuditLog, count: number): Promise<void> => {
  for (let i = 1; i <= count; i++) expect((await log.record(deployed(`default/agent-${i}`))).ok).toBe(true);
};

const firstBad = async (log: AuditLog): Promise<number | undefined> => {
  const verification = await log.verify();
  if (!verification.ok) throw new Error(verification.refusal.reasons.join(' '));
  expect(verification.value.valid).toBe(verification.value.firstBad === undefined);
  return verification.value.firstBad?.sequence;
};

describe('a record', () => {
  it('is on the disk before whoever waits is told', async () => {
    const { log, disk, folder } = await running();
    const syncsBefore = disk.syncs;
    const empty = statSync(segments(folder)[0]!).size;
    let release: (() => void) | undefined;
    disk.beforeSync = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    let answered = false;
    const recorded = log.record(deployed()).finally(() => {
      answered = true;
    });
    await until('the sync has begun', () => release !== undefined);
    expect(statSync(segments(folder)[0]!).size).toBeGreaterThan(empty);
    expect(answered).toBe(false);
    release?.();
    expect(await recorded).toMatchObject({ ok: true, value: { sequence: 1 } });
    expect(disk.syncs).toBe(syncsBefore + 1);
  });

  it('is never left lying when it comes as the writer begins to wait', async () => {
    const { log } = await running();
    for (let gap = 0; gap < 40; gap++) {
      await log.record(deployed());
      for (let step = 0; step < gap; step++) await undefined;
      expect((await log.record(deployed())).ok).toBe(true);
    }
  });

  it('shares its sync with those that came meanwhile', async () => {
    const { log, disk } = await running();
    const syncsBefore = disk.syncs;
    const all = await Promise.all(Array.from({ length: 500 }, (_, i) => log.record(deployed(`default/a${i}`))));
    expect(all.map((result) => result.ok && result.value.sequence)).toEqual(all.map((_, i) => i + 1));
    expect(disk.syncs - syncsBefore).toBeLessThanOrEqual(2);
    expect(log.head()).toMatchObject({ state: 'writing', sequence: 500 });
  });

  it('goes to a file that only the owner can read', async () => {
    const { log, folder } = await running();
    await fill(log, 1);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(segments(folder).map((path) => statSync(path).mode & 0o777)).toEqual([0o600]);
  });

  it('waits until the writer has opened the log, within the bound', async () => {
    const lab = auditLab({ queueRecordsMax: 3 });
    const waiting = [1, 2, 3].map((i) => lab.log.record(deployed(`default/a${i}`)));
    const refused = await lab.log.record(deployed('default/one-too-many'));
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    lab.start();
    expect((await Promise.all(waiting)).map((result) => result.ok)).toEqual([true, true, true]);
  });

  it('is refused when no writer comes in time', async () => {
    const { log, clock } = auditLab();
    const early = log.record(deployed('default/early'));
    clock.advance(limits.auditWaitMsMax / 2);
    const late = log.record(deployed('default/late'));
    clock.advance(limits.auditWaitMsMax / 2);
    expect(await early).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
    expect(await Promise.race([late, Promise.resolve('still waiting')])).toBe('still waiting');
    clock.advance(limits.auditWaitMsMax / 2);
    expect(await late).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
  });

  it('is refused, and does not hang, after the log has closed', async () => {
    const lab = auditLab();
    const writer = lab.start();
    await inState(writer, 'writing');
    await shutDown(writer);
    expect(await lab.log.record(deployed())).toMatchObject({ ok: false, refusal: { code: 'AUDIT_BLOCKED' } });
  });

  it('with an impossible time throws at whoever made it', async () => {
    const { log } = await running();
    expect(() => log.record({ ...deployed(), at: Number.NaN })).toThrow(RangeError);
    await fill(log, 1);
  });
});

describe('an event that makes no record', () => {
  const broken: [string, object][] = [
    ['cannot be written', { metadata: { big: 1n } }],
    ['could not be read again', { identity: undefined }],
    ['has a count of nothing', { count: 0 }],
  ];
  it.each(broken)('because it %s is thrown back at who waits, and stops nobody else', async (_, fault) => {
    const { log } = await running();
    const bad = { ...deployed(), ...fault } as never;
    const all = await Promise.allSettled([log.record(deployed('a')), log.record(bad), log.record(deployed('b'))]);
    expect(all.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(String((all[1] as PromiseRejectedResult).reason)).toContain('makes no audit record');
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: 2 } });
  });

  it.each(broken)('because it %s and nobody waits for it leaves a trace', async (_, fault) => {
    const { log } = await running();
    log.note({ ...deployed(), ...fault } as never);
    await fill(log, 1);
    expect(await types(log)).toEqual(['SupervisionEvent', 'AgentDeployed']);
    expect(log.head().state).toBe('writing');
  });
});

describe('what nobody waits for', () => {
  it('is written once in full, then counted, and the count is written when its window ends', async () => {
    const { log, clock } = await running();
    for (let i = 0; i < 1_000; i++) log.note(granted('default/planner'));
    log.note(granted('default/other'));
    await fill(log, 1);
    expect(await types(log)).toEqual(['AccessGranted', 'AccessGranted', 'AgentDeployed']);
    clock.advance(limits.auditAggregateWindowMs);
    await until('the counts are written', () => log.head().sequence === 4);
    const records = await recordsOf(log);
    expect(records[0]).not.toHaveProperty('count');
    expect(records[3]).toMatchObject({ identity: 'default/planner', count: 999 });
  });

  it('is written when the log closes, though its window has not ended', async () => {
    const lab = auditLab();
    const writer = lab.start();
    await inState(writer, 'writing');
    lab.log.note(granted('default/planner'));
    lab.log.note(granted('default/planner'));
    void lab.log.record(denied('10.0.0.1'));
    await shutDown(writer);
    expect((await types(lab.log)).sort()).toEqual(['AccessGranted', 'AccessGranted', 'LoginFailure']);
    // Nothing may keep the process alive.
    expect(lab.clock.pending).toBe(0);
  });

  it('leaves a count where there is no room for a record', async () => {
    const lab = auditLab({ queueRecordsMax: 2 });
    for (let i = 0; i < 5; i++) lab.log.note(deployed('default/echo'));
    await inState(lab.start(), 'writing');
    lab.clock.advance(limits.auditAggregateWindowMs);
    await until('all are accounted for', () => lab.log.head().sequence === 3);
    expect((await recordsOf(lab.log)).map(({ count }) => count ?? 1)).toEqual([1, 1, 3]);
  });
});

describe('denials', () => {
  it('are written in full at first, then counted, however they come', async () => {
    const { log, clock } = await running();
    for (let i = 0; i < 50; i++) {
      if (i % 2 === 0) log.note(denied('10.0.0.1'));
      else expect((await log.record(denied('10.0.0.1'))).ok).toBe(true);
    }
    await fill(log, 1);
    const inFull = limits.auditDenialsInFullMax;
    expect((await types(log)).filter((type) => type === 'LoginFailure')).toHaveLength(inFull);
    clock.advance(limits.auditDenialWindowMs);
    await until('the rest is counted', () => log.head().sequence === inFull + 2);
    expect((await recordsOf(log)).at(-1)).toMatchObject({
      type: 'LoginFailure',
      sourceIp: '10.0.0.1',
      count: 50 - inFull,
    });
  });
});

describe('a policy', () => {
  it('says for each event whether it is kept, counted, or kept without its details', async () => {
    const policy = auditPolicy({
      AgentDeployed: 'metadata',
      AgentRemoved: 'aggregate',
      LoginFailure: 'none',
      AccessGranted: 'full',
    });
    const { log } = await running({ policy });
    expect(await log.record({ ...deployed(), reasons: ['a detail'] })).toMatchObject({ value: { sequence: 1 } });
    for (let i = 0; i < 3; i++) await log.record({ ...deployed(), type: 'AgentRemoved' });
    expect(await log.record(denied('10.0.0.1'))).toEqual({ ok: true, value: { sequence: 0 } });
    for (let i = 0; i < 2; i++) log.note(granted('default/planner'));
    for (let i = 0; i < 2; i++)
      log.grant('default/planner', 'default/echo', 'request', () => granted('default/planner'));
    await log.record(deployed('default/last'));
    const records = await recordsOf(log);
    expect(records.map(({ type }) => type)).toEqual([
      'AgentDeployed',
      'AgentRemoved',
      ...Array.from({ length: 4 }, () => 'AccessGranted'),
      'AgentDeployed',
    ]);
    expect(records[0]).toMatchObject({ level: 'metadata', reasons: [] });
  });

  it('counts what was granted again without asking for it', async () => {
    const { log, clock } = await running();
    let asked = 0;
    const fact = () => {
      asked += 1;
      return granted('default/planner');
    };
    for (let i = 0; i < 100; i++) log.grant('default/planner', 'default/echo', 'request', fact);
    expect(asked).toBe(1);
    await until('the first is written', () => log.head().sequence === 1);
    clock.advance(limits.auditAggregateWindowMs);
    log.grant('default/planner', 'default/echo', 'request', fact);
    expect(asked).toBe(2);
    await until('all is written', () => log.head().sequence === 3);
    expect((await recordsOf(log)).map(({ count }) => count)).toEqual([undefined, 99, undefined]);
  });
});

/** Where the blocks of a segment begin, and where it ends: one record a block. */
function blockEnds(bytes: Buffer): number[] {
  const mark = Buffer.from(blockMark);
  const ends: number[] = [];
  for (let at = bytes.indexOf(mark); at !== -1; at = bytes.indexOf(mark, at + 1)) ends.push(at);
  return [...ends, bytes.length];
}

const block = (bytes: Buffer, n: number): Buffer => {
  const ends = blockEnds(bytes);
  return bytes.subarray(ends[n]!, ends[n + 1]!);
};

const edit = (path: string, change: (bytes: Buffer) => Buffer): void => writeFileSync(path, change(readFileSync(path)));

/** The file with its blocks in this order. */
const blocks = (bytes: Buffer, ...order: number[]): Buffer =>
  Buffer.concat([bytes.subarray(0, blockEnds(bytes)[0]), ...order.map((n) => block(bytes, n))]);

describe('the log', () => {
  it('goes on after a restart of the process', async () => {
    const first = auditLab();
    const writer = first.start();
    await inState(writer, 'writing');
    await fill(first.log, 3);
    await shutDown(writer);
    const { log } = await running({ folder: first.folder });
    expect(log.head()).toMatchObject({ sequence: 3, hash: first.log.head().hash });
    await fill(log, 2);
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: 5, headSequence: 5 } });
  });

  const tampering: [string, (bytes: Buffer) => Buffer, number][] = [
    [
      'a changed byte',
      (bytes) => Buffer.concat([blocks(bytes, 0, 1), flipped(block(bytes, 2)), block(bytes, 3), block(bytes, 4)]),
      3,
    ],
    ['a removed record', (bytes) => blocks(bytes, 0, 2, 3, 4), 2],
    ['two records exchanged', (bytes) => blocks(bytes, 0, 2, 1, 3, 4), 2],
    ['a record put in', (bytes) => blocks(bytes, 0, 0, 1, 2, 3, 4), 2],
    ['a tail that was cut off', (bytes) => blocks(bytes, 0, 1, 2, 3), 5],
    ['half of the last record', (bytes) => bytes.subarray(0, -9), 5],
    ['another header', (bytes) => flipped(bytes, 70), 1],
    ['an empty file', () => Buffer.alloc(0), 1],
  ];
  it.each(tampering)('shows %s', async (_, tamper, sequence) => {
    const { log, folder } = await running();
    await fill(log, 5);
    expect(await firstBad(log)).toBeUndefined();
    edit(segments(folder)[0]!, tamper);
    expect(await firstBad(log)).toBe(sequence);
  });

  it('shows any bit of any block that was changed, and names the first record that this touches', async () => {
    const { log, folder } = await running();
    await fill(log, 4);
    const path = segments(folder)[0]!;
    const whole = readFileSync(path);
    const ends = blockEnds(whole);
    for (let at = 0; at < whole.length; at += 13) {
      writeFileSync(path, flipped(whole, at));
      const record = ends.findIndex((end) => at < end);
      expect(await firstBad(log), `byte ${at}`).toBe(Math.max(1, record));
    }
  });

  it('that was changed keeps the node from starting', async () => {
    const first = auditLab();
    const writer = first.start();
    await inState(writer, 'writing');
    await fill(first.log, 5);
    await shutDown(writer);
    edit(segments(first.folder)[0]!, (bytes) => blocks(bytes, 0, 1, 3, 4));
    const next = auditLab({ folder: first.folder }).start();
    await until('the writer has crashed', () => next.getSnapshot().status === 'error');
    expect(next.getSnapshot().error).toMatchObject({ code: 'MALFORMED' });
    expect(String(next.getSnapshot().error)).toContain('record 3');
  });

  it('loses the half block that a crash left, and says so', async () => {
    const first = auditLab();
    const writer = first.start();
    await inState(writer, 'writing');
    await fill(first.log, 2);
    await shutDown(writer);
    edit(segments(first.folder)[0]!, (bytes) => Buffer.concat([bytes, block(bytes, 1).subarray(0, 40)]));
    const { log } = await running({ folder: first.folder });
    expect(await types(log)).toEqual(['AgentDeployed', 'AgentDeployed', 'AuditRepaired']);
    expect(await firstBad(log)).toBeUndefined();
  });

  it('runs through segment files, and its tail is read across them', async () => {
    const { log, folder } = await running();
    const bulky = { ...deployed(), reasons: ['x'.repeat(500), 'y'.repeat(500), 'z'.repeat(500)] };
    const count = Math.ceil(limits.auditSegmentBytesMax / 1_500) + 100;
    const all = await Promise.all(Array.from({ length: count }, () => log.record(bulky)));
    expect(all.every(({ ok }) => ok)).toBe(true);
    await until('the next segment is there', () => segments(folder).length === 2 && log.head().state === 'writing');
    await fill(log, 3);
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: count + 3 } });
    const tail = await log.tail(6);
    expect(tail.ok && tail.value.map(({ seq }) => seq)).toEqual([-2, -1, 0, 1, 2, 3].map((i) => count + i));
    const again = await running({ folder });
    expect(again.log.head().sequence).toBe(count + 3);
    const [oldest, newest] = segments(folder) as [string, string];
    const whole = readFileSync(oldest);
    const ends = blockEnds(whole);
    const lastFull = ends.length - 2;
    const firstOfLast = count - block(whole, lastFull).readUInt32BE(8) + 1;
    for (const [damaged, bad] of [
      [flipped(whole, ends[0]! + 100), 1],
      [whole.subarray(0, ends[lastFull]), firstOfLast],
      [whole.subarray(0, -1), firstOfLast],
      [Buffer.concat([whole, block(whole, lastFull)]), count + 1],
    ] as const) {
      writeFileSync(oldest, damaged);
      expect(await firstBad(again.log)).toBe(bad);
    }
    writeFileSync(oldest, whole);
    expect(await firstBad(again.log)).toBeUndefined();
    rmSync(oldest);
    expect(await firstBad(again.log)).toBe(1);
    writeFileSync(oldest, whole);
    rmSync(newest);
    expect(await firstBad(again.log)).toBe(count + 1);
  });

  it('begins a new segment each day', async () => {
    const { log, folder, clock } = await running();
    await fill(log, 2);
    await clock.advanceAsync(86_400_000);
    await fill(log, 2);
    await until('the next segment is there', () => segments(folder).length === 2);
    expect(segments(folder).map((path) => basename(path))).toEqual([firstSegment, 'audit-000000000003.seg']);
    expect(await firstBad(log)).toBeUndefined();
  });

  it('can be verified while records are written', async () => {
    const { log } = await running();
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 40; i++) await fill(log, 5);
      writing = false;
    })();
    while (writing) expect(await firstBad(log)).toBeUndefined();
    await writer;
  });

  it('has no tail before the first record', async () => {
    const { log } = await running();
    expect(await log.tail(10)).toEqual({ ok: true, value: [] });
    expect(await log.verify()).toMatchObject({ ok: true, value: { valid: true, records: 0 } });
  });
});

function flipped(bytes: Buffer, at = bytes.length - 3): Buffer {
  const changed = Buffer.from(bytes);
  changed[at]! ^= 1;
  return changed;
}
