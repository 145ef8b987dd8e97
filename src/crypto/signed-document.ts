import type { KeyObject } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { type Unverified, unverified } from '../unverified.ts';
import type { SignatureDomain } from './algorithms.ts';
import { fromBase64url, toBase64url } from './base64url.ts';
import { keyIdOf } from './keys.ts';
import { sha256 } from './port.ts';
import { coveredBytes, signatureBytes, signWith, verifyWith } from './signature.ts';

/** Capability tokens, deployment manifests and cluster notices share one envelope. */
export type DocumentKind = 'capability' | 'deployment' | 'notice';

interface KindFacts {
  /** First part of the text: tells people, scanners and readers apart what this is. */
  readonly prefix: string;
  readonly domain: SignatureDomain;
  /** Longest text, in bytes (all are ASCII). */
  readonly bytesMax: number;
}

const kinds: Readonly<Record<DocumentKind, KindFacts>> = {
  capability: { prefix: 'cxcap1', domain: 'caxton capability v1', bytesMax: limits.tokenBytesMax },
  deployment: { prefix: 'cxdep1', domain: 'caxton deployment v1', bytesMax: limits.manifestBytesMax },
  notice: { prefix: 'cxnot1', domain: 'caxton notice v1', bytesMax: limits.noticeBytesMax },
};

/** A decoded envelope. Comes only inside `Unverified`. */
export interface SignedDocument {
  readonly kind: DocumentKind;
  /** The whole text. */
  readonly text: string;
  /** The exact bytes that the signature covers. */
  readonly payload: Uint8Array;
  /** The signer’s key as the document names it; see `keyId` in keys.ts. */
  readonly keyId: string;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** A document whose signature was checked against a trusted key. Says nothing about what the payload means. */
export interface VerifiedDocument {
  readonly kind: DocumentKind;
  readonly payload: Uint8Array;
  /** Id of the key that signed. */
  readonly keyId: string;
  /** base64url of SHA-256 of the whole text: the name of this very document in caches and revocations. */
  readonly id: string;
}

/**
 * Signs `payload` as a document: `<prefix>.<payload>.<key id>.<signature>`, each part base64url.
 *
 * @param privateKey Ed25519. Throws for another type, and for a payload too long for the kind.
 */
export function signDocument(kind: DocumentKind, privateKey: KeyObject, payload: Uint8Array): string {
  const text = joined(kind, payload, keyIdOf(privateKey), signWith(privateKey, kinds[kind].domain, payload));
  if (text.length > kinds[kind].bytesMax) throw new RangeError(tooLong(kind));
  return text;
}

/** Exactly what a signature under a document covers, for who signs elsewhere: the domain, a zero byte, the payload. */
export const bytesToSign = (kind: DocumentKind, payload: Uint8Array): Uint8Array =>
  coveredBytes(kinds[kind].domain, payload);

/**
 * The document of a signature that was made elsewhere, over `bytesToSign`. SIGNATURE_INVALID when it is none of this
 * key’s over exactly these bytes; LIMIT_EXCEEDED when the payload is too long for the kind.
 */
export function signedElsewhere(
  kind: DocumentKind,
  publicKey: KeyObject,
  payload: Uint8Array,
  signature: Uint8Array,
): Result<string> {
  const signer = keyIdOf(publicKey);
  if (!verifyWith(publicKey, kinds[kind].domain, payload, signature))
    return refuse('SIGNATURE_INVALID', `It is no signature of the key ${signer} over this ${kind} document.`);
  const text = joined(kind, payload, signer, signature);
  return text.length > kinds[kind].bytesMax ? refuse('LIMIT_EXCEEDED', tooLong(kind)) : ok(text);
}

/** Joined, because a template leaves its parts as they are, each with a node of its own. */
const joined = (kind: DocumentKind, payload: Uint8Array, signer: string, signature: Uint8Array): string =>
  [kinds[kind].prefix, toBase64url(payload), signer, toBase64url(signature)].join('.');

const tooLong = (kind: DocumentKind): string => `A ${kind} document may have ${kinds[kind].bytesMax} bytes at most.`;

/**
 * Takes a document’s text apart, strictly: the size before anything else, four parts, canonical base64url.
 *
 * @param bytesMax the caller’s bound on the text; the kind’s own limit holds besides.
 * LIMIT_EXCEEDED when longer, MALFORMED when not in the form.
 */
export function decodeDocument(kind: DocumentKind, text: string, bytesMax: number): Result<Unverified<SignedDocument>> {
  const facts = kinds[kind];
  const most = Math.min(bytesMax, facts.bytesMax);
  if (text.length > most) return refuse('LIMIT_EXCEEDED', `A ${kind} document may have ${most} bytes at most.`);
  const parts = text.split('.', 5);
  const [prefix, payloadText, signer, signatureText] = parts;
  if (parts.length !== 4 || prefix !== facts.prefix)
    return refuse('MALFORMED', `A ${kind} document is written ${facts.prefix}.<payload>.<key id>.<signature>.`);
  const payload = fromBase64url(payloadText!);
  const signerBytes = fromBase64url(signer!);
  const signature = fromBase64url(signatureText!);
  if (!payload || payload.length === 0) return refuse('MALFORMED', 'The payload is not canonical base64url.');
  if (signerBytes?.length !== 16) return refuse('MALFORMED', 'The key id is not 16 bytes in canonical base64url.');
  if (signature?.length !== signatureBytes)
    return refuse('MALFORMED', `The signature is not ${signatureBytes} bytes in canonical base64url.`);
  return ok(unverified({ kind, text, payload, keyId: signer!, signature }));
}

/**
 * Checks a decoded document against the keys that the caller trusts for this kind.
 *
 * @param trusted gives the Ed25519 public key for a key id, or undefined when it is not trusted.
 * SIGNATURE_INVALID when the key is not trusted, is another than the id says, or the signature does not match.
 */
export function verifyDocument(
  kind: DocumentKind,
  document: Unverified<SignedDocument>,
  trusted: (keyId: string) => KeyObject | undefined,
): Result<VerifiedDocument> {
  const { kind: claimed, text, payload, keyId: signer, signature } = document.unverified;
  if (claimed !== kind) return refuse('SIGNATURE_INVALID', `A ${claimed} document is not a ${kind} document.`);
  const key = trusted(signer);
  if (!key) return refuse('SIGNATURE_INVALID', `The ${kind} document is signed with key ${signer}, not a trusted one.`);
  // The id is not covered by the signature: without this check one document could go by several texts.
  if (key.asymmetricKeyType !== 'ed25519' || keyIdOf(key) !== signer)
    return refuse('SIGNATURE_INVALID', `The key given for ${signer} is another key.`);
  if (!verifyWith(key, kinds[kind].domain, payload, signature))
    return refuse('SIGNATURE_INVALID', `The ${kind} document’s signature does not match its payload.`);
  return ok({ kind, payload, keyId: signer, id: documentId(text) });
}

/** What a document’s text says beside its payload: the key id and the signature. Not checked. */
export function signatureOf(text: string): string {
  const parts = text.split('.');
  // Joined to be a text of its own: a part of another one would keep that whole.
  return [parts[2], parts[3]].join('.');
}

/** The id of the key that a document’s text names as its signer’s; empty when it names none. Not checked. */
export const signerOf = (text: string): string =>
  // Copied, as above.
  Buffer.from(text.split('.')[2] ?? '').toString('latin1');

/** The text of a document: of its payload and what `signatureOf` gave. */
export const documentText = (kind: DocumentKind, payload: Uint8Array, signature: string): string =>
  `${kinds[kind].prefix}.${toBase64url(payload)}.${signature}`;

/** The name of a document by its text: base64url of SHA-256. */
export const documentId = (text: string): string => toBase64url(sha256(Buffer.from(text, 'utf8')));
