import { describe, expect, it } from 'vitest';
import { NotNow } from '../../../../src/actors/operations/siem/sink.ts';
import { limits } from '../../../../src/limits.ts';
import { ForwarderLab, upTo } from './forwarder-lab.ts';

describe('forwarding', () => {
  it('sends what is there and what comes, in order', async () => {
    const lab = new ForwarderLab();
    lab.newest = 3;
    const kernel = await lab.run();
    await lab.after(200);
    lab.grow(limits.siemBatchRecordsMax * 3);
    await lab.after(1_000);
    expect(lab.received).toEqual(upTo(3 + limits.siemBatchRecordsMax * 3));
    expect(lab.forwarder.view()).toEqual({
      name: 'soc',
      kind: 'hec',
      confirmedSequence: lab.newest,
      backlogRecords: 0,
    });
    await kernel.stop();
    expect(lab.listeners).toBe(0);
  });

  it('goes on behind its cursor at the next start', async () => {
    const lab = new ForwarderLab();
    lab.newest = 10;
    lab.cursor = 7;
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.received).toEqual([8, 9, 10]);
  });

  it('begins anew with a log that is shorter than its cursor', async () => {
    const lab = new ForwarderLab();
    lab.newest = 2;
    lab.cursor = 7;
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.received).toEqual([1, 2]);
  });

  it('forgets the place in a log that was longer before the new one is as long', async () => {
    const lab = new ForwarderLab();
    lab.newest = 2;
    lab.cursor = 7;
    lab.fault = new Error('down');
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.cursor).toBe(0);
  });

  it('begins with what is kept, and tells what was retired before the receiver had it', async () => {
    const lab = new ForwarderLab();
    lab.first = 5;
    lab.newest = 8;
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.received).toEqual([5, 6, 7, 8]);
    expect(lab.told).toEqual([]);
    lab.received = [];
    lab.first = 12;
    lab.newest = 13;
    const again = await lab.run();
    await lab.after(200);
    await again.stop();
    expect(lab.received).toEqual([12, 13]);
    expect(lab.told).toEqual([expect.stringContaining('never have the audit records 9 to 11')]);
  });

  it('tells and counts once what a receiver will never have, however often it is tried', async () => {
    const lab = new ForwarderLab();
    lab.cursor = 8;
    lab.first = 12;
    lab.newest = 13;
    lab.fault = new Error('down');
    const kernel = await lab.run();
    await lab.after(10_000);
    expect(lab.told).toEqual([expect.stringContaining('never have the audit records 9 to 11')]);
    expect(lab.metrics.read()).toContainEqual(
      expect.objectContaining({ name: 'caxton_siem_missed_records_total', value: 3 }),
    );
    await kernel.stop();
  });

  it('a batch that is too much for the receiver comes in parts, soon', async () => {
    const lab = new ForwarderLab();
    lab.mostAtOnce = 100;
    lab.newest = 1_000;
    const kernel = await lab.run();
    await lab.after(20_000);
    expect(lab.received).toEqual(upTo(1_000));
    expect(lab.changes.map(({ failure }) => failure === undefined)).toEqual([false, true]);
    await kernel.stop();
  });

  it('a record that is not wanted stops what is behind it and nothing before, is named, and can be left out', async () => {
    const lab = new ForwarderLab();
    lab.unwanted.add(300);
    lab.newest = 1_000;
    const kernel = await lab.run();
    await lab.after(30_000);
    expect(lab.received).toEqual(upTo(299));
    expect(lab.forwarder.view()).toMatchObject({ backlogRecords: 701, failure: /^Record 300 is not wanted.*400/s });
    const named = lab.changes.filter(({ failure }) => failure?.startsWith('Record 300 '));
    expect(named).toHaveLength(1);
    expect(lab.changes.length).toBeLessThanOrEqual(3);
    // Told again as long as it lasts.
    await lab.after(limits.siemRepeatMs + 61_000);
    expect(lab.changes.filter(({ failure }) => failure?.startsWith('Record 300 '))).toHaveLength(2);
    lab.skip.add(300);
    await lab.after(70_000);
    expect(lab.received).toEqual(upTo(1_000).filter((sequence) => sequence !== 300));
    expect(lab.changes.at(-1)?.failure).toBeUndefined();
    await kernel.stop();
  });

  it('a receiver that refuses loses nothing; both changes are told once, the backlog is shown', async () => {
    const lab = new ForwarderLab();
    lab.fault = new Error('down');
    const kernel = await lab.run();
    lab.grow(5);
    await lab.after(300_000);
    expect(lab.forwarder.view()).toMatchObject({ confirmedSequence: 0, backlogRecords: 5, failure: 'down' });
    expect(lab.metrics.read()).toContainEqual(
      expect.objectContaining({ name: 'caxton_siem_backlog_records', value: 5, labels: { destination: 'soc' } }),
    );
    lab.fault = undefined;
    await lab.after(61_000);
    expect(lab.received).toEqual(upTo(5));
    expect(lab.changes.map(({ failure }) => failure)).toEqual(['down', undefined]);
    await kernel.stop();
  });

  it('a receiver that asks for time gets it', async () => {
    const lab = new ForwarderLab();
    lab.fault = new NotNow('busy', 30_000);
    const kernel = await lab.run();
    lab.grow(1);
    await lab.after(500);
    lab.fault = undefined;
    await lab.after(28_000);
    expect(lab.received).toEqual([]);
    await lab.after(3_000);
    expect(lab.received).toEqual([1]);
    await kernel.stop();
  });
});

describe('a receiver that confirms only when asked', () => {
  it('is asked after a while, and the cursor moves only then', async () => {
    const lab = new ForwarderLab(false);
    const kernel = await lab.run();
    lab.grow(3);
    await lab.after(1_000);
    expect([lab.unread, lab.cursor]).toEqual([[1, 2, 3], 0]);
    await lab.after(limits.siemConfirmMs);
    expect([lab.received, lab.cursor]).toEqual([[1, 2, 3], 3]);
    await kernel.stop();
  });

  it('is asked when it has many', async () => {
    const lab = new ForwarderLab(false);
    const kernel = await lab.run();
    lab.grow(limits.siemUnconfirmedRecordsMax + 10);
    await lab.after(2_000);
    expect(lab.cursor).toBeGreaterThanOrEqual(limits.siemUnconfirmedRecordsMax);
    await kernel.stop();
  });

  it('gets again what it lost when it failed', async () => {
    const lab = new ForwarderLab(false);
    const kernel = await lab.run();
    lab.grow(3);
    await lab.after(1_000);
    lab.fault = new Error('gone');
    lab.grow(1);
    await lab.after(1_000);
    lab.fault = undefined;
    await lab.after(5_000 + limits.siemConfirmMs);
    expect(lab.received).toEqual([1, 2, 3, 4]);
    await kernel.stop();
  });

  it('is asked when the node stops', async () => {
    const lab = new ForwarderLab(false);
    const kernel = await lab.run();
    lab.grow(3);
    await lab.after(1_000);
    await kernel.stop();
    expect([lab.received, lab.cursor]).toEqual([[1, 2, 3], 3]);
  });
});
