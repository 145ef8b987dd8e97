import { X509Certificate } from 'node:crypto';
import { privateKeyToPem } from '../../../crypto/keys.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { rootAbove } from '../../../crypto/root-bundle.ts';
import { createSigningRequest } from '../../../crypto/signing-request.ts';
import { CaxtonError, ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { renewalAt, type Urgency, urgencies, urgencyAt } from '../../../protocols/issuance/renewal-time.ts';
import type { Clock, Disk, TlsIdentity } from '../../kernel/ports.ts';
import type { CertificateRenewal, Renewed } from './cert-rotator.ts';
import { namesOf } from './certificate-issuer.ts';
import { type CertificatePair, type PairPaths, replacePair } from './certificate-pair.ts';
import type { CertificateSource } from './certificate-renewal.ts';
import type { NodeIdentity } from './node-identity.ts';
import { oneByOne } from './one-by-one.ts';
import { certificatePeriod, checkServerPair, shownChain } from './pem.ts';
import type { TrustedRoots } from './trusted-roots.ts';

export interface ApiCertificateOptions extends PairPaths {
  readonly identity: Pick<NodeIdentity, 'nodeId' | 'trustDomain' | 'tls' | 'onInstalled' | 'onBelieved'>;
  readonly roots: Pick<TrustedRoots, 'inForce' | 'caPem'>;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly disk: Disk;
  /** What the files held at the start. */
  readonly pair: CertificatePair;
  /** Reads and judges the two files; rejects with a CaxtonError that names the file. */
  readonly read: () => Promise<CertificatePair>;
  /** The API shows the node’s own certificate. */
  readonly isNodes: boolean;
  readonly renewalThresholdMs: number | undefined;
  /** In [0, 1). */
  readonly jitter: number;
  readonly sources: () => readonly CertificateSource[];
  /** Somebody else has replaced the files, and theirs is shown now. */
  readonly replaced: (serial: string) => void;
  /** Class A. */
  readonly record: (
    outcome: 'success' | 'failure',
    serial: string,
    reasons: readonly string[],
  ) => Promise<Result<unknown>>;
  readonly fault: (message: string, error: unknown) => void;
}

/**
 * What the management API shows: the node’s own certificate, or one in files of its own. One that a CA of the cluster has
 * signed is renewed as the node’s is, by the same CA nodes; any other, such as a public CA’s, is for somebody else to renew.
 * Whoever replaces the files, what they hold is shown without a restart, and is warned of before it ends.
 */
export class ApiCertificate {
  readonly #options: ApiCertificateOptions;
  readonly #listeners: (() => void)[] = [];
  /** Looking at the files and writing them would else meet between the two. */
  readonly #inTurn = oneByOne();
  #pair: CertificatePair;
  /** What the renewal that is under way is to replace. */
  #renewing: CertificatePair | undefined;
  /** What was wrong with the files the last time, and whether that was told. */
  #trouble: { readonly text: string; readonly told: boolean } | undefined;
  #warned: Urgency = 'none';
  /** For its rotator, and undefined without files of its own; never due while another’s CA has signed what they hold. */
  readonly renewal: CertificateRenewal | undefined;

  constructor(options: ApiCertificateOptions) {
    this.#options = options;
    this.#pair = options.pair;
    this.renewal = options.isNodes ? undefined : this.#renewal();
  }

  /** What the API shows now. */
  get tls(): TlsIdentity {
    const { isNodes, identity } = this.#options;
    return isNodes ? identity.tls : { ...this.#pair, caPem: identity.tls.caPem };
  }

  /** A listener may throw when TLS cannot use what is shown: then what was before goes on being shown. */
  onChanged(listener: () => void): void {
    const { isNodes, identity } = this.#options;
    this.#listeners.push(listener);
    if (isNodes) identity.onInstalled(listener);
    identity.onBelieved(listener);
  }

  /** Looks at the files. Never rejects: what is wrong is told, and what was shown before goes on being shown. */
  async check(): Promise<void> {
    try {
      await this.#inTurn(() => this.#reload());
      this.#trouble = undefined;
    } catch (error) {
      this.#failed(error);
    }
    this.#warn();
  }

  async #reload(): Promise<void> {
    const { certPem, keyPem } = await this.#options.read();
    if (certPem === this.#pair.certPem && keyPem === this.#pair.keyPem) return;
    this.#show({ certPem, keyPem });
    this.#options.replaced(this.#serial);
  }

  #show(pair: CertificatePair): void {
    const before = this.#pair;
    this.#pair = pair;
    try {
      for (const listener of this.#listeners) listener();
    } catch (error) {
      this.#pair = before;
      throw error;
    }
    this.#warned = 'none';
  }

  /** Two files are not replaced at once: what is wrong in one round and well in the next is nobody’s concern. */
  #failed(error: unknown): void {
    const text = error instanceof CaxtonError ? error.reasons.join(' ') : String(error);
    const again = this.#trouble?.text === text;
    if (again && !this.#trouble?.told)
      this.#options.fault(
        `the API goes on with its certificate, since that in the files cannot be used: ${text}`,
        error,
      );
    this.#trouble = { text, told: again };
  }

  #warn(): void {
    const { clock, fault } = this.#options;
    const period = certificatePeriod(this.#pair.certPem);
    const urgency = urgencyAt(renewalAt(period, undefined, 0), period.notAfter, clock.now());
    if (urgencies.indexOf(urgency) <= urgencies.indexOf(this.#warned)) return;
    this.#warned = urgency;
    const end = new Date(period.notAfter).toISOString();
    const what = urgency === 'over' ? `has ended (${end}): no client accepts it` : `ends ${end}`;
    const who = this.#isOurs ? 'no CA node has renewed it: see that one is reachable, or ' : '';
    fault(
      `THE API’S CERTIFICATE ${what}: ${who}replace security.api.tls.cert and its key, which takes no restart`,
      undefined,
    );
  }

  /** Whether a CA of the cluster has signed it, so that one may renew it. */
  get #isOurs(): boolean {
    return rootAbove(this.#pair.certPem, this.#options.roots.caPem) !== undefined;
  }

  #renewal(): CertificateRenewal {
    const { clock, renewalThresholdMs, jitter, record } = this.#options;
    const period = () => certificatePeriod(this.#pair.certPem);
    const age = () => renewalAt(period(), renewalThresholdMs, jitter);
    return {
      dueInMs: () => {
        if (!this.#isOurs) return Number.MAX_SAFE_INTEGER;
        return this.#isCurrent(this.#pair.certPem) ? age() - clock.now() : 0;
      },
      leftMs: () => period().notAfter - clock.now(),
      renew: () => this.#renewed(age() <= clock.now()),
      install: (renewed) => this.#inTurn(() => this.#install(renewed)),
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
    this.#renewing = this.#pair;
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
    // Somebody may have replaced the files since, and theirs are not overwritten with what was asked for others.
    await this.#reload();
    if (this.#pair !== this.#renewing) return ok(undefined);
    await replacePair(this.#options.disk, this.#options, { certPem, keyPem });
    this.#show({ certPem, keyPem });
    await this.#options.record('success', this.#serial, ['The management API shows another certificate.']);
    return ok(undefined);
  }
}
