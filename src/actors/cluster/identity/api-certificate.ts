import { X509Certificate } from 'node:crypto';
import { privateKeyToPem } from '../../../crypto/keys.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { rootAbove } from '../../../crypto/root-bundle.ts';
import { createSigningRequest } from '../../../crypto/signing-request.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { renewalAt } from '../../../protocols/issuance/renewal-time.ts';
import type { Clock, Disk, TlsIdentity } from '../../kernel/ports.ts';
import type { CertificateRenewal, Renewed } from './cert-rotator.ts';
import { namesOf } from './certificate-issuer.ts';
import { type CertificatePair, type PairPaths, replacePair } from './certificate-pair.ts';
import type { CertificateSource } from './certificate-renewal.ts';
import type { NodeIdentity } from './node-identity.ts';
import { certificatePeriod, checkServerPair, shownChain } from './pem.ts';
import type { TrustedRoots } from './trusted-roots.ts';

export interface ApiCertificateOptions extends PairPaths {
  readonly identity: NodeIdentity;
  readonly roots: TrustedRoots;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly disk: Disk;
  /** What the files held at the start. */
  readonly pair: CertificatePair;
  /** The API shows the node’s own certificate. */
  readonly isNodes: boolean;
  readonly renewalThresholdMs: number | undefined;
  /** In [0, 1). */
  readonly jitter: number;
  readonly sources: () => readonly CertificateSource[];
  /** Class A. */
  readonly record: (
    outcome: 'success' | 'failure',
    serial: string,
    reasons: readonly string[],
  ) => Promise<Result<unknown>>;
}

/**
 * What the management API shows: the node’s own certificate, or one of its own. One that a CA of the cluster has signed
 * is renewed as the node’s is, by the same CA nodes; any other, such as a public CA’s, is for the operator to renew.
 */
export class ApiCertificate {
  readonly #options: ApiCertificateOptions;
  readonly #listeners: (() => void)[] = [];
  #pair: CertificatePair;
  /** For its rotator; undefined when it is not for this node to renew. */
  readonly renewal: CertificateRenewal | undefined;
  /** One after the other: see `createCertificateRenewal`. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: ApiCertificateOptions) {
    this.#options = options;
    this.#pair = options.pair;
    this.renewal = this.#renewal();
  }

  /** What the API shows now. */
  get tls(): TlsIdentity {
    const { isNodes, identity } = this.#options;
    return isNodes ? identity.tls : { ...this.#pair, caPem: identity.tls.caPem };
  }

  onChanged(listener: () => void): void {
    const { isNodes, identity } = this.#options;
    this.#listeners.push(listener);
    if (isNodes) identity.onInstalled(listener);
    identity.onBelieved(listener);
  }

  #renewal(): CertificateRenewal | undefined {
    const { isNodes, roots, clock, renewalThresholdMs, jitter, record } = this.#options;
    if (isNodes || rootAbove(this.#pair.certPem, roots.caPem) === undefined) return undefined;
    const period = () => certificatePeriod(this.#pair.certPem);
    const age = () => renewalAt(period(), renewalThresholdMs, jitter);
    return {
      dueInMs: () => (this.#isCurrent(this.#pair.certPem) ? age() - clock.now() : 0),
      leftMs: () => period().notAfter - clock.now(),
      renew: () => this.#renewed(age() <= clock.now()),
      install: (renewed) => {
        const installed = this.#turn.then(() => this.#install(renewed));
        this.#turn = installed.catch(() => undefined);
        return installed;
      },
      failed: (error, attempt) =>
        void record('failure', this.#serial, [
          `The API’s certificate, attempt ${attempt}: ${error instanceof Error ? error.message : String(error)}`,
        ]),
    };
  }

  get #serial(): string {
    return new X509Certificate(this.#pair.certPem).serialNumber;
  }

  #isCurrent(certPem: string): boolean {
    const { inForce, caPem } = this.#options.roots;
    return inForce === undefined || rootAbove(certPem, caPem) === inForce.issuing.serial;
  }

  async #renewed(ages: boolean): Promise<Result<Renewed>> {
    const { identity, crypto, sources } = this.#options;
    const shown = shownChain(this.#pair.certPem);
    if (!shown.ok) return shown;
    const key = crypto.generateKeyPair('p256');
    const { nodeId, trustDomain } = identity;
    const names = namesOf({ der: shown.value });
    const request = createSigningRequest({ nodeId, trustDomain, key, ...names, server: true });
    const keyPem = privateKeyToPem(key.privateKey);
    const reasons: string[] = [];
    let second: Renewed | undefined;
    for (const source of sources()) {
      const issued = await source.issue(request, 'server');
      const judged = issued.ok ? this.#judge(issued.value, keyPem) : issued;
      if (issued.ok && judged.ok) {
        const renewed = { certPem: issued.value, keyPem };
        if (this.#isCurrent(issued.value)) return ok(renewed);
        second ??= renewed;
        reasons.push(`${source.name}: It signs under an old root.`);
      } else if (!judged.ok) reasons.push(`${source.name}: ${judged.refusal.reasons.join(' ')}`);
    }
    if (second && ages) return ok(second);
    const [first = 'No CA node is linked: see node.ca.', ...more] = reasons.slice(0, limits.reasonsMax);
    return refuse('UNREACHABLE', first, ...more);
  }

  #judge(certPem: string, keyPem: string): Result<void> {
    const { roots, clock, privateKeyPath: keyPath } = this.#options;
    if (rootAbove(certPem, roots.caPem) === undefined)
      return refuse('CERTIFICATE_REFUSED', 'What it issued stands under no root of the cluster.');
    return checkServerPair({ certPem, keyPem, keyPath, now: clock.now() });
  }

  async #install({ certPem, keyPem }: Renewed): Promise<Result<void>> {
    const judged = this.#judge(certPem, keyPem);
    if (!judged.ok) return judged;
    await replacePair(this.#options.disk, this.#options, { certPem, keyPem });
    this.#pair = { certPem, keyPem };
    for (const listener of this.#listeners) listener();
    await this.#options.record('success', this.#serial, ['The management API shows another certificate.']);
    return ok(undefined);
  }
}
