import { type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Unverified } from '../../unverified.ts';
import { type Check, judgeContent } from './check.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import { Deadlines, type Expiring } from './deadlines.ts';
import type { Occupant } from './occupant.ts';
import type { Clock } from './ports.ts';
import { type Ref, type Undelivered, undelivered } from './ref.ts';
import { RemoteRef } from './remote-ref.ts';
import { both } from './remote-reply.ts';
import { ReplyRef } from './reply-ref.ts';
import type { Turns } from './scheduler.ts';
import { occupantOfTurn } from './turn.ts';
import { accepted } from './waiting-senders.ts';

/** How long an answer is waited for when nobody says, in milliseconds. */
const defaultTimeoutMs = 5_000;

export interface AskOptions {
  /** Milliseconds, more than 0 and at most `limits.askMsMax`; default 5,000. Past it: refused with TIMED_OUT. */
  readonly timeoutMs?: number;
  /** Gives up waiting: refused with CANCELLED. */
  readonly signal?: AbortSignal;
  /**
   * What the answer must be; what fails is refused with MALFORMED. Needed for an actor on another node: what comes from
   * there is only data until somebody has judged it.
   */
  readonly accepts?: Check;
}

/** A question as its receiver gets it: the answer goes to `replyTo`, once. */
export type Asked<M, A> = M & { readonly replyTo: Ref<A> };

/** What the receiver of `Q` is asked, and what it answers. */
export type QuestionOf<Q> = Omit<Q, 'replyTo'>;
export type AnswerTo<Q> = Q extends { readonly replyTo: Ref<infer A> } ? A : never;

/** The questions of one kernel that wait for an answer. */
export class Asks {
  readonly #clock: Clock;
  readonly #scheduler: Turns;
  readonly #deadLetters: DeadLetterOffice;
  readonly #deadlines = new Map<number, Deadlines>();
  #pending = 0;

  constructor(clock: Clock, scheduler: Turns, deadLetters: DeadLetterOffice) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#deadLetters = deadLetters;
  }

  /** Questions under way. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Asks and waits for the answer; never rejects. The receiver gets the message with `replyTo` in it. A question that was
   * put into no inbox comes back in the refusal. Refused as `tell` is, or with TIMED_OUT, CANCELLED, LIMIT_EXCEEDED (too
   * many wait, or a timeout out of bounds), and NOT_SUPPORTED when the receiver is on another node and there is no
   * `accepts`, MALFORMED when the answer fails it, STOPPED when the receiver goes for good before it has read the
   * question, or when the asker’s own life has ended.
   */
  ask<Q extends object>(
    ref: Ref<Q>,
    message: QuestionOf<Q>,
    options: AskOptions = noOptions,
  ): Promise<Result<AnswerTo<Q>>> {
    const { timeoutMs = defaultTimeoutMs, signal, accepts } = options;
    if (!(timeoutMs > 0 && timeoutMs <= limits.askMsMax)) {
      const reason = `An answer is waited for more than 0 and at most ${limits.askMsMax} ms.`;
      return Promise.resolve(undelivered('LIMIT_EXCEEDED', reason, message));
    }
    if (signal?.aborted === true) return Promise.resolve(undelivered('CANCELLED', gaveUp, message));
    if (accepts === undefined && ref instanceof RemoteRef)
      return Promise.resolve(undelivered('NOT_SUPPORTED', checkNeeded, message));
    if (this.#pending >= limits.pendingAsksMax) {
      const reason = `${limits.pendingAsksMax} questions wait for an answer already.`;
      return Promise.resolve(undelivered('LIMIT_EXCEEDED', reason, message));
    }
    const question = questionOf(message);
    if (question === undefined) return Promise.resolve(undelivered('MALFORMED', 'A question is an object.', message));
    const promise = new Promise<Result<never>>(takeResolver);
    const reply = new PendingReply(this, this.#deadlinesOf(timeoutMs), takenResolver, accepts);
    question.replyTo = reply;
    const told = ref.tell(question as Q);
    if (told.ok) {
      reply.told = true;
      if (signal !== undefined) reply.heed(signal);
    } else reply.settle(undelivered(told.refusal.code, told.refusal.reasons[0], message));
    return promise;
  }

  /** An answer that came when nobody waits for it any more. */
  late(path: string, answer: unknown, reason: 'late reply' | 'asker gone'): Result<void, Undelivered> {
    this.#deadLetters.add(path, answer, reason);
    return undelivered('STOPPED', 'Nobody waits for this answer any more.', answer);
  }

  began(): void {
    this.#pending += 1;
  }

  settled(): void {
    this.#pending -= 1;
  }

  #deadlinesOf(ms: number): Deadlines {
    let deadlines = this.#deadlines.get(ms);
    if (deadlines === undefined) {
      deadlines = new Deadlines(this.#clock, this.#scheduler, ms, this.#forget);
      this.#deadlines.set(ms, deadlines);
    }
    return deadlines;
  }

  readonly #forget = (ms: number): void => {
    // The usual timeout is kept: it would be made again with the next question.
    if (ms !== defaultTimeoutMs) this.#deadlines.delete(ms);
  };
}

/** A copy with room for where the answer goes; `undefined` when there is nothing to copy, or a look at it throws. */
function questionOf(message: unknown): { replyTo: unknown } | undefined {
  if (typeof message !== 'object' || message === null) return undefined;
  try {
    return { ...message, replyTo: undefined };
  } catch {
    return undefined;
  }
}

const noOptions: AskOptions = Object.freeze({});

type Resolver = (result: Result<never>) => void;

/** One function for all promises: a closure for each is a tenth of what a question costs. Called at once, always. */
let takenResolver: Resolver = () => {};
const takeResolver = (resolve: Resolver): void => {
  takenResolver = resolve;
};

const checkNeeded = 'An answer from another node needs a check: ask with `accepts`.';
const unchecked = Object.freeze(refuse('NOT_SUPPORTED', checkNeeded));

const gaveUp = 'The asker gave up waiting.';
const cancelled = Object.freeze(refuse('CANCELLED', gaveUp));

/** A question under way, and the address that its answer goes to. No path is registered for it. */
class PendingReply extends ReplyRef implements Expiring {
  due = 0;
  earlier: Expiring | undefined = undefined;
  later: Expiring | undefined = undefined;
  /** The question is on its way; before that, whoever asks hears of a refusal by itself. */
  told = false;
  readonly #asks: Asks;
  readonly #deadlines: Deadlines;
  readonly #asker: Occupant | undefined = occupantOfTurn();
  #resolve: Resolver | undefined;
  #unheed: (() => void) | undefined = undefined;
  #forget: (() => void) | undefined = undefined;
  readonly #accepts: Check | undefined;

  constructor(asks: Asks, deadlines: Deadlines, resolve: Resolver, accepts: Check | undefined) {
    super();
    this.#accepts = accepts;
    this.#asks = asks;
    this.#deadlines = deadlines;
    this.#resolve = resolve;
    asks.began();
    deadlines.add(this);
  }

  get path(): string {
    return `${this.#asker?.path ?? ''}?answer`;
  }

  tell(answer: unknown): Result<void, Undelivered> {
    if (this.#resolve === undefined) return this.#asks.late(this.path, answer, 'late reply');
    if (this.#asker?.phase === 'ended') {
      this.settle(refuse('STOPPED', 'The asker’s life has ended.'));
      return this.#asks.late(this.path, answer, 'asker gone');
    }
    if (this.#accepts === undefined) this.settle({ ok: true, value: answer as never });
    else this.#judge(this.#accepts, answer);
    return accepted;
  }

  take({ unverified }: Unverified<unknown>): Result<void> {
    if (this.#resolve === undefined || this.#asker?.phase === 'ended') {
      this.tell(unverified);
      return accepted;
    }
    if (this.#accepts !== undefined) return this.#judge(this.#accepts, unverified);
    // The question was passed on to another node, and its asker did not expect that.
    this.settle(unchecked);
    return accepted;
  }

  override letDown(refusal: Refusal): void {
    if (this.told) this.settle({ ok: false, refusal });
  }

  override onSettled(forget: () => void): void {
    this.#forget = both(this.#forget, forget);
  }

  expire(): void {
    this.#finish(refuse('TIMED_OUT', 'No answer came in time.'));
  }

  /** Watches for the asker’s own signal. */
  heed(signal: AbortSignal): void {
    const giveUp = (): void => this.settle(cancelled);
    signal.addEventListener('abort', giveUp, { once: true });
    this.#unheed = () => signal.removeEventListener('abort', giveUp);
  }

  /** Only the first outcome counts. */
  settle(result: Result<never>): void {
    if (this.#resolve === undefined) return;
    this.#deadlines.delete(this);
    this.#finish(result);
  }

  #judge(accepts: Check, answer: unknown): Result<void> {
    const outcome = judgeContent(accepts, answer);
    if ('content' in outcome) {
      this.settle({ ok: true, value: outcome.content as never });
      return accepted;
    }
    const malformed = refuse('MALFORMED', `The asker does not take the answer: ${outcome.problems}.`);
    this.settle(malformed);
    return malformed;
  }

  #finish(result: Result<never>): void {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#asks.settled();
    this.#unheed?.();
    this.#forget?.();
    resolve?.(result);
  }
}
