import { X509Certificate } from 'node:crypto';
import { certificateKeyId } from '../../../crypto/certificate-chain.ts';
import { ipAddressBytes, ipAddressText } from '../../../crypto/ip-address.ts';
import {
  caKeyHashesOf,
  caKeyHashOf,
  type JoinToken,
  joinSecretHash,
  joinTokenText,
} from '../../../crypto/join-token.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { rootAbove } from '../../../crypto/root-bundle.ts';
import { readSigningRequest, type SigningRequest, verifySigningRequest } from '../../../crypto/signing-request.ts';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { type NodeId, nodeSpiffeId, type TrustDomain } from '../../../names.ts';
import type { Clock } from '../../kernel/ports.ts';
import type { JoinTokenRequest } from '../../operations/enrolment-control.ts';
import type { RevocableCertificate } from '../notices/revocations.ts';
import type { CertificateIssuer } from './certificate-issuer.ts';
import type { JoinTokens, KeptToken } from './join-tokens.ts';
import { type NodeHolding, vacancy } from './node-vacancy.ts';
import { certificatePeriod } from './pem.ts';

export interface IssuedToken {
  readonly token: string;
  readonly id: string;
  readonly expiresAt: number;
}

/** A token that is not over. */
export interface OpenToken extends Pick<KeptToken, 'nodeId' | 'replace' | 'expiresAt'> {
  readonly id: string;
  /** The certificate that was issued for it. */
  readonly serial: string | undefined;
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

export type EnrolmentFact = 'token' | 'cancelled' | 'enrolled' | 'again' | 'refused';

/** Class A for what was done; what was refused is a failed login. */
export type RecordEnrolment = (
  fact: EnrolmentFact,
  applicant: Applicant,
  reason: string,
  metadata: Readonly<Record<string, string>>,
) => Promise<Result<unknown>>;

export interface EnrolmentOptions {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly tokens: JoinTokens;
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly issuer: CertificateIssuer;
  /** The roots of the cluster, the one that signs now first. */
  readonly caPem: () => string;
  /** The certificate that the management API shows: newcomers accept none but of the cluster’s CA. */
  readonly apiCertPem: () => string;
  readonly addresses: () => { readonly api: string; readonly link: string };
  readonly holding: (nodeId: NodeId) => Promise<NodeHolding>;
  readonly revoked: (certificate: RevocableCertificate) => Refusal | undefined;
  /** Counts an attempt of a source, or refuses it. */
  readonly attempt: (sourceIp: string) => Result<void>;
  /**
   * What looks who holds an id and then issues is done one after the other: else two tokens of one id, or two keys with
   * one token, could both find it free.
   */
  readonly inTurn: <T>(act: () => Promise<T>) => Promise<T>;
  readonly record: RecordEnrolment;
  readonly fault: (message: string, error: unknown) => void;
}

/** One text for every reason, so that nobody learns which tokens there are. */
const notAccepted = 'The join token is not one of this node, is over, or was used for another key.';
const dnsName = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

/** A CA node’s way to let newcomers in: tokens for one name, which are good for one key. */
export class Enrolment {
  readonly #options: EnrolmentOptions;

  constructor(options: EnrolmentOptions) {
    this.#options = options;
  }

  /** MALFORMED, LIMIT_EXCEEDED, ALREADY_EXISTS for a node that is known, REVOKED, CERTIFICATE_REFUSED for this API’s own. */
  issueToken(request: JoinTokenRequest, applicant: Applicant): Promise<Result<IssuedToken>> {
    return this.#options.inTurn(() => this.#issueToken(request, applicant));
  }

  async #issueToken(request: JoinTokenRequest, applicant: Applicant): Promise<Result<IssuedToken>> {
    const { clock, crypto, tokens, trustDomain, clusterId, record, holding, revoked } = this.#options;
    const { nodeId, ttlMs, dns, ip, replace = false } = request;
    const addresses = ip.map((text) => ipAddressBytes(text));
    if (!dns.every((name) => dnsName.test(name)) || addresses.includes(undefined))
      return refuse('MALFORMED', 'A name is no DNS name in lower case, or an address no IP address.');
    const pinned = this.#pinned();
    if (!pinned.ok) return pinned;
    const open = await tokens.open();
    if (open.length >= limits.joinTokensMax)
      return refuse('LIMIT_EXCEEDED', `${open.length} join tokens are open already; cancel some, or let them end.`);
    // Last: on this refusal certificates are revoked for good, which must not be for a token that cannot be made anyway.
    const vacant = vacancy(await holding(nodeId), { nodeId, replace, revoked });
    if (!vacant.ok) return vacant;
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
    const what = replace ? `${nodeId}, in the place of the one before` : nodeId;
    const recorded = await record('token', applicant, `A join token was made for ${what}.`, {
      token: token.id,
      node: nodeId,
      expiresAt: new Date(expiresAt).toISOString(),
    });
    if (!recorded.ok) return recorded;
    const secretHash = Buffer.from(joinSecretHash(token.secret)).toString('hex');
    const kept = { secretHash, nodeId, ...names, replace, expiresAt, caKeyHash: pinned.value };
    await tokens.put(token.id, kept);
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

  async tokens(): Promise<readonly OpenToken[]> {
    const open = await this.#options.tokens.open();
    return open.map(([id, { nodeId, replace, expiresAt, serial }]) => ({ id, nodeId, replace, expiresAt, serial }));
  }

  /**
   * From now on, and after a restart too, the token is worth nothing. It protects, so it does not wait for the log. NOT_FOUND.
   * With the serial, if it was used: what was issued is revoked by an authority alone.
   */
  cancelToken(id: string, applicant: Applicant): Promise<Result<Pick<OpenToken, 'nodeId' | 'serial'>>> {
    const { tokens, record, fault } = this.#options;
    return this.#options.inTurn(async () => {
      const kept = await tokens.get(id);
      if (!kept)
        return refuse('NOT_FOUND', 'This node has no join token of this id: it is over, or another node made it.');
      await tokens.delete(id);
      const { nodeId, serial } = kept;
      const metadata = { token: id, node: nodeId, ...(serial !== undefined && { serial }) };
      const recorded = await record('cancelled', applicant, `The join token for ${nodeId} was cancelled.`, metadata);
      if (!recorded.ok) fault('a join token was cancelled without a record', recorded.refusal);
      return ok({ nodeId, serial });
    });
  }

  /**
   * A certificate for a newcomer with a token. The same request again gives the same answer. UNAUTHENTICATED with one
   * reason for all that is wrong with a token; CERTIFICATE_REFUSED and the like for the request; ALREADY_EXISTS when the
   * node’s place was taken in between; RATE_LIMIT_EXCEEDED.
   */
  async enrol(enrolment: EnrolmentRequest, applicant: Applicant): Promise<Result<string>> {
    const { record, attempt, inTurn, tokens } = this.#options;
    const allowed = attempt(applicant.sourceIp);
    if (!allowed.ok) return allowed;
    // Whoever has no token does not get in line with those who have one.
    const shown = await tokens.shown(enrolment.id, enrolment.secret);
    const enrolled = shown.ok ? await inTurn(() => this.#enrol(enrolment, applicant)) : shown;
    if (enrolled.ok) return enrolled;
    const { code, reasons } = enrolled.refusal;
    const told = await record('refused', applicant, reasons.join(' '), { token: shortId(enrolment.id) });
    if (!told.ok) return told;
    return code === 'UNAUTHENTICATED' ? refuse('UNAUTHENTICATED', notAccepted) : enrolled;
  }

  async #enrol({ id, secret, request }: EnrolmentRequest, applicant: Applicant): Promise<Result<string>> {
    const { tokens, issuer, record, holding, revoked, caPem } = this.#options;
    // Once more: it may have been used or cancelled while this one waited.
    const shown = await tokens.shown(id, secret);
    if (!shown.ok) return shown;
    const kept = shown.value;
    const { nodeId, replace } = kept;
    if (kept.caKeyHash !== undefined && !caKeyHashesOf(caPem()).includes(kept.caKeyHash))
      return refuse(
        'CERTIFICATE_REFUSED',
        `The join token for ${nodeId} pins a root that the cluster has dropped since: have a new token made.`,
      );
    const asked = this.#asked(request, kept);
    if (!asked.ok) return asked;
    const keyId = certificateKeyId(asked.value.publicKey);
    if (kept.keyHash !== undefined && kept.keyHash !== keyId)
      return refuse('UNAUTHENTICATED', `The join token for ${nodeId} was used for another key already.`);
    const before = givenBefore(kept);
    const ended = before && revoked(before);
    if (ended) return { ok: false, refusal: ended };
    if (kept.chainPem !== undefined) return ok(kept.chainPem);
    const vacant = vacancy(await holding(nodeId), { nodeId, replace, keyId, revoked });
    if (!vacant.ok) return vacant;
    // Before anything is signed: a crash in between leaves a token that is good for this key alone.
    await tokens.put(id, { ...kept, keyHash: keyId });
    const issued = await issuer.enrol(asked.value, kept, applicant.sourceIp);
    if (!issued.ok) return issued;
    const { serial, chainPem } = issued.value;
    const metadata = { token: id, node: nodeId, serial };
    const recorded = await record('enrolled', applicant, `${nodeId} was enrolled.`, metadata);
    if (!recorded.ok) return recorded;
    await tokens.put(id, { ...kept, keyHash: keyId, serial, chainPem });
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

/** What the token was used for. */
const givenBefore = ({ nodeId, serial, chainPem }: KeptToken): RevocableCertificate | undefined =>
  serial === undefined || chainPem === undefined
    ? undefined
    : { nodeId, serial, notBefore: certificatePeriod(chainPem).notBefore };

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.toSorted().join('\n') === b.toSorted().join('\n');
/** A stranger chooses it: only the form of an id gets into the log. */
const shortId = (id: string): string => (/^[0-9a-f]{32}$/.test(id) ? id : 'no id');
