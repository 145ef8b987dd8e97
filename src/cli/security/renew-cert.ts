import { X509Certificate } from 'node:crypto';
import { dirname, join, resolve } from 'node:path';
import { namesOf } from '../../actors/cluster/identity/certificate-issuer.ts';
import { replacePair } from '../../actors/cluster/identity/certificate-pair.ts';
import { belongTogether } from '../../actors/cluster/identity/pem.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { readConfigFile } from '../../config/config-file.ts';
import { readKeyFile } from '../../config/key-file.ts';
import { findConfig, loadConfig } from '../../config.ts';
import { issueNodeCertificate } from '../../crypto/certificate.ts';
import { chainFromPem } from '../../crypto/certificate-chain.ts';
import { privateKeyToPem } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import { type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { about, readHeldCa, readPem } from './held-ca.ts';
import { readLifetime, validityFrom } from './validity.ts';

interface Paths {
  readonly cert: string;
  readonly key: string;
  /** The roots that the node believes. */
  readonly roots: string;
  readonly caCert: string;
  readonly caKey: string;
}

/** Renews a node’s certificate when it ends soon: the same names, a new key. */
export async function renewCert(invocation: Invocation): Promise<ExitCode> {
  const { text, flag, terminal } = invocation;
  const beforeMs = readLifetime(text('before-expiry') ?? '30d', 'before-expiry');
  const paths = await pathsOf(invocation);
  const certPem = await readPem(paths.cert);
  const old = about(paths.cert, chainFromPem(certPem));
  const x509 = new X509Certificate(certPem);
  const [begins, ends] = [x509.validFromDate.getTime(), x509.validToDate.getTime()];
  const now = nodeClock.now();
  if (ends - begins <= beforeMs && !flag('force'))
    throw new UsageError(
      '--before-expiry is longer than the whole life of the certificate, so it would be renewed each time.',
    );
  if (ends - now > beforeMs && !flag('force')) {
    terminal.out(`not due: ${paths.cert} is valid until ${x509.validToDate.toISOString()}\n`);
    return 0;
  }
  const oldKey = Buffer.from(about(paths.key, await readKeyFile(paths.key))).toString('latin1');
  if (!belongTogether(certPem, oldKey))
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      `${paths.key} does not belong to ${paths.cert}.`,
      'Start the node once: it finishes a renewal that was cut short. Otherwise make a new pair with gen-cert.',
    ]);
  const ca = await readHeldCa(invocation, paths.caCert, paths.caKey, paths.roots);
  const caPem = await readPem(paths.roots);
  // The old one may have ended; all else about it must be in order before its names are signed again.
  const before = { caPem, trustDomain: ca.trustDomain, now: Math.min(now, ends) };
  const svid = about(paths.cert, verifyNodeSvid(old, before));
  const validity = validityFrom(now, renewedLifetime(invocation, ends - begins), ca);
  const { publicKey, privateKey } = osCrypto.generateKeyPair('p256');
  const signed = unwrap(
    issueNodeCertificate(osCrypto, {
      ...{ ca: ca.pair, publicKey, nodeId: svid.nodeId, trustDomain: ca.trustDomain, ...validity },
      ...namesOf(svid),
    }),
  );
  const renewed = signed + ca.chainPem;
  const judged = about('The renewed certificate', verifyNodeSvid(unwrap(chainFromPem(renewed)), { ...before, now }));
  const pair = { certPem: renewed, keyPem: privateKeyToPem(privateKey) };
  await replacePair(nodeDisk, { certificatePath: paths.cert, privateKeyPath: paths.key }, pair);
  tell(invocation, paths, judged, validity.shortened);
  return 0;
}

function tell({ terminal }: Invocation, { cert }: Paths, { spiffeId, notAfter }: NodeSvid, shortened: boolean): void {
  const end = new Date(notAfter).toISOString();
  if (shortened) terminal.err(`The certificate ends with its CA, ${end}, earlier than asked for.\n`);
  terminal.out(`renewed: ${cert} of ${spiffeId} until ${end}, with a new key\n`);
  terminal.out('A node that runs shows it after its next start.\n');
}

/** As long as the old one, without what it began early, unless something else is asked for. */
const renewedLifetime = ({ text }: Invocation, lifetimeMs: number): number => {
  const asked = text('validity');
  const same = Math.max(lifetimeMs - limits.clockSkewMsMax, limits.clockSkewMsMax);
  return asked === undefined ? same : readLifetime(asked, 'validity');
};

async function pathsOf({ text, terminal }: Invocation): Promise<Paths> {
  const at = (option: string): string | undefined => {
    const value = text(option);
    return value === undefined ? undefined : resolve(terminal.cwd, value);
  };
  const [cert, key, caCert, caKey] = [at('cert'), at('key'), at('ca-cert'), at('ca-key')];
  if (cert !== undefined && caCert !== undefined && caKey !== undefined) {
    const folder = dirname(cert);
    return { cert, key: key ?? join(folder, 'node.key'), roots: at('root-cert') ?? caCert, caCert, caKey };
  }
  const flag = text('config');
  const where = { env: terminal.env, cwd: terminal.cwd };
  const found = unwrap(findConfig(flag === undefined ? where : { ...where, flag }));
  const { node } = unwrap(loadConfig(unwrap(await readConfigFile(found)), { file: found }));
  const signer = caKey ?? node.rotation.caKeyPath;
  if (signer === undefined)
    throw new UsageError('Which CA signs? Give --ca-cert and --ca-key.', 'caxton security renew-cert --help');
  return {
    cert: cert ?? node.certificatePath,
    key: key ?? node.privateKeyPath,
    roots: at('root-cert') ?? node.caCertificatePath,
    caCert: caCert ?? node.caCertificatePath,
    caKey: signer,
  };
}
