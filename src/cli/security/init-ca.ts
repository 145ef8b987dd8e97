import { resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { type IssuedCertificate, issueCa, issueIntermediateCa } from '../../crypto/certificate.ts';
import { encryptPrivateKey } from '../../crypto/encrypted-key.ts';
import { privateKeyFromPem } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import { unwrap } from '../../errors.ts';
import { isTrustDomain } from '../../names.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { readHeldCa } from './held-ca.ts';
import { writeNewFiles } from './new-files.ts';
import { givenPassphrase, newPassphrase } from './passphrase.ts';
import { readLifetime, validityFrom } from './validity.ts';

/** The trust domain of a CA that is told none. */
const defaultTrustDomain = 'caxton.internal';

/** A root, or with a parent a CA below it. */
export async function initCa(invocation: Invocation): Promise<ExitCode> {
  const { text } = invocation;
  const [parentCert, parentKey] = [text('parent-cert'), text('parent-key')];
  if ((parentCert === undefined) !== (parentKey === undefined))
    throw new UsageError('--parent-cert and --parent-key belong together.', 'caxton security init-ca --help');
  return parentCert !== undefined && parentKey !== undefined
    ? initIntermediate(invocation, parentCert, parentKey)
    : initRoot(invocation);
}

async function initRoot(invocation: Invocation): Promise<ExitCode> {
  const trustDomain = invocation.text('trust-domain') ?? defaultTrustDomain;
  if (!isTrustDomain(trustDomain))
    throw new UsageError('--trust-domain is lower-case letters, digits, “.”, “-” and “_”, such as example.org.');
  const lifetimeMs = readLifetime(invocation.text('validity') ?? '3650d', 'validity');
  const ca = issueCa(osCrypto, { trustDomain, ...validityFrom(nodeClock.now(), lifetimeMs) });
  await write(invocation, ca, ca.certPem);
  invocation.terminal.out(`It is the CA of the trust domain ${trustDomain}: set cluster.trust_domain to that.\n`);
  return 0;
}

async function initIntermediate(invocation: Invocation, cert: string, key: string): Promise<ExitCode> {
  const { terminal } = invocation;
  const parent = await readHeldCa(invocation, cert, key);
  const { trustDomain } = parent;
  const wanted = invocation.text('trust-domain');
  if (wanted !== undefined && wanted !== trustDomain)
    throw new UsageError(`--trust-domain: ${cert} is of ${trustDomain}, and a CA below it can be of no other.`);
  const lifetimeMs = readLifetime(invocation.text('validity') ?? '365d', 'validity');
  const validity = validityFrom(nodeClock.now(), lifetimeMs, parent);
  const ca = unwrap(issueIntermediateCa(osCrypto, { ca: parent.pair, trustDomain, ...validity }));
  // The CAs above it stand in its file as well, so that whoever issues with it can name them.
  await write(invocation, ca, ca.certPem + parent.chainPem + parent.rootsPem);
  if (validity.shortened)
    terminal.err(`It ends with its parent, ${new Date(validity.notAfter).toISOString()}, earlier than asked for.\n`);
  terminal.out(`It may sign names of the trust domain ${trustDomain} alone, and no CA below it.\n`);
  return 0;
}

async function write(invocation: Invocation, ca: IssuedCertificate, certText: string): Promise<void> {
  const { text, flag, terminal } = invocation;
  const [certPath, keyPath] = [resolve(terminal.cwd, text('ca-cert')!), resolve(terminal.cwd, text('ca-key')!)];
  if (certPath === keyPath) throw new UsageError('--ca-cert and --ca-key name the same file.');
  const passphrase = flag('encrypt') ? await newPassphrase(invocation, keyPath) : await givenPassphrase(invocation);
  const keyPem =
    passphrase === undefined
      ? ca.keyPem
      : encryptPrivateKey(osCrypto, unwrap(privateKeyFromPem(ca.keyPem)), passphrase);
  await writeNewFiles(
    [
      { path: keyPath, text: keyPem, mode: 0o600 },
      { path: certPath, text: certText, mode: 0o644 },
    ],
    flag('force'),
  );
  const how = passphrase === undefined ? 'not encrypted: keep it offline, or make it with --encrypt' : 'encrypted';
  terminal.out(`${certPath}: the CA’s certificate\n${keyPath}: its key, ${how}\n`);
}
