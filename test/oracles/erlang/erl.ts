import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Case } from './case.ts';
import { caseTerm } from './term.ts';

const source = join(dirname(fileURLToPath(import.meta.url)), 'supervision_oracle.erl');

/** One Erlang that runs supervision cases for as long as it is wanted. */
export class Erl {
  readonly #folder: string;
  readonly #process: ChildProcessWithoutNullStreams;
  readonly #waiting = new Map<number, (trace: string) => void>();
  #fail: (error: Error) => void = () => {};
  readonly #broken: Promise<never>;
  #number = 0;

  constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'caxton-oracle-'));
    execFileSync('erlc', ['-o', this.#folder, source], { stdio: 'inherit' });
    const run = ['+S', '1', '-noshell', '-pa', this.#folder, '-s', 'supervision_oracle', 'main'];
    this.#process = spawn('erl', run);
    const { promise, reject } = Promise.withResolvers<never>();
    this.#broken = promise;
    this.#broken.catch(() => {});
    this.#fail = reject;
    this.#process.on('error', reject);
    this.#process.on('exit', (code) => this.#fail(new Error(`Erlang has ended with ${code}.`)));
    this.#process.stderr.on('data', (bytes) => this.#fail(new Error(`Erlang says: ${bytes}`)));
    createInterface(this.#process.stdout).on('line', (line) => this.#answer(line));
  }

  /** Runs cases beside each other; their traces in the order of the cases, each one string for each step. */
  run(cases: readonly Case[]): Promise<readonly (readonly string[])[]> {
    const answers = cases.map((one) => {
      const number = ++this.#number;
      const { promise, resolve } = Promise.withResolvers<readonly string[]>();
      this.#waiting.set(number, (trace) => resolve(trace.split(';')));
      this.#process.stdin.write(caseTerm(number, one));
      return promise;
    });
    return Promise.race([Promise.all(answers), this.#broken]);
  }

  stop(): void {
    this.#process.removeAllListeners('exit');
    this.#process.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #answer(line: string): void {
    const [number, trace] = line.split('\t');
    const known = this.#waiting.get(Number(number));
    if (known === undefined || trace === undefined) this.#fail(new Error(`Erlang wrote: ${line}`));
    this.#waiting.delete(Number(number));
    known?.(trace ?? '');
  }
}
