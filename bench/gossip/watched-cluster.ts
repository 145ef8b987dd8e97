import type { ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** What one member said of another, in `performance.now()` of the process that watches. */
export interface Sighting {
  readonly atMs: number;
  readonly observer: string;
  readonly subject: string;
  /** Whether the observer routes nothing to it any more. */
  readonly gone: boolean;
  /** In its own word. */
  readonly status: string;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

const ticksPerSecond = 100;

/** Processes that watch each other, seen from outside: whom each of them holds for a member, as it says so itself. */
export abstract class WatchedCluster {
  readonly names: readonly string[];
  readonly sightings: Sighting[] = [];
  readonly #children = new Map<string, ChildProcess>();
  readonly #views = new Map<string, Set<string>>();
  #failed: string | undefined;

  constructor(names: readonly string[]) {
    this.names = names;
  }

  /** Starts a process and calls `saw` for each thing that it says about others. */
  protected abstract spawn(name: string): ChildProcess;

  start(name: string): void {
    this.#views.set(name, new Set());
    const child = this.spawn(name);
    running.add(child);
    this.#children.set(name, child);
    let words = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      words = (words + text).slice(-2_000);
    });
    child.once('exit', (code) => {
      running.delete(child);
      // By a signal is as we killed it.
      if (code !== null) this.#failed = `${name} ended with ${code}: ${words}`;
    });
  }

  protected saw(observer: string, subject: string, gone: boolean, status: string): void {
    if (observer === subject) return;
    this.sightings.push({ atMs: performance.now(), observer, subject, gone, status });
    const view = this.#views.get(observer)!;
    if (gone) view.delete(subject);
    else view.add(subject);
  }

  pid(name: string): number {
    return this.#children.get(name)!.pid!;
  }

  signal(name: string, signal: NodeJS.Signals): void {
    process.kill(this.pid(name), signal);
  }

  /** One number for each of the others: after how many milliseconds it routed nothing to the subject any more. */
  seenGone(subject: string, sinceMs: number, msMax: number): Promise<readonly number[]> {
    return this.seenGoneBy(this.#others(subject), subject, sinceMs, msMax);
  }

  seenGoneBy(
    observers: readonly string[],
    subject: string,
    sinceMs: number,
    msMax: number,
  ): Promise<readonly number[]> {
    return this.#seen(observers, subject, true, sinceMs, msMax);
  }

  seenBack(subject: string, sinceMs: number, msMax: number): Promise<readonly number[]> {
    return this.#seen(this.#others(subject), subject, false, sinceMs, msMax);
  }

  #others(subject: string): readonly string[] {
    return this.names.filter((name) => name !== subject);
  }

  async #seen(
    observers: readonly string[],
    about: string,
    isGone: boolean,
    sinceMs: number,
    msMax: number,
  ): Promise<readonly number[]> {
    const firsts = () =>
      observers.flatMap((watcher) => {
        const said = this.sightings.find(
          ({ atMs, observer, subject, gone }) =>
            atMs >= sinceMs && observer === watcher && subject === about && gone === isGone,
        );
        return said ? [said.atMs - sinceMs] : [];
      });
    const what = `${observers.length} members of ${this.constructor.name} see ${about} ${isGone ? 'gone' : 'back'}`;
    await until(what, () => firsts().length === observers.length, msMax);
    return firsts();
  }

  /** Everybody sees everybody. */
  whole(msMax: number): Promise<void> {
    return this.wholeAmong(this.names, msMax);
  }

  /** These see each other. */
  wholeAmong(names: readonly string[], msMax: number): Promise<void> {
    const everybody = () => {
      if (this.#failed !== undefined) throw new Error(this.#failed);
      return names.every((name) => names.every((other) => other === name || this.#views.get(name)!.has(other)));
    };
    return until(`${this.constructor.name} is whole`, everybody, msMax, () => this.#lacking());
  }

  #lacking(): string {
    const missing = (name: string) =>
      this.names.filter((other) => other !== name && !this.#views.get(name)!.has(other));
    return this.names
      .filter((name) => missing(name).length > 0)
      .map((name) => `${name} lacks ${missing(name).join(' ')}`)
      .join('; ');
  }

  /** Verdicts since then about members with which nothing was wrong. */
  wrongs(sinceMs: number, failed: readonly string[] = []): number {
    return this.sightings.filter(
      ({ atMs, gone, subject, observer }) =>
        gone && atMs >= sinceMs && !failed.includes(subject) && !failed.includes(observer),
    ).length;
  }

  /** Processor time of all processes so far, in milliseconds by name. */
  processorMs(): ReadonlyMap<string, number> {
    return new Map(
      this.names.map((name) => {
        const text = readFileSync(`/proc/${this.pid(name)}/stat`, 'utf8');
        const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
        return [name, ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond];
      }),
    );
  }

  async end(): Promise<void> {
    const ends = [...this.#children.values()]
      .filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)
      .map((child) => new Promise<void>((resolve) => child.once('exit', () => resolve())));
    for (const child of this.#children.values()) child.kill('SIGKILL');
    await Promise.all(ends);
  }
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, holds: () => boolean, msMax: number, detail = () => ''): Promise<void> {
  const end = performance.now() + msMax;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`not within ${msMax} ms: ${what} ${detail()}`);
    await pause(10);
  }
}
