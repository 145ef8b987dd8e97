import { LRUCache } from 'lru-cache';
import { verifyClaimKeyBinding } from '../../crypto/identity.ts';
import { ed25519PublicKey } from '../../crypto/keys.ts';
import { sha256 } from '../../crypto/port.ts';
import { verifyWith } from '../../crypto/signature.ts';
import { type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId, TrustDomain } from '../../names.ts';
import { isLater } from '../../protocols/issuance/renewal-time.ts';
import type { DirectoryEntry } from '../../protocols/link/push-pull-frame.ts';
import type { ClaimAuthority } from '../../protocols/swim/verification.ts';
import { Revocations } from './notices/revocations.ts';

interface Known extends DirectoryEntry {
  readonly svid: NodeSvid;
  readonly claimKey: Uint8Array;
}

/** Under which roots a certificate must stand: asked for each time, since they change. */
export interface DirectoryTrust {
  readonly caPem: string;
  readonly trustDomain: TrustDomain;
}

const goldenPart = (Math.sqrt(5) - 1) / 2;

/** How long a refusal is remembered: a certificate that is not valid yet will be, and clocks get set. */
const refusedMs = 60_000;

/**
 * Which claim key belongs to whom. An entry is taken only when its certificate passes the same judgement as a link’s
 * peer and the binding is signed with that certificate’s key; refused ones are remembered by hash, so that a peer
 * that repeats a bad entry costs one lookup and not a signature check.
 */
export class Directory {
  readonly #known = new Map<NodeId, Known>();
  #turn = 0;
  readonly #refused = new LRUCache<string, number>({ max: 1_024 });
  readonly #trust: DirectoryTrust;
  readonly #revocations: Revocations;
  readonly #onTaken: (svid: NodeSvid) => void;
  /** Nodes whose entry was dropped as revoked or untrusted, until they show a better one. */
  readonly #cut = new Set<NodeId>();

  /** `onTaken` hears of each certificate that counts from now on. */
  constructor(
    trust: DirectoryTrust,
    revocations: Revocations = new Revocations(),
    onTaken: (svid: NodeSvid) => void = () => {},
  ) {
    this.#trust = trust;
    this.#revocations = revocations;
    this.#onTaken = onTaken;
  }

  /** Drops the entries that are revoked now. */
  dropRevoked(): void {
    for (const [node, { svid, claimKey }] of this.#known) {
      if (!this.#revocationOf(svid, claimKey)) continue;
      this.#known.delete(node);
      this.#cut.add(node);
    }
  }

  /** Drops the entries whose certificate stands under no root that is believed now. */
  dropUntrusted(now: number): void {
    this.#refused.clear();
    for (const [node, known] of this.#known) {
      if (this.#judge(known, now).ok) continue;
      this.#known.delete(node);
      // One that has ended is renewed; what its CA is worth is another matter.
      if (!this.#judge(known, Math.min(now, known.svid.notAfter)).ok) this.#cut.add(node);
    }
  }

  /** Whether the node, or the certificate or claim key by which it was known, is revoked, or stands under no root any more. */
  isCut(node: NodeId): boolean {
    return this.#cut.has(node) || this.#revocations.ofNode(node) !== undefined;
  }

  /** Checks claims against the keys that count at `now`, in milliseconds since 1970. */
  authorityAt(now: number): ClaimAuthority {
    return { claimKeyOf: (node) => this.claimKeyOf(node, now), verify: verifiesClaim };
  }

  /** Until the certificate that binds it has run out, and no longer. */
  claimKeyOf(node: NodeId, now: number): Uint8Array | undefined {
    const known = this.#known.get(node);
    return known && !isOver(known, now) ? known.claimKey : undefined;
  }

  /** The certificate and the binding that vouch for the key; undefined once they have run out. */
  entryOf(node: NodeId, now: number): DirectoryEntry | undefined {
    const known = this.#known.get(node);
    if (!known || isOver(known, now)) return undefined;
    return { nodeId: node, certificate: known.certificate, binding: known.binding };
  }

  /** As `entryOf`: what the certificate says. */
  svidOf(node: NodeId, now: number): NodeSvid | undefined {
    const known = this.#known.get(node);
    return known && !isOver(known, now) ? known.svid : undefined;
  }

  /**
   * All that count, from another one on at each call: what a document has no room for travels with a later one. The
   * beginnings are spread over all as evenly as can be (by the golden ratio), so that the next few bring the rest.
   */
  entries(now: number): readonly DirectoryEntry[] {
    this.#dropOver(now);
    const all = [...this.#known.values()].map(({ nodeId, certificate, binding }) => ({ nodeId, certificate, binding }));
    const start = Math.floor(((this.#turn++ * goldenPart) % 1) * all.length);
    return [...all.slice(start), ...all.slice(0, start)];
  }

  /** Takes an entry; the certificate that came later replaces the other. CERTIFICATE_REFUSED, SIGNATURE_INVALID. */
  add(entry: DirectoryEntry, now: number): Result<void> {
    const known = this.#known.get(entry.nodeId);
    if (known && same(known.certificate, entry.certificate) && same(known.binding, entry.binding)) return ok(undefined);
    // Before anything is remembered: who is revoked is not asked for twice, and costs nothing.
    const out = this.#revocations.ofNode(entry.nodeId);
    if (out) return { ok: false, refusal: out };
    const hash = hashOf(entry);
    const refusedAt = this.#refused.get(hash);
    if (refusedAt !== undefined && Math.abs(now - refusedAt) < refusedMs)
      return refuse('CERTIFICATE_REFUSED', 'This entry was refused before.');
    const judged = this.#judge(entry, now);
    if (!judged.ok) {
      this.#refused.set(hash, now);
      return judged;
    }
    if (!known && this.#known.size >= limits.membersMax) this.#dropOver(now);
    if (!known && this.#known.size >= limits.membersMax)
      return refuse('LIMIT_EXCEEDED', `The directory holds ${limits.membersMax} members already.`);
    if (!known || !isLater(known.svid, judged.value.svid)) {
      this.#known.set(entry.nodeId, judged.value);
      this.#onTaken(judged.value.svid);
    }
    this.#cut.delete(entry.nodeId);
    return ok(undefined);
  }

  #revocationOf(svid: NodeSvid, claimKey: Uint8Array) {
    return this.#revocations.ofCertificate(svid) ?? this.#revocations.ofKey(claimKey);
  }

  #dropOver(now: number): void {
    for (const [node, known] of this.#known) if (isOver(known, now)) this.#known.delete(node);
  }

  #judge(entry: DirectoryEntry, now: number): Result<Known> {
    const svid = verifyNodeSvid(entry.certificate, {
      caPem: this.#trust.caPem,
      trustDomain: this.#trust.trustDomain,
      now,
      nodeId: entry.nodeId,
    });
    if (!svid.ok) return svid;
    const claimKey = verifyClaimKeyBinding(svid.value, entry.binding);
    if (!claimKey.ok) return claimKey;
    const revoked = this.#revocationOf(svid.value, claimKey.value);
    if (revoked) return { ok: false, refusal: revoked };
    // Copies: the entry may be a view into a frame’s buffer. Of the chain, what its path needs.
    return ok({
      nodeId: entry.nodeId,
      certificate: svid.value.der,
      binding: new Uint8Array(entry.binding),
      svid: svid.value,
      claimKey: claimKey.value,
    });
  }
}

/** The same forgiveness as for the certificate of a link’s peer. */
const isOver = ({ svid }: Known, now: number): boolean => now > svid.notAfter + limits.clockSkewMsMax;

function verifiesClaim(raw: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = ed25519PublicKey(raw);
  return key.ok && verifyWith(key.value, 'caxton gossip claim v1', bytes, signature);
}

/** Of all three and where each ends: nobody may spoil an honest entry by having one that hashes alike refused. */
const hashOf = ({ nodeId, certificate, binding }: DirectoryEntry): string =>
  Buffer.from(sha256(Buffer.from(`${nodeId} ${certificate.length} ${binding.length} `), certificate, binding)).toString(
    'base64',
  );

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
