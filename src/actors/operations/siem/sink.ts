import { limits } from '../../../limits.ts';
import type { AuditRecord } from '../../../protocols/audit/record.ts';

/**
 * One receiver of the audit log outside the cluster. Calls come one after the other; after any rejection the forwarder
 * calls `cut` and sends again from the last record that was confirmed.
 */
export interface SiemSink {
  /** Hands records over, in order. Resolves when they are with the receiver, or, see below, with the transport. */
  send(records: readonly AuditRecord[], signal: AbortSignal): Promise<void>;
  /** The same for a checkpoint of the log, behind the records that it covers. */
  sendCheckpoint(checkpoint: SiemCheckpoint, signal: AbortSignal): Promise<void>;
  /** Resolves when the receiver has read everything that was sent. */
  confirm(signal: AbortSignal): Promise<void>;
  /** Whether a `send` that resolved is confirmed by that. */
  readonly confirmsEach: boolean;
  /** Gives the connection up, whatever is under way. */
  cut(): void;
}

/** A checkpoint of the log, for keeping where the node cannot reach it. */
export interface SiemCheckpoint {
  /** Records that it covers. */
  readonly size: number;
  /** The note and what vouches for its keys, as one line of JSON: what `caxton audit verify --evidence` reads. */
  readonly line: string;
}

/** A receiver that wants some of these records not at all, however often they come: fewer at once show which. */
export class Unwanted extends Error {
  override readonly name = 'Unwanted';
}

/** A receiver that does not want more for now. */
export class NotNow extends Error {
  override readonly name = 'NotNow';
  /** Milliseconds that it asks for. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Why a sink rejected. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** How long the receiver asks to be left alone. */
export const askedMsOf = (error: unknown): number =>
  error instanceof NotNow ? Math.min(error.retryAfterMs, limits.siemRetryAfterMsMax) : 0;
