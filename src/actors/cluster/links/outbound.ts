import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type FrameKind, frameBytes, writeFrame } from '../../../protocols/link/frame.ts';
import type { Clock, LinkChannel } from '../../kernel/ports.ts';

interface Waiting {
  readonly kind: FrameKind;
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/**
 * Frames on their way out. They go when the piece of code that sends has ended, those of one piece together in one link
 * message. Measured with 64 questions in flight that made 1.17 times the throughput of sending the first at once and the
 * others with `setImmediate`, and with one in flight the same.
 */
export class Outbound {
  readonly #channel: LinkChannel;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #armed = false;
  /** Handed to the channel so far. */
  sentBytes = 0;
  /** Monotonic milliseconds of the last send. */
  sentAt: number;

  constructor(channel: LinkChannel, clock: Clock) {
    this.#channel = channel;
    this.#clock = clock;
    this.sentAt = clock.monotonic();
  }

  /** LIMIT_EXCEEDED for a frame that no peer would take. */
  send(kind: FrameKind, header: Uint8Array, content: Uint8Array): Result<void> {
    const bytes = frameBytes(header, content);
    if (header.length > limits.headerBytesMax || bytes > limits.frameBytesMax)
      return refuse('LIMIT_EXCEEDED', `A frame of ${bytes} bytes is over the limit of ${limits.frameBytesMax}.`);
    if (!this.#armed) {
      this.#armed = true;
      process.nextTick(this.#flushSoon);
    }
    const full = this.#waiting.length >= limits.linkFramesPerMessageMax;
    if (full || this.#waitingBytes + bytes > limits.linkMessageBytesMax) this.flush();
    this.#waiting.push({ kind, header, content });
    this.#waitingBytes += bytes;
    return ok(undefined);
  }

  readonly #flushSoon = (): void => {
    this.#armed = false;
    this.flush();
  };

  flush(): void {
    if (this.#waiting.length === 0) return;
    const message = new Uint8Array(this.#waitingBytes);
    let at = 0;
    for (const { kind, header, content } of this.#waiting) at = writeFrame(message, at, kind, header, content);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#write(message);
  }

  stop(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #write(message: Uint8Array): void {
    this.sentAt = this.#clock.monotonic();
    this.sentBytes += message.length;
    this.#channel.send(message);
  }
}
