import { LRUCache } from 'lru-cache';
import { sha256 } from '../../../crypto/port.ts';
import { ok, type Result } from '../../../errors.ts';
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
import { decodeLinkPacket, openPacket } from './gossip-datagram.ts';
import type { GossipOptions } from './gossip-options.ts';
import { Patience } from './patience.ts';

export interface GossipIntakeOptions extends Pick<GossipOptions, 'directory' | 'seals' | 'clock' | 'metrics'> {
  /** This node. */
  readonly self: NodeId;
  /** Whether a claim could change anything: others cost no signature check. */
  readonly isNews: (claim: Unverified<SignedClaim>) => boolean;
}

/** What one peer said, verified; of what was refused, why. */
export interface Heard {
  readonly from: NodeId;
  readonly claims: readonly SignedClaim[];
  readonly refusals: readonly ClaimRefusal[];
}

export interface HeardPacket extends Heard {
  readonly packet: Packet;
}

/** What one member may ask of another: many times what an honest one does, and little of what a core can do. */
const datagramRate = { count: 200, periodMs: 1_000, burst: 1_000 } as const;
const exchangeRate = { count: 4, periodMs: 1_000, burst: 32 } as const;
/** No honest member passes on what it could not verify itself, except while a key changes hands. */
const forgeryRate = { count: 8, periodMs: 1_000, burst: 256 } as const;

/** Good signatures cost as much to check. One document may be over it, as the first that a newcomer is given is. */
const checkRate = { count: 500, periodMs: 1_000, burst: 2_048 } as const;
/**
 * What one member may accuse others of, whoever passes it on: all of a large cluster at once, but not on and on. Each
 * accusation that is refuted changes what every member thinks twice, and each change is on record.
 */
const accusationRate = { count: 4, periodMs: 1_000, burst: 1_024 } as const;

/** Where gossip comes in: opens and verifies, and looks at no more of one peer than an honest one would send. */
export class GossipIntake {
  readonly #options: GossipIntakeOptions;
  readonly #datagrams: Patience;
  readonly #exchanges: Patience;
  readonly #forgeries: Patience;
  readonly #checks: Patience;
  readonly #accusations: Patience;
  /** By hash of key, signature and what was signed: gossip repeats itself. */
  readonly #good = new LRUCache<string, true>({ max: limits.claimSignaturesKnownMax });

  constructor(options: GossipIntakeOptions) {
    this.#options = options;
    this.#datagrams = new Patience(options.clock, datagramRate);
    this.#exchanges = new Patience(options.clock, exchangeRate);
    this.#forgeries = new Patience(options.clock, forgeryRate);
    this.#checks = new Patience(options.clock, checkRate);
    this.#accusations = new Patience(options.clock, accusationRate);
  }

  /** A datagram; nothing when it is refused, which is counted by code. */
  datagram(bytes: Uint8Array): HeardPacket | undefined {
    const { seals, metrics } = this.#options;
    const opened = openPacket(seals, bytes);
    if (opened.ok) return this.#packet(opened.value.from, opened.value.packet);
    metrics.count('gossip_refused', { code: opened.refusal.code });
    return undefined;
  }

  /** The same packet over the link, which proves who sent it. Refused as `datagram` and `document` do. */
  framed(link: PeerLink, { content }: Frame): HeardPacket | undefined {
    const decoded = decodeLinkPacket(content);
    if (decoded.ok) return this.#packet(link.nodeId, decoded.value);
    link.violated(decoded.refusal.reasons[0]);
    return undefined;
  }

  #packet(from: NodeId, decoded: Unverified<Packet>): HeardPacket | undefined {
    const { metrics } = this.#options;
    if (this.#options.directory.isCut(from)) {
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
    const checked = new Set<Uint8Array>();
    const { packet, refusals } = verifyPacket(decoded, this.#authority(checked), this.#worthChecking(from));
    this.#settle(from, packet.claims, refusals, checked);
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
    this.#takeDirectory(from, document.directory);
    const checked = new Set<Uint8Array>();
    const heard = verifyClaims(unverified(document.claims), this.#authority(checked), this.#worthChecking(from));
    this.#settle(from, heard.claims, heard.refusals, checked);
    return { from, ...heard };
  }

  /** What an earlier boot of this node kept: judged like a stranger’s word. MALFORMED. */
  remembered(bytes: Uint8Array): Result<readonly SignedClaim[]> {
    const decoded = decodePushPull(utf8, bytes);
    if (!decoded.ok) return decoded;
    const document = decoded.value.unverified;
    this.#takeDirectory(this.#options.self, document.directory);
    return ok(verifyClaims(unverified(document.claims), this.#authority(new Set()), this.#options.isNews).claims);
  }

  /** Each node once, and not on and on where nothing holds: an entry costs several signature checks. */
  #takeDirectory(from: NodeId, entries: readonly DirectoryEntry[]): void {
    const { directory, metrics, clock } = this.#options;
    if (!this.#forgeries.with(from)) {
      metrics.count('directory_refused', { code: 'RATE_LIMIT_EXCEEDED' });
      return;
    }
    const seen = new Set<NodeId>();
    let refused = 0;
    for (const entry of entries) {
      if (seen.has(entry.nodeId) || refused >= limits.directoryRefusalsMax) continue;
      seen.add(entry.nodeId);
      const added = directory.add(entry, clock.now());
      if (added.ok) continue;
      refused++;
      const { code } = added.refusal;
      metrics.count('directory_refused', { code });
      // What is revoked here others may not know of yet; what does not hold they would have refused too.
      if (code === 'CERTIFICATE_REFUSED' || code === 'SIGNATURE_INVALID') this.#forgeries.spend(from);
    }
  }

  /** Checks nothing twice; `checked` gets the signatures that it had to check. */
  #authority(checked: Set<Uint8Array>): ClaimAuthority {
    const { directory, clock } = this.#options;
    const authority = directory.authorityAt(clock.now());
    return {
      claimKeyOf: (node) => authority.claimKeyOf(node),
      verify: (key, bytes, signature) => {
        const id = Buffer.from(sha256(key, signature, bytes)).toString('base64');
        if (this.#good.get(id)) return true;
        checked.add(signature);
        const good = authority.verify(key, bytes, signature);
        if (good) this.#good.set(id, true);
        return good;
      },
    };
  }

  /** News, and neither from a peer that had too much checked or forged, nor by accusers that have accused too much. */
  #worthChecking(from: NodeId): (claim: Unverified<SignedClaim>) => boolean {
    const { isNews, metrics, self } = this.#options;
    const hasPatience = this.#forgeries.with(from) && this.#checks.with(from);
    return (candidate) => {
      if (hasPatience && !isNews(candidate)) return false;
      const { claim, signatures } = candidate.unverified;
      // What this node itself is accused of it must always hear, or it could not answer.
      const accuses = (claim.kind === 'suspect' || claim.kind === 'dead') && claim.node !== self;
      const isHeard = !accuses || signatures.some(({ signer }) => this.#accusations.with(signer));
      if (hasPatience && isHeard) return true;
      metrics.count('claims_refused', { code: 'RATE_LIMIT_EXCEEDED' });
      return false;
    };
  }

  /** Takes from the budgets what was spent: of the peer for each check, of accusers for what they really signed. */
  #settle(
    from: NodeId,
    claims: readonly SignedClaim[],
    refusals: readonly ClaimRefusal[],
    checked: ReadonlySet<Uint8Array>,
  ): void {
    const { metrics, self } = this.#options;
    if (checked.size > 0) {
      this.#checks.spend(from, checked.size);
      metrics.count('claim_signatures_checked', {}, checked.size);
    }
    for (const { claim, signatures } of claims) {
      if ((claim.kind !== 'suspect' && claim.kind !== 'dead') || claim.node === self) continue;
      for (const { signer, bytes } of signatures) if (checked.has(bytes)) this.#accusations.spend(signer);
    }
    for (const { code } of refusals) {
      metrics.count('claims_refused', { code });
      if (code === 'SIGNATURE_INVALID') this.#forgeries.spend(from);
    }
  }
}
