import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { LinkSession } from './link-session.ts';

const text = 'a newer link takes its place';

/**
 * Links that another one has replaced, one a peer: nothing more is sent on them, and they are read for as long as
 * something arrives that was under way, within bounds. A link under load may have more of it than a moment carries.
 */
export class RetiringLinks {
  readonly #clock: Clock;
  readonly #links = new Map<NodeId, LinkSession>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Closes the link once it is quiet. */
  retire(link: LinkSession): void {
    // One a peer: whoever dials without end holds no more.
    this.#links.get(link.nodeId)?.close('duplicate', text);
    this.#links.set(link.nodeId, link);
    const end = this.#clock.monotonic() + limits.linkRetireMsMax;
    const look = (): void => {
      if (this.#links.get(link.nodeId) !== link) return;
      const now = this.#clock.monotonic();
      const isQuiet = link.channel.bufferedBytes === 0 && now - link.heardAt >= limits.linkRetireMs;
      if (isQuiet || now >= end) link.close('duplicate', text);
      else this.#clock.setTimeout(look, limits.linkRetireMs / 4);
    };
    this.#clock.setTimeout(look, limits.linkRetireMs);
  }

  /** The link has ended. */
  ended(link: LinkSession): void {
    if (this.#links.get(link.nodeId) === link) this.#links.delete(link.nodeId);
  }
}
