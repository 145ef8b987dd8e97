import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDataFolder } from '../config/data-folder.ts';
import { openFault, readKeyFile } from '../config/key-file.ts';
import { readKeyFileOn } from '../config/key-file-port.ts';
import { faultTexts, readYaml } from '../config/problems.ts';
import type { VaultSource } from '../config/vault-source.ts';
import type { NodeConfig } from '../config.ts';
import { type Keyring, keyringFromText } from '../crypto/keyring.ts';
import { privateKeyFromPem, publicKeyFromText } from '../crypto/keys.ts';
import { CaxtonError, refuse, unwrap } from '../errors.ts';
import { limits } from '../limits.ts';
import type { ApiKeysBody } from '../protocols/access/api-keys.ts';
import { type PolicySet, parsePolicy } from '../protocols/authorization/policy.ts';
import { readApiKeys } from './api-key-file.ts';
import type { CertificateAuthority } from './cluster/identity/certificate-issuer.ts';
import { type CertificatePair, pairAtStart } from './cluster/identity/certificate-pair.ts';
import { type NodeIdentity, readNodeIdentity } from './cluster/identity/node-identity.ts';
import { certificatePeriod, checkCaCertificate, checkServerPair } from './cluster/identity/pem.ts';
import type { Disk } from './kernel/ports.ts';
import { utf8 } from './kernel/utf8.ts';
import { readTrustNotice, type Trust } from './messaging/trust.ts';
import { inFile, type NamedFile } from './named-file.ts';
import { checkCaKey, readAuthority } from './node-authority.ts';
import { type NoticeFile, readNoticeFiles } from './notice-files.ts';
import { nodeDisk } from './operations/node-disk.ts';
import { readSiemFiles } from './operations/siem/siem-files.ts';
import type { SiemSecrets } from './operations/siem/siem-sinks.ts';
import { NodeVault } from './vault.ts';

/** Everything that a node reads once, at its start: judged before anything listens. */
export interface NodeFiles {
  readonly identity: NodeIdentity;
  /** The certificate and its key were not a pair, and were replaced with the last that was. */
  readonly identityMended: boolean;
  /** The certificate had ended, and this CA node gave another one at the start. */
  readonly enrolledAgain: string | undefined;
  /** A CA node’s. */
  readonly authority: CertificateAuthority | undefined;
  readonly keyring: Keyring;
  readonly trust: Trust;
  /** Of its own policy file; undefined without one. */
  readonly policies: PolicySet | undefined;
  /** Of its own file of keys; none without one. */
  readonly apiKeys: ApiKeysBody;
  /** Cluster documents that lie beside the trust notice, not yet verified. */
  readonly notices: readonly NoticeFile[];
  /** For the receivers of the audit log, in the configuration’s order. */
  readonly siem: readonly SiemSecrets[];
  readonly vault: NodeVault;
  readonly apiTls: CertificatePair;
}

/**
 * Reads and judges all that a node needs from its disk; nothing is made or opened for writing, but for a renewal that
 * a crash cut short, which is finished. `now` in milliseconds since 1970. Throws a CaxtonError that names the file, the
 * setting that led to it, and what is wrong.
 */
export async function readNodeFiles(
  config: NodeConfig,
  disk: Disk,
  now: number,
  enrolledAgain?: string,
): Promise<NodeFiles> {
  const { node, cluster, security } = config;
  const text = (file: NamedFile) => readText(disk, file);
  const ca = { path: node.caCertificatePath, key: 'node.ca_certificate_path' };
  const caPem = await text(ca);
  inFile(ca, checkCaCertificate(caPem));
  const claim = { path: node.claimKeyPath, key: 'node.claim_key_path' };
  const claimKey = inFile(claim, claimKeyFromPem(await readSecret(disk, claim)));
  const certificate = { path: node.certificatePath, key: 'node.certificate_path' };
  const privateKey = { path: node.privateKeyPath, key: 'node.private_key_path' };
  const key = await partOfPair(disk, privateKey, async () => {
    const pem = await readSecret(disk, privateKey);
    inFile(privateKey, privateKeyFromPem(pem));
    return pem;
  });
  const leaf = await partOfPair(disk, certificate, () => text(certificate));
  const files = { nodeId: node.id, trustDomain: cluster.trustDomain, caPem, claimKey };
  const orEnded = renewsItself(config);
  const read = await readNodeIdentity(disk, node, { ...files, keyPem: key.pem, certPem: leaf.pem }, now, orEnded);
  const fault = key.fault ?? leaf.fault;
  if (!read.ok && fault) throw fault;
  const pair = { ...certificate, path: `${certificate.path} (with the key ${privateKey.path})` };
  const { identity, mended: identityMended } = inFile(pair, read);
  await checkCaKey(config, (file) => readSecret(disk, file), caPem, identity.tls.certPem);
  const gossipKey = { path: security.gossip.keyPath, key: 'security.cluster.gossip.key_path' };
  const apiKeys = { path: security.api.apiKeysPath ?? '', key: 'security.api.authentication.api_keys_path' };
  return {
    identity,
    identityMended,
    enrolledAgain,
    authority: await readAuthority(config, caPem, text, (file) => readSecret(disk, file)),
    keyring: inFile(gossipKey, keyringFromText(await readSecret(disk, gossipKey))),
    trust: await readTrust(config, text),
    policies: await readPolicies(security.agents.policyPath, (path) =>
      text({ path, key: 'security.agents.policy_path' }),
    ),
    apiKeys:
      security.api.apiKeysPath === undefined
        ? { keys: [] }
        : inFile(apiKeys, readApiKeys(await readSecret(disk, apiKeys))),
    notices: await readNoticeFiles(disk, cluster.noticesPath, text),
    vault: await readVault(disk, security.vault),
    apiTls: await readApiPair(config, disk, now, true),
    siem: await readSiemFiles(security.audit.siem, { text, secret: (file) => readSecret(disk, file) }),
  };
}

/** Whether the node holds a CA’s key: a certificate that ended while it was off is renewed with it, before any link. */
export const renewsItself = ({ node: { rotation, ca } }: NodeConfig): boolean =>
  rotation.enabled && (ca ?? rotation.caKeyPath) !== undefined;

const anybodyWrites = 0o002;

/**
 * A file of the pair as text; empty, with what is wrong, when it is missing or torn: the last good pair may mend that. A
 * key that others can read is another matter.
 */
async function partOfPair(
  disk: Disk,
  { path }: NamedFile,
  read: () => Promise<string>,
): Promise<{ readonly pem: string; readonly fault?: CaxtonError }> {
  try {
    return { pem: await read() };
  } catch (error) {
    if (!(error instanceof CaxtonError)) throw error;
    const found = await disk.stat(path).catch(() => ({ bytes: 1 }));
    if (error.code !== 'MALFORMED' && found && found.bytes > 0) throw error;
    return { pem: '', fault: error };
  }
}

/** The bytes of a file as text. The port knows no file types: what has no length (a pipe, a device) is not read. */
async function readText(disk: Disk, { path, key }: NamedFile): Promise<string> {
  const refused = (what: string) => new CaxtonError('FILE_UNREADABLE', `${key}: ${what}`);
  let bytes: Uint8Array | undefined;
  try {
    const found = await disk.stat(path);
    if (found?.bytes === 0) throw refused(`${path} is empty, or is a pipe or a device.`);
    if (found && found.bytes > limits.configBytesMax) throw refused(`${path} is over ${limits.configBytesMax} bytes.`);
    // No secret, and yet whoever can write it decides whom this node trusts.
    if (found && (found.mode & anybodyWrites) !== 0)
      throw refused(`${path} can be written by anybody (mode ${(found.mode & 0o777).toString(8)}): chmod o-w it.`);
    bytes = found && (await disk.readFile(path));
  } catch (error) {
    throw error instanceof CaxtonError ? error : refused(openFault(path, error));
  }
  if (!bytes) throw refused(`${path} is not there.`);
  return decoded({ path, key }, bytes);
}

async function readSecret(disk: Disk, file: NamedFile): Promise<string> {
  // On the real disk in a stricter way than the port has: nobody can swap a file after its mode was seen.
  const read = await (disk === nodeDisk ? readKeyFile(file.path) : readKeyFileOn(disk, file.path));
  if (read.ok) return decoded(file, read.value);
  const [first, ...more] = read.refusal.reasons;
  throw new CaxtonError(read.refusal.code, [`${file.key}: ${first}`, ...more]);
}

function decoded({ path, key }: NamedFile, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new CaxtonError('MALFORMED', `${key}: ${path} is not text in UTF-8.`);
  }
}

function claimKeyFromPem(pem: string): ReturnType<typeof privateKeyFromPem> {
  const key = privateKeyFromPem(pem);
  if (!key.ok || key.value.asymmetricKeyType === 'ed25519') return key;
  return refuse('MALFORMED', `A claim key is Ed25519, and this one is ${key.value.asymmetricKeyType ?? 'another'}.`);
}

/** A vault without its file is the first thing that whoever sets up a node by hand meets: it says how to make one. */
async function readVault(disk: Disk, source: VaultSource): Promise<NodeVault> {
  const found = source.kind !== 'file' || (await disk.stat(source.path).catch(() => true));
  if (source.kind === 'file' && !found)
    throw new CaxtonError('FILE_UNREADABLE', [
      `security.vault.key_path: ${source.path} is not there: the vault’s key ring, which the audit log is sealed with.`,
      'caxton security create-vault-key makes one. A log that is there already needs the key that wrote it.',
    ]);
  return NodeVault.open(source, (path) => readSecret(disk, { path, key: 'security.vault.key_path' }));
}

async function readTrust({ cluster }: NodeConfig, text: (file: NamedFile) => Promise<string>): Promise<Trust> {
  const authorities: string[] = [];
  for (const path of cluster.authorityKeyPaths) {
    const file = { path, key: 'cluster.authority_keys' };
    const authority = (await text(file)).trim();
    inFile(file, publicKeyFromText(authority));
    authorities.push(authority);
  }
  const file = { path: join(cluster.noticesPath, 'trust.notice'), key: 'cluster.notices_path' };
  const trust = readTrustNotice(await text(file), authorities, cluster.id);
  // Nobody asked for anything here: what does not fit is a setting.
  if (!trust.ok && trust.refusal.code === 'UNAUTHORIZED')
    return inFile(file, refuse('CONFIG_INVALID', ...trust.refusal.reasons));
  return inFile(file, trust);
}

/**
 * What the API shows; its files may be replaced while the node runs. `atStart` finishes a renewal that was cut short between
 * the two files; later somebody may be between them still. Throws a CaxtonError as `readNodeFiles`.
 */
export async function readApiPair(
  config: NodeConfig,
  disk: Disk,
  now: number,
  atStart: boolean,
): Promise<CertificatePair> {
  const { security } = config;
  const certificate = { path: security.api.certPath, key: 'security.api.tls.cert' };
  const { certPath: certificatePath, keyPath: privateKeyPath } = security.api;
  const found = {
    certPem: await readText(disk, certificate),
    keyPem: await readSecret(disk, { path: privateKeyPath, key: 'security.api.tls.key' }),
  };
  const orEnded = atStart && renewsItself(config);
  const judge = (one: CertificatePair) => {
    const { notAfter } = certificatePeriod(one.certPem);
    return checkServerPair({ ...one, keyPath: privateKeyPath, now: orEnded ? Math.min(now, notAfter) : now });
  };
  const paths = { certificatePath, privateKeyPath };
  const pair = atStart ? await pairAtStart(disk, paths, found, (one) => judge(one).ok) : found;
  inFile(certificate, judge(pair));
  return { certPem: pair.certPem, keyPem: pair.keyPem };
}

/**
 * Whether this machine’s disk takes what the node will keep: FILE_UNREADABLE names the setting. For a node as a process;
 * one that is embedded may have another disk.
 */
export async function checkNodeFolders({ node, security, agents }: NodeConfig): Promise<void> {
  const folders = [
    { path: node.dataPath, key: 'node.data_path' },
    { path: security.audit.logPath, key: 'security.audit.log_path' },
  ];
  for (const { path, key } of folders) {
    const usable = await checkDataFolder(path);
    if (!usable.ok) throw new CaxtonError(usable.refusal.code, `${key}: ${usable.refusal.reasons.join(' ')}`);
  }
  const { modulesPath } = agents;
  if (modulesPath === undefined) return;
  const found = await stat(modulesPath).catch((error: Error) => error);
  const fault =
    found instanceof Error
      ? openFault(modulesPath, found)
      : found.isDirectory()
        ? ''
        : `${modulesPath} is not a folder.`;
  if (fault !== '') throw new CaxtonError('FILE_UNREADABLE', `agents.modules_path: ${fault}`);
}

/** For `readNodeFiles`: the receivers’ policies, undefined without a path. CONFIG_INVALID names the file and the line. */
export async function readPolicies(
  path: string | undefined,
  text: (path: string) => Promise<string>,
): Promise<PolicySet | undefined> {
  if (path === undefined) return undefined;
  const content = await text(path);
  if (content.length > limits.configBytesMax)
    throw new CaxtonError('CONFIG_INVALID', `${path} is over ${limits.configBytesMax} bytes.`);
  const yaml = readYaml(content);
  if (yaml.faults.length > 0) throw new CaxtonError('CONFIG_INVALID', faultTexts(yaml, path));
  return unwrap(parsePolicy(yaml.value, path, yaml.lineOf));
}
