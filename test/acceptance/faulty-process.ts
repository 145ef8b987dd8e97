import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { ClusterLayout } from '../../src/development/layout.ts';
import type { NodeId } from '../../src/names.ts';
import type { Look, Order } from './faulty-node.ts';

const processes: ChildProcess[] = [];
process.on('exit', () => {
  for (const child of processes) child.kill('SIGKILL');
});

/** A node of `faulty-node.ts`, driven over IPC; killed when this process ends. */
export class NodeProcess {
  readonly id: string;
  readonly ended: Promise<number | null>;
  readonly up: Promise<void>;
  readonly faults: string[] = [];
  stderr = '';
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  #last = 0;

  constructor(id: string, layout: ClusterLayout) {
    this.id = id;
    const { config } = layout.node(id as NodeId);
    this.#child = spawn(
      process.execPath,
      ['--expose-gc', join(import.meta.dirname, 'faulty-node.ts'), config, layout.deployerKey],
      {
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    );
    processes.push(this.#child);
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.up = new Promise((resolve, reject) => {
      void this.ended.then((code) => reject(new Error(`${id} ended with ${code}: ${this.stderr}`)));
      this.#child.on('message', (message: { up?: true; id?: number; answer?: unknown; fault?: string }) => {
        if (message.up) resolve();
        if (message.fault !== undefined) this.faults.push(message.fault);
        if (message.id !== undefined) this.#waiting.get(message.id)?.(message.answer);
      });
    });
  }

  order<T>(order: Order): Promise<T> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`${this.id} does not answer ${order.do}: ${this.stderr}`)),
        15_000,
      );
      this.#waiting.set(id, (answer) => {
        clearTimeout(late);
        this.#waiting.delete(id);
        resolve(answer as T);
      });
      this.#child.send({ id, order }, (error) => error && reject(new Error(`${this.id} is gone: ${this.stderr}`)));
    });
  }

  look(): Promise<Look> {
    return this.order<Look>({ do: 'look' });
  }

  lookTidily(): Promise<Look> {
    return this.order<Look>({ do: 'look', tidy: true });
  }

  stop(): void {
    this.#child.send({ stop: true });
  }

  /** As by `kill -9`. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }
}
