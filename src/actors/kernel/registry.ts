import type { Refusal, Result } from '../../errors.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import type { Place } from './place.ts';
import { type Lane, type Message, notSent, type Ref, type SendOptions, type Undelivered, undelivered } from './ref.ts';
import { TurnGroup } from './scheduler.ts';
import { SendToTarget } from './xstate-bridge.ts';

/** Which place a path names. A place stays while its spec does, whoever lives there; a ref finds it again by path. */
export class Registry {
  readonly #places = new Map<string, Place>();
  readonly #groups = new Map<string, TurnGroup>();
  readonly #deadLetters: DeadLetterOffice;
  readonly #weightOf: (group: string) => number;

  /** `weightOf`: turns in a row for a group; what is no whole number ≥ 1 counts as 1. */
  constructor(deadLetters: DeadLetterOffice, weightOf: (group: string) => number = () => 1) {
    this.#deadLetters = deadLetters;
    this.#weightOf = weightOf;
  }

  find(path: string): Place | undefined {
    return this.#places.get(path);
  }

  add(place: Place): void {
    this.#places.set(place.path, place);
    place.group.places += 1;
    this.#groups.set(place.group.name, place.group);
  }

  /** Closes the place and forgets it, unless another one has taken the path since. */
  remove(place: Place): void {
    place.close();
    if (this.#places.get(place.path) !== place) return;
    this.#places.delete(place.path);
    const { group } = place;
    group.places -= 1;
    if (group.places === 0 && this.#groups.get(group.name) === group) this.#groups.delete(group.name);
  }

  /** With whom a new place shares its turns: as its spec says, or as its supervisor does. */
  groupFor(path: string, name: string | undefined): TurnGroup {
    const above = name === undefined ? this.#places.get(path.slice(0, path.lastIndexOf('/'))) : undefined;
    if (above !== undefined) return above.group;
    const known = this.#groups.get(name ?? '');
    if (known !== undefined) return known;
    const weight = this.#weightOf(name ?? '');
    return new TurnGroup(name ?? '', Number.isInteger(weight) && weight >= 1 ? weight : 1);
  }

  /** An address of the path, whether or not there is a place there yet. */
  ref<M>(path: string): Ref<M> {
    return new PathRef<M>(path, this, this.#deadLetters);
  }

  /** The place of a path, or the refusal of a message to it; the message is a dead letter when there is none. */
  target(path: string, message: unknown): Place | Undelivered {
    const place = this.#places.get(path);
    if (place === undefined) {
      this.#deadLetters.add(path, message, 'unknown');
      return undelivered('STOPPED', `Nobody lives at ${path}.`, message).refusal;
    }
    if (place.kind === 'supervisor')
      return undelivered('NOT_SUPPORTED', `${path} is a supervisor: it takes no messages.`, message).refusal;
    return place;
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

  tell(message: M, lane: Lane = 'user'): Result<void, Undelivered> {
    const known = this.#place;
    const place = known?.open ? known : this.#find(message);
    if ('code' in place) return { ok: false, refusal: place };
    if (!isMessage(message)) return notAMessage(message);
    if (lane !== 'user' && lane !== 'control' && lane !== 'supervision')
      return undelivered('MALFORMED', 'A lane is control, supervision or user.', message);
    return place.tell(message, lane);
  }

  send(message: M, options: SendOptions = {}): Promise<Result<void, Undelivered>> {
    if (options.signal?.aborted === true) return Promise.resolve(notSent(message));
    const place = this.#find(message);
    if ('code' in place) return Promise.resolve({ ok: false, refusal: place });
    if (!isMessage(message)) return Promise.resolve(notAMessage(message));
    return place.send(message, options);
  }

  #find(message: unknown): Place | Undelivered {
    const known = this.#place;
    if (known?.open) return known;
    const found = this.#registry.target(this.path, message);
    this.#place = 'code' in found ? undefined : found;
    return found;
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

const notAMessage = (message: unknown): { readonly ok: false; readonly refusal: Undelivered } =>
  undelivered('MALFORMED', 'A message is an object, and its type does not begin with “xstate.” or “kernel.”.', message);

/**
 * XState gives meaning to events whose type begins with `xstate.` (stop, done and error of children), and the kernel
 * to those with `kernel.`: whoever could send them could stop an actor or forge the end of its children.
 */
export function isMessage(message: unknown): message is object {
  if (typeof message !== 'object' || message === null) return false;
  try {
    const type = (message as Partial<Message>).type;
    return typeof type !== 'string' || !(type.startsWith('xstate.') || type.startsWith('kernel.'));
  } catch {
    // A look at it runs its sender’s code, and that code throws.
    return false;
  }
}
