import { limits } from '../../../limits.ts';
import type { Clock, Metrics } from '../../kernel/ports.ts';
import type { SiemView } from '../control.ts';
import type { AuditSource } from './audit-source.ts';
import { NotNow, type SiemSink } from './sink.ts';

/** Where a destination’s place in the log is kept. */
export interface Cursor {
  read(): Promise<number>;
  write(confirmed: number): Promise<void>;
}

export interface SiemForwarderOptions {
  readonly name: string;
  readonly kind: SiemView['kind'];
  readonly source: AuditSource;
  readonly sink: SiemSink;
  readonly cursor: Cursor;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The receiver stopped taking records, or takes them again; once for each change. */
  readonly onChange: (view: SiemView) => void;
}

/** What there is to do next. */
export type SiemWork = 'send' | 'confirm';

/**
 * Brings the audit log to one receiver: in order, at least once, from where the last life or the last process stopped.
 * It only reads the log, so a receiver that is down, slow or refuses delays nobody and loses nothing. One object for
 * the node’s whole life; its chart (`siem-forwarder-chart.ts`) says what it is doing.
 */
export class SiemForwarder {
  readonly #options: SiemForwarderOptions;
  /** The receiver has everything up to here, and the store knows it. */
  #confirmed = 0;
  /** Handed over up to here; what is between the two may have to be sent again. */
  #sent = 0;
  #unconfirmedSinceMs: number | undefined;
  #unconfirmedRecords = 0;
  #failure: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: SiemForwarderOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.name;
  }

  /** Finds its place in the log. */
  open(): Promise<void> {
    return this.#inTurn(async () => {
      const { cursor, source, sink } = this.#options;
      sink.cut();
      const kept = await cursor.read();
      // A cursor past the log’s end is that of another log, which was moved away: this one is new from its first record.
      this.#confirmed = kept > source.newest() ? 0 : kept;
      this.#rewind();
    });
  }

  /** Waits for something to do; rejects when the signal aborts. */
  async next(signal: AbortSignal): Promise<SiemWork> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#mustConfirm()) return 'confirm';
      if (this.#options.source.newest() > this.#sent) return 'send';
      await this.#news(signal);
    }
  }

  /** Hands the next records over. */
  send(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const { source, sink, clock } = this.#options;
      const records = await source.read(this.#sent + 1, limits.siemBatchRecordsMax);
      const last = records.at(-1);
      if (last === undefined) return;
      await sink.send(records, signal);
      this.#sent = last.seq;
      if (sink.confirmsEach) return this.#confirm();
      this.#unconfirmedSinceMs ??= clock.monotonic();
      this.#unconfirmedRecords += records.length;
      this.#gauges();
    });
  }

  /** Makes sure that the receiver has read all that was handed over. */
  confirm(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      await this.#options.sink.confirm(signal);
      await this.#confirm();
    });
  }

  /** Something went wrong: begins again behind the last confirmed record. Returns how long the receiver asks to wait. */
  failed(error: unknown): number {
    this.#options.sink.cut();
    this.#rewind();
    const why = error instanceof Error ? error.message : String(error);
    const isNew = this.#failure === undefined;
    this.#failure = why;
    this.#options.metrics.count('caxton_siem_failures_total', { destination: this.#options.name });
    this.#gauges();
    if (isNew) this.#options.onChange(this.view());
    return error instanceof NotNow ? Math.min(error.retryAfterMs, limits.siemRetryAfterMsMax) : 0;
  }

  /** Lets the receiver confirm what it has, as far as that is quick, and ends the connection. */
  close(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const { sink } = this.#options;
      try {
        if (this.#sent > this.#confirmed && this.#failure === undefined) {
          await sink.confirm(signal);
          await this.#confirm();
        }
      } finally {
        sink.cut();
        this.#rewind();
      }
    });
  }

  /** Nobody will go on with it: ends the connection, whatever a life that was not asked has left under way. */
  end(): Promise<void> {
    const { sink } = this.#options;
    sink.cut();
    return this.#inTurn(async () => sink.cut());
  }

  /** For people: how far it is. */
  view(): SiemView {
    const { name, kind, source } = this.#options;
    return {
      name,
      kind,
      confirmedSequence: this.#confirmed,
      backlogRecords: Math.max(0, source.newest() - this.#confirmed),
      ...(this.#failure === undefined ? {} : { failure: this.#failure }),
    };
  }

  #mustConfirm(): boolean {
    if (this.#unconfirmedSinceMs === undefined) return false;
    const waitedMs = this.#options.clock.monotonic() - this.#unconfirmedSinceMs;
    return waitedMs >= limits.siemConfirmMs || this.#unconfirmedRecords >= limits.siemUnconfirmedRecordsMax;
  }

  async #confirm(): Promise<void> {
    const { cursor, metrics, name, onChange } = { ...this.#options };
    const count = this.#sent - this.#confirmed;
    await cursor.write(this.#sent);
    this.#confirmed = this.#sent;
    this.#unconfirmedSinceMs = undefined;
    this.#unconfirmedRecords = 0;
    metrics.count('caxton_siem_records_total', { destination: name }, count);
    this.#gauges();
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    onChange(this.view());
  }

  #rewind(): void {
    this.#sent = this.#confirmed;
    this.#unconfirmedSinceMs = undefined;
    this.#unconfirmedRecords = 0;
  }

  #gauges(): void {
    const { metrics, name } = this.#options;
    metrics.gauge('caxton_siem_backlog_records', this.view().backlogRecords, { destination: name });
  }

  /** Until there is a new record, or something sent has waited long enough to be confirmed. */
  #news(signal: AbortSignal): Promise<void> {
    const { source, clock } = this.#options;
    return new Promise((resolve) => {
      let timer: unknown;
      const done = (): void => {
        unsubscribe();
        clock.clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const unsubscribe = source.subscribe(done);
      signal.addEventListener('abort', done);
      if (this.#unconfirmedSinceMs === undefined) return;
      timer = clock.setTimeout(done, this.#unconfirmedSinceMs + limits.siemConfirmMs - clock.monotonic());
    });
  }

  /** A chart that is restarted begins while the work of its last life may still be under way. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
