import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { parseDocument } from 'yaml';
import type { NodeId } from '../names.ts';
import { writeProfile } from './initialise.ts';
import { clusterLayout } from './layout.ts';

export interface ClaimedPorts {
  readonly list: readonly { readonly link: number; readonly api: number }[];
  /** Such as `node-1 link 7701 → 40123`. */
  readonly changed: readonly string[];
  /** Writes replaced ports into every node.yaml and the profile. */
  writeBack(): Promise<void>;
}

const loopback = '127.0.0.1';

/** Whatever the system gives: for nodes that nobody has to find by heart. */
export const anyPorts = (): { link: number; api: number } => ({ link: 0, api: 0 });

/**
 * The ports that the nodes will use: those of their node.yaml, or `fallback` before there is one; each is replaced when
 * it is taken.
 */
export async function claimPorts(
  root: string,
  nodes: readonly NodeId[],
  fallback: (index: number) => { link: number; api: number },
): Promise<ClaimedPorts> {
  const wished = await Promise.all(nodes.map((id, index) => configuredPorts(root, id, fallback(index))));
  const changed: string[] = [];
  const list: { link: number; api: number }[] = [];
  const given = new Set<number>();
  for (const [index, ports] of wished.entries()) {
    const link = await freePort(ports.link, true, given);
    const api = await freePort(ports.api, false, given);
    if (link !== ports.link) changed.push(`${nodes[index]} link ${ports.link} → ${link}`);
    if (api !== ports.api) changed.push(`${nodes[index]} API ${ports.api} → ${api}`);
    list.push({ link, api });
  }
  return { list, changed, writeBack: () => (changed.length > 0 ? writeBack(root, nodes, list) : Promise.resolve()) };
}

async function configuredPorts(
  root: string,
  id: NodeId,
  fallback: { link: number; api: number },
): Promise<{ link: number; api: number }> {
  const file = clusterLayout(root).node(id).config;
  if (!existsSync(file)) return fallback;
  const document = parseDocument(await readFile(file, 'utf8'));
  const portOf = (path: string[], otherwise: number) => {
    const port = Number(
      String(document.getIn(path) ?? '')
        .split(':')
        .at(-1),
    );
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : otherwise;
  };
  return { link: portOf(['cluster', 'bind'], fallback.link), api: portOf(['api', 'bind'], fallback.api) };
}

async function writeBack(
  root: string,
  nodes: readonly NodeId[],
  list: readonly { link: number; api: number }[],
): Promise<void> {
  const layout = clusterLayout(root);
  let clusterId = '';
  for (const [index, id] of nodes.entries()) {
    const file = layout.node(id).config;
    const document = parseDocument(await readFile(file, 'utf8'));
    clusterId = String(document.getIn(['cluster', 'id']));
    document.setIn(['cluster', 'bind'], `${loopback}:${list[index]!.link}`);
    document.setIn(['api', 'bind'], `${loopback}:${list[index]!.api}`);
    const others = list.filter((_, other) => other !== index).map((ports) => `${loopback}:${ports.link}`);
    document.setIn(['cluster', 'join'], document.createNode(others));
    await writeFile(file, document.toString());
  }
  await writeProfile(layout, clusterId, nodes, list);
}

/** The wished port if nobody holds it, else one that the system gives. Links need it for TCP and UDP both. */
async function freePort(wished: number, datagrams: boolean, given: Set<number>): Promise<number> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const port = await tryTcp(attempt === 0 ? wished : 0);
    if (port === undefined || given.has(port)) continue;
    if (datagrams && !(await tryUdp(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error('no free port was found in 20 tries');
}

function tryTcp(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ host: loopback, port, exclusive: true }, () => {
      const address = server.address();
      const bound = typeof address === 'object' && address ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

function tryUdp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: loopback, port, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
