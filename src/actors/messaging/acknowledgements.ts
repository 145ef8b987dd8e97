import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { type Acknowledgement, acknowledgementText } from '../../protocols/registry/acknowledgement.ts';
import type { PeerLink } from '../cluster/links/links.ts';
import type { Clock } from '../kernel/ports.ts';
import { outsideTurns } from '../kernel/turn.ts';
import { utf8 } from '../kernel/utf8.ts';

export interface AcknowledgementsOptions {
  readonly clock: Clock;
  readonly linkTo: (node: NodeId) => PeerLink | undefined;
  /** How far this node has the records of a peer. */
  readonly position: (peer: NodeId) => Omit<Acknowledgement, 'missing'>;
}

interface Due {
  readonly timer: unknown;
  missing: boolean;
}

const emptyHeader = new Uint8Array(0);

/**
 * Tells peers how far this node has what they said of their agents: a moment later, once for all that came in it, so that
 * nobody can have more of them sent than that. One that a full link does not take is lost: the peer goes on from an older
 * one then.
 */
export class Acknowledgements {
  readonly #options: AcknowledgementsOptions;
  readonly #due = new Map<NodeId, Due>();

  constructor(options: AcknowledgementsOptions) {
    this.#options = options;
  }

  /** Something came of the peer, or is wanted; `missing`: it could not be taken, and has to be told again. */
  owe(peer: NodeId, missing: boolean): void {
    const due = this.#due.get(peer);
    if (due) {
      due.missing = missing;
      return;
    }
    const timer = outsideTurns(() => this.#options.clock.setTimeout(() => this.#send(peer), limits.registryAckMs));
    this.#due.set(peer, { timer, missing });
  }

  /** The peer has no link any more: on its next one it is told anew. */
  linkClosed(peer: NodeId): void {
    const due = this.#due.get(peer);
    if (due) this.#options.clock.clearTimeout(due.timer);
    this.#due.delete(peer);
  }

  #send(peer: NodeId): void {
    const { linkTo, position } = this.#options;
    const missing = this.#due.get(peer)?.missing === true;
    this.#due.delete(peer);
    const link = linkTo(peer);
    if (!link) return;
    // Behind what waits already; it takes no more than this from whoever does not read.
    if (link.congested) link.whenFlowing(() => this.owe(peer, missing));
    else
      link.send(
        'registry-acknowledgement',
        emptyHeader,
        utf8.encode(acknowledgementText({ ...position(peer), missing })),
      );
  }
}
