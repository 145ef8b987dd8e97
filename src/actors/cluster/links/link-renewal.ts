import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { renewalFeature } from '../../../protocols/link/certificate-frame.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import type { Clock, Random } from '../../kernel/ports.ts';
import type { LinkSession } from './link-session.ts';
import type { Links } from './links.ts';

export interface LinkRenewalOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly links: Links;
}

const noBytes = new Uint8Array(0);

/**
 * Replaces links that were made with a certificate which has been renewed since, each before the old one ends: a new
 * link is up first, so there is no moment without one. Only who dialled a link can replace it, by dialling again; the
 * other side asks for that with a `renewed` frame.
 */
export class LinkRenewal {
  readonly #options: LinkRenewalOptions;
  /** The links that are to be replaced, with their next attempt. */
  readonly #old = new Map<LinkSession, unknown>();
  /** Since when this node shows the certificate that it shows. */
  #renewedAtMs = Number.NEGATIVE_INFINITY;
  /** Peers whose word for a renewal will be followed. */
  readonly #asked = new Map<NodeId, unknown>();
  /** When a peer’s word for a renewal was followed last. */
  readonly #followedAt = new Map<NodeId, number>();

  constructor(options: LinkRenewalOptions) {
    this.#options = options;
    // Dialled or accepted before the renewal, and up only after it.
    options.links.onReady((link) => {
      if (link.channel.sinceMs < this.#renewedAtMs) this.#replace(link, 0);
    });
    options.links.onClosed((link) => this.#forget(link));
    options.links.onFrame('renewed', (link, frame) => this.#told(link, frame));
  }

  /** This node shows another certificate from now on. */
  renewed(): void {
    const { links, clock } = this.#options;
    this.#renewedAtMs = clock.monotonic();
    // Not all in one moment: each costs both ends a handshake, and messages go on meanwhile.
    for (const [index, link] of links.all().entries()) this.#replace(link, index * limits.linkRenewalSpreadMs);
  }

  #told(link: LinkSession, { header, content }: Frame): void {
    if (header.length + content.length > 0) {
      link.violated('A renewed frame has neither header nor content.');
      return;
    }
    const { clock, links } = this.#options;
    const { nodeId } = link;
    if (link.side !== 'dialer' || this.#asked.has(nodeId)) return;
    // A peer must not make this node dial without pause: what comes too soon is followed later, once.
    const nextAt = (this.#followedAt.get(nodeId) ?? Number.NEGATIVE_INFINITY) + limits.linkRenewalPauseMs;
    const follow = (): void => {
      this.#asked.delete(nodeId);
      this.#followedAt.set(nodeId, clock.monotonic());
      const present = links.get(nodeId);
      if (present?.side === 'dialer') this.#replace(present, 0);
    };
    this.#asked.set(nodeId, clock.setTimeout(follow, Math.max(0, nextAt - clock.monotonic())));
  }

  /** Until another link has taken its place, or it has ended. */
  #replace(link: LinkSession, inMs: number): void {
    const { clock, random, links } = this.#options;
    clock.clearTimeout(this.#old.get(link));
    const attempt = (): void => {
      if (links.get(link.nodeId) !== link) {
        this.#forget(link);
        return;
      }
      if (link.side === 'dialer') links.renew(link);
      else if (link.hello.features.includes(renewalFeature)) link.send('renewed', noBytes, noBytes);
      const pauseMs = limits.linkRenewalPauseMs * (1 + random.uint32() / 0x1_0000_0000);
      this.#old.set(link, clock.setTimeout(attempt, pauseMs));
    };
    this.#old.set(link, clock.setTimeout(attempt, inMs));
  }

  #forget(link: LinkSession): void {
    const { clock, links } = this.#options;
    clock.clearTimeout(this.#old.get(link));
    this.#old.delete(link);
    if (links.get(link.nodeId)) return;
    clock.clearTimeout(this.#asked.get(link.nodeId));
    this.#asked.delete(link.nodeId);
    this.#followedAt.delete(link.nodeId);
  }
}
