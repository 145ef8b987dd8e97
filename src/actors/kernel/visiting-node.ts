import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Check, judgeContent } from './check.ts';
import { type DeadLetterOffice, keepOnlySender } from './dead-letters.ts';
import type { Exposed, Exposure } from './exposure.ts';
import { InboxShare } from './inbox-share.ts';
import { endLinked } from './life-links.ts';
import type { Exit } from './occupant.ts';
import type { LifeWatcher, Place } from './place.ts';
import { isMessage, type Registry } from './registry.ts';
import { RemoteReply } from './remote-reply.ts';
import type { Arrival, Packet, Sealed, Transport } from './transport.ts';

type Of<K extends Arrival['kind']> = Extract<Arrival, { readonly kind: K }>;

/** What a visitor is given. */
export interface Host {
  readonly transport: Transport;
  readonly registry: Registry;
  readonly deadLetters: DeadLetterOffice;
  readonly exposed: Exposed;
}

/**
 * What another node wants of this kernel: messages and questions to actors here, and watches over their lives. It may be
 * in the wrong hands, so nothing gets past here that was not opened to it, and of everything there is a bound.
 */
export class VisitingNode {
  readonly #node: string;
  readonly #host: Host;
  /** Its questions under way, by its id. */
  readonly #asked = new Map<number, RemoteReply>();
  readonly #watching = new Map<number, Visitor>();
  readonly #shares = new WeakMap<Place, InboxShare>();

  constructor(node: string, host: Host) {
    this.#node = node;
    this.#host = host;
  }

  get asked(): number {
    return this.#asked.size;
  }

  get watching(): number {
    return this.#watching.size;
  }

  told({ path, content }: Of<'tell'>): Result<void> {
    const message = this.#judge('tells', path, content);
    return message.ok ? this.#deliver(path, message.value, message.value.message) : message;
  }

  question({ path, id, content }: Of<'ask'>): Result<void> {
    if (this.#asked.has(id)) return refuse('PROTOCOL_VIOLATION', 'It asked twice under one number.');
    const over = (): void => void this.#asked.delete(id);
    const carry = (packet: Packet): Result<void> => this.#host.transport.send(this.#node, packet);
    const replyTo = new RemoteReply({ node: this.#node, id, carry, over }, this.#host.deadLetters);
    const taken = this.#takeQuestion(path, content, replyTo, id);
    if (!taken.ok) replyTo.letDown(taken.refusal);
    return taken;
  }

  /** It waits for the answer no longer. */
  forget(id: number): void {
    this.#asked.get(id)?.close('late reply');
  }

  /** It wants to hear of the end of a life. Nobody there, or not for it to know: it hears at once. */
  watch({ id, path, linked }: Of<'monitor'>): Result<void> {
    if (this.#watching.has(id)) return refuse('PROTOCOL_VIOLATION', 'It watches twice under one number.');
    const exposure = this.#exposure(path);
    const open = linked ? exposure?.links === true : exposure?.monitors === true;
    const refused = open ? this.#keepWatch(id, path, linked) : this.#closed(linked ? 'link' : 'monitor', path);
    if (!refused.ok) this.#down(id, refused.refusal.code === 'STOPPED' ? 'no-actor' : 'refused');
    return refused;
  }

  /** It watches no longer; with a reason: the other half of a link has ended. */
  leave(id: number, reason: string | undefined): void {
    const visitor = this.#watching.get(id);
    this.#watching.delete(id);
    if (reason === undefined) visitor?.leave();
    else visitor?.end(reason);
  }

  lost(): void {
    for (const replyTo of this.#asked.values()) replyTo.close('asker gone');
    for (const [id, visitor] of this.#watching) {
      this.#watching.delete(id);
      visitor.end('node-lost');
    }
  }

  #takeQuestion(path: string, content: Sealed, replyTo: RemoteReply, id: number): Result<void> {
    if (this.#asked.size >= limits.asksPerNodeMax)
      return refuse('LIMIT_EXCEEDED', `${limits.asksPerNodeMax} of its questions are under way already.`);
    const question = this.#judge('asks', path, content);
    if (!question.ok) return question;
    this.#asked.set(id, replyTo);
    return this.#deliver(path, question.value, { ...question.value.message, replyTo });
  }

  #keepWatch(id: number, path: string, linked: boolean): Result<void> {
    if (this.#watching.size >= limits.monitorsMax)
      return refuse('LIMIT_EXCEEDED', `It watches ${limits.monitorsMax} lives already.`);
    const place = this.#host.registry.find(path);
    const down = (reason: string): void => {
      if (this.#watching.delete(id)) this.#down(id, reason);
    };
    const visitor = place && new Visitor(place, `${this.#node}!`, linked, down);
    if (visitor === undefined || !place?.watch(visitor)) return refuse('STOPPED', `Nobody lives at ${path}.`);
    this.#watching.set(id, visitor);
    return ok(undefined);
  }

  #down(id: number, reason: string): void {
    this.#host.transport.send(this.#node, { kind: 'down', id, reason });
  }

  /** Whether the message may reach the place: opened to the node, well-formed, and of the form that the actor takes. */
  #judge(act: 'tells' | 'asks', path: string, content: Sealed): Result<Welcome> {
    const check = this.#exposure(path)?.[act];
    if (check === undefined) return this.#closed(act === 'asks' ? 'ask' : 'tell', path);
    const place = this.#host.registry.find(path);
    if (place === undefined) return this.#lose(path, 'unknown', refuse('STOPPED', `Nobody lives at ${path}.`));
    const opened = content.open();
    if (!opened.ok) return opened;
    const { unverified, weightBytes } = opened.value;
    const message = judged(check, unverified);
    return message.ok ? ok({ place, message: message.value, weightBytes }) : message;
  }

  #deliver(path: string, { place, weightBytes }: Welcome, message: object): Result<void> {
    let share = this.#shares.get(place);
    if (share === undefined) {
      share = new InboxShare(place.inbox);
      this.#shares.set(place, share);
    }
    const full = refuse('INBOX_FULL', `The inbox of ${path} is full.`);
    if (!share.hasRoom(weightBytes)) return this.#lose(path, 'inbox full', full);
    keepOnlySender(message, this.#node);
    const told = this.#host.registry.ref<object>(path).tell(message);
    if (told.ok) share.add(weightBytes);
    else if (told.refusal.code === 'INBOX_FULL') return this.#lose(path, 'inbox full', full);
    return told.ok ? told : refuse(told.refusal.code, told.refusal.reasons[0]);
  }

  /** Counted without its content: what others send is not kept for them. */
  #lose<T>(path: string, reason: 'unknown' | 'inbox full' | 'not exposed', refused: Result<T>): Result<T> {
    this.#host.deadLetters.add(path, { from: this.#node }, reason);
    return refused;
  }

  /** The same words whether or not there is such a place: nobody learns from outside what is here. */
  #closed(act: string, path: string): Result<never> {
    return this.#lose(
      path,
      'not exposed',
      refuse('UNAUTHORIZED', `The node may not ${act} ${path}: that is not open to it.`),
    );
  }

  #exposure(path: string): Exposure | undefined {
    try {
      return this.#host.exposed(path, this.#node);
    } catch {
      // A check that fails is a refusal.
      return undefined;
    }
  }
}

interface Welcome {
  readonly place: Place;
  readonly message: object;
  readonly weightBytes: number;
}

function judged(check: Check, data: unknown): Result<object> {
  // `replyTo` is the kernel’s to give: data in its place would crash whoever answers to it.
  if (!isMessage(data) || Array.isArray(data) || Object.hasOwn(data, 'replyTo'))
    return refuse('MALFORMED', 'That is no message of one node to another.');
  const outcome = judgeContent(check, data);
  if ('problems' in outcome) return refuse('MALFORMED', `The receiver does not take it: ${outcome.problems}.`);
  const { content } = outcome;
  return isMessage(content) ? ok(content) : refuse('MALFORMED', 'What the receiver’s check made of it is no message.');
}

/** Refusals that befall an honest node too: the place is empty, or full. */
export const befalls = ({ code }: Refusal): boolean =>
  code === 'STOPPED' || code === 'INBOX_FULL' || code === 'NOT_SUPPORTED';

/** A watch of another node over a life of ours. */
class Visitor implements LifeWatcher {
  readonly #place: Place;
  readonly #from: string;
  readonly #linked: boolean;
  readonly #down: (reason: string) => void;

  constructor(place: Place, from: string, linked: boolean, down: (reason: string) => void) {
    this.#place = place;
    this.#from = from;
    this.#linked = linked;
    this.#down = down;
  }

  lifeEnded(_place: Place, exit: Exit): void {
    this.#down(exit.reason);
  }

  leave(): void {
    this.#place.unwatch(this);
  }

  /** The one who watches has ended, or is out of reach. */
  end(reason: string): void {
    this.leave();
    const { occupant } = this.#place;
    if (this.#linked && occupant !== undefined && reason !== 'normal')
      endLinked(occupant, this.#from, reason, undefined);
  }
}
