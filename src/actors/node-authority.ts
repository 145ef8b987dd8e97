import type { NodeConfig } from '../config.ts';
import { issuingCa, openCa } from '../crypto/ca-key.ts';
import { privateKeyFromPem } from '../crypto/keys.ts';
import { rootAbove } from '../crypto/root-bundle.ts';
import { CaxtonError, refuse } from '../errors.ts';
import type { CertificateAuthority } from './cluster/identity/certificate-issuer.ts';
import { nextSuffix } from './cluster/identity/held-authorities.ts';
import { inFile, type NamedFile } from './named-file.ts';

/** A key that is needed in months is looked at now: a renewal that fails then would be the end of the node. */
export async function checkCaKey(
  { node }: NodeConfig,
  secret: (file: NamedFile) => Promise<string>,
  ...certPems: readonly string[]
): Promise<void> {
  const { enabled, caKeyPath } = node.rotation;
  if (!enabled || caKeyPath === undefined) return;
  const file = { path: caKeyPath, key: 'node.rotation.ca_key_path' };
  const isCa = async (keyFile: NamedFile) =>
    issuingCa(inFile(file, privateKeyFromPem(await secret(keyFile))), ...certPems).ok;
  // The next root’s key lies beside it until the old root is dropped.
  if (!(await isCa(file)) && !(await isCa({ ...file, path: `${caKeyPath}${nextSuffix}` }).catch(() => false)))
    inFile(file, refuse('CERTIFICATE_REFUSED', `It is not the key of ${node.caCertificatePath}.`));
}

/**
 * A CA node’s certificate and key, which must be of this trust domain and stand under a root that its members believe: judged
 * at the start and not when first asked. While roots are rotated it may be the next CA, whose files lie beside.
 */
export async function readAuthority(
  config: NodeConfig,
  caPem: string,
  text: (file: NamedFile) => Promise<string>,
  secret: (file: NamedFile) => Promise<string>,
): Promise<CertificateAuthority | undefined> {
  const { ca, caCertificatePath } = config.node;
  if (!ca) return undefined;
  const read = async (suffix: string): Promise<CertificateAuthority> => {
    const authority = await readCa(config, ca, suffix, text, secret);
    if (rootAbove(authority.ca.certPem + authority.chainPem, caPem) !== undefined) return authority;
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      `node.ca.certificate_path: ${ca.certificatePath} stands under no root of node.ca_certificate_path (${caCertificatePath}), so no member would accept what it signs.`,
      'Put the root that stands above it into that file, or the CA of this cluster here.',
    ]);
  };
  return read('').catch((error: unknown) =>
    read(nextSuffix).catch(() => {
      throw error;
    }),
  );
}

async function readCa(
  { cluster }: NodeConfig,
  { keyPath, certificatePath, passphrasePath, validityMsMax }: NonNullable<NodeConfig['node']['ca']>,
  suffix: string,
  text: (file: NamedFile) => Promise<string>,
  secret: (file: NamedFile) => Promise<string>,
): Promise<CertificateAuthority> {
  const certificate = { path: certificatePath, key: 'node.ca.certificate_path' };
  const next =
    suffix === ''
      ? undefined
      : await text({ ...certificate, path: `${certificatePath}${suffix}` }).catch(() => undefined);
  const certPem = next ?? (await text(certificate));
  const keyFile = { path: `${keyPath}${suffix}`, key: 'node.ca.key_path' };
  const keyPem = await secret(keyFile);
  const phrase = passphrasePath && (await secret({ path: passphrasePath, key: 'node.ca.passphrase_path' }));
  // The newline that every editor leaves at the end is no part of it.
  const passphrase = phrase?.replace(/\r?\n$/, '');
  const opened = openCa({ certPem, keyPem, passphrase, trustDomain: cluster.trustDomain });
  const { pair, chainPem } = inFile(keyFile, opened);
  return { ca: pair, chainPem, validityMsMax };
}
