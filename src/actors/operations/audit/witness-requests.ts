import type { Result } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import {
  type CheckpointAnswer,
  type CheckpointRequest,
  decodeCheckpointAnswer,
  encodeCheckpointRequest,
  type FrameParts,
} from '../../../protocols/link/checkpoint-frame.ts';
import type { Clock } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';

export interface WitnessRequestsOptions {
  readonly clock: Clock;
  /** False when there is no link now. */
  readonly send: (peer: NodeId, frame: FrameParts) => boolean;
}

interface Waiting {
  readonly peer: NodeId;
  readonly settle: (answer: CheckpointAnswer | undefined) => void;
}

/** Asks witnesses and waits for what they answer; nobody waits longer than `limits.witnessAnswerMsMax`. */
export class WitnessRequests {
  readonly #options: WitnessRequestsOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(options: WitnessRequestsOptions) {
    this.#options = options;
  }

  /** Resolves with undefined when no answer came. */
  ask(peer: NodeId, request: Omit<CheckpointRequest, 'id'>): Promise<CheckpointAnswer | undefined> {
    const { clock, send } = this.#options;
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      const settle = (answer: CheckpointAnswer | undefined): void => {
        clock.clearTimeout(timer);
        this.#waiting.delete(id);
        resolve(answer);
      };
      const timer = clock.setTimeout(() => settle(undefined), limits.witnessAnswerMsMax);
      this.#waiting.set(id, { peer, settle });
      if (!send(peer, encodeCheckpointRequest(utf8, { ...request, id }))) settle(undefined);
    });
  }

  /** An answer from the authenticated peer; one that nobody waits for is dropped. MALFORMED: the link is to be closed. */
  take(peer: NodeId, frame: FrameParts): Result<void> {
    const answer = decodeCheckpointAnswer(utf8, frame);
    if (!answer.ok) return answer;
    const { unverified } = answer.value;
    const waiting = this.#waiting.get(unverified.id);
    if (waiting?.peer === peer) waiting.settle(unverified);
    return { ok: true, value: undefined };
  }

  /** The link is gone, and with it the answer. */
  lost(peer: NodeId): void {
    for (const { peer: asked, settle } of [...this.#waiting.values()]) if (asked === peer) settle(undefined);
  }
}
