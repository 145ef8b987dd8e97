import { describe, expect, it } from 'vitest';
import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import type { SiemView } from '../../../../src/actors/operations/control.ts';
import { SiemForwarder } from '../../../../src/actors/operations/siem/siem-forwarder.ts';
import { siemForwarder } from '../../../../src/actors/operations/siem/siem-forwarder-chart.ts';
import { NotNow, type SiemCheckpoint, type SiemSink, Unwanted } from '../../../../src/actors/operations/siem/sink.ts';
import { limits } from '../../../../src/limits.ts';
import type { AuditRecord } from '../../../../src/protocols/audit/record.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { denial } from '../../../protocols/siem/records.ts';

/** A log, a receiver and the forwarder between them, in virtual time. */
class Lab {
  readonly clock = new ManualClock();
  readonly metrics = createMetrics();
  readonly changes: SiemView[] = [];
  /** What the receiver has; after a failure some of it twice. */
  received: number[] = [];
  /** What a receiver without confirmation would have lost if it ended now. */
  unread: number[] = [];
  cursor = 0;
  newest = 0;
  fault: Error | undefined;
  first = 1;
  /** Records that the receiver does not want, and how many it wants at once. */
  readonly unwanted = new Set<number>();
  mostAtOnce = Number.POSITIVE_INFINITY;
  readonly skip = new Set<number>();
  checkpoint: SiemCheckpoint | undefined;
  readonly checkpoints: number[] = [];
  checkpointsTried = 0;
  checkpointFault: Error | undefined;
  readonly told: string[] = [];
  readonly #listeners = new Set<() => void>();
  readonly forwarder: SiemForwarder;
  readonly #confirmsEach: boolean;

  constructor(confirmsEach = true) {
    this.#confirmsEach = confirmsEach;
    this.forwarder = new SiemForwarder({
      name: 'soc',
      kind: 'hec',
      clock: this.clock,
      metrics: this.metrics,
      onChange: (view) => void this.changes.push(view),
      cursor: {
        read: async () => this.cursor,
        write: async (confirmed) => {
          this.cursor = confirmed;
        },
      },
      source: {
        newest: () => this.newest,
        first: async () => this.first,
        read: async (first, countMax) => {
          const count = Math.min(countMax, this.newest - first + 1);
          return Array.from({ length: count }, (_, index): AuditRecord => ({ ...denial, seq: first + index }));
        },
        subscribe: (listener) => {
          this.#listeners.add(listener);
          return () => this.#listeners.delete(listener);
        },
      },
      sink: this.#sink(),
      checkpoint: () => this.checkpoint,
      skip: this.skip,
      tell: (message) => void this.told.push(message),
    });
  }

  #sink(): SiemSink {
    return {
      confirmsEach: this.#confirmsEach,
      send: async (records) => {
        if (this.fault) throw this.fault;
        const isUnwanted = records.some(({ seq }) => this.unwanted.has(seq)) || records.length > this.mostAtOnce;
        if (isUnwanted) throw new Unwanted('it answered 400');
        (this.#confirmsEach ? this.received : this.unread).push(...records.map(({ seq }) => seq));
      },
      sendCheckpoint: async ({ size }) => {
        if (this.fault) throw this.fault;
        this.checkpointsTried += 1;
        if (this.checkpointFault) throw this.checkpointFault;
        this.checkpoints.push(size);
      },
      confirm: async () => {
        if (this.fault) throw this.fault;
        this.received.push(...this.unread.splice(0));
      },
      cut: () => void this.unread.splice(0),
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  grow(count: number): void {
    this.newest += count;
    for (const listener of this.#listeners) listener();
  }

  async run(): Promise<ReturnType<typeof createKernel>> {
    const kernel = createKernel({ clock: this.clock, metrics: this.metrics });
    await kernel.start({
      kind: 'supervisor',
      id: 'siem',
      strategy: 'one-for-one',
      children: [{ kind: 'worker', id: 'soc', logic: siemForwarder, input: { forwarder: this.forwarder } }],
    });
    return kernel;
  }

  async after(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) await this.clock.advanceAsync(100);
  }
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);

describe('forwarding', () => {
  it('sends what is there and what comes, in order', async () => {
    const lab = new Lab();
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
    const lab = new Lab();
    lab.newest = 10;
    lab.cursor = 7;
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.received).toEqual([8, 9, 10]);
  });

  it('begins anew with a log that is shorter than its cursor', async () => {
    const lab = new Lab();
    lab.newest = 2;
    lab.cursor = 7;
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.received).toEqual([1, 2]);
  });

  it('forgets the place in a log that was longer before the new one is as long', async () => {
    const lab = new Lab();
    lab.newest = 2;
    lab.cursor = 7;
    lab.fault = new Error('down');
    const kernel = await lab.run();
    await lab.after(200);
    await kernel.stop();
    expect(lab.cursor).toBe(0);
  });

  it('begins with what is kept, and tells what was retired before the receiver had it', async () => {
    const lab = new Lab();
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
    const lab = new Lab();
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
    const lab = new Lab();
    lab.mostAtOnce = 100;
    lab.newest = 1_000;
    const kernel = await lab.run();
    await lab.after(20_000);
    expect(lab.received).toEqual(upTo(1_000));
    expect(lab.changes.map(({ failure }) => failure === undefined)).toEqual([false, true]);
    await kernel.stop();
  });

  it('a record that is not wanted stops what is behind it and nothing before, is named, and can be left out', async () => {
    const lab = new Lab();
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

  it('brings each checkpoint behind the records that it covers', async () => {
    for (const confirmsEach of [true, false]) {
      const lab = new Lab(confirmsEach);
      lab.newest = 3;
      lab.checkpoint = { size: 5, line: '{}' };
      const kernel = await lab.run();
      await lab.after(200);
      expect(lab.checkpoints).toEqual([]);
      lab.grow(2);
      await lab.after(200);
      expect(lab.checkpoints).toEqual([5]);
      // Its news come without records.
      lab.grow(1);
      await lab.after(200);
      lab.checkpoint = { size: 6, line: '{}' };
      lab.grow(0);
      await lab.after(200);
      expect(lab.checkpoints).toEqual([5, 6]);
      await kernel.stop();
    }
  });

  it('a receiver that wants no checkpoints gets the records, and that is told once', async () => {
    const lab = new Lab();
    lab.checkpointFault = new Unwanted('it answered 400');
    for (const size of [2, 4, 6]) {
      lab.checkpoint = { size, line: '{}' };
      lab.newest = size;
    }
    const kernel = await lab.run();
    await lab.after(200);
    lab.checkpoint = { size: 8, line: '{}' };
    lab.grow(2);
    await lab.after(200);
    expect(lab.received).toEqual(upTo(8));
    expect(lab.told).toEqual([expect.stringContaining('does not take the checkpoints')]);
    expect(lab.changes).toEqual([]);
    await kernel.stop();
  });

  it('a receiver that refuses checkpoints for now gets the records as they come, and is asked again in a while', async () => {
    for (const fault of [new Error('it answered 403'), new NotNow('it answered 503', 5_000)]) {
      const lab = new Lab();
      lab.checkpointFault = fault;
      const kernel = await lab.run();
      for (let size = 1; size <= 50; size += 1) {
        lab.checkpoint = { size, line: '{}' };
        lab.grow(1);
        await lab.after(1_000);
        expect(lab.received).toEqual(upTo(size));
      }
      expect(lab.checkpointsTried).toBe(1);
      expect(lab.told).toEqual([
        expect.stringContaining('does not take the checkpoints of the audit log: it answered'),
      ]);
      expect(lab.changes).toEqual([]);
      // Without news, too.
      lab.checkpointFault = undefined;
      await lab.after(11_000);
      expect(lab.checkpoints).toEqual([50]);
      await kernel.stop();
      expect(lab.listeners).toBe(0);
    }
  });

  it('a checkpoint under way when the node stops is no refusal of the receiver', async () => {
    const lab = new Lab();
    const stop = new AbortController();
    lab.newest = 1;
    lab.checkpoint = { size: 1, line: '{}' };
    lab.checkpointFault = new Error('aborted');
    stop.abort();
    await expect(lab.forwarder.send(stop.signal)).rejects.toThrow('aborted');
    expect(lab.told).toEqual([]);
  });

  it('a stream that breaks at a checkpoint brings again what nobody confirmed', async () => {
    const lab = new Lab(false);
    lab.checkpointFault = new Error('broken');
    lab.checkpoint = { size: 3, line: '{}' };
    lab.newest = 3;
    const kernel = await lab.run();
    await lab.after(200);
    lab.checkpointFault = undefined;
    await lab.after(1_000 + limits.siemConfirmMs);
    expect(lab.received).toEqual(upTo(3));
    expect(lab.checkpoints).toEqual([3]);
    expect(lab.changes.map(({ failure }) => failure)).toEqual(['broken', undefined]);
    await kernel.stop();
  });

  it('a receiver that refuses loses nothing; both changes are told once, the backlog is shown', async () => {
    const lab = new Lab();
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
    const lab = new Lab();
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
    const lab = new Lab(false);
    const kernel = await lab.run();
    lab.grow(3);
    await lab.after(1_000);
    expect([lab.unread, lab.cursor]).toEqual([[1, 2, 3], 0]);
    await lab.after(limits.siemConfirmMs);
    expect([lab.received, lab.cursor]).toEqual([[1, 2, 3], 3]);
    await kernel.stop();
  });

  it('is asked when it has many', async () => {
    const lab = new Lab(false);
    const kernel = await lab.run();
    lab.grow(limits.siemUnconfirmedRecordsMax + 10);
    await lab.after(2_000);
    expect(lab.cursor).toBeGreaterThanOrEqual(limits.siemUnconfirmedRecordsMax);
    await kernel.stop();
  });

  it('gets again what it lost when it failed', async () => {
    const lab = new Lab(false);
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
    const lab = new Lab(false);
    const kernel = await lab.run();
    lab.grow(3);
    await lab.after(1_000);
    await kernel.stop();
    expect([lab.received, lab.cursor]).toEqual([[1, 2, 3], 3]);
  });
});
