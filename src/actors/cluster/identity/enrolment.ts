import { timingSafeEqual, X509Certificate } from 'node:crypto';
import { ipAddressBytes, ipAddressText } from '../../../crypto/ip-address.ts';
import {
  caKeyHashesOf,
  caKeyHashOf,
  type JoinToken,
  joinSecretHash,
  joinTokenText,
} from '../../../crypto/join-token.ts';
import { type Crypto, sha256 } from '../../../crypto/port.ts';
import { rootAbove } from '../../../crypto/root-bundle.ts';
import { readSigningRequest, type SigningRequest, verifySigningRequest } from '../../../crypto/signing-request.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type NodeId, nodeSpiffeId, type TrustDomain } from '../../../names.ts';
import { RateTable } from '../../../protocols/authorization/rate-table.ts';
import type { Clock, Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { CertificateIssuer } from './certificate-issuer.ts';

export interface TokenRequest {
  readonly nodeId: NodeId;
  readonly ttlMs: number;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

export interface IssuedToken {
  readonly token: string;
  readonly id: string;
  readonly expiresAt: number;
}

export interface EnrolmentRequest {
  readonly id: string;
  readonly secret: string;
  /** PKCS #10, DER. */
  readonly request: Uint8Array;
}

/** Who asks; the same fields as a caller of the API. */
export interface Applicant {
  readonly identity: string;
  readonly sourceIp: string;
  readonly requestId: string;
}

export interface EnrolmentOptions {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly store: Store;
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly issuer: CertificateIssuer;
  /** The roots of the cluster, the one that signs now first. */
  readonly caPem: () => string;
  /** The certificate that the management API shows: newcomers accept none but of the cluster’s CA. */
  readonly apiCertPem: () => string;
  readonly addresses: () => { readonly api: string; readonly link: string };
  /** Whether a member of this name is up: nobody takes its place. */
  readonly isLive: (nodeId: NodeId) => boolean;
  /** The source as rates count it. */
  readonly sourceOf: (ip: string) => string;
  /** Class A for what was done; what was refused is a failed login. */
  readonly record: (
    fact: 'token' | 'enrolled' | 'refused',
    applicant: Applicant,
    reason: string,
    metadata: Readonly<Record<string, string>>,
  ) => Promise<Result<unknown>>;
}

/** What is kept of a token, also after it was used: a retry gets the same answer. */
interface KeptToken {
  readonly secretHash: string;
  readonly nodeId: NodeId;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  readonly expiresAt: number;
  /** The root that it pins. */
  readonly caKeyHash?: string;
  /** SHA-256 of the key that it was used with. */
  readonly keyHash?: string;
  readonly chainPem?: string;
}

const collection = 'join-tokens';
const attempts = { count: 6, periodMs: 60_000, burst: 6 };
/** One text for every reason, so that nobody learns which tokens there are. */
const notAccepted = 'The join token is not one of this node, is over, or was used for another key.';
const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A CA node’s way to let newcomers in: tokens for one name, which are good for one key. */
export class Enrolment {
  readonly #options: EnrolmentOptions;
  readonly #budgets = new RateTable(limits.enrolmentSourcesMax);
  readonly #working = new Set<string>();
  /** Tokens are counted and added one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** MALFORMED, LIMIT_EXCEEDED, ALREADY_EXISTS for a node that is up, CERTIFICATE_REFUSED for this API’s own. */
  issueToken(request: TokenRequest, applicant: Applicant): Promise<Result<IssuedToken>> {
    const issued = this.#turn.then(() => this.#issueToken(request, applicant));
    this.#turn = issued.catch(() => undefined);
    return issued;
  }

  async #issueToken({ nodeId, ttlMs, dns, ip }: TokenRequest, applicant: Applicant): Promise<Result<IssuedToken>> {
    const { clock, crypto, store, trustDomain, clusterId, isLive, record } = this.#options;
    const addresses = ip.map((text) => ipAddressBytes(text));
    if (!dns.every((name) => dnsName.test(name)) || addresses.includes(undefined))
      return refuse('MALFORMED', 'A name is no DNS name in lower case, or an address no IP address.');
    if (isLive(nodeId)) return refuse('ALREADY_EXISTS', `${nodeId} is a member that is up: stop it first.`);
    const pinned = this.#pinned();
    if (!pinned.ok) return pinned;
    const open = await this.#tidy();
    if (open >= limits.joinTokensMax)
      return refuse('LIMIT_EXCEEDED', `${open} join tokens are open already; they end by themselves.`);
    const names = { dns, ip: addresses.map((bytes) => ipAddressText(bytes!)) };
    const expiresAt = clock.now() + ttlMs;
    const token: JoinToken = {
      id: Buffer.from(crypto.randomBytes(16)).toString('hex'),
      secret: Buffer.from(crypto.randomBytes(32)).toString('base64url'),
      nodeId,
      issuer: this.#options.nodeId,
      trustDomain,
      clusterId,
      enrolment: this.#options.addresses().api,
      link: this.#options.addresses().link,
      caKeyHash: pinned.value,
      ...names,
      expiresAt,
    };
    const recorded = await record('token', applicant, `A join token was made for ${nodeId}.`, {
      token: token.id,
      node: nodeId,
      expiresAt: new Date(expiresAt).toISOString(),
    });
    if (!recorded.ok) return recorded;
    const secretHash = Buffer.from(joinSecretHash(token.secret)).toString('hex');
    const kept: KeptToken = { secretHash, nodeId, ...names, expiresAt, caKeyHash: pinned.value };
    await store.put(collection, token.id, utf8.encode(JSON.stringify(kept)));
    return ok({ token: joinTokenText(token), id: token.id, expiresAt });
  }

  /** What a newcomer must find: the CA, and this API under a certificate of it. */
  #pinned(): Result<string> {
    const { caPem, apiCertPem } = this.#options;
    const hash = caKeyHashOf(caPem());
    if (!hash.ok) return hash;
    return rootAbove(apiCertPem(), new X509Certificate(caPem()).toString()) !== undefined
      ? hash
      : refuse(
          'CERTIFICATE_REFUSED',
          'security.api.tls.cert is not of the cluster’s CA, so newcomers could not believe it.',
        );
  }

  /** Drops tokens that are over; gives the number of the others. */
  async #tidy(): Promise<number> {
    const { store, clock } = this.#options;
    let open = 0;
    for (const [id, bytes] of await store.entries(collection)) {
      const { expiresAt } = keptFrom(bytes);
      if (expiresAt < clock.now()) await store.delete(collection, id);
      else open += 1;
    }
    return open;
  }

  /**
   * A certificate for a newcomer with a token. The same request again gives the same answer. UNAUTHENTICATED with one
   * reason for all that is wrong with a token; CERTIFICATE_REFUSED and the like for the request; RATE_LIMIT_EXCEEDED.
   */
  async enrol(enrolment: EnrolmentRequest, applicant: Applicant): Promise<Result<string>> {
    const { clock, record, sourceOf } = this.#options;
    const spent = this.#budgets.spend(sourceOf(applicant.sourceIp), attempts, clock.monotonic());
    const busy = this.#working.has(enrolment.id);
    if (!spent.allowed || busy) {
      const { refusal } = refuse('RATE_LIMIT_EXCEEDED', 'Too many attempts to enrol came from this source.');
      return { ok: false, refusal: { ...refusal, retryAfterMs: busy ? 1_000 : spent.retryAfterMs } };
    }
    this.#working.add(enrolment.id);
    try {
      const enrolled = await this.#enrol(enrolment, applicant);
      if (enrolled.ok) return enrolled;
      const { code, reasons } = enrolled.refusal;
      const told = await record('refused', applicant, reasons.join(' '), { token: shortId(enrolment.id) });
      if (!told.ok) return told;
      return code === 'UNAUTHENTICATED' ? refuse('UNAUTHENTICATED', notAccepted) : enrolled;
    } finally {
      this.#working.delete(enrolment.id);
    }
  }

  async #enrol({ id, secret, request }: EnrolmentRequest, applicant: Applicant): Promise<Result<string>> {
    const { store, clock, isLive, issuer, record } = this.#options;
    const bytes = await store.get(collection, id);
    const kept = bytes && keptFrom(bytes);
    const hash = joinSecretHash(secret);
    // Compared all the same when there is no such token, so that time tells nothing.
    const matches = timingSafeEqual(hash, kept ? Buffer.from(kept.secretHash, 'hex') : sha256(hash));
    if (!kept || !matches) return refuse('UNAUTHENTICATED', 'There is no such join token.');
    if (kept.expiresAt < clock.now()) return refuse('UNAUTHENTICATED', 'The join token is over.');
    if (kept.caKeyHash !== undefined && !caKeyHashesOf(this.#options.caPem()).includes(kept.caKeyHash))
      return refuse(
        'CERTIFICATE_REFUSED',
        `The join token for ${kept.nodeId} pins a root that the cluster has dropped since: have a new token made.`,
      );
    const asked = this.#asked(request, kept);
    if (!asked.ok) return asked;
    const spki = asked.value.publicKey.export({ type: 'spki', format: 'der' });
    const keyHash = Buffer.from(sha256(spki)).toString('hex');
    if (kept.keyHash !== undefined && kept.keyHash !== keyHash)
      return refuse('UNAUTHENTICATED', `The join token for ${kept.nodeId} was used for another key already.`);
    if (kept.chainPem !== undefined) return ok(kept.chainPem);
    if (isLive(kept.nodeId)) return refuse('ALREADY_EXISTS', `${kept.nodeId} is a member that is up: stop it first.`);
    // Before anything is signed: a crash in between leaves a token that is good for this key alone.
    await store.put(collection, id, utf8.encode(JSON.stringify({ ...kept, keyHash })));
    const issued = await issuer.enrol(asked.value, kept, applicant.sourceIp);
    if (!issued.ok) return issued;
    const { serial, chainPem } = issued.value;
    const recorded = await record('enrolled', applicant, `${kept.nodeId} was enrolled.`, {
      token: id,
      node: kept.nodeId,
      serial,
    });
    if (!recorded.ok) return recorded;
    await store.put(collection, id, utf8.encode(JSON.stringify({ ...kept, keyHash, chainPem })));
    return ok(chainPem);
  }

  /** The request must say exactly what the token says: no name more and none less. */
  #asked(request: Uint8Array, kept: KeptToken): Result<SigningRequest> {
    const read = readSigningRequest(request);
    if (!read.ok) return read;
    const asked = verifySigningRequest(read.value);
    if (!asked.ok) return asked;
    const { commonName, uris, dns, ip } = asked.value;
    const uri = nodeSpiffeId(this.#options.trustDomain, kept.nodeId);
    const exact = commonName === kept.nodeId && same(uris, [uri]) && same(dns, kept.dns) && same(ip, kept.ip);
    return exact
      ? asked
      : refuse('CERTIFICATE_REFUSED', 'The request does not name exactly what the join token names.');
  }
}

const keptFrom = (bytes: Uint8Array): KeptToken => JSON.parse(utf8.decode(bytes)) as KeptToken;
const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.toSorted().join('\n') === b.toSorted().join('\n');
/** A stranger chooses it: only the form of an id gets into the log. */
const shortId = (id: string): string => (/^[0-9a-f]{32}$/.test(id) ? id : 'no id');
