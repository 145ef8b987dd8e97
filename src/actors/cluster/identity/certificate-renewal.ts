import { privateKeyToPem } from '../../../crypto/keys.ts';
import type { Crypto } from '../../../crypto/port.ts';
import { createSigningRequest } from '../../../crypto/signing-request.ts';
import { ok, type Refusal, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { Purpose } from '../../../protocols/issuance/grant.ts';
import { renewalAt, type Urgency, urgencies, urgencyAt } from '../../../protocols/issuance/renewal-time.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import type { CertificateRenewal, Renewed } from './cert-rotator.ts';
import { namesOf } from './certificate-issuer.ts';
import { replacePair } from './certificate-pair.ts';
import { dropKeptKey, keptKey } from './kept-key.ts';
import type { NodeIdentity } from './node-identity.ts';

/** Somebody who may sign: this node’s own CA key, or a CA node that is linked. */
export interface CertificateSource {
  /** For people. */
  readonly name: string;
  /** PKCS #10 in, the chain as PEM out: judged by whoever asked. */
  issue(request: Uint8Array, purpose?: Purpose): Promise<Result<string>>;
}

export interface RenewalDependencies {
  readonly identity: NodeIdentity;
  /** Whether a certificate with these CAs above it stands under the root that signs now (`TrustedRoots`). */
  readonly isCurrent: (issuerSerials: readonly string[]) => boolean;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly disk: Disk;
  /** How long before the end; undefined: by the certificate’s life. */
  readonly renewalThresholdMs: number | undefined;
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  /** In [0, 1), drawn for each certificate: so nodes whose certificates began together do not renew together. */
  readonly jitter: () => number;
  /** Who may sign now, in the order in which to ask. */
  readonly sources: () => readonly CertificateSource[];
  /** Class A: CertificateRotated is durable before the renewal counts as done. */
  readonly record: (outcome: 'success' | 'failure', reasons: readonly string[]) => Promise<Result<unknown>>;
  readonly rotated: () => void;
  /** Renewals fail and the end comes nearer; told once for each of `half`, `tenth` and `over`. */
  readonly warn: (urgency: Urgency, leftMs: number) => void;
}

export interface NodeCertificateRenewal extends CertificateRenewal {
  /** Why the certificate, which has ended, could not be renewed; undefined while it holds. */
  ended(): Refusal | undefined;
}

/** Renews this node’s certificate: a new key each time, which leaves neither the process nor its own file. */
export function createCertificateRenewal(deps: RenewalDependencies): NodeCertificateRenewal {
  const { identity, clock } = deps;
  // One after the other: a rotator that is restarted knows nothing of the files that its last life is still writing, and
  // the key of one renewal beside the certificate of another would keep the node from its next start.
  let turn: Promise<unknown> = Promise.resolve();
  let jitter = deps.jitter();
  let told: Urgency = 'none';
  let failure = 'Nobody was asked: node.rotation.enabled is off.';
  identity.onInstalled(() => {
    jitter = deps.jitter();
    told = 'none';
  });
  const dueByAge = () => renewalAt(identity.svid, deps.renewalThresholdMs, jitter);
  const dueAt = () => (deps.isCurrent(identity.svid.issuerSerials) ? dueByAge() : clock.now());
  const leftMs = () => identity.svid.notAfter - clock.now();
  return {
    ended() {
      const { nodeId, notAfter } = identity.svid;
      if (clock.now() <= notAfter + limits.clockSkewMsMax) return undefined;
      const end = new Date(notAfter).toISOString();
      return refuse(
        'CERTIFICATE_REFUSED',
        `The certificate of ${nodeId} ended at ${end}, and was not renewed.`,
        failure,
      ).refusal;
    },
    dueInMs: () => dueAt() - clock.now(),
    leftMs,
    renew: () => renewed(deps, dueByAge() <= clock.now()),
    install(pair) {
      const result = turn.then(() => installed(deps, pair));
      turn = result.catch(() => undefined);
      return result;
    },
    failed(error, attempt) {
      const reason = error instanceof Error ? error.message : String(error);
      failure = reason;
      void deps.record('failure', [`Attempt ${attempt}: ${reason}`]);
      const urgency = urgencyAt(dueByAge(), identity.svid.notAfter, clock.now());
      if (urgencies.indexOf(urgency) <= urgencies.indexOf(told)) return;
      told = urgency;
      deps.warn(urgency, leftMs());
    },
  };
}

/** `ages`: it is better to have one under an old root than none. */
async function renewed(deps: RenewalDependencies, ages: boolean): Promise<Result<Renewed>> {
  const { identity, clock, crypto } = deps;
  const sources = deps.sources();
  if (sources.length === 0)
    return refuse('UNREACHABLE', 'The certificate is due for renewal, and no CA node is linked: see node.ca.');
  const { nodeId, trustDomain, svid } = identity;
  const key = await keptKey(deps.disk, deps, crypto, identity.tls.keyPem);
  // The names of the certificate that it replaces: other ones are for whoever holds the CA to give.
  const request = createSigningRequest({ nodeId, trustDomain, key, ...namesOf(svid) });
  const keyPem = privateKeyToPem(key.privateKey);
  const refusals: Refusal[] = [];
  let second: Renewed | undefined;
  for (const source of sources) {
    const issued = await source.issue(request);
    if (!issued.ok) {
      refusals.push(named(source, issued.refusal));
      continue;
    }
    // A CA node may be in the wrong hands, or believe in another root: what counts is what peers would say.
    const judged = identity.accepts(issued.value, keyPem, clock.now());
    const renewal = { certPem: issued.value, keyPem };
    if (judged.ok && deps.isCurrent(judged.value.issuerSerials)) return ok(renewal);
    if (judged.ok) second ??= renewal;
    refusals.push(named(source, judged.ok ? underOldRoot : judged.refusal));
  }
  if (second && ages) return ok(second);
  // What was issued for this key and got lost was revoked since: nobody will certify it again.
  if (refusals.some(({ code }) => code === 'REVOKED')) await dropKeptKey(deps.disk, deps);
  const [first, ...more] = refusals.flatMap(({ reasons }) => reasons).slice(0, limits.reasonsMax);
  return refuse(refusals[0]?.code ?? 'UNREACHABLE', first ?? 'No CA node issued a certificate.', ...more);
}

const underOldRoot = refuse(
  'CERTIFICATE_REFUSED',
  'It signs under an old root; the cluster has another one now.',
).refusal;

const named = ({ name }: CertificateSource, { code, reasons: [first, ...more] }: Refusal): Refusal => ({
  code,
  reasons: [`${name}: ${first}`, ...more],
});

async function installed(deps: RenewalDependencies, { certPem, keyPem }: Renewed): Promise<Result<void>> {
  const { identity, clock, disk } = deps;
  // Before any file is touched: what peers would refuse must not take the place of what they accept.
  const accepted = identity.accepts(certPem, keyPem, clock.now());
  if (!accepted.ok) return accepted;
  await replacePair(disk, deps, { certPem, keyPem });
  await dropKeptKey(disk, deps);
  const shown = identity.install(certPem, keyPem, clock.now());
  if (!shown.ok) return shown;
  // Rotation protects, so it does not wait for the audit log; a refusal there is the log’s own alarm.
  await deps.record('success', []);
  deps.rotated();
  return shown;
}
