import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { Crypto } from '../crypto/port.ts';
import { initialiseCluster } from '../development/initialise.ts';
import { clusterLayout } from '../development/layout.ts';
import type { NodeId } from '../names.ts';
import type { MemoryDisk } from './memory-disk.ts';

/** The files of a cluster that was made for tests. */
export interface ClusterFiles {
  /** Writes all of them on a disk. */
  putOn(disk: MemoryDisk): void;
  /** Of a node’s configuration on that disk. */
  configPathOf(id: NodeId): string;
  /** The private key whose deployments the cluster trusts, PEM. */
  readonly deployerPem: string;
}

export interface ClusterFilesOptions {
  readonly nodes: readonly NodeId[];
  readonly crypto: Crypto;
  /** Milliseconds since 1970: certificates hold from an hour before, for 90 days. */
  readonly now: number;
  /** The text of policy.yaml. */
  readonly policy: string;
  readonly caNodes?: readonly NodeId[];
}

/** Where everything lies on the memory disks. */
const root = '/cluster';
/** Nothing listens there but in the memory network. */
const firstPort = { link: 7_701, api: 27_801 };

/** Makes keys, certificates and configurations as `npm start` does, in a temporary folder that is gone when it resolves. */
export async function makeClusterFiles({ nodes, ...options }: ClusterFilesOptions): Promise<ClusterFiles> {
  const folder = await mkdtemp(join(tmpdir(), 'caxton-test-cluster-'));
  try {
    const made = join(folder, 'cluster');
    const ports = nodes.map((_, index) => ({ link: firstPort.link + index, api: firstPort.api + index }));
    await initialiseCluster({ root: made, nodes, ports, ...options });
    return filesOf(await readAll(made));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Files = ReadonlyMap<string, { readonly bytes: Uint8Array; readonly mode: number }>;

async function readAll(made: string): Promise<Files> {
  const files = new Map<string, { bytes: Uint8Array; mode: number }>();
  for (const entry of await readdir(made, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const { mode } = await stat(path);
    files.set(join(root, relative(made, path)), { bytes: new Uint8Array(await readFile(path)), mode: mode & 0o777 });
  }
  return files;
}

function filesOf(files: Files): ClusterFiles {
  const layout = clusterLayout(root);
  const textOf = (path: string): string => Buffer.from(files.get(path)?.bytes ?? []).toString('utf8');
  return {
    putOn(disk) {
      for (const [path, { bytes, mode }] of files) disk.put(path, bytes, mode);
    },
    configPathOf: (id) => layout.node(id).config,
    deployerPem: textOf(layout.deployerKey),
  };
}
