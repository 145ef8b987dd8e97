import { createHash, X509Certificate } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId, isTrustDomain, type NodeId, type TrustDomain } from '../names.ts';
import { fromBase64url, toBase64url } from './base64url.ts';
import { certificatesFromPem } from './certificate-chain.ts';
import { sha256 } from './port.ts';

/**
 * What lets one node join one cluster, once. Whoever has its text can join in the name of `nodeId` until it is used or
 * over: it travels in a file and never on a command line.
 */
export interface JoinToken {
  /** Not secret: names the token where it was made. */
  readonly id: string;
  /** 256 bits, base64url. */
  readonly secret: string;
  readonly nodeId: NodeId;
  /** The one node that knows the token. */
  readonly issuer: NodeId;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  /** Where to enrol: `host:port` of the issuer’s management API. */
  readonly enrolment: string;
  /** The issuer’s link address, for what is told over mutual TLS alone. */
  readonly link: string;
  /** SHA-256 of the public key of the cluster’s CA (SubjectPublicKeyInfo), base64url: whom the newcomer believes. */
  readonly caKeyHash: string;
  /** The names that the certificate will have, exactly. */
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

const prefix = 'caxton-join-1.';
const textKeys = ['id', 'secret', 'nodeId', 'issuer', 'trustDomain', 'clusterId', 'enrolment', 'link', 'caKeyHash'];
const keys = [...textKeys, 'dns', 'ip', 'expiresAt'].sort().join();
const textCharsMax = 300;

/** The text of a token, one line. */
export const joinTokenText = (token: JoinToken): string =>
  `${prefix}${toBase64url(Buffer.from(JSON.stringify(token)))}`;

/** Reads the text of a token; nothing in it is verified but its form. MALFORMED never quotes it. */
export function readJoinToken(text: string): Result<JoinToken> {
  const line = text.trim();
  const bytes =
    line.length <= limits.joinTokenCharsMax && line.startsWith(prefix) && fromBase64url(line.slice(prefix.length));
  const malformed = refuse('MALFORMED', 'This is no join token of this version, or it was cut short.');
  if (!bytes) return malformed;
  try {
    const token = JSON.parse(Buffer.from(bytes).toString('utf8')) as JoinToken;
    return isToken(token) ? ok(token) : malformed;
  } catch {
    return malformed;
  }
}

function isToken(token: JoinToken): boolean {
  if (typeof token !== 'object' || token === null || Object.keys(token).sort().join() !== keys) return false;
  const fields = token as unknown as Readonly<Record<string, unknown>>;
  const isText = (value: unknown) => typeof value === 'string' && value !== '' && value.length <= textCharsMax;
  if (!textKeys.every((key) => isText(fields[key])) || !Number.isSafeInteger(token.expiresAt)) return false;
  const lists = [token.dns, token.ip];
  if (!lists.every((list) => Array.isArray(list) && list.length <= limits.altNamesMax && list.every(isText)))
    return false;
  const hashes = [token.secret, token.caKeyHash].map((hash) => fromBase64url(hash)?.length);
  return (
    hashes.every((length) => length === 32) &&
    [token.nodeId, token.issuer].every(isNodeId) &&
    isTrustDomain(token.trustDomain)
  );
}

/** What the issuer keeps of a token’s secret. */
export const joinSecretHash = (secret: string): Uint8Array => sha256(Buffer.from(`caxton join secret v1\0${secret}`));

/** Of every CA certificate of a PEM text; of none when one cannot be read. */
export function caKeyHashesOf(pem: string): readonly string[] {
  const all = certificatesFromPem(pem);
  return all.ok ? all.value.map((der) => keyHashOf(new X509Certificate(der))) : [];
}

const keyHashOf = ({ publicKey }: X509Certificate): string =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');

/** SHA-256 of the public key of the first CA certificate of a PEM text, base64url. MALFORMED. */
export function caKeyHashOf(caPem: string): Result<string> {
  try {
    return ok(keyHashOf(new X509Certificate(caPem)));
  } catch {
    return refuse('MALFORMED', 'The CA certificate cannot be read.');
  }
}
