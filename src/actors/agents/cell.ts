import { type AnyActorRef, createActor } from 'xstate';
import type { Refusal } from '../../errors.ts';
import { judgeContent } from '../kernel/check.ts';
import type { HandlerLife } from '../kernel/handler.ts';
import type { ChartAgentEvent, ReceivedMessage } from './behaviour.ts';
import { type AgentMode, type LifecycleEvent, nextMode } from './lifecycle.ts';
import type { CellEvent, CellInput, CellSurround } from './seat.ts';

/** More crashes than this in the window and the agent is suspended instead of restarted: one bad agent is no outage. */
export const crashBudget = { crashesMax: 5, windowMs: 10_000 } as const;

/** Messages that a life had in hand when it ended. What its code still does afterwards must not answer them again. */
const abandoned = new WeakSet<ReceivedMessage>();

/** Whether whoever waited for an answer to this message was told already that none will come. */
export const isAbandoned = (message: ReceivedMessage): boolean => abandoned.has(message);

const withContent = (message: ReceivedMessage, content: unknown): ReceivedMessage => ({
  header: message.header,
  id: message.id,
  performative: message.performative,
  sender: message.sender,
  protocol: message.protocol,
  conversationId: message.conversationId,
  content,
});

/**
 * What an agent’s actor does in one life: hands over one message after the other and steps the lifecycle. What it lives
 * in is in `cell-logic.ts`.
 */
export class Cell implements HandlerLife<CellEvent> {
  readonly #input: CellInput;
  readonly #surround: CellSurround;
  /** Of this life; the seat’s is the last one’s until this one begins. */
  mode: AgentMode = 'verifying';
  #chart: AnyActorRef | undefined;
  #busyWith: ReceivedMessage | undefined;
  /** Told to stop, it first takes what is in its inbox: the order has overtaken that. */
  #rest: 'unasked' | 'asked' | 'taken' = 'unasked';
  /** What the life before this one was doing. */
  readonly #before: AgentMode;

  constructor(input: CellInput, surround: CellSurround) {
    this.#input = input;
    this.#surround = surround;
    this.#before = input.seat.mode;
  }

  start(): void {
    const { seat, behaviour, context } = this.#input;
    if (this.#before === 'compromised') {
      // A crash is no way out of it.
      this.#step('agent.compromised');
      return;
    }
    this.#step('agent.verified');
    if (behaviour.kind === 'chart') {
      this.#chart = createActor(behaviour.chart, {
        id: 'chart',
        parent: this.#surround.actor!,
        input: { agent: context },
      });
      this.#chart.start();
    }
    this.#step('agent.started');
    if (this.#crashedTooOften() || this.#before === 'suspended') this.#step('agent.suspend');
    if (seat.queue !== undefined && seat.queue.length > 0) this.#input.self.tell({ type: 'agent.waiting' }, 'control');
  }

  #crashedTooOften(): boolean {
    const { seat, host } = this.#input;
    const since = host.monotonic() - crashBudget.windowMs;
    const lately = seat.crashes?.filter((at) => at > since) ?? [];
    seat.crashes = lately.length > 0 ? lately : undefined;
    return lately.length >= crashBudget.crashesMax;
  }

  shutDown(): void {
    this.receive({ type: 'kernel.shutdown' });
  }

  end(): void {
    this.receive({ type: 'xstate.stop' });
  }

  /** A throw is the agent’s crash. */
  receive(event: CellEvent): void {
    this.#hear(event);
    if (this.mode === 'stopped' && event.type !== 'xstate.stop') this.#surround.finish();
  }

  #hear(event: CellEvent): void {
    switch (event.type) {
      case 'agent.message':
        this.#take(event.message);
        if (this.mode === 'stopping') this.#drain();
        break;
      case 'agent.refused':
        this.#refused(event.refusal, event.messageId);
        break;
      case 'agent.settled':
        this.#settled(event.of);
        break;
      case 'agent.failed':
        // What an incarnation before this one began is no business of this one.
        if (event.of === this.#busyWith) this.#crash(event.error);
        break;
      case 'xstate.error.actor.chart':
        this.#crash(event.error);
        break;
      case 'xstate.done.actor.chart':
        // Nobody is there any more who could take the rest.
        this.#rest = 'taken';
        this.#step('kernel.shutdown');
        this.#drain();
        break;
      case 'agent.rest':
        this.#rest = 'taken';
        this.#drain();
        break;
      case 'agent.waiting':
        this.#next();
        break;
      case 'xstate.stop':
        this.#answerFailure();
        this.#stopChart();
        break;
      case 'kernel.shutdown':
        this.#step('kernel.shutdown');
        if (this.#input.host.keptBack(this.#input.self.path)) this.#rest = 'taken';
        this.#drain();
        break;
      default:
        this.#step(event.type);
        if (event.type === 'agent.resume') this.#next();
    }
  }

  /** Messages that come while suspended wait; the inbox’s bound counts them too. */
  #take(message: ReceivedMessage): void {
    if (this.#busyWith || this.#input.seat.mode !== 'running') {
      this.#input.seat.queue ??= [];
      this.#input.seat.queue.push(message);
    } else this.#run(message);
  }

  #run(received: ReceivedMessage): void {
    const { behaviour, context, self } = this.#input;
    const message = this.#checked(received);
    if (!message) return;
    if (behaviour.kind === 'chart') {
      const event: ChartAgentEvent = { type: `acl.${message.performative}`, message };
      this.#chart?.send(event);
      return;
    }
    if (behaviour.kind === 'console') return;
    this.#busyWith = message;
    let pending: void | Promise<void>;
    try {
      pending = behaviour.handler(message, context);
    } catch (error) {
      this.#crash(error);
      return;
    }
    if (pending instanceof Promise) {
      pending.then(
        () => self.tell({ type: 'agent.settled', of: message }, 'control'),
        (error: unknown) => self.tell({ type: 'agent.failed', of: message, error }, 'control'),
      );
    } else this.#busyWith = undefined;
  }

  /** The message with its content in the form that the agent accepts; undefined when it was turned away. */
  #checked(message: ReceivedMessage): ReceivedMessage | undefined {
    const { behaviour, context } = this.#input;
    const check = behaviour.kind === 'console' ? undefined : behaviour.accepts?.[message.performative];
    if (!check) return message;
    const { content } = message;
    const judged = judgeContent(check, content);
    if ('content' in judged) return judged.content === content ? message : withContent(message, judged.content);
    // Nobody answers “not understood” with “not understood”: two agents would go on for ever.
    if (message.performative !== 'not-understood')
      context.reply(message, {
        // FIPA’s contract net knows no other way to fail once a bid was accepted.
        performative: message.performative === 'accept-proposal' ? 'failure' : 'not-understood',
        content: { reason: `The content was not understood: ${judged.problems}.` },
      });
    return undefined;
  }

  #settled(of: ReceivedMessage): void {
    if (of !== this.#busyWith) return;
    this.#busyWith = undefined;
    this.#next();
    if (this.#input.seat.mode === 'stopping') this.#drain();
  }

  #next(): void {
    const { queue } = this.#input.seat;
    while (queue !== undefined && queue.length > 0 && !this.#busyWith && this.#mayRun()) this.#run(queue.shift()!);
  }

  #mayRun(): boolean {
    const { mode } = this.#input.seat;
    return mode === 'running' || mode === 'stopping';
  }

  #refused(refusal: Refusal, messageId: string): void {
    const { behaviour, context } = this.#input;
    if (behaviour.kind === 'chart') this.#chart?.send({ type: 'acl.refused', refusal, messageId });
    else if (behaviour.kind === 'handler') behaviour.onRefused?.(refusal, messageId, context);
  }

  #crash(error: unknown): never {
    const { seat, host } = this.#input;
    seat.crashes ??= [];
    seat.crashes.push(host.monotonic());
    this.#answerFailure();
    throw error;
  }

  /** This life ends in the middle of a message: the one who waits for the answer learns that none will come. */
  #answerFailure(): void {
    const message = this.#busyWith;
    this.#busyWith = undefined;
    if (!message?.header.replyWith || message === this.#input.seat.answered) return;
    this.#input.context.reply(message, {
      performative: 'failure',
      content: { reason: 'The agent failed while it handled this message.' },
    });
    abandoned.add(message);
  }

  #drain(): void {
    const { seat, self } = this.#input;
    const waits = (): boolean => this.#busyWith !== undefined || (seat.queue?.length ?? 0) > 0;
    // A full inbox does not take this: then each message that leaves it tries again. Nobody else writes any more.
    if (this.#rest === 'unasked' && self.tell({ type: 'agent.rest' }).ok) this.#rest = 'asked';
    if (waits()) {
      this.#next();
      if (waits()) return;
    }
    if (this.mode === 'stopping' && this.#rest !== 'taken') return;
    this.#step('agent.drained');
    this.#stopChart();
  }

  #stopChart(): void {
    if (this.#chart) this.#surround.stopChild?.(this.#chart);
    this.#chart = undefined;
  }

  #step(type: LifecycleEvent): void {
    const mode = nextMode(this.mode, type);
    this.mode = mode;
    const { seat, context, host } = this.#input;
    if (mode === seat.mode) return;
    seat.mode = mode;
    host.onMode(context.id, mode);
    this.#surround.became(mode);
  }
}
