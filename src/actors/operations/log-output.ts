import { closeSync, constants, fstatSync, openSync, type Stats, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { limits } from '../../limits.ts';

/** How often it is looked whether whoever reads takes more, and for how long at the end of the process. */
const lookMs = 20;
const lastWordsMs = 200;

/**
 * Lines to a descriptor that never make the process wait: a terminal that was halted or a pipe that nobody reads would
 * otherwise halt the node, and its end as well. What is not taken waits up to `limits.logWaitingBytesMax`; what comes
 * then is dropped, and that is said once lines are taken again.
 */
export class LogOutput {
  readonly #fd: number;
  /** What makes the descriptor one that does not block; kept as long as this is. */
  readonly #holder: Socket | undefined;
  readonly #droppedLine: (count: number) => string;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param droppedLine what is written in place of so many lines. */
  constructor(fd: number, droppedLine: (count: number) => string) {
    const kind = fstatSync(fd);
    this.#droppedLine = droppedLine;
    this.#holder = kind.isSocket() ? new Socket({ fd, readable: false }).unref() : undefined;
    this.#fd = this.#holder ? fd : reopened(fd, kind);
    process.on('exit', this.#atExit);
  }

  write(line: string): void {
    if (this.#waiting.length === 0) {
      const bytes = Buffer.from(line);
      const taken = this.#take(bytes);
      if (taken < bytes.length) this.#wait(bytes.subarray(taken));
      return;
    }
    if (this.#waitingBytes + line.length > limits.logWaitingBytesMax) this.#dropped += 1;
    else this.#wait(Buffer.from(line));
  }

  /** Gives the descriptor up; for tests. */
  close(): void {
    clearTimeout(this.#timer);
    process.off('exit', this.#atExit);
    if (this.#fd > 2) closeSync(this.#fd);
  }

  #wait(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    // The end of the process does not wait for it.
    this.#timer ??= setTimeout(() => this.#flush(), lookMs).unref();
  }

  #flush(): void {
    this.#timer = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const [at, bytes] of waiting.entries()) {
      const taken = this.#take(bytes);
      if (taken === bytes.length) continue;
      for (const rest of [bytes.subarray(taken), ...waiting.slice(at + 1)]) this.#wait(rest);
      return;
    }
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.write(this.#droppedLine(dropped));
  }

  /** How many bytes were taken; all of them, when there is nobody any more who could. */
  #take(bytes: Buffer): number {
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? at : bytes.length;
    }
    return at;
  }

  readonly #atExit = (): void => {
    const deadline = performance.now() + lastWordsMs;
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (this.#waiting.length > 0 && performance.now() < deadline) {
      clearTimeout(this.#timer);
      this.#flush();
      if (this.#waiting.length > 0) Atomics.wait(cell, 0, 0, lookMs);
    }
  };
}

/**
 * A second opening of the same pipe or terminal: not to block is said of an opening, and the first one belongs to others
 * as well, such as the shell. The descriptor itself where the system has no such way.
 */
function reopened(fd: number, kind: Stats): number {
  if (!kind.isFIFO() && !kind.isCharacterDevice()) return fd;
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return fd;
  }
}
