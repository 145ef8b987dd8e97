import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { ChartShelf } from './chart-shelf.ts';
import { type SavedChart, type StoredChart, verifyChart } from './chart-snapshot.ts';
import { describe, type Exit } from './occupant.ts';
import type { Clock } from './ports.ts';
import type { Persistence } from './spec.ts';
import { outsideTurns } from './turn.ts';

const saveDelayMs = 1_000;

/** What the chart of one life is asked. */
export interface KeptChart {
  store(): Result<StoredChart>;
}

/** Saves the state of one life of a chart: some time after it changed, when it is asked, and when it is stopped. */
export class ChartKeeper {
  readonly #shelf: ChartShelf;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #persistence: Persistence;
  readonly #key: string;
  #chart: KeptChart | undefined;
  #claimed = false;
  /** It may be other than what was saved last. */
  #moved = false;
  #timer: unknown;
  #lastFault: string | undefined;
  #saving: Promise<Result<void>> | undefined;
  /** The save after the one under way, for everybody who asks meanwhile. */
  #next: Promise<Result<void>> | undefined;

  constructor(shelf: ChartShelf, clock: Clock, path: string, persistence: Persistence) {
    this.#shelf = shelf;
    this.#clock = clock;
    this.#path = path;
    this.#persistence = persistence;
    this.#key = persistence.key ?? path;
  }

  /**
   * What a life goes on from; `undefined` when it begins anew, as the spec may also say of what cannot be read.
   * ALREADY_EXISTS when another actor keeps its state under the same key, NOT_SUPPORTED (of a later version, or of an
   * earlier one without a migration), MALFORMED, or as the store refuses.
   */
  async restored(): Promise<Result<StoredChart | undefined>> {
    if (!this.#shelf.claim(this.#persistence, this.#key))
      return refuse('ALREADY_EXISTS', `Another actor keeps its state under “${this.#key}”.`);
    this.#claimed = true;
    const loaded = await this.#shelf.load(this.#persistence, this.#key);
    if (!loaded.ok) return this.unreadable(loaded.refusal);
    if (loaded.value === undefined) return ok(undefined);
    const chart = this.#migrated(loaded.value);
    return chart.ok ? chart : this.unreadable(chart.refusal);
  }

  /** As the spec says of a state that cannot be read. */
  unreadable(refusal: Refusal): Result<undefined> {
    if (this.#persistence.ifUnreadable !== 'begin-anew') return { ok: false, refusal };
    this.#shelf.fault(this.#path, refusal);
    return ok(undefined);
  }

  /** From now on this chart is kept. */
  keep(chart: KeptChart): void {
    this.#chart = chart;
  }

  /** Something may have changed. Cheap: it is called for every event. */
  readonly moved = (): void => {
    this.#moved = true;
    if (this.#timer === undefined) this.#saveIn(this.#persistence.saveDelayMs ?? saveDelayMs);
  };

  /** Saves it as it is; those who ask while a save is under way share the next. Resolves when that survives a power cut. STOPPED when the life has ended; see `encodeChart`. */
  save(): Promise<Result<void>> {
    if (this.#saving === undefined) return this.#begin();
    this.#next ??= this.#saving.then(() => {
      this.#next = undefined;
      // It may have been saved for the last time meanwhile.
      return this.#chart === undefined && this.#saving !== undefined ? this.#saving : this.#begin();
    });
    return this.#next;
  }

  /** It was told to shut down: what is saved is how it was before, because how it ends is nothing to go on from. */
  shutDown(): void {
    if (this.#moved) void this.#begin();
    this.#close();
  }

  /** Its life is over: a crash, and an end that nobody ordered, leave nothing to go on from. */
  ended({ reason }: Exit): void {
    if (this.#claimed) this.#shelf.release(this.#persistence, this.#key);
    if (this.#chart === undefined) return;
    if (reason === 'killed' && this.#moved) void this.#begin();
    this.#close();
    if (reason === 'killed' || (reason === 'crash' && this.#persistence.afterCrash === 'restore')) return;
    void this.#shelf.remove(this.#persistence, this.#key).then((removed) => this.#told(removed));
  }

  #close(): void {
    this.#chart = undefined;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #saveIn(ms: number): void {
    if (this.#chart === undefined) return;
    const save = (): void => {
      this.#timer = undefined;
      void this.save();
    };
    this.#timer = outsideTurns(() => this.#clock.setTimeout(save, ms));
  }

  #begin(): Promise<Result<void>> {
    const chart = this.#chart;
    if (chart === undefined) return Promise.resolve(refuse('STOPPED', `${this.#path} does not run.`));
    this.#moved = false;
    const stored = storedOf(chart);
    const saving = stored.ok ? this.#shelf.save(this.#persistence, this.#key, stored.value) : Promise.resolve(stored);
    const told = saving.then((saved) => {
      if (this.#saving === told) this.#saving = undefined;
      this.#told(saved);
      // The store may be back soon; what is no JSON, or too large, will be again until something changes.
      if (!saved.ok && saved.refusal.code !== 'MALFORMED' && saved.refusal.code !== 'LIMIT_EXCEEDED') {
        this.#moved = true;
        if (this.#timer === undefined) this.#saveIn(limits.snapshotRetryMs);
      }
      return saved;
    });
    this.#saving = told;
    return told;
  }

  /** Says once what goes on going wrong. */
  #told(result: Result<void>): void {
    const reason = result.ok ? undefined : result.refusal.reasons[0];
    if (!result.ok && reason !== this.#lastFault) this.#shelf.fault(this.#path, result.refusal);
    this.#lastFault = reason;
  }

  #migrated({ version, chart }: SavedChart): Result<StoredChart> {
    const wanted = this.#persistence.version;
    if (version === wanted) return verifyChart(chart);
    if (version > wanted)
      return refuse('NOT_SUPPORTED', `The state was saved by version ${version} of the chart; this is ${wanted}.`);
    const { migrate } = this.#persistence;
    if (migrate === undefined)
      return refuse('NOT_SUPPORTED', `The state is of version ${version}, and nothing migrates it to ${wanted}.`);
    try {
      const migrated: unknown = migrate(chart, version);
      // Whoever migrates answers at once: what a promise says later is heard by nobody.
      if (migrated instanceof Promise) migrated.catch(() => {});
      return verifyChart({ unverified: migrated as StoredChart });
    } catch (error) {
      const why = describe({ reason: 'crash', error });
      return refuse('MALFORMED', `The state of version ${version} could not be migrated to ${wanted}: ${why}`);
    }
  }
}

/** XState asks children and contexts that are the embedder’s. */
function storedOf(chart: KeptChart): Result<StoredChart> {
  try {
    return chart.store();
  } catch (error) {
    return refuse('MALFORMED', `The chart cannot be saved: ${describe({ reason: 'crash', error })}`);
  }
}
