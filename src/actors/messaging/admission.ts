import { LRUCache } from 'lru-cache';
import { type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { gcra } from '../../protocols/authorization/gcra.ts';
import type { Rate } from '../../protocols/authorization/rate.ts';
import { ReplayWindow } from '../../protocols/authorization/replay.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import type { Clock } from '../kernel/ports.ts';

interface Gate {
  tat: number | undefined;
  readonly window: ReplayWindow;
}

/**
 * What a peer node must pass before anything costly is done for one of its messages: a rate per link, so that a flood
 * cannot keep a core busy with checks, and the replay window. The window outlives the link: it belongs to the node and
 * its boot, or a reconnect would open it again.
 */
export class Admission {
  readonly #clock: Clock;
  readonly #rate: Rate;
  readonly #gates = new LRUCache<string, Gate>({ max: limits.membersMax });

  constructor(clock: Clock, rate: Rate) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** RATE_LIMIT_EXCEEDED, REPLAYED, or UNAUTHORIZED when the epoch is not the link’s own. Commits nothing. */
  admit(link: PeerLink, epoch: number, counter: number): Result<void> {
    const gate = this.#gateOf(link);
    const passed = gcra(gate.tat, this.#clock.monotonic(), this.#rate);
    gate.tat = passed.tat;
    if (!passed.allowed) {
      const { refusal } = refuse('RATE_LIMIT_EXCEEDED', `The link of ${link.nodeId} sends more than it is admitted.`);
      return { ok: false, refusal: { ...refusal, retryAfterMs: passed.retryAfterMs } };
    }
    if (epoch !== link.hello.bootEpoch)
      return refuse(
        'UNAUTHORIZED',
        `The message is of boot ${epoch}, but ${link.nodeId} runs its boot ${link.hello.bootEpoch}.`,
      );
    return gate.window.check(epoch, counter);
  }

  /** Marks the counter as used: only once the message was authorised. REPLAYED when a copy was committed meanwhile. */
  commit(link: PeerLink, epoch: number, counter: number): Result<void> {
    return this.#gateOf(link).window.commit(epoch, counter);
  }

  #gateOf(link: PeerLink): Gate {
    const known = this.#gates.get(link.nodeId);
    if (known) return known;
    const gate: Gate = { tat: undefined, window: new ReplayWindow() };
    this.#gates.set(link.nodeId, gate);
    return gate;
  }
}
