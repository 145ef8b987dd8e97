import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import type { RemoteLink } from './life-links.ts';
import { type ReplyRef, replyRefOf } from './reply-ref.ts';
import type { Packet, Sealed, Transport } from './transport.ts';

/** What actors of this kernel want of another node: questions that it is to answer, and watches over lives there. */
export class FarNode {
  readonly #node: string;
  readonly #transport: Transport;
  readonly #deadLetters: DeadLetterOffice;
  readonly #questions = new Map<number, ReplyRef>();
  readonly #watches = new Map<number, (reason: string) => void>();
  #lastId = 0;

  constructor(node: string, transport: Transport, deadLetters: DeadLetterOffice) {
    this.#node = node;
    this.#transport = transport;
    this.#deadLetters = deadLetters;
  }

  get questions(): number {
    return this.#questions.size;
  }

  get watches(): number {
    return this.#watches.size;
  }

  /** Whether nothing of this kernel’s has ever reached it: there is nothing to remember. */
  get untouched(): boolean {
    return this.#lastId === 0;
  }

  /** Sends a message; a question, when it has somebody to answer to. LIMIT_EXCEEDED: it is asked too much already. */
  tell(path: string, message: object): Result<void> {
    const replyTo = replyRefOf(message);
    if (replyTo === undefined) return this.#send({ kind: 'tell', path, content: message });
    if (this.#questions.size >= limits.asksPerNodeMax)
      return refuse('LIMIT_EXCEEDED', `${limits.asksPerNodeMax} questions wait for ${this.#node} already.`);
    const id = this.#lastId + 1;
    const { replyTo: _, ...content } = message as { replyTo: unknown };
    const sent = this.#send({ kind: 'ask', path, content, id });
    if (!sent.ok) return sent;
    this.#lastId = id;
    this.#questions.set(id, replyTo);
    // Called too when it was answered, and then there is nobody who need be told.
    replyTo.onSettled(() => {
      if (this.#questions.delete(id)) this.#send({ kind: 'forget', id });
    });
    return sent;
  }

  /** Watches a life there; `ended` is called once, and never on this stack. Returns what takes the watch off. */
  watch(path: string, linked: boolean, ended: (reason: string) => void): RemoteLink {
    const id = this.#lastId + 1;
    if (!this.#send({ kind: 'monitor', id, path, linked }).ok) {
      let wanted = true;
      queueMicrotask(() => {
        if (wanted) ended('node-lost');
      });
      return () => {
        wanted = false;
      };
    }
    this.#lastId = id;
    this.#watches.set(id, ended);
    return (reason) => {
      if (!this.#watches.delete(id)) return;
      this.#send(reason === 'unlink' ? { kind: 'demonitor', id } : { kind: 'exit', id, reason });
    };
  }

  /** It answers. Its answer is judged by whoever asked. */
  answered(id: number, answer: Sealed): Result<void> {
    const question = this.#questions.get(id);
    if (question === undefined) return this.#unasked(id, 'answered');
    this.#questions.delete(id);
    const opened = answer.open();
    if (opened.ok) return question.take(opened.value);
    question.letDown(opened.refusal);
    return opened;
  }

  /** It does not answer. */
  refused(id: number, refusal: Refusal): Result<void> {
    const question = this.#questions.get(id);
    if (question === undefined) return this.#unasked(id, 'refused');
    this.#questions.delete(id);
    question.letDown(refusal);
    return ok(undefined);
  }

  /** A life that is watched there has ended. */
  down(id: number, reason: string): Result<void> {
    const ended = this.#watches.get(id);
    if (ended === undefined) return this.#mayBeLate(id, 'told of the end of a life');
    this.#watches.delete(id);
    ended(reason);
    return ok(undefined);
  }

  lost(): void {
    const { refusal } = refuse('UNREACHABLE', `The node ${this.#node} was lost before it answered.`);
    for (const [id, question] of this.#questions) {
      this.#questions.delete(id);
      question.letDown(refusal);
    }
    for (const [id, ended] of this.#watches) {
      this.#watches.delete(id);
      ended('node-lost');
    }
  }

  /** An answer may come just after its time; one to what was never asked is made up. */
  #unasked(id: number, what: string): Result<void> {
    const known = this.#mayBeLate(id, what);
    if (known.ok) this.#deadLetters.add(`${this.#node}!?answer`, { id }, 'late reply');
    return known;
  }

  #mayBeLate(id: number, what: string): Result<void> {
    return id <= this.#lastId ? ok(undefined) : refuse('PROTOCOL_VIOLATION', `It ${what}, and nobody asked.`);
  }

  #send(packet: Packet): Result<void> {
    return this.#transport.send(this.#node, packet);
  }
}
