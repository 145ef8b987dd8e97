import { type Refusal, type Result, refuse } from '../../errors.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import type { Place } from './place.ts';
import type { Lane, Message, Ref } from './ref.ts';
import { SendToTarget } from './xstate-bridge.ts';

/** Which place a path names. A place stays while its spec does, whoever lives there; a ref finds it again by path. */
export class Registry {
  readonly #places = new Map<string, Place>();
  readonly #deadLetters: DeadLetterOffice;

  constructor(deadLetters: DeadLetterOffice) {
    this.#deadLetters = deadLetters;
  }

  find(path: string): Place | undefined {
    return this.#places.get(path);
  }

  add(place: Place): void {
    this.#places.set(place.path, place);
  }

  /** Closes the place and forgets it, unless another one has taken the path since. */
  remove(place: Place): void {
    place.close();
    if (this.#places.get(place.path) === place) this.#places.delete(place.path);
  }

  /** An address of the path, whether or not there is a place there yet. */
  ref<M>(path: string): Ref<M> {
    return new PathRef<M>(path, this, this.#deadLetters);
  }
}

/** A `Ref` that remembers the place it found, and looks again when that place has closed. */
class PathRef<M> extends SendToTarget implements Ref<M> {
  readonly path: string;
  readonly #registry: Registry;
  readonly #deadLetters: DeadLetterOffice;
  #place: Place | undefined;

  constructor(path: string, registry: Registry, deadLetters: DeadLetterOffice) {
    super();
    this.path = path;
    this.#registry = registry;
    this.#deadLetters = deadLetters;
  }

  tell(message: M, lane: Lane = 'user'): Result<void> {
    let place = this.#place;
    if (place === undefined || !place.open) {
      place = this.#registry.find(this.path);
      this.#place = place;
    }
    if (place === undefined) {
      this.#deadLetters.add(this.path, message, 'unknown');
      return refuse('STOPPED', `Nobody lives at ${this.path}.`);
    }
    if (place.kind === 'supervisor')
      return refuse('NOT_SUPPORTED', `${this.path} is a supervisor: it takes no messages.`);
    if (!isMessage(message)) {
      return refuse('MALFORMED', 'A message is an object, and its type does not begin with “xstate.”.');
    }
    return place.put(message, lane);
  }

  protected override deliver(message: object): Result<void> {
    return this.tell(message as M);
  }

  protected override lost(message: object, refusal: Refusal): void {
    // STOPPED is in the dead letters already; nobody else hears of the other refusals, since `sendTo` has no answer.
    if (refusal.code === 'INBOX_FULL') this.#deadLetters.add(this.path, message, 'inbox full');
    else if (refusal.code !== 'STOPPED') this.#deadLetters.add(this.path, message, 'refused');
  }

  toJSON(): string {
    return this.path;
  }
}

/**
 * XState gives meaning to events whose type begins with `xstate.` (stop, done and error of children): whoever could
 * send them could stop an actor or forge the end of its children.
 */
function isMessage(message: unknown): message is object {
  if (typeof message !== 'object' || message === null) return false;
  const type = (message as Partial<Message>).type;
  return typeof type !== 'string' || !type.startsWith('xstate.');
}
