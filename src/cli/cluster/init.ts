import { rename } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { readNodeFiles } from '../../actors/node-files.ts';
import { lockFolder } from '../../actors/operations/audit/folder-lock.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { type HostPort, isWildcard, parseHostPort } from '../../config/quantity.ts';
import { loadConfig } from '../../config.ts';
import { issueNodeCertificate } from '../../crypto/certificate.ts';
import { osCrypto } from '../../crypto/port.ts';
import { newApiKey, newCluster, newNodeKeys, profileText } from '../../development/new-cluster.ts';
import { makeWholeFolder, placeOf, takenBy } from '../../development/whole-folder.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { writeJson } from '../output.ts';
import { readLifetime, validityFrom } from '../security/validity.ts';
import { strictConfig } from '../server/strict-config.ts';
import { type FirstCa, givenCa, madeCa } from './first-ca.ts';

/** What the command line says about the first node. */
interface FirstNode {
  readonly nodeId: NodeId;
  readonly bind: HostPort;
  readonly apiBind: HostPort;
  readonly advertise: HostPort;
  readonly expectedSize: number;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

/**
 * Makes a cluster: its id, its keys and the folder of its first node, a CA node. Everything that a node would judge at its
 * start is judged in a folder beside, which is then renamed into its place.
 */
export async function init(invocation: Invocation): Promise<ExitCode> {
  const { text, flag, terminal, json } = invocation;
  const node = firstNode(invocation);
  const folder = await placeOf(resolve(terminal.cwd, text('dir')!));
  const taken = await takenBy(folder);
  if (taken && !(taken === 'files' && flag('force'))) throw takenError(folder, taken);
  const ca = await caOf(invocation);
  const cluster = newCluster(osCrypto, nodeClock.now());
  const aside = taken && `${folder}.old-${new Date(nodeClock.now()).toISOString().replaceAll(/[:.]/g, '')}`;
  await makeWholeFolder(folder, async (draft) => {
    await fill(invocation, draft, { node, ca, cluster });
    // As a start would: a folder that no node accepts is never put in its place.
    const file = join(draft, 'node.yaml');
    const config = unwrap(loadConfig(await textOf(file), { file }));
    await readNodeFiles(config, nodeDisk, nodeClock.now());
    if (aside !== undefined) await moveAside(folder, aside);
  });
  const offline = [...(ca.rootKey === undefined ? [] : ['root.key']), 'authority.key', 'deployer.key'];
  const next = nextCommands(folder, node);
  if (json) writeJson(terminal, { clusterId: cluster.clusterId, folder, offline, aside: aside ?? null, next });
  else {
    terminal.out(`${folder}: the cluster ${cluster.clusterId} and its first node, ${node.nodeId}\n\n`);
    terminal.out(`Next:\n${next.map((command) => `  ${command}\n`).join('')}\n`);
    terminal.out(
      `Then take ${folder}/offline (${offline.join(', ')}) off this machine: whoever has it has the cluster.\n`,
    );
    if (aside !== undefined) terminal.err(`What was there before is in ${aside}.\n`);
  }
  return 0;
}

const nextCommands = (folder: string, { nodeId }: FirstNode): readonly string[] => [
  `caxton server start --config ${join(folder, 'node.yaml')}`,
  `export CAXTON_PROFILE=${join(folder, 'profile.json')}`,
  'caxton cluster members',
  `caxton security join-token --node-id ID --ip ADDRESS --out ID.token --node ${nodeId}`,
];

function takenError(folder: string, taken: 'files' | 'no folder' | 'dead link'): CaxtonError {
  if (taken === 'dead link')
    return new CaxtonError('FILE_UNREADABLE', `${folder} is a symbolic link that leads nowhere: mend it.`);
  if (taken === 'no folder') return new CaxtonError('ALREADY_EXISTS', `${folder} is not a folder: name another.`);
  return new CaxtonError('ALREADY_EXISTS', [
    `${folder} holds files already, and was left as it is.`,
    'Name another folder; or give --force, which moves it aside and makes a new cluster, whose nodes know none of the old one.',
  ]);
}

function firstNode({ text, list }: Invocation): FirstNode {
  const nodeId = text('node-id')!;
  if (!isNodeId(nodeId)) throw new UsageError('--node-id is a-z, 0-9, “_” and “-”, at most 63 characters.');
  const bind = addressOf('bind', text('bind')!);
  const apiBind = addressOf('api-bind', text('api-bind')!);
  const told = text('advertise');
  if (told === undefined && isWildcard(bind.host))
    throw new UsageError(`--advertise is needed with --bind ${bind.host}: others must know where to dial.`);
  const advertise = told === undefined ? bind : addressOf('advertise', told);
  const expectedSize = Number(text('expected-size') ?? '3');
  if (!Number.isInteger(expectedSize) || expectedSize < 1 || expectedSize > 16_384)
    throw new UsageError('--expected-size is how many nodes the cluster shall have, 1 to 16384.');
  // Where it is dialled, and where its API is asked, stand in its certificate.
  const hosts = [advertise.host, ...(isWildcard(apiBind.host) ? [] : [apiBind.host])];
  const unique = (names: readonly string[]) => [...new Set(names)];
  return {
    ...{ nodeId, bind, apiBind, advertise, expectedSize },
    dns: unique([...hosts.filter((host) => isIP(host) === 0), ...list('dns')]),
    ip: unique([...hosts.filter((host) => isIP(host) !== 0), ...list('ip')]),
  };
}

function addressOf(option: string, value: string): HostPort {
  const address = parseHostPort(value);
  if (address && address.port > 0) return address;
  throw new UsageError(`--${option} takes host:port with a port of its own, not “${value}”.`);
}

async function caOf(invocation: Invocation): Promise<FirstCa> {
  const { text } = invocation;
  const [cert, key] = [text('ca-cert'), text('ca-key')];
  if ((cert === undefined) !== (key === undefined)) throw new UsageError('--ca-cert and --ca-key belong together.');
  return cert === undefined || key === undefined ? madeCa(invocation) : givenCa(invocation, cert, key);
}

interface Made {
  readonly node: FirstNode;
  readonly ca: FirstCa;
  readonly cluster: ReturnType<typeof newCluster>;
}

async function fill(invocation: Invocation, folder: string, { node, ca, cluster }: Made): Promise<void> {
  const { nodeId, bind, apiBind, advertise, dns, ip, expectedSize } = node;
  const { clusterId } = cluster;
  const secret = (name: string, content: string) => write(folder, name, content, 0o600);
  const open = (name: string, content: string) => write(folder, name, content, 0o644);
  for (const inner of ['offline', 'notices', 'ca', 'data']) await nodeDisk.makeFolder(join(folder, inner), 0o700);
  if (ca.rootKey !== undefined) await secret('offline/root.key', ca.rootKey);
  await secret('offline/authority.key', cluster.authorityKey);
  await secret('offline/deployer.key', cluster.deployerKey);
  for (const { name, content, mode } of ca.files) await write(folder, name, content, mode);
  await open('ca.crt', ca.rootsPem);
  await open('authority.pub', cluster.authorityPublic);
  await open('notices/trust.notice', cluster.trustNotice);
  await secret('gossip.key', cluster.gossipKey);
  const keys = newNodeKeys(osCrypto);
  const lifetimeMs = readLifetime(invocation.text('validity') ?? '90d', 'validity');
  const validity = validityFrom(nodeClock.now(), lifetimeMs, ca);
  const request = { ca: ca.pair, publicKey: keys.pair.publicKey, nodeId, trustDomain: ca.trustDomain, dns, ip };
  await open('node.crt', unwrap(issueNodeCertificate(osCrypto, { ...request, ...validity })) + ca.chainPem);
  await secret('node.key', keys.keyPem);
  await secret('claim.key', keys.claimKey);
  await secret('vault.key', keys.vaultKey);
  const apiKey = newApiKey(osCrypto, 'operator', nodeClock.now());
  await secret('api.key', apiKey.key);
  await open('notices/api-keys.notice', cluster.sign('api-keys', apiKey.document));
  const apiHost = isWildcard(apiBind.host) ? advertise.host : apiBind.host;
  const api = `https://${hostText({ ...apiBind, host: apiHost })}`;
  await open(
    'profile.json',
    profileText({ clusterId, ca: 'ca.crt', apiKeyFile: 'api.key', nodes: [{ id: nodeId, api }] }),
  );
  const yaml = strictConfig({
    ...{ madeBy: 'caxton init', nodeId, clusterId, trustDomain: ca.trustDomain, expectedSize, profile: 'lan' },
    ...{ bind: hostText(bind), advertise: hostText(advertise), apiBind: hostText(apiBind) },
    ...{ join: [], caNodes: [], authorityFiles: ['authority.pub'], ca: ca.node, apiKeysFile: undefined },
  });
  await secret('node.yaml', yaml);
}

const hostText = ({ host, port }: HostPort): string => `${host.includes(':') ? `[${host}]` : host}:${port}`;
const write = (folder: string, name: string, content: string, mode: number): Promise<void> =>
  nodeDisk.writeFileAtomic(join(folder, name), Buffer.from(content), mode);
const textOf = async (path: string): Promise<string> => Buffer.from((await nodeDisk.readFile(path)) ?? []).toString();

/** A node that runs would go on writing by its paths, into the new cluster’s folder. ALREADY_EXISTS. */
async function moveAside(folder: string, aside: string): Promise<void> {
  const log = join(folder, 'audit');
  const unlock = (await nodeDisk.stat(log)) ? lockFolder(log) : () => {};
  try {
    await rename(folder, aside);
  } finally {
    unlock();
  }
}
