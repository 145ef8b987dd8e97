import { type KeyObject, X509Certificate } from 'node:crypto';
import { type IssuedCertificate, issueNodeCertificate, issueServerCertificate } from '../../../crypto/certificate.ts';
import { certificateKeyId, splitChain } from '../../../crypto/certificate-chain.ts';
import { readCertificateFields } from '../../../crypto/certificate-fields.ts';
import { bytesOfBinary } from '../../../crypto/der.ts';
import { ipAddressText } from '../../../crypto/ip-address.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { readSigningRequest, type SigningRequest, verifySigningRequest } from '../../../crypto/signing-request.ts';
import type { NodeSvid } from '../../../crypto/svid.ts';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { type NodeId, nodeSpiffeId, type TrustDomain } from '../../../names.ts';
import {
  type Entitled,
  type Grant,
  grantCertificate,
  type Names,
  type Purpose,
} from '../../../protocols/issuance/grant.ts';
import type { Clock } from '../../kernel/ports.ts';
import { judgePeer } from '../links/peer-judgement.ts';
import type { RevocableCertificate } from '../notices/revocations.ts';
import type { IssuedCertificates } from './issued-certificates.ts';
import { certificatePeriod, shownChain } from './pem.ts';

/** A CA as a node holds it. */
export interface CertificateAuthority {
  readonly ca: IssuedCertificate;
  /** What must stand behind a certificate that it signs: itself and what is above it, the root left out. */
  readonly chainPem: string;
  readonly validityMsMax: number;
}

/** A certificate that was issued and recorded; a node’s is accepted by the same judgement as a peer’s. */
export interface Issued {
  readonly serial: string;
  /** With those between it and the root. */
  readonly chainPem: string;
}

interface Signed extends Issued {
  readonly again?: true;
  /** Milliseconds since 1970. */
  readonly notAfter: number;
  /** Of a node’s; an API’s has none. */
  readonly svid?: NodeSvid;
}

/** What the log keeps of an issuance. `replaces` is the serial of the certificate that was shown with the request, if any. */
export interface IssuanceRecord {
  readonly spiffeId: string;
  readonly sourceIp: string;
  readonly serial: string;
  readonly notAfter: number;
  readonly replaces: string | undefined;
  /** Absent for a node’s. */
  readonly purpose?: 'server';
  /** It was issued before: its holder asks for it once more. */
  readonly again?: true;
}

export interface CertificateIssuerOptions {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly trustDomain: TrustDomain;
  /** Refuses when the key cannot be used now. */
  readonly authority: () => Promise<Result<CertificateAuthority>>;
  /** What the cluster believes: a certificate that its members would refuse is not handed out. */
  readonly caPem: () => string;
  /** Why nobody may have a certificate of this name, or go on from this one, or believe its CA, if it is revoked. */
  readonly revoked: (certificate: RevocableCertificate) => Refusal | undefined;
  /** As `Revocations.until`. */
  readonly revokedUntil: (nodeId: NodeId) => number | undefined;
  /**
   * A node’s is kept for whoever must revoke it one day, before it leaves; one that did not leave is forgotten, since
   * nobody has it and it would be in the way of the next. Undefined where one node alone has certificates.
   */
  readonly issued: Pick<IssuedCertificates, 'keep' | 'forget' | 'of'> | undefined;
  /** Class A: durable before the certificate leaves. */
  readonly record: (issued: IssuanceRecord) => Promise<Result<unknown>>;
}

/**
 * Signs certificates: for nodes that show one already, and for newcomers. Who asks is what the link or a join token
 * says, never what the request says: the request must agree with it in every part.
 */
export class CertificateIssuer {
  readonly #options: CertificateIssuerOptions;

  constructor(options: CertificateIssuerOptions) {
    this.#options = options;
  }

  /** Whether a certificate that a peer has shown is acceptable now: its link may have come up long ago. */
  accepts({ der, nodeId }: NodeSvid): Result<NodeSvid> {
    return this.#accepted(der, nodeId);
  }

  /**
   * A certificate in place of the one that `holder` has shown, or for its management API.
   *
   * @param request PKCS #10, DER: unread.
   * @returns CERTIFICATE_REFUSED, SIGNATURE_INVALID, MALFORMED, LIMIT_EXCEEDED; AUDIT_BLOCKED when it cannot be recorded.
   */
  async renew(
    request: Uint8Array,
    holder: NodeSvid,
    sourceIp: string,
    purpose: Purpose = 'node',
  ): Promise<Result<Issued>> {
    const refusal = this.#options.revoked(holder);
    if (refusal) return { ok: false, refusal };
    const asked = this.#judge(request, holder);
    if (!asked.ok) return asked;
    const validityMs = holder.notAfter - holder.notBefore;
    const entitled = { nodeId: holder.nodeId, validityMs, purpose, ...namesOf(holder) };
    return this.#issue(asked.value, entitled, sourceIp, holder.serial);
  }

  /** A newcomer’s first certificate; that the request may be granted was judged before, by a join token. */
  enrol(
    asked: SigningRequest,
    { nodeId, dns, ip }: Names & { readonly nodeId: NodeId },
    sourceIp: string,
  ): Promise<Result<Issued>> {
    return this.#issue(
      asked,
      { nodeId, dns, ip, validityMs: Number.MAX_SAFE_INTEGER, purpose: 'node' },
      sourceIp,
      undefined,
    );
  }

  async #issue(
    asked: SigningRequest,
    entitled: Omit<Entitled, 'trustDomain'>,
    sourceIp: string,
    replaces: string | undefined,
  ): Promise<Result<Issued>> {
    const { clock, trustDomain, revoked, revokedUntil } = this.#options;
    const refusal = revoked({ nodeId: entitled.nodeId, serial: '' });
    if (refusal) return { ok: false, refusal };
    const authority = await this.#options.authority();
    if (!authority.ok) return authority;
    const { ca, validityMsMax } = authority.value;
    const policy = { ca: certificatePeriod(ca.certPem), validityMsMax, revokedUntil: revokedUntil(entitled.nodeId) };
    const granted = grantCertificate(asked, { ...entitled, trustDomain }, policy, clock.now());
    if (!granted.ok) return granted;
    const issued =
      entitled.purpose === 'server'
        ? this.#signServer(authority.value, granted.value, asked.publicKey)
        : ((await this.#again(authority.value, granted.value, asked.publicKey)) ??
          this.#sign(authority.value, granted.value, asked.publicKey));
    return issued.ok ? this.#kept(issued.value, entitled, sourceIp, replaces) : issued;
  }

  /** Nothing leaves that is not known and recorded here. */
  async #kept(
    signed: Signed,
    { nodeId, purpose }: Omit<Entitled, 'trustDomain'>,
    sourceIp: string,
    replaces: string | undefined,
  ): Promise<Result<Issued>> {
    const { issued, trustDomain, record } = this.#options;
    const { serial, notAfter, svid, again } = signed;
    const kept = svid && !again ? await issued?.keep(svid) : undefined;
    if (kept && !kept.ok) return kept;
    const recorded = await record({
      ...{ spiffeId: nodeSpiffeId(trustDomain, nodeId), sourceIp, serial, notAfter, replaces },
      ...(purpose === 'server' && { purpose }),
      ...(again && { again }),
    });
    if (recorded.ok) return ok(signed);
    if (svid && !again) await issued?.forget(svid);
    return recorded;
  }

  /**
   * The certificate that was issued for this key before: an answer gets lost, and a second certificate would leave the first
   * behind, of which nobody knows. Undefined when there is none, or the CA that signs now would give another.
   */
  async #again(
    { ca, chainPem: above }: CertificateAuthority,
    { nodeId, dns, ip }: Grant,
    publicKey: KeyObject,
  ): Promise<Result<Signed> | undefined> {
    const { clock, issued, revoked } = this.#options;
    const keyId = certificateKeyId(publicKey);
    const found = (await issued?.of(nodeId))?.findLast((held) => held.keyId === keyId && held.notAfter > clock.now());
    if (found?.issuerSerials[0] !== new X509Certificate(ca.certPem).serialNumber) return undefined;
    const refusal = revoked({ nodeId, ...found });
    if (refusal) return { ok: false, refusal };
    const leaf = new X509Certificate(found.chainPem);
    const names = namesOf({ der: new Uint8Array(leaf.raw) });
    if (!same(names.dns, dns) || !same(names.ip, ip)) return undefined;
    const signed = this.#asPeersSee(leaf.toString(), above, nodeId);
    return signed.ok ? ok({ ...signed.value, again: true }) : undefined;
  }

  #judge(request: Uint8Array, holder: NodeSvid): Result<SigningRequest> {
    const read = readSigningRequest(request);
    if (!read.ok) return read;
    const asked = verifySigningRequest(read.value);
    if (asked.ok && asked.value.publicKey.equals(holder.publicKey))
      return refuse('CERTIFICATE_REFUSED', 'The request is for the key that is in use; a renewal has a new one.');
    return asked;
  }

  #sign({ ca, chainPem: above }: CertificateAuthority, grant: Grant, publicKey: KeyObject): Result<Signed> {
    const { crypto, trustDomain } = this.#options;
    const signed = issueNodeCertificate(crypto, { ca, publicKey, trustDomain, ...grant });
    if (!signed.ok) return signed;
    return this.#asPeersSee(signed.value, above, grant.nodeId);
  }

  /** What the cluster’s members would refuse is not handed out. */
  #asPeersSee(certPem: string, above: string, nodeId: NodeId): Result<Signed> {
    const chainPem = certPem + above;
    const shown = shownChain(chainPem);
    if (!shown.ok) return shown;
    const svid = this.#accepted(shown.value, nodeId);
    return svid.ok ? ok({ ...periodAndSerial(certPem), chainPem, svid: svid.value }) : svid;
  }

  #signServer({ ca, chainPem }: CertificateAuthority, grant: Grant, publicKey: KeyObject): Result<Signed> {
    const { crypto } = this.#options;
    const signed = issueServerCertificate(crypto, { ca, publicKey, commonName: grant.nodeId, ...grant });
    return signed.ok ? ok({ ...periodAndSerial(signed.value), chainPem: signed.value + chainPem }) : signed;
  }

  #accepted(der: Uint8Array, nodeId: NodeId): Result<NodeSvid> {
    const { clock, trustDomain, caPem, revoked } = this.#options;
    return judgePeer({ clock, trustDomain, revoked, identity: () => ({ caPem: caPem() }) }, der, nodeId);
  }
}

function periodAndSerial(pem: string): Pick<Signed, 'serial' | 'notAfter'> {
  const x509 = new X509Certificate(pem);
  return { serial: x509.serialNumber, notAfter: x509.validToDate.getTime() };
}

const same = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name) => b.includes(name));

/** The names that a certificate holds beside its SPIFFE ID, in the one form in which requests are read. */
export function namesOf({ der }: Pick<NodeSvid, 'der'>): Names {
  // The intermediates stand behind it.
  const chain = splitChain(der);
  const fields = chain.ok ? readCertificateFields(chain.value[0]!) : chain;
  const names = fields.ok ? fields.value.altNames : [];
  return {
    dns: names.filter(({ tag }) => tag === 2).map(({ value }) => value),
    ip: names.filter(({ tag }) => tag === 7).map(({ value }) => ipAddressText(bytesOfBinary(value))),
  };
}
