import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { AgentId } from '../../names.ts';
import type { ReceivedMessage } from '../agents/behaviour.ts';
import type { Clock } from '../kernel/ports.ts';
import { RecentMap } from './recent-map.ts';

interface Ask {
  readonly asker: AgentId;
  readonly answerer: AgentId;
  readonly settle: (answer: Result<ReceivedMessage>) => void;
  readonly timer: unknown;
}

/** Requests that wait for their answer. An answer counts only from the agent that was asked, to the one who asked. */
export class PendingAsks {
  readonly #clock: Clock;
  readonly #asks = new Map<string, Ask>();
  /** Those that ended without an answer lately. */
  readonly #over = new RecentMap<Ask>(limits.endedAsksKeptMin);
  /** Called when the last one was settled. */
  onSettled: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#asks.size;
  }

  /**
   * Waits for the answer to a message. Resolves with it, or with TIMED_OUT, CANCELLED, STOPPED, LIMIT_EXCEEDED, or the
   * refusal that the far side gave; never rejects.
   */
  wait(
    messageId: string,
    asker: AgentId,
    answerer: AgentId,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Result<ReceivedMessage>> {
    if (this.#asks.size >= limits.pendingAsksMax)
      return Promise.resolve(refuse('LIMIT_EXCEEDED', `${limits.pendingAsksMax} requests wait for answers already.`));
    if (signal?.aborted) return Promise.resolve(cancelled());
    return new Promise((resolve) => {
      const abort = () => this.#end(messageId, cancelled());
      const timer = this.#clock.setTimeout(
        () => this.#end(messageId, refuse('TIMED_OUT', `${answerer} did not answer within ${timeoutMs} ms.`)),
        Math.min(timeoutMs, limits.askMsMax),
      );
      signal?.addEventListener('abort', abort, { once: true });
      this.#asks.set(messageId, {
        asker,
        answerer,
        timer,
        settle: (answer) => {
          signal?.removeEventListener('abort', abort);
          resolve(answer);
        },
      });
    });
  }

  /** Whether somebody waits for the answer to this message. */
  has(messageId: string): boolean {
    return this.#asks.has(messageId);
  }

  /** Takes the message if it answers an ask; otherwise it is an ordinary message and goes to the inbox. */
  answered(message: ReceivedMessage): boolean {
    if (!isAnswerTo(this.#asks.get(message.header.inReplyTo), message)) return false;
    this.#end(message.header.inReplyTo, ok(message));
    return true;
  }

  /** Whether it answers an ask that has ended without: its asker was told so already, and is told nothing twice. */
  isLate(message: ReceivedMessage): boolean {
    return isAnswerTo(this.#over.get(message.header.inReplyTo), message);
  }

  /** The far side refused the message. True when somebody waited for its answer. */
  refused(messageId: string, refusal: Refusal): boolean {
    if (!this.#asks.has(messageId)) return false;
    this.#end(messageId, { ok: false, refusal });
    return true;
  }

  /** Ends every ask: the router stops. */
  stop(): void {
    for (const id of [...this.#asks.keys()]) this.#end(id, refuse('STOPPED', 'The node is stopping.'));
  }

  /** Ends the asks that wait for agents which cannot answer any more. */
  fail(gone: (answerer: AgentId) => boolean, refusal: Refusal): void {
    for (const [id, ask] of [...this.#asks]) if (gone(ask.answerer)) this.#end(id, { ok: false, refusal });
  }

  #end(messageId: string, answer: Result<ReceivedMessage>): void {
    const ask = this.#asks.get(messageId);
    if (!ask) return;
    this.#asks.delete(messageId);
    this.#clock.clearTimeout(ask.timer);
    if (!answer.ok) this.#over.set(messageId, ask);
    ask.settle(answer);
    if (this.#asks.size === 0) this.onSettled();
  }
}

const isAnswerTo = (ask: Ask | undefined, { header, sender }: ReceivedMessage): boolean =>
  ask?.asker === header.receiver && ask.answerer === sender;

const cancelled = () => refuse('CANCELLED', 'The caller cancelled the request.');
