import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { AuditLog } from '../../../src/actors/operations/audit-log.ts';
import { limits } from '../../../src/limits.ts';
import { type AuditLab, auditLab, denied, deployed, granted, inState, shutDown, until } from './audit-lab.ts';

const running = async (...options: Parameters<typeof auditLab>): Promise<AuditLab> => {
  const lab = auditLab(...options);
  await inState(lab.start(), 'writing');
  return lab;
};

const segments = (folder: string): string[] => readdirSync(folder).map((name) => join(folder, name));

const records = (folder: string): { type: string; count?: number; identity: string; sourceIp: string }[] =>
  segments(folder)
    .flatMap((path) => readFileSync(path, 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));

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
    expect(records(folder)).toHaveLength(1);
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
    const { log, folder } = await running();
    log.note({ ...deployed(), ...fault } as never);
    await fill(log, 1);
    expect(records(folder).map(({ type }) => type)).toEqual(['SupervisionEvent', 'AgentDeployed']);
    expect(log.head().state).toBe('writing');
  });
});

describe('what nobody waits for', () => {
  it('is counted and written when its window ends', async () => {
    const { log, clock, folder } = await running();
    for (let i = 0; i < 1_000; i++) log.note(granted('default/planner'));
    log.note(granted('default/other'));
    await fill(log, 1);
    expect(records(folder).map(({ type }) => type)).toEqual(['AgentDeployed']);
    clock.advance(limits.auditAggregateWindowMs);
    await until('the counts are written', () => records(folder).length === 3);
    expect(records(folder).slice(1)).toMatchObject([
      { identity: 'default/planner', count: 1_000 },
      { identity: 'default/other' },
    ]);
  });

  it('is written when the log closes, though its window has not ended', async () => {
    const lab = auditLab();
    const writer = lab.start();
    await inState(writer, 'writing');
    lab.log.note(granted('default/planner'));
    void lab.log.record(denied('10.0.0.1'));
    await shutDown(writer);
    expect(
      records(lab.folder)
        .map(({ type }) => type)
        .sort(),
    ).toEqual(['AccessGranted', 'LoginFailure']);
    // Nothing may keep the process alive.
    expect(lab.clock.pending).toBe(0);
  });

  it('leaves a count where there is no room for a record', async () => {
    const lab = auditLab({ queueRecordsMax: 2 });
    for (let i = 0; i < 5; i++) lab.log.note(deployed('default/echo'));
    await inState(lab.start(), 'writing');
    lab.clock.advance(limits.auditAggregateWindowMs);
    await until('all are accounted for', () => records(lab.folder).length === 3);
    expect(records(lab.folder).map(({ count }) => count ?? 1)).toEqual([1, 1, 3]);
  });
});

describe('denials', () => {
  it('are written in full at first, then counted, however they come', async () => {
    const { log, clock, folder } = await running();
    for (let i = 0; i < 50; i++) {
      if (i % 2 === 0) log.note(denied('10.0.0.1'));
      else expect((await log.record(denied('10.0.0.1'))).ok).toBe(true);
    }
    await fill(log, 1);
    const inFull = limits.auditDenialsInFullMax;
    expect(records(folder).filter(({ type }) => type === 'LoginFailure')).toHaveLength(inFull);
    clock.advance(limits.auditDenialWindowMs);
    await until('the rest is counted', () => records(folder).length === inFull + 2);
    expect(records(folder).at(-1)).toMatchObject({ type: 'LoginFailure', sourceIp: '10.0.0.1', count: 50 - inFull });
  });
});

describe('the chain', () => {
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

  const tampering: [string, (path: string) => void, number][] = [
    ['a changed byte', (path) => edit(path, (text) => text.replace('default/agent-3', 'default/agent-9')), 4],
    ['a removed line', (path) => edit(path, (text) => without(text, 1)), 2],
    ['two lines exchanged', (path) => edit(path, (text) => exchanged(text, 1, 2)), 2],
    ['a line put in', (path) => edit(path, (text) => `${text.split('\n')[0]}\n${text}`), 2],
    ['a tail that was cut off', (path) => edit(path, (text) => without(text, 4)), 5],
    ['half of the last line', (path) => truncateSync(path, statSync(path).size - 9), 5],
    ['another last record', (path) => edit(path, (text) => text.replace('default/agent-5', 'default/agent-6')), 5],
    ['an empty file', (path) => truncateSync(path, 0), 1],
  ];
  it.each(tampering)('shows %s', async (_, tamper, sequence) => {
    const { log, folder } = await running();
    await fill(log, 5);
    expect(await firstBad(log)).toBeUndefined();
    tamper(segments(folder)[0]!);
    expect(await firstBad(log)).toBe(sequence);
  });

  it('that was changed keeps the node from starting', async () => {
    const first = auditLab();
    const writer = first.start();
    await inState(writer, 'writing');
    await fill(first.log, 5);
    await shutDown(writer);
    edit(segments(first.folder)[0]!, (text) => text.replace('default/agent-2', 'default/agent-9'));
    const next = auditLab({ folder: first.folder }).start();
    await until('the writer has crashed', () => next.getSnapshot().status === 'error');
    expect(next.getSnapshot().error).toMatchObject({ code: 'MALFORMED' });
    expect(String(next.getSnapshot().error)).toMatch(/record 3|Line 3/);
  });

  it('loses the half line that a crash left, and says so', async () => {
    const first = auditLab();
    const writer = first.start();
    await inState(writer, 'writing');
    await fill(first.log, 2);
    await shutDown(writer);
    const [path] = segments(first.folder);
    writeFileSync(path!, '{"seq":3,"prev":"00', { flag: 'a' });
    const { log } = await running({ folder: first.folder });
    expect(records(first.folder).map(({ type }) => type)).toEqual(['AgentDeployed', 'AgentDeployed', 'AuditRepaired']);
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
    // The newest segment alone is read at the start; `verify` reads them all.
    const lines = whole.toString().split('\n');
    const last = lines.length - 1;
    for (const [damaged, bad] of [
      [whole.toString().replace('xxxx', 'xyxx'), 2],
      [without(whole.toString(), 9), 10],
      [without(whole.toString(), last - 1), last],
      [`${whole}${lines.at(-2)}\n`, last + 1],
      [whole.subarray(0, 5_000), whole.subarray(0, 5_000).toString().split('\n').length],
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
    expect(await firstBad(again.log)).toBe(last + 1);
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

const edit = (path: string, change: (text: string) => string): void =>
  writeFileSync(path, change(readFileSync(path, 'utf8')));

const without = (text: string, index: number): string => text.split('\n').toSpliced(index, 1).join('\n');

function exchanged(text: string, a: number, b: number): string {
  const lines = text.split('\n');
  [lines[a], lines[b]] = [lines[b]!, lines[a]!];
  return lines.join('\n');
}
