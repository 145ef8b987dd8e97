import { limits } from '../../limits.ts';
import { closeCodes } from '../../protocols/link/close-codes.ts';
import type { Clock, LinkChannel } from '../kernel/ports.ts';
import type { LinkSession } from './link-session.ts';
import type { DialTarget, PeerConnectionInput } from './peer-connection.ts';
import { keyOf } from './wanted-peers.ts';

/** What a connection begins with: the dialer has a target, the acceptor a channel. */
export type Beginning = Pick<PeerConnectionInput, 'target' | 'channel'>;

/** What belongs to one peer-connection actor, from the order to start it to its end. */
export interface Connection {
  readonly id: string;
  /** A dialer’s. */
  readonly target: DialTarget | undefined;
  channel: LinkChannel | undefined;
  session: LinkSession | undefined;
  /** Its actor lives and was not told to stop. */
  runs: boolean;
  /** The timer of its claim, until its actor runs. */
  lapse: unknown;
}

/**
 * The connections that there are, in whatever state, and who dials whom. Follows the lives of the actors rather than
 * their messages: one that crashes or is killed sends none.
 */
export class ConnectionTable {
  readonly #clock: Clock;
  readonly #all = new Map<string, Connection>();
  /** Connection ids by what they dial. */
  readonly #dialers = new Map<string, string>();
  #made = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#all.size;
  }

  dials(target: DialTarget): boolean {
    return this.#dialers.has(keyOf(target));
  }

  /**
   * A place for an actor that is about to start. It lapses after `linkHandshakeMsMax`, for a supervisor that is just
   * being restarted refuses new children: a channel must not stay open, nor a peer undialled, for want of its actor.
   */
  claim(kind: string, { target, channel }: Beginning): Connection {
    const connection: Connection = {
      id: `${kind}-${++this.#made}`,
      target,
      channel,
      session: undefined,
      runs: false,
      lapse: this.#clock.setTimeout(() => this.release(connection), limits.linkHandshakeMsMax),
    };
    this.#enter(connection);
    return connection;
  }

  /** Its actor runs. */
  occupy(connection: Connection): void {
    this.#stopLapse(connection);
    connection.runs = true;
    this.#enter(connection);
  }

  /** Its actor was told to stop: takes leave of the peer. */
  leave(connection: Connection): void {
    connection.runs = false;
    if (connection.session) connection.session.goodbye('the node stops');
    else connection.channel?.close(closeCodes.goodbye.code, 'the node stops');
  }

  /** Its actor is over, in whatever way. Idempotent; closes what is still open. */
  release(connection: Connection): void {
    this.#stopLapse(connection);
    connection.runs = false;
    this.#all.delete(connection.id);
    const key = connection.target && keyOf(connection.target);
    if (key !== undefined && this.#dialers.get(key) === connection.id) this.#dialers.delete(key);
    if (connection.session) connection.session.close('goodbye', 'the connection ends');
    else connection.channel?.close(closeCodes.goodbye.code, 'the connection ends');
  }

  /** Gives up the places whose actors do not run yet. */
  releaseClaims(): void {
    for (const connection of this.#all.values()) if (connection.lapse !== undefined) this.release(connection);
  }

  #enter(connection: Connection): void {
    this.#all.set(connection.id, connection);
    if (connection.target) this.#dialers.set(keyOf(connection.target), connection.id);
  }

  #stopLapse(connection: Connection): void {
    this.#clock.clearTimeout(connection.lapse);
    connection.lapse = undefined;
  }
}
