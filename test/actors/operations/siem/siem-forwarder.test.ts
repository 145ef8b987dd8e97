import { describe, expect, it } from 'vitest';
import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import type { SiemView } from '../../../../src/actors/operations/control.ts';
import { SiemForwarder } from '../../../../src/actors/operations/siem/siem-forwarder.ts';
import { siemForwarder } from '../../../../src/actors/operations/siem/siem-forwarder-chart.ts';
import { NotNow, type SiemSink } from '../../../../src/actors/operations/siem/sink.ts';
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
    });
  }

  #sink(): SiemSink {
    return {
      confirmsEach: this.#confirmsEach,
      send: async (records) => {
        if (this.fault) throw this.fault;
        (this.#confirmsEach ? this.received : this.unread).push(...records.map(({ seq }) => seq));
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
