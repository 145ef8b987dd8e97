import { limits } from '../../../limits.ts';
import type { Clock, Metrics } from '../../kernel/ports.ts';
import type { SiemView } from '../control.ts';
import type { AuditSource } from './audit-source.ts';
import { askedMsOf, reasonOf, type SiemCheckpoint, type SiemSink, Unwanted } from './sink.ts';

/** Where a destination’s place in the log is kept. */
export interface Cursor {
  read(): Promise<number>;
  write(confirmed: number): Promise<void>;
}

export interface SiemForwarderOptions {
  readonly name: string;
  readonly kind: SiemView['kind'];
  readonly source: AuditSource;
  /** The newest checkpoint of the log that there is to be kept elsewhere; its news come by `source.subscribe` as well. */
  readonly checkpoint: () => SiemCheckpoint | undefined;
  /** Records that are not to be sent, because the receiver refuses them and somebody decided so. */
  readonly skip: ReadonlySet<number>;
  readonly sink: SiemSink;
  readonly cursor: Cursor;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The receiver stopped taking records, or takes them again; once for each change. */
  readonly onChange: (view: SiemView) => void;
  /** What somebody has to hear who is responsible for the receiver. */
  readonly tell: (message: string) => void;
}

/** What is to be done about a failure. */
export interface SiemPause {
  /** How long the receiver asks to be left alone. */
  readonly askedMs: number;
  /** Fewer records come next, to find the one that is not wanted: that needs no long pause. */
  readonly isNarrowing: boolean;
}

/** How long a checkpoint waits that was not taken; the newest comes then. */
const checkpointRetryMs = 60_000;

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
  /** When the failure was told last. */
  #toldMs = 0;
  /** Records handed over at once: fewer, after some were not wanted. */
  #batchMax: number = limits.siemBatchRecordsMax;
  /** Size of the newest checkpoint that was handed over. */
  #checkpointed = 0;
  /** No checkpoint is handed over before. */
  #checkpointAtMs = 0;
  #isRefusalTold = false;
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
      let kept = await cursor.read();
      if (kept > source.newest()) {
        // The cursor of another log, which was moved away: this one is new from its first record. Kept at once, or the new
        // log would one day be as long.
        kept = 0;
        await cursor.write(kept);
      }
      const before = (await source.first()) - 1;
      if (kept > 0 && before > kept) {
        this.#miss(kept + 1, before);
        // Kept at once, or a receiver that stays away would miss them again at every attempt.
        await cursor.write(before);
      }
      // A receiver that is new begins with what is kept.
      this.#confirmed = Math.max(kept, before);
      this.#rewind();
    });
  }

  #miss(first: number, last: number): void {
    const { metrics, name, tell } = this.#options;
    metrics.count('caxton_siem_missed_records_total', { destination: name }, last - first + 1);
    tell(
      `the SIEM ${name} will never have the audit records ${first} to ${last}: they were retired before it took them`,
    );
  }

  /** Waits for something to do; rejects when the signal aborts. */
  async next(signal: AbortSignal): Promise<SiemWork> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#mustConfirm()) return 'confirm';
      if (this.#options.source.newest() > this.#sent || this.#dueCheckpoint()) return 'send';
      await this.#news(signal);
    }
  }

  /** Hands the next records over. */
  send(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      const { source, sink, clock, skip } = this.#options;
      const records = source.newest() > this.#sent ? await source.read(this.#sent + 1, this.#batchMax) : [];
      const wanted = records.filter(({ seq }) => !skip.has(seq));
      if (wanted.length > 0) await sink.send(wanted, signal);
      this.#sent = records.at(-1)?.seq ?? this.#sent;
      this.#batchMax = Math.min(limits.siemBatchRecordsMax, this.#batchMax * 2);
      if (sink.confirmsEach && records.length > 0) await this.#confirm();
      const checkpoint = this.#dueCheckpoint();
      if (checkpoint) await this.#sendCheckpoint(checkpoint, signal);
      if (sink.confirmsEach) return;
      this.#unconfirmedSinceMs ??= clock.monotonic();
      this.#unconfirmedRecords += records.length;
      this.#gauges();
    });
  }

  /** A receiver that does not take checkpoints gets the records all the same, as soon as if it did. */
  async #sendCheckpoint(checkpoint: SiemCheckpoint, signal: AbortSignal): Promise<void> {
    const { sink, name, clock, tell } = this.#options;
    try {
      await sink.sendCheckpoint(checkpoint, signal);
      this.#isRefusalTold = false;
    } catch (error) {
      // Of a stream the records before it are lost with it, so its failure is theirs.
      if (signal.aborted || (!sink.confirmsEach && !(error instanceof Unwanted))) throw error;
      if (!this.#isRefusalTold)
        tell(`the SIEM ${name} does not take the checkpoints of the audit log: ${reasonOf(error)}`);
      this.#isRefusalTold = true;
      if (!(error instanceof Unwanted)) {
        sink.cut();
        this.#checkpointAtMs = clock.monotonic() + Math.max(checkpointRetryMs, askedMsOf(error));
        return;
      }
    }
    this.#checkpointed = checkpoint.size;
  }

  /** The newest checkpoint, once all that it covers was handed over and its time has come. */
  #dueCheckpoint(): SiemCheckpoint | undefined {
    return this.#options.clock.monotonic() >= this.#checkpointAtMs ? this.#newCheckpoint() : undefined;
  }

  #newCheckpoint(): SiemCheckpoint | undefined {
    const checkpoint = this.#options.checkpoint();
    return checkpoint && checkpoint.size > this.#checkpointed && checkpoint.size <= this.#sent ? checkpoint : undefined;
  }

  /** Makes sure that the receiver has read all that was handed over. */
  confirm(signal: AbortSignal): Promise<void> {
    return this.#inTurn(async () => {
      await this.#options.sink.confirm(signal);
      await this.#confirm();
    });
  }

  /** Something went wrong: begins again behind the last confirmed record. */
  failed(error: unknown): SiemPause {
    const { sink, metrics, name, clock, onChange } = this.#options;
    const isUnwanted = error instanceof Unwanted;
    // Of records that are not wanted, fewer and fewer come, until it is one and can be named.
    const isOne = isUnwanted && this.#batchMax === 1;
    if (isUnwanted) this.#batchMax = Math.max(1, Math.floor(this.#batchMax / 2));
    sink.cut();
    this.#rewind();
    const why = reasonOf(error);
    const before = this.#failure;
    const isNamed = before?.startsWith(poison(this.#confirmed + 1)) === true;
    this.#failure = isOne ? `${poison(this.#confirmed + 1)} ${why}` : why;
    metrics.count('caxton_siem_failures_total', { destination: name });
    this.#gauges();
    const isLong = clock.monotonic() - this.#toldMs >= limits.siemRepeatMs;
    if (before === undefined || (isOne && !isNamed) || isLong) {
      this.#toldMs = clock.monotonic();
      onChange(this.view());
    }
    return { askedMs: askedMsOf(error), isNarrowing: isUnwanted && !isOne };
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
    // While fewer records come at once, those before the one that is not wanted: that is not over yet.
    const isNarrow = this.#batchMax < limits.siemBatchRecordsMax && this.#sent < this.#options.source.newest();
    if (this.#failure === undefined || isNarrow) return;
    this.#failure = undefined;
    onChange(this.view());
  }

  #rewind(): void {
    this.#sent = this.#confirmed;
    this.#checkpointed = 0;
    this.#unconfirmedSinceMs = undefined;
    this.#unconfirmedRecords = 0;
  }

  #gauges(): void {
    const { metrics, name } = this.#options;
    metrics.gauge('caxton_siem_backlog_records', this.view().backlogRecords, { destination: name });
  }

  /** Until there is a new record, or something has waited long enough: to be confirmed, or to be tried again. */
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
      const confirmAtMs = (this.#unconfirmedSinceMs ?? Number.POSITIVE_INFINITY) + limits.siemConfirmMs;
      const atMs = Math.min(confirmAtMs, this.#newCheckpoint() ? this.#checkpointAtMs : Number.POSITIVE_INFINITY);
      if (atMs !== Number.POSITIVE_INFINITY) timer = clock.setTimeout(done, Math.max(0, atMs - clock.monotonic()));
    });
  }

  /** A chart that is restarted begins while the work of its last life may still be under way. */
  #inTurn(act: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(act);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}

/** How the failure begins that a single record is the reason of: nothing behind it gets through. */
const poison = (sequence: number): string => `Record ${sequence} is not wanted, and what follows waits for it.`;
