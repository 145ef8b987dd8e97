import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ed25519PublicKey, keyId, keyIdOf, publicKeyFromText } from '../../crypto/keys.ts';
import { sha256 } from '../../crypto/port.ts';
import {
  type DocumentKind,
  decodeDocument,
  signDocument,
  type VerifiedDocument,
  verifyDocument,
} from '../../crypto/signed-document.ts';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type Capability, readCapability } from '../../protocols/authorization/capability.ts';
import { type Manifest, readManifest, sharing } from '../../protocols/deployment/manifest.ts';
import { type Notice, type NoticeOf, readNotice } from '../../protocols/notice/notice.ts';
import type { SignedNotice } from '../../protocols/notice/reconciliation.ts';
import { type FindRevocation, revokedRefusal } from '../../protocols/notice/revocation.ts';
import type { TrustBody } from '../../protocols/notice/trust.ts';
import { readPayload, type SignedPayload } from './document-payload.ts';
import { type ChainRefusal, grantedBy, verifyChain } from './token-chain.ts';

/** Of a manifest: it is judged twice while it is deployed or announced, and hardly ever again. */
const manifestsMax = 2 * limits.deploymentsAtOnceMax;

/** By length as well: peers choose the texts, and ten thousand of the longest manifests would be most of a heap. */
const cacheBounds = {
  max: 10_000,
  maxSize: 33_554_432,
  sizeCalculation: (_: unknown, text: string) => Math.max(1, text.length),
};

/**
 * Whose signatures count for what: the cluster’s trust notice, as this node verified it, less what is revoked. Changed in
 * place when notices arrive; what was verified before is forgotten then.
 */
export class Trust {
  #notice: NoticeOf<'trust'>;
  #text: string;
  #revoked: FindRevocation = () => undefined;
  #deployers: ReadonlyMap<string, KeyObject>;
  #issuers: ReadonlyMap<string, KeyObject>;
  #authorities: ReadonlyMap<string, KeyObject>;
  readonly #manifests = new LRUCache<string, Result<Manifest>>({ ...cacheBounds, max: manifestsMax });
  #latest: Manifest | undefined;
  readonly #capabilities = new LRUCache<string, Result<Capability, ChainRefusal>>(cacheBounds);

  constructor(notice: NoticeOf<'trust'>, text: string) {
    this.#notice = notice;
    this.#text = text;
    this.#deployers = keysOf(notice.body.deployers);
    this.#issuers = keysOf(notice.body.issuers);
    this.#authorities = keysOf(notice.body.authorities);
  }

  /** The newest trust notice. */
  get notice(): NoticeOf<'trust'> {
    return this.#notice;
  }

  /** The notice as it was signed. */
  get text(): string {
    return this.#text;
  }

  /** From now on this notice is the newest, this bundle is in force, and what `revoked` finds does not count. */
  enforce(newest: { notice: NoticeOf<'trust'>; text: string }, bundle: TrustBody, revoked: FindRevocation): void {
    this.#notice = newest.notice;
    this.#text = newest.text;
    this.#deployers = keysOf(bundle.deployers);
    this.#issuers = keysOf(bundle.issuers);
    this.#authorities = keysOf(bundle.authorities);
    this.#revoked = revoked;
    this.#manifests.clear();
    this.#capabilities.clear();
  }

  /** Whether a key, by its id, may sign notices now. */
  isAuthority(signer: string): boolean {
    return this.#authorities.has(signer) && !this.#revoked('key', signer);
  }

  /**
   * A notice signed by an authority in force, or by one of `authorities`, less what is revoked; from its text form. Says
   * nothing about its generation or its cluster.
   */
  noticeIn(text: string, authorities?: readonly string[]): Result<SignedNotice> {
    const keys = authorities ? keysOf(authorities) : this.#authorities;
    const signed = this.#verified('notice', text, limits.noticeBytesMax, keys);
    if (!signed.ok) return signed;
    const notice = readPayload(signed.value, readNotice);
    return notice.ok ? ok(signedNotice(notice.value, text)) : notice;
  }

  /** A manifest signed by a trusted deployer, from its text form; REVOKED or DEPLOYMENT_REFUSED otherwise. */
  manifest(text: string): Result<Manifest> {
    return cached(this.#manifests, text, () => {
      const signed = this.#verified('deployment', text, limits.manifestBytesMax, this.#deployers);
      if (signed.ok) return this.#manifestIn(signed.value);
      return signed.refusal.code === 'REVOKED' ? signed : refuse('DEPLOYMENT_REFUSED', ...signed.refusal.reasons);
    });
  }

  /**
   * What a presented token grants: one signed by a trusted issuer, or a chain that narrows one (`verifyChain`). Says
   * nothing about its times.
   */
  capability(text: string): Result<Capability, ChainRefusal> {
    return cached(this.#capabilities, text, () => {
      const chain = verifyChain(text, { issuer: (id) => this.#issuers.get(id), revoked: this.#revoked });
      return chain.ok ? ok(grantedBy(chain.value)) : chain;
    });
  }

  /**
   * Signs a document as `signDocument` does. When the key is one that is trusted for it, the text needs no verification
   * here: that would only tell whether node:crypto works, and costs as much as all the rest of a deployment. Everybody
   * else verifies it, and what it says is judged here like any other’s.
   */
  sign(kind: 'deployment' | 'capability', privateKey: KeyObject, payload: Uint8Array): string {
    const text = signDocument(kind, privateKey, payload);
    const signed = { kind, payload, keyId: keyIdOf(privateKey) };
    // Whoever signs with a revoked key finds out like everybody else.
    if (this.#revoked('key', signed.keyId)) return text;
    if (kind === 'deployment' && this.#deployers.has(signed.keyId)) this.#manifests.set(text, this.#manifestIn(signed));
    if (kind === 'capability' && this.#issuers.has(signed.keyId)) this.#capabilities.set(text, capabilityIn(signed));
    return text;
  }

  #manifestIn(signed: SignedPayload): Result<Manifest> {
    const read = readPayload(signed, readManifest);
    if (!read.ok) return refuse('DEPLOYMENT_REFUSED', ...read.refusal.reasons);
    const manifest = this.#latest ? sharing(read.value, this.#latest) : read.value;
    this.#latest = manifest;
    return ok(manifest);
  }

  #verified(
    kind: DocumentKind,
    text: string,
    bytesMax: number,
    keys: ReadonlyMap<string, KeyObject>,
  ): Result<VerifiedDocument> {
    const signed = verified(kind, text, bytesMax, keys);
    if (!signed.ok) return signed;
    const { keyId: signer, id } = signed.value;
    const found = this.#revoked('key', signer) ?? (kind === 'deployment' ? this.#revoked(kind, id) : undefined);
    return found ? { ok: false, refusal: revokedRefusal(found) } : signed;
  }
}

/** What a notice looks like to the rules; its text was verified. */
export function signedNotice(notice: Notice, text: string): SignedNotice {
  const [, payload = '', signer = ''] = text.split('.');
  return { notice, text, hash: sha256(Buffer.from(payload, 'base64url')), signer };
}

const capabilityIn = (signed: SignedPayload): Result<Capability> =>
  readPayload(signed, (payload) => readCapability(payload, signed.keyId));

/** Reads the trust notice: signed by one of the authority keys that the operator configured, and for this cluster. */
export function readTrustNotice(text: string, authorities: readonly string[], clusterId: string): Result<Trust> {
  const signed = verified('notice', text.trim(), limits.noticeBytesMax, keysOf(authorities));
  if (!signed.ok) return signed;
  const notice = readPayload(signed.value, readNotice);
  if (!notice.ok) return notice;
  if (notice.value.kind !== 'trust')
    return refuse('MALFORMED', `It is a notice about ${notice.value.kind}, and should be the trust notice.`);
  if (notice.value.clusterId !== clusterId)
    return refuse(
      'UNAUTHORIZED',
      `The trust notice is for cluster ${notice.value.clusterId}, and this node is of ${clusterId}.`,
    );
  return ok(new Trust(notice.value, text.trim()));
}

function verified(
  kind: DocumentKind,
  text: string,
  bytesMax: number,
  keys: ReadonlyMap<string, KeyObject>,
): Result<VerifiedDocument> {
  const decoded = decodeDocument(kind, text, bytesMax);
  return decoded.ok ? verifyDocument(kind, decoded.value, (id) => keys.get(id)) : decoded;
}

function keysOf(texts: readonly string[]): ReadonlyMap<string, KeyObject> {
  const keys = new Map<string, KeyObject>();
  for (const text of texts) {
    const raw = publicKeyFromText(text);
    if (!raw.ok) continue;
    const key = ed25519PublicKey(raw.value);
    if (key.ok) keys.set(keyId(raw.value), key.value);
  }
  return keys;
}

function cached<T, R extends Refusal>(
  cache: LRUCache<string, Result<T, R>>,
  text: string,
  make: () => Result<T, R>,
): Result<T, R> {
  const known = cache.get(text);
  if (known) return known;
  const made = make();
  cache.set(text, made);
  return made;
}
