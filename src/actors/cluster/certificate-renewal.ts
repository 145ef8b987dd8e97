import { isIP } from 'node:net';
import { issueNodeCertificate } from '../../crypto/certificate.ts';
import { privateKeyToPem } from '../../crypto/keys.ts';
import type { Crypto } from '../../crypto/port.ts';
import { ok, type Result, refuse } from '../../errors.ts';
import type { Clock, Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { CertificateRenewal } from './cert-rotator.ts';
import type { NodeIdentity } from './node-identity.ts';

export interface RenewalDependencies {
  readonly identity: NodeIdentity;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly disk: Disk;
  readonly renewalThresholdMs: number;
  readonly certificatePath: string;
  readonly privateKeyPath: string;
  /** Development only: the CA key that signs the renewal here. Without it a renewal is refused, and says so. */
  readonly caKeyPath: string | undefined;
  /** The host that peers dial: it goes into the certificate beside loopback. */
  readonly advertise: string;
  /** Class A: CertificateRotated is durable before the renewal counts as done. */
  readonly record: (outcome: 'success' | 'failure', reasons: readonly string[]) => Promise<Result<unknown>>;
  readonly rotated: () => void;
}

/** Peers’ clocks may be this far behind. */
const clockSkewMs = 60_000;

/** Renewal by a CA key on this machine. CSRs to a CA node come through the same four functions. */
export function createCertificateRenewal(deps: RenewalDependencies): CertificateRenewal {
  const { identity, clock, crypto, disk } = deps;
  return {
    dueInMs: () => identity.svid.notAfter - deps.renewalThresholdMs - clock.now(),
    async renew() {
      if (deps.caKeyPath === undefined)
        return refuse(
          'NOT_SUPPORTED',
          'The certificate is due for renewal, but this node holds no CA key (node.rotation.ca_key_path).',
        );
      const caKey = await disk.readFile(deps.caKeyPath);
      if (!caKey) return refuse('FILE_UNREADABLE', `The CA key ${deps.caKeyPath} is not there.`);
      const key = crypto.generateKeyPair('p256');
      const notBefore = clock.now() - clockSkewMs;
      const issued = issueNodeCertificate(crypto, {
        ca: { certPem: identity.tls.caPem, keyPem: utf8.decode(caKey) },
        publicKey: key.publicKey,
        nodeId: identity.nodeId,
        trustDomain: identity.trustDomain,
        ...altNamesOf(deps.advertise),
        notBefore,
        notAfter: notBefore + (identity.svid.notAfter - identity.svid.notBefore),
      });
      return issued.ok ? ok({ certPem: issued.value, keyPem: privateKeyToPem(key.privateKey) }) : issued;
    },
    async install({ certPem, keyPem }) {
      // Before any file is touched: what peers would refuse must not take the place of what they accept.
      const accepted = identity.accepts(certPem, keyPem, clock.now());
      if (!accepted.ok) return accepted;
      // Key first: a crash between the two leaves a pair that does not match, which the next start names plainly.
      await disk.writeFileAtomic(deps.privateKeyPath, utf8.encode(keyPem), 0o600);
      await disk.writeFileAtomic(deps.certificatePath, utf8.encode(certPem), 0o644);
      const installed = identity.install(certPem, keyPem, clock.now());
      if (!installed.ok) return installed;
      // Rotation protects, so it does not wait for the audit log; a refusal there is the log’s own alarm.
      await deps.record('success', []);
      deps.rotated();
      return installed;
    },
    failed(error, attempt) {
      const reason = error instanceof Error ? error.message : String(error);
      void deps.record('failure', [`Attempt ${attempt}: ${reason}`]);
    },
  };
}

/** The names that a client may check besides the SPIFFE ID. */
function altNamesOf(host: string): { readonly dns: readonly string[]; readonly ip: readonly string[] } {
  const loopback = ['127.0.0.1', '::1'];
  if (isIP(host) !== 0) return { dns: ['localhost'], ip: [...new Set([...loopback, host])] };
  return { dns: [...new Set(['localhost', host])], ip: loopback };
}
