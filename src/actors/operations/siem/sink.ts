import type { AuditRecord } from '../../../protocols/audit/record.ts';

/**
 * One receiver of the audit log outside the cluster. Calls come one after the other; after any rejection the forwarder
 * calls `cut` and sends again from the last record that was confirmed.
 */
export interface SiemSink {
  /** Hands records over, in order. Resolves when they are with the receiver, or, see below, with the transport. */
  send(records: readonly AuditRecord[], signal: AbortSignal): Promise<void>;
  /** Resolves when the receiver has read everything that was sent. */
  confirm(signal: AbortSignal): Promise<void>;
  /** Whether a `send` that resolved is confirmed by that. */
  readonly confirmsEach: boolean;
  /** Gives the connection up, whatever is under way. */
  cut(): void;
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
