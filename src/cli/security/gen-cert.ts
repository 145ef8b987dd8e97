import { join, resolve } from 'node:path';
import { replacePair } from '../../actors/cluster/identity/certificate-pair.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { issueNodeCertificate } from '../../crypto/certificate.ts';
import { privateKeyToPem } from '../../crypto/keys.ts';
import { osCrypto } from '../../crypto/port.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { isNodeId } from '../../names.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { readHeldCa } from './held-ca.ts';
import { writeNewFiles } from './new-files.ts';
import { readLifetime, validityFrom } from './validity.ts';

export async function genCert(invocation: Invocation): Promise<ExitCode> {
  const { text, list, flag, terminal } = invocation;
  const nodeId = text('node-id')!;
  if (!isNodeId(nodeId))
    throw new UsageError(
      '--node-id is a-z, 0-9, “_” and “-”, at most 63 characters, beginning with a letter or digit.',
    );
  const lifetimeMs = readLifetime(text('validity') ?? '90d', 'validity');
  const above = text('root-cert');
  const ca = await readHeldCa(invocation, text('ca-cert')!, text('ca-key')!, ...(above === undefined ? [] : [above]));
  if (ca.rootsPem === '')
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      `${text('ca-cert')} holds no root, so nodes would believe nobody.`,
      'Name the root’s certificate with --root-cert.',
    ]);
  const validity = validityFrom(nodeClock.now(), lifetimeMs, ca);
  const { publicKey, privateKey } = osCrypto.generateKeyPair('p256');
  const request = { ca: ca.pair, publicKey, nodeId, trustDomain: ca.trustDomain, ...validity };
  const names = { dns: list('dns'), ip: list('ip') };
  const certPem = unwrap(issueNodeCertificate(osCrypto, { ...request, ...names }));
  const folder = resolve(terminal.cwd, text('output')!);
  const pair = { certPem: certPem + ca.chainPem, keyPem: privateKeyToPem(privateKey) };
  const paths = { certificatePath: join(folder, 'node.crt'), privateKeyPath: join(folder, 'node.key') };
  const roots = { path: join(folder, 'ca.crt'), text: ca.rootsPem, mode: 0o644 };
  const key = { path: paths.privateKeyPath, text: pair.keyPem, mode: 0o600 };
  const certificate = { path: paths.certificatePath, text: pair.certPem, mode: 0o644 };
  await writeNewFiles(flag('force') ? [roots] : [roots, key, certificate], flag('force'));
  // A pair that is in use is replaced so that the node starts after a crash in the middle, too.
  if (flag('force')) await replacePair(nodeDisk, paths, pair);
  const end = new Date(validity.notAfter).toISOString();
  if (validity.shortened) terminal.err(`The certificate ends with its CA, ${end}, earlier than asked for.\n`);
  terminal.out(`${folder}: node.crt of spiffe://${ca.trustDomain}/node/${nodeId} until ${end}, node.key and ca.crt\n`);
  return 0;
}
