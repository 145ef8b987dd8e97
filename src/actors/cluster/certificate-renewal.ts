import { isIP } from 'node:net';
import { issueNodeCertificate } from '../../crypto/certificate.ts';
import { privateKeyFromPem, privateKeyToPem } from '../../crypto/keys.ts';
import type { Crypto } from '../../crypto/port.ts';
import { ok, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Clock, Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { CertificateRenewal, Renewed } from './cert-rotator.ts';
import type { NodeIdentity } from './node-identity.ts';
import { issuingCa } from './pem.ts';
import { replacePair } from './pending-renewal.ts';

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
  // One after the other: a rotator that is restarted knows nothing of the files that its last life is still writing, and
  // the key of one renewal beside the certificate of another would keep the node from its next start.
  let turn: Promise<unknown> = Promise.resolve();
  return {
    dueInMs: () => identity.svid.notAfter - deps.renewalThresholdMs - clock.now(),
    async renew() {
      if (deps.caKeyPath === undefined)
        return refuse(
          'NOT_SUPPORTED',
          'The certificate is due for renewal, but this node holds no CA key (node.rotation.ca_key_path).',
        );
      const caKey = await readCaKey(disk, deps.caKeyPath);
      if (!caKey.ok) return caKey;
      const signer = privateKeyFromPem(caKey.value);
      if (!signer.ok) return signer;
      const { certPem, caPem } = identity.tls;
      const ca = issuingCa(signer.value, caPem, certPem);
      if (!ca.ok) return ca;
      const key = crypto.generateKeyPair('p256');
      const notBefore = clock.now() - clockSkewMs;
      const issued = issueNodeCertificate(crypto, {
        ca: { certPem: ca.value.certPem, keyPem: caKey.value },
        publicKey: key.publicKey,
        nodeId: identity.nodeId,
        trustDomain: identity.trustDomain,
        ...altNamesOf(deps.advertise),
        notBefore,
        notAfter: notBefore + (identity.svid.notAfter - identity.svid.notBefore),
      });
      if (!issued.ok) return issued;
      return ok({ certPem: issued.value + ca.value.chainPem, keyPem: privateKeyToPem(key.privateKey) });
    },
    install(renewed) {
      const result = turn.then(() => installed(deps, renewed));
      turn = result.catch(() => undefined);
      return result;
    },
    failed(error, attempt) {
      const reason = error instanceof Error ? error.message : String(error);
      void deps.record('failure', [`Attempt ${attempt}: ${reason}`]);
    },
  };
}

async function installed(deps: RenewalDependencies, { certPem, keyPem }: Renewed): Promise<Result<void>> {
  const { identity, clock, disk } = deps;
  // Before any file is touched: what peers would refuse must not take the place of what they accept.
  const accepted = identity.accepts(certPem, keyPem, clock.now());
  if (!accepted.ok) return accepted;
  await replacePair(disk, deps, { certPem, keyPem });
  const shown = identity.install(certPem, keyPem, clock.now());
  if (!shown.ok) return shown;
  // Rotation protects, so it does not wait for the audit log; a refusal there is the log’s own alarm.
  await deps.record('success', []);
  deps.rotated();
  return shown;
}

/** Years may lie between the start, which judged the other files, and a renewal: this one is judged when it is read. */
async function readCaKey(disk: Disk, path: string): Promise<Result<string>> {
  const unusable = (what: string) => refuse('FILE_UNREADABLE', `The CA key ${path} ${what}.`);
  try {
    const found = await disk.stat(path);
    if (!found) return unusable('is not there');
    if ((found.mode & 0o077) !== 0) return unusable('is open to others: chmod 600 it');
    // A pipe or a device has no length, and reading it might never end.
    if (found.bytes === 0 || found.bytes > limits.pemBytesMax) return unusable('is no key file');
    const bytes = await disk.readFile(path);
    return bytes ? ok(utf8.decode(bytes)) : unusable('is not there');
  } catch (error) {
    return unusable(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The names that a client may check besides the SPIFFE ID. */
function altNamesOf(host: string): { readonly dns: readonly string[]; readonly ip: readonly string[] } {
  const loopback = ['127.0.0.1', '::1'];
  if (isIP(host) !== 0) return { dns: ['localhost'], ip: [...new Set([...loopback, host])] };
  return { dns: [...new Set(['localhost', host])], ip: loopback };
}
