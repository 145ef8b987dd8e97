import { type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import { endLinked, type RemoteLink } from './life-links.ts';
import type { Exit } from './occupant.ts';
import type { LifeWatcher, Place } from './place.ts';
import type { Ref, Undelivered } from './ref.ts';
import { isMessage, type Registry } from './registry.ts';
import { RemoteRef, RemoteReply } from './remote-ref.ts';
import { type ReplyRef, replyRefOf } from './reply-ref.ts';
import type { Packet, PacketReceiver, Transport } from './transport.ts';

/** Whether the place may be told, asked and watched by that node. Zero trust: nothing is open unless this says so. */
export type Exposed = (path: string, node: string) => boolean;

/** A question that another node is to answer. */
interface Question {
  readonly node: string;
  readonly replyTo: ReplyRef;
}

/** A watch of ours over a life on another node. */
interface OwnWatch {
  readonly node: string;
  readonly ended: (reason: string) => void;
}

/** The other nodes, as far as this kernel has to do with them. */
export class RemoteNodes implements PacketReceiver {
  readonly #transport: Transport;
  readonly #registry: Registry;
  readonly #deadLetters: DeadLetterOffice;
  readonly #exposed: Exposed;
  readonly #questions = new Map<number, Question>();
  readonly #watches = new Map<number, OwnWatch>();
  /** Watches of other nodes over lives of ours, by node and by its id. */
  readonly #visitors = new Map<string, Map<number, Visitor>>();
  #lastId = 0;

  constructor(transport: Transport, registry: Registry, deadLetters: DeadLetterOffice, exposed: Exposed) {
    this.#transport = transport;
    this.#registry = registry;
    this.#deadLetters = deadLetters;
    this.#exposed = exposed;
    transport.attach(this);
  }

  /** The address without this node’s own name; another node’s as it is. */
  local(address: string): string {
    const own = `${this.#transport.nodeId}!`;
    return address.startsWith(own) ? address.slice(own.length) : address;
  }

  /** The ref of an address on another node; `undefined` when it is one of this node. */
  ref<M>(address: string): Ref<M> | undefined {
    const at = this.#split(address);
    return at && new RemoteRef<M>(address, (message) => this.#tell(at.node, at.path, message), this.#deadLetters);
  }

  /**
   * Watches a life on another node; `ended` is called once. Returns what takes the watch off, or `undefined` when the
   * address is one of this node.
   */
  monitor(address: string, ended: (reason: string) => void): (() => void) | undefined {
    const watch = this.#watch(address, false, ended);
    return watch && (() => watch('unlink'));
  }

  /** As `monitor`; what is returned also tells the other node to end that life, unless the reason is `unlink`. */
  link(address: string, ended: (reason: string) => void): RemoteLink | undefined {
    return this.#watch(address, true, ended);
  }

  packet(from: string, packet: Packet): void {
    switch (packet.kind) {
      case 'tell':
        this.#heard(from, packet.path, packet.message);
        break;
      case 'ask':
        this.#asked(from, packet);
        break;
      case 'answer':
        this.#takeQuestion(from, packet.id)?.tell(packet.answer);
        break;
      case 'refused':
        this.#takeQuestion(from, packet.id)?.letDown(packet.refusal);
        break;
      case 'monitor':
        this.#welcome(from, packet);
        break;
      case 'demonitor':
        this.#dismiss(from, packet.id)?.leave();
        break;
      case 'exit':
        this.#dismiss(from, packet.id)?.end(packet.reason);
        break;
      case 'down':
        this.#takeWatch(from, packet.id)?.ended(packet.reason);
        break;
    }
  }

  lost(node: string): void {
    for (const [id, question] of this.#questions) {
      if (question.node !== node) continue;
      this.#questions.delete(id);
      question.replyTo.letDown(refuse('UNREACHABLE', `The node ${node} was lost before it answered.`).refusal);
    }
    for (const [id, watch] of this.#watches) {
      if (watch.node !== node) continue;
      this.#watches.delete(id);
      watch.ended('node-lost');
    }
    const visitors = this.#visitors.get(node);
    this.#visitors.delete(node);
    for (const visitor of visitors?.values() ?? []) visitor.end('node-lost');
  }

  /** What is held for or by other nodes: nothing of it may be left behind. */
  get held(): { readonly questions: number; readonly watches: number; readonly visitors: number } {
    const visitors = [...this.#visitors.values()].reduce((sum, of) => sum + of.size, 0);
    return { questions: this.#questions.size, watches: this.#watches.size, visitors };
  }

  #split(address: string): { readonly node: string; readonly path: string } | undefined {
    const bang = address.indexOf('!');
    if (bang < 0) return undefined;
    const node = address.slice(0, bang);
    return node === this.#transport.nodeId ? undefined : { node, path: address.slice(bang + 1) };
  }

  #tell(node: string, path: string, message: object): Result<void, Undelivered> {
    const replyTo = replyRefOf(message);
    if (replyTo === undefined) return withMessage(this.#transport.send(node, { kind: 'tell', path, message }), message);
    if (this.#questions.size >= limits.pendingAsksMax) this.#dropOldestQuestion();
    const id = ++this.#lastId;
    const { replyTo: _, ...question } = message as { replyTo: unknown };
    this.#questions.set(id, { node, replyTo });
    replyTo.onSettled(() => this.#questions.delete(id));
    const sent = this.#transport.send(node, { kind: 'ask', path, message: question, id });
    if (!sent.ok) this.#questions.delete(id);
    return withMessage(sent, message);
  }

  /** One that was passed on has no timeout here: should many of them never be answered, the oldest makes room. */
  #dropOldestQuestion(): void {
    for (const [id, { replyTo }] of this.#questions) {
      this.#questions.delete(id);
      replyTo.letDown(refuse('LIMIT_EXCEEDED', 'Too many questions wait for other nodes.').refusal);
      return;
    }
  }

  #heard(from: string, path: string, message: object): void {
    if (!this.#open(from, path)) this.#deadLetters.add(path, message, 'not exposed');
    else if (isMessage(message)) this.#registry.ref<object>(path).tell(message);
    else this.#deadLetters.add(path, message, 'refused');
  }

  #asked(from: string, { path, message, id }: Packet & { kind: 'ask' }): void {
    const answer = (packet: Packet): Result<void> => this.#transport.send(from, packet);
    const replyTo = new RemoteReply(from, id, answer);
    if (!this.#open(from, path)) {
      this.#deadLetters.add(path, { ...message, replyTo }, 'not exposed');
      return;
    }
    const told = this.#registry.ref<object>(path).tell({ ...message, replyTo });
    if (!told.ok) replyTo.letDown(told.refusal);
  }

  #welcome(from: string, { id, path, linked }: Packet & { kind: 'monitor' }): void {
    const visitors = this.#visitors.get(from) ?? new Map<number, Visitor>();
    const down = (reason: string): void => {
      this.#dismiss(from, id);
      this.#transport.send(from, { kind: 'down', id, reason });
    };
    const place = this.#open(from, path) ? this.#registry.find(path) : undefined;
    if (place === undefined || visitors.has(id) || visitors.size >= limits.monitorsMax) {
      this.#transport.send(from, { kind: 'down', id, reason: 'no-actor' });
      return;
    }
    const visitor = new Visitor(place, `${from}!`, linked, down);
    if (!place.watch(visitor)) {
      this.#transport.send(from, { kind: 'down', id, reason: 'no-actor' });
      return;
    }
    visitors.set(id, visitor);
    this.#visitors.set(from, visitors);
  }

  #dismiss(from: string, id: number): Visitor | undefined {
    const visitors = this.#visitors.get(from);
    const visitor = visitors?.get(id);
    visitors?.delete(id);
    if (visitors?.size === 0) this.#visitors.delete(from);
    return visitor;
  }

  #watch(address: string, linked: boolean, ended: (reason: string) => void): RemoteLink | undefined {
    const at = this.#split(address);
    if (at === undefined) return undefined;
    const id = ++this.#lastId;
    this.#watches.set(id, { node: at.node, ended });
    const sent = this.#transport.send(at.node, { kind: 'monitor', id, path: at.path, linked });
    // Not on the caller’s stack: it has not yet got what takes the watch off.
    if (!sent.ok) queueMicrotask(() => this.#takeWatch(at.node, id)?.ended('node-lost'));
    return (reason) => {
      if (!this.#watches.delete(id)) return;
      const packet: Packet = reason === 'unlink' ? { kind: 'demonitor', id } : { kind: 'exit', id, reason };
      this.#transport.send(at.node, packet);
    };
  }

  #takeQuestion(from: string, id: number): ReplyRef | undefined {
    const question = this.#questions.get(id);
    // Only the node that was asked may answer.
    if (question === undefined || question.node !== from) return undefined;
    this.#questions.delete(id);
    return question.replyTo;
  }

  #takeWatch(from: string, id: number): OwnWatch | undefined {
    const watch = this.#watches.get(id);
    if (watch === undefined || watch.node !== from) return undefined;
    this.#watches.delete(id);
    return watch;
  }

  #open(from: string, path: string): boolean {
    try {
      return this.#exposed(path, from);
    } catch {
      // A check that fails is a refusal.
      return false;
    }
  }
}

const withMessage = (result: Result<void>, message: object): Result<void, Undelivered> =>
  result.ok ? result : { ok: false, refusal: { ...(result.refusal satisfies Refusal), message } };

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
