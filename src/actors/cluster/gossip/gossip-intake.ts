import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import type { Frame } from '../../../protocols/link/frame.ts';
import { type DirectoryEntry, decodePushPull } from '../../../protocols/link/push-pull-frame.ts';
import type { SignedClaim } from '../../../protocols/swim/claim.ts';
import type { Packet } from '../../../protocols/swim/packet.ts';
import {
  type ClaimAuthority,
  type ClaimRefusal,
  verifyClaims,
  verifyPacket,
} from '../../../protocols/swim/verification.ts';
import { type Unverified, unverified } from '../../../unverified.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { PeerLink } from '../links/links.ts';
import { openPacket } from './gossip-datagram.ts';
import type { GossipOptions } from './gossip-options.ts';
import { Patience } from './patience.ts';

export interface GossipIntakeOptions extends Pick<GossipOptions, 'directory' | 'seals' | 'clock' | 'metrics'> {
  /** Whether a claim could change anything: others cost no signature check. */
  readonly isNews: (claim: Unverified<SignedClaim>) => boolean;
}

/** What one peer said, verified; of what was refused, why. */
export interface Heard {
  readonly from: NodeId;
  readonly claims: readonly SignedClaim[];
  readonly refusals: readonly ClaimRefusal[];
}

/** What one member may ask of another: many times what an honest one does, and little of what a core can do. */
const datagramRate = { count: 200, periodMs: 1_000, burst: 1_000 } as const;
const exchangeRate = { count: 4, periodMs: 1_000, burst: 32 } as const;
/** No honest member passes on what it could not verify itself, except while a key changes hands. */
const forgeryRate = { count: 8, periodMs: 1_000, burst: 256 } as const;

/** Where gossip comes in: opens and verifies, and looks at no more of one peer than an honest one would send. */
export class GossipIntake {
  readonly #options: GossipIntakeOptions;
  readonly #datagrams: Patience;
  readonly #exchanges: Patience;
  readonly #forgeries: Patience;

  constructor(options: GossipIntakeOptions) {
    this.#options = options;
    this.#datagrams = new Patience(options.clock, datagramRate);
    this.#exchanges = new Patience(options.clock, exchangeRate);
    this.#forgeries = new Patience(options.clock, forgeryRate);
  }

  /** A datagram; nothing when it is refused, which is counted by code. */
  datagram(bytes: Uint8Array): (Heard & { readonly packet: Packet }) | undefined {
    const { seals, metrics } = this.#options;
    const opened = openPacket(seals, bytes);
    if (!opened.ok) {
      metrics.count('gossip_refused', { code: opened.refusal.code });
      return undefined;
    }
    const { from, packet: decoded } = opened.value;
    if (this.#options.directory.isCut(opened.value.from)) {
      metrics.count('gossip_refused', { code: 'REVOKED' });
      return undefined;
    }
    // Only now: whoever sees a datagram can copy its tag, and would otherwise spend the budget of an honest member.
    if (!this.#datagrams.with(from)) {
      metrics.count('gossip_refused', { code: 'RATE_LIMIT_EXCEEDED' });
      return undefined;
    }
    this.#datagrams.spend(from);
    metrics.count('gossip_received');
    const { packet, refusals } = verifyPacket(decoded, this.#authority(), this.#worthChecking(from));
    this.#countRefused(from, refusals);
    return { from, packet, claims: packet.claims, refusals };
  }

  /** A push/pull document. Nothing when it is refused: counted, or the link’s end when it is not in its form. */
  document(link: PeerLink, frame: Frame): Heard | undefined {
    const { nodeId: from } = link;
    if (!this.#exchanges.with(from)) {
      this.#options.metrics.count('push_pull_refused', { code: 'RATE_LIMIT_EXCEEDED' });
      return undefined;
    }
    this.#exchanges.spend(from);
    const decoded = decodePushPull(utf8, frame.content);
    if (!decoded.ok) {
      link.violated(decoded.refusal.reasons[0]);
      return undefined;
    }
    const document = decoded.value.unverified;
    // First, because the claims are verified with the keys in it.
    this.#takeDirectory(document.directory);
    const heard = verifyClaims(unverified(document.claims), this.#authority(), this.#worthChecking(from));
    this.#countRefused(from, heard.refusals);
    return { from, ...heard };
  }

  /** Each node once, and not on and on where nothing holds: an entry costs several signature checks. */
  #takeDirectory(entries: readonly DirectoryEntry[]): void {
    const { directory, metrics, clock } = this.#options;
    const seen = new Set<NodeId>();
    let refused = 0;
    for (const entry of entries) {
      if (seen.has(entry.nodeId) || refused >= limits.directoryRefusalsMax) continue;
      seen.add(entry.nodeId);
      const added = directory.add(entry, clock.now());
      if (added.ok) continue;
      refused++;
      metrics.count('directory_refused', { code: added.refusal.code });
    }
  }

  #authority(): ClaimAuthority {
    return this.#options.directory.authorityAt(this.#options.clock.now());
  }

  /** News, and not from a peer that had too much that was forged. */
  #worthChecking(from: NodeId): (claim: Unverified<SignedClaim>) => boolean {
    const { isNews, metrics } = this.#options;
    if (this.#forgeries.with(from)) return isNews;
    return () => {
      metrics.count('claims_refused', { code: 'RATE_LIMIT_EXCEEDED' });
      return false;
    };
  }

  #countRefused(from: NodeId, refusals: readonly ClaimRefusal[]): void {
    for (const { code } of refusals) {
      this.#options.metrics.count('claims_refused', { code });
      if (code === 'SIGNATURE_INVALID') this.#forgeries.spend(from);
    }
  }
}
