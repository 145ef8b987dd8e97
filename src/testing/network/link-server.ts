import type { Address, LinkListenOptions, LinkServer, TlsIdentity } from '../../actors/kernel/ports.ts';
import { limits } from '../../limits.ts';
import { type ReadIdentity, readIdentity, refusalOf } from './tls-judgement.ts';
import type { Host, World } from './world.ts';

/** A connection on its way to become a channel, as the server sees it. */
export interface Caller {
  /** Where it comes from. */
  readonly remote: Address;
  /** The server has had enough of it. */
  hangUp(): void;
}

/** A port that accepts links. */
export class MemoryLinkServer implements LinkServer {
  readonly address: Address;
  readonly host: Host;
  readonly onChannel: LinkListenOptions['onChannel'];
  readonly #world: World;
  readonly #onRefused: LinkListenOptions['onRefused'];
  readonly #onClosed: () => void;
  readonly #callers = new Map<Caller, unknown>();
  #identity: ReadIdentity;
  #open = true;

  constructor(world: World, host: Host, address: Address, options: LinkListenOptions, onClosed: () => void) {
    this.address = address;
    this.host = host;
    this.onChannel = options.onChannel;
    this.#world = world;
    this.#onRefused = options.onRefused;
    this.#onClosed = onClosed;
    this.#identity = readIdentity(options.identity);
  }

  get identity(): ReadIdentity {
    return this.#identity;
  }

  setIdentity(identity: TlsIdentity): void {
    this.#identity = readIdentity(identity);
  }

  /** Whether the caller may try: there is room, and from now on it has a time. */
  admit(caller: Caller): boolean {
    if (!this.#open || this.#callers.size >= limits.linkHandshakesMax) return false;
    const timer = this.#world.clock.setTimeout(() => {
      this.#callers.delete(caller);
      caller.hangUp();
    }, limits.linkHandshakeMsMax);
    this.#callers.set(caller, timer);
    return true;
  }

  /** Judges what the caller shows. False when it was refused, or is none any more. */
  accept(caller: Caller, shown: ReadIdentity['shown']): boolean {
    if (!this.forget(caller)) return false;
    const reason = refusalOf(shown, this.#identity.trusted, this.host.clock.now(), 'client');
    if (reason !== undefined) this.#onRefused(caller.remote, reason);
    return reason === undefined;
  }

  /** True when the caller was known until now. */
  forget(caller: Caller): boolean {
    if (!this.#callers.has(caller)) return false;
    this.#world.clock.clearTimeout(this.#callers.get(caller));
    return this.#callers.delete(caller);
  }

  async close(): Promise<void> {
    this.#open = false;
    this.#onClosed();
    for (const caller of [...this.#callers.keys()]) {
      this.forget(caller);
      caller.hangUp();
    }
  }
}
