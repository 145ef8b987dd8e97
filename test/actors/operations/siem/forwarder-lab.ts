import { createKernel } from '../../../../src/actors/kernel/create-kernel.ts';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import type { SiemView } from '../../../../src/actors/operations/control.ts';
import { SiemForwarder } from '../../../../src/actors/operations/siem/siem-forwarder.ts';
import { siemForwarder } from '../../../../src/actors/operations/siem/siem-forwarder-chart.ts';
import { type SiemCheckpoint, type SiemSink, Unwanted } from '../../../../src/actors/operations/siem/sink.ts';
import type { AuditRecord } from '../../../../src/protocols/audit/record.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { denial } from '../../../protocols/siem/records.ts';

/** A log, a receiver and the forwarder between them, in virtual time. */
export class ForwarderLab {
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

/** The numbers from 1 on. */
export const upTo = (last: number): number[] => Array.from({ length: last }, (_, index) => index + 1);
