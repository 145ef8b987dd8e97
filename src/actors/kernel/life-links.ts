import { CaxtonError, ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Exit, Occupant } from './occupant.ts';
import type { LifeWatcher, Place } from './place.ts';
import type { Ref } from './ref.ts';
import type { Registry } from './registry.ts';
import type { RemoteNodes } from './remote-nodes.ts';
import { outsideTurns } from './turn.ts';

/** Lives that end together, as OTP’s links: unless one ends normally, the other ends with it. */
export class LifeLinks {
  readonly #registry: Registry;
  readonly #remote: RemoteNodes | undefined;
  /** By the place of the one, then by the address of the other. */
  readonly #links = new Map<Place, Map<string, LifeLink>>();

  constructor(registry: Registry, remote: RemoteNodes | undefined) {
    this.#registry = registry;
    this.#remote = remote;
  }

  /**
   * Links two lives, of which `mine` is on this node; once is enough for both. When there is no other one, mine ends
   * at once. STOPPED: mine is not alive. LIMIT_EXCEEDED: it has `limits.monitorsMax` links already.
   */
  link(mine: Ref<never>, other: Ref<never>): Result<void> {
    const place = this.#registry.find(mine.path);
    const occupant = place?.occupant;
    if (place === undefined || occupant === undefined) return refuse('STOPPED', `Nobody lives at ${mine.path}.`);
    const known = this.#links.get(place);
    if (known?.has(other.path) === true || other.path === mine.path) return ok(undefined);
    if ((known?.size ?? 0) >= limits.monitorsMax)
      return refuse('LIMIT_EXCEEDED', `An actor has at most ${limits.monitorsMax} links.`);
    const remote = this.#remote?.link(other.path, (reason) => this.#ended(place, other.path, reason, undefined));
    const local = remote === undefined ? this.#registry.find(other.path) : undefined;
    if (remote === undefined && local?.occupied !== true) {
      endLinked(occupant, other.path, 'no-actor', undefined);
      return ok(undefined);
    }
    this.#keep(place, other.path, new LifeLink(this, place, local, other.path, remote));
    if (local !== undefined) this.#keep(local, place.path, new LifeLink(this, local, place, place.path, undefined));
    return ok(undefined);
  }

  /** Each ends for itself again. */
  unlink(mine: Ref<never>, other: Ref<never>): void {
    const place = this.#registry.find(mine.path);
    const link = place && this.#links.get(place)?.get(other.path);
    link?.drop('unlink');
  }

  forget(place: Place, other: string): void {
    const links = this.#links.get(place);
    const link = links?.get(other);
    if (links === undefined || link === undefined) return;
    place.unwatch(link);
    links.delete(other);
    if (links.size === 0) this.#links.delete(place);
  }

  /** The other one’s node says that it has ended, or is lost. */
  #ended(place: Place, other: string, reason: string, error: unknown): void {
    const occupant = place.occupant;
    this.forget(place, other);
    if (occupant !== undefined && reason !== 'normal') endLinked(occupant, other, reason, error);
  }

  #keep(place: Place, other: string, link: LifeLink): void {
    let links = this.#links.get(place);
    if (links === undefined) {
      links = new Map();
      this.#links.set(place, links);
    }
    links.set(other, link);
    place.watch(link);
  }
}

/** One direction of a link: what the end of the life at `place` does to the other one. */
class LifeLink implements LifeWatcher {
  readonly #links: LifeLinks;
  readonly #place: Place;
  readonly #other: Place | undefined;
  readonly #address: string;
  readonly #remote: RemoteLink | undefined;

  constructor(
    links: LifeLinks,
    place: Place,
    other: Place | undefined,
    address: string,
    remote: RemoteLink | undefined,
  ) {
    this.#links = links;
    this.#place = place;
    this.#other = other;
    this.#address = address;
    this.#remote = remote;
  }

  lifeEnded(place: Place, exit: Exit): void {
    const occupant = this.#other?.occupant;
    this.drop(exit.reason);
    if (occupant !== undefined && exit.reason !== 'normal') endLinked(occupant, place.path, exit.reason, exit.error);
  }

  /** Takes it off at both ends; the other node hears why. */
  drop(reason: string): void {
    this.#links.forget(this.#place, this.#address);
    if (this.#other !== undefined) this.#links.forget(this.#other, this.#place.path);
    this.#remote?.(reason);
  }
}

/** Ends the link towards the other node: with the reason of an end, or `unlink`. */
export type RemoteLink = (reason: string) => void;

/** Ends a life because one that it is linked to has ended. Not on this stack: links may form a chain of thousands. */
export function endLinked(occupant: Occupant, other: string, reason: string, cause: unknown): void {
  outsideTurns(() =>
    queueMicrotask(() => {
      if (reason === 'shutdown') occupant.kill({ reason });
      else occupant.crash(new CaxtonError('SUPERVISION', `${other}, linked to it, ended: ${reason}.`, { cause }));
    }),
  );
}
