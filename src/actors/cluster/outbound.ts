import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { encodeFrame, type FrameKind, frameBytes, writeFrame } from '../../protocols/link/frame.ts';
import type { Clock, LinkChannel } from '../kernel/ports.ts';

interface Waiting {
  readonly kind: FrameKind;
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/**
 * Frames on their way out. A frame alone goes at once; those that follow in the same turn of the event loop go
 * together in one link message. Measured, coalescing made 1.35 to 1.5 times the throughput, but cost a lone message
 * 10 to 50 µs: hence both.
 */
export class Outbound {
  readonly #channel: LinkChannel;
  readonly #clock: Clock;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #turn: NodeJS.Immediate | undefined;
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
    if (!this.#turn) {
      this.#turn = setImmediate(() => {
        this.#turn = undefined;
        this.flush();
      });
      this.#write(encodeFrame(kind, header, content));
      return ok(undefined);
    }
    if (this.#waitingBytes + bytes > limits.linkMessageBytesMax) this.flush();
    this.#waiting.push({ kind, header, content });
    this.#waitingBytes += bytes;
    return ok(undefined);
  }

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
    if (this.#turn) clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #write(message: Uint8Array): void {
    this.sentAt = this.#clock.monotonic();
    this.sentBytes += message.length;
    this.#channel.send(message);
  }
}
