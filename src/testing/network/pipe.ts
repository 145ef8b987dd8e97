import { limits } from '../../limits.ts';
import type { World } from './world.ts';

/** Something that goes through a pipe. */
export interface Parcel {
  readonly bytes: number;
  /** Whether there is somebody to take it; asked again at `Pipe.deliver`. */
  ready(): boolean;
  arrive(): void;
}

/**
 * One direction of a connection: reliable and in order, like TCP. What meets a blocked way or nobody who reads waits; and
 * once `limits.memoryLinkBytesMax` are under way or unread, the rest waits at the sender.
 */
export class Pipe {
  readonly #world: World;
  #from: string;
  #to: string;
  #queue: Parcel[] = [];
  #queuedBytes = 0;
  /** Under way or arrived, and not taken yet. */
  #carriedBytes = 0;
  #underWay = 0;
  #arrived: Parcel[] = [];
  #lastDue = 0;
  #delivering = false;
  /** Called when bytes have left the sender’s queue. */
  onSent: () => void = () => {};

  constructor(world: World, from: string, to: string) {
    this.#world = world;
    this.#from = from;
    this.#to = to;
  }

  /** Who is at its ends has turned out: nobody may have listened yet when it was made. */
  between(from: string, to: string): void {
    this.#from = from;
    this.#to = to;
  }

  /** Bytes that wait at the sender. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  push(parcel: Parcel): void {
    this.#world.pipes.add(this);
    this.#queue.push(parcel);
    this.#queuedBytes += parcel.bytes;
    this.#pump();
  }

  /** The sender is gone: what has not left it never will. */
  abandon(): void {
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  /** Hands over what has arrived and can be taken. To be called when a way opens or a reader comes. */
  deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        this.#arrived.shift();
        this.#carriedBytes -= next.bytes;
        next.arrive();
      }
    } finally {
      this.#delivering = false;
    }
    this.#pump();
    if (this.#queue.length + this.#underWay + this.#arrived.length === 0) this.#world.pipes.delete(this);
  }

  #next(): Parcel | undefined {
    const { paths } = this.#world;
    const [first] = this.#arrived;
    const open = paths.reaches(this.#from, this.#to, 'link') && !paths.isPaused(this.#to);
    return open && first?.ready() ? first : undefined;
  }

  #pump(): void {
    if (this.#world.paths.isMuted(this.#from)) return;
    let sent = false;
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      if (this.#carriedBytes > 0 && this.#carriedBytes + first.bytes > limits.memoryLinkBytesMax) break;
      this.#queue.shift();
      this.#queuedBytes -= first.bytes;
      this.#carriedBytes += first.bytes;
      sent = true;
      this.#send(first);
    }
    if (sent) this.onSent();
  }

  #send(parcel: Parcel): void {
    const { clock, paths } = this.#world;
    const now = clock.monotonic();
    this.#lastDue = Math.max(this.#lastDue, now + paths.delay(this.#from, this.#to));
    this.#underWay += 1;
    clock.setTimeout(() => {
      this.#underWay -= 1;
      this.#arrived.push(parcel);
      this.deliver();
    }, this.#lastDue - now);
  }
}
