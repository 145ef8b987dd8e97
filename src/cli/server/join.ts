import { X509Certificate } from 'node:crypto';
import { join as pathJoin, resolve } from 'node:path';
import { raiseBootEpoch } from '../../actors/boot-epoch.ts';
import { askAsNewcomer } from '../../actors/cluster/identity/join-link.ts';
import { createNodeNetwork } from '../../actors/cluster/links/node-network.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { utf8 } from '../../actors/kernel/utf8.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { openNodeStore } from '../../actors/operations/node-store.ts';
import { enrol, fetchEnrolmentCa } from '../../client/enrolment.ts';
import { readKeyFile } from '../../config/key-file.ts';
import { parseHostPort } from '../../config/quantity.ts';
import { loadConfig } from '../../config.ts';
import { certificatesFromPem } from '../../crypto/certificate-chain.ts';
import { caKeyHashesOf, type JoinToken, readJoinToken } from '../../crypto/join-token.ts';
import { privateKeyFromPem, privateKeyToPem, publicHalf } from '../../crypto/keys.ts';
import { type KeyPair, osCrypto } from '../../crypto/port.ts';
import { createSigningRequest } from '../../crypto/signing-request.ts';
import { newApiKey, newNodeKeys } from '../../development/new-cluster.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import type { JoinFacts } from '../../protocols/link/join-frame.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { writeJson } from '../output.ts';
import { about } from '../security/held-ca.ts';
import { strictConfig } from './strict-config.ts';

const help = 'caxton server join --help';

/**
 * Makes a new node’s folder with a join token. The node’s key is made here and stays here; the cluster’s id comes with the
 * token and is never made; the gossip key comes over mutual TLS, with the new certificate. node.yaml is written last, so
 * what was cut short is gone on with by the same command: with the same key, which gets the same certificate.
 */
export async function join(invocation: Invocation): Promise<ExitCode> {
  const { text, terminal, json } = invocation;
  const folder = resolve(terminal.cwd, text('dir')!);
  const [bind, apiBind, advertise] = ['bind', 'api-bind', 'advertise'].map((option) =>
    addressFor(option, text(option)),
  );
  const config = pathJoin(folder, 'node.yaml');
  if (await nodeDisk.stat(config))
    throw new CaxtonError('ALREADY_EXISTS', `${config} is there already: this node has joined. Name another folder.`);
  const token = await readToken(resolve(terminal.cwd, text('token-file')!));
  await nodeDisk.makeFolder(folder, 0o700);
  const { key, caPem } = await enrolled(folder, token);
  const address = parseHostPort(token.link);
  if (!address) throw new CaxtonError('MALFORMED', 'The join token names no link address.');
  const facts = unwrap(
    await askAsNewcomer({
      ...token,
      clock: nodeClock,
      network: createNodeNetwork({ clock: nodeClock }),
      identity: { certPem: await read(folder, 'node.crt'), keyPem: privateKeyToPem(key.privateKey), caPem },
      address,
    }),
  );
  const authorityFiles = await writeFacts(folder, facts);
  await countBootsFrom(pathJoin(folder, 'data'), facts.lastBoot);
  await writeOwnKeys(folder);
  const { nodeId, clusterId, trustDomain } = token;
  const own = {
    bind: bind!,
    apiBind: apiBind!,
    advertise: advertise ?? bind!,
    join: facts.members,
    authorityFiles,
    caNodes: [token.enrolment],
    apiKeysFile: 'api-keys.json',
  };
  const yaml = strictConfig({ madeBy: 'caxton server join', nodeId, clusterId, trustDomain, ...own, ...sizes(facts) });
  // What another node sent stands in it: refused here rather than at the first start.
  unwrap(loadConfig(yaml, { file: config }));
  await write(folder, 'node.yaml', yaml, 0o600);
  const next = `caxton server start --config ${config}`;
  if (json) writeJson(terminal, { nodeId, config, next });
  else terminal.out(`${nodeId} has joined ${clusterId}. Start it: ${next}\n`);
  return 0;
}

/** Members take no boot for one of now that is not later than those of whoever had the id before. */
async function countBootsFrom(dataFolder: string, lastBoot: number): Promise<void> {
  if (lastBoot === 0) return;
  await nodeDisk.makeFolder(dataFolder, 0o700);
  const store = await openNodeStore(pathJoin(dataFolder, 'state.db'));
  try {
    await raiseBootEpoch(store, lastBoot);
  } finally {
    await store.close();
  }
}

const sizes = ({ expectedSize, profile }: JoinFacts) => ({ expectedSize, profile });

function addressFor(option: string, value: string | undefined): string | undefined {
  if (value !== undefined && !parseHostPort(value))
    throw new UsageError(`--${option} takes host:port, not “${value}”.`, help);
  return value;
}

async function readToken(path: string): Promise<JoinToken> {
  const token = unwrap(readJoinToken(utf8.decode(unwrap(await readKeyFile(path)))));
  if (token.expiresAt < nodeClock.now())
    throw new CaxtonError(
      'UNAUTHENTICATED',
      `The join token was good until ${new Date(token.expiresAt).toISOString()}.`,
    );
  return token;
}

/** The node’s key and certificate, and the CA whose hash the token has; made or, after a start cut short, found. */
async function enrolled(folder: string, token: JoinToken): Promise<{ readonly key: KeyPair; readonly caPem: string }> {
  const { nodeId, trustDomain, dns, ip } = token;
  const key = await ownKey(folder);
  const address = `https://${token.enrolment}`;
  const pinned = pinnedRoot(await fetchEnrolmentCa(address), token.caKeyHash);
  if (pinned === undefined)
    throw new CaxtonError('CERTIFICATE_REFUSED', [
      `Whoever answers at ${token.enrolment} shows another CA than the one that the join token pins.`,
      'Nothing secret was sent. Is somebody in between, or is the token of another cluster? If the cluster has rotated its root since the token was made, have a new one made.',
    ]);
  const request = Buffer.from(createSigningRequest({ nodeId, trustDomain, key, dns, ip })).toString('base64');
  const { certificate, ca } = await enrol(address, pinned, { id: token.id, secret: token.secret, request });
  // From here on what the cluster believes, which may be several roots while they are rotated.
  await write(folder, 'ca.crt', ca, 0o644);
  await write(folder, 'node.crt', certificate, 0o644);
  return { key, caPem: ca };
}

/** Of the roots that a server shows, the one that the token pins: PEM. */
function pinnedRoot(caPem: string, hash: string): string | undefined {
  const at = caKeyHashesOf(caPem).indexOf(hash);
  return at < 0 ? undefined : new X509Certificate(unwrap(certificatesFromPem(caPem))[at]!).toString();
}

async function ownKey(folder: string): Promise<KeyPair> {
  const path = pathJoin(folder, 'node.key');
  if (await nodeDisk.stat(path)) {
    // As a start will judge it: who else can read it must not learn at that time only, with the token used up.
    const pem = Buffer.from(unwrap(await readKeyFile(path))).toString('latin1');
    const privateKey = about(path, privateKeyFromPem(pem));
    return { privateKey, publicKey: publicHalf(privateKey) };
  }
  const key = osCrypto.generateKeyPair('p256');
  await write(folder, 'node.key', privateKeyToPem(key.privateKey), 0o600);
  return key;
}

async function writeFacts(folder: string, facts: JoinFacts): Promise<readonly string[]> {
  await write(folder, 'gossip.key', facts.gossipKeys, 0o600);
  await nodeDisk.makeFolder(pathJoin(folder, 'notices'), 0o700);
  await write(folder, 'notices/trust.notice', facts.trustNotice, 0o644);
  const files = facts.authorities.map((_, index) => `authority-${index + 1}.pub`);
  for (const [index, key] of facts.authorities.entries()) await write(folder, files[index]!, `${key}\n`, 0o644);
  return files;
}

/** What is this node’s alone. */
async function writeOwnKeys(folder: string): Promise<void> {
  const apiKey = newApiKey(osCrypto, 'joined', nodeClock.now());
  const { claimKey, vaultKey } = newNodeKeys(osCrypto);
  await write(folder, 'claim.key', claimKey, 0o600);
  await write(folder, 'vault.key', vaultKey, 0o600);
  await write(folder, 'api.key', apiKey.key, 0o600);
  await write(folder, 'api-keys.json', apiKey.hashes, 0o600);
}

const write = (folder: string, name: string, text: string, mode: number): Promise<void> =>
  nodeDisk.writeFileAtomic(pathJoin(folder, name), Buffer.from(text), mode);
async function read(folder: string, name: string): Promise<string> {
  const path = pathJoin(folder, name);
  const bytes = await nodeDisk.readFile(path);
  if (!bytes) throw new CaxtonError('FILE_UNREADABLE', `${path} is not there.`);
  return utf8.decode(bytes);
}
