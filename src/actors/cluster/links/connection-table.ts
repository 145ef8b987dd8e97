import { refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { closeCodes } from '../../../protocols/link/close-codes.ts';
import type { Clock, LinkChannel } from '../../kernel/ports.ts';
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
  /** The last attempt ended because an identity is revoked: the next one can wait. */
  revoked: boolean;
  /** The timer of its claim, until its actor runs. */
  lapse: unknown;
}

/**
 * The connections that there are, in whatever state, and who dials whom. Follows the lives of the actors rather than
 * their messages: one that crashes or is killed sends none.
 */
export class ConnectionTable {
  readonly #clock: Clock;
  readonly #onFree: (connection: Connection) => void;
  readonly #all = new Map<string, Connection>();
  /** Connection ids by what they dial: two at times, when one link is to take the place of another. */
  readonly #dialers = new Map<string, Set<string>>();
  #made = 0;

  /** `onFree` is called with each connection whose place is given up. */
  constructor(clock: Clock, onFree: (connection: Connection) => void) {
    this.#clock = clock;
    this.#onFree = onFree;
  }

  get size(): number {
    return this.#all.size;
  }

  /** The sessions that there are, those that greet or retire too. */
  sessions(): readonly LinkSession[] {
    return [...this.#all.values()].flatMap(({ session }) => session ?? []);
  }

  dials(target: DialTarget): boolean {
    return this.#dialers.has(keyOf(target));
  }

  /**
   * Before another connection of the node is greeted: cuts the oldest that it did not bring up, if those are as many as
   * may be. One certificate must not hold the places of all others by never finishing its greetings.
   */
  makeRoom(nodeId: NodeId): void {
    const greeting: LinkSession[] = [];
    for (const { session, target } of this.#all.values())
      if (!target && session?.nodeId === nodeId && session.isGreeting) greeting.push(session);
    if (greeting.length < limits.linkGreetingsPerPeerMax) return;
    const text = `${nodeId} has ${greeting.length} connections that it did not bring up.`;
    greeting[0]?.close('limit', text, refuse('LIMIT_EXCEEDED', text).refusal);
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
      revoked: false,
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
    const held = this.#all.delete(connection.id);
    if (connection.target) this.#leaveDialers(keyOf(connection.target), connection.id);
    if (connection.session) connection.session.close('goodbye', 'the connection ends');
    else connection.channel?.close(closeCodes.goodbye.code, 'the connection ends');
    if (held) this.#onFree(connection);
  }

  /** Gives up the places whose actors do not run yet. */
  releaseClaims(): void {
    for (const connection of this.#all.values()) if (connection.lapse !== undefined) this.release(connection);
  }

  #enter(connection: Connection): void {
    this.#all.set(connection.id, connection);
    if (!connection.target) return;
    const key = keyOf(connection.target);
    this.#dialers.set(key, (this.#dialers.get(key) ?? new Set()).add(connection.id));
  }

  #leaveDialers(key: string, id: string): void {
    const ids = this.#dialers.get(key);
    ids?.delete(id);
    if (ids?.size === 0) this.#dialers.delete(key);
  }

  #stopLapse(connection: Connection): void {
    this.#clock.clearTimeout(connection.lapse);
    connection.lapse = undefined;
  }
}
