import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, lstat, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { checkNodeFolders, readNodeFiles } from '../../../src/actors/node-files.ts';
import { nodeDisk } from '../../../src/actors/operations/node-disk.ts';
import { writeError } from '../../../src/cli/output.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';
import { readConfigFile } from '../../../src/config/config-file.ts';
import { loadConfig } from '../../../src/config.ts';
import { initialiseCluster } from '../../../src/development/initialise.ts';
import { type ClusterLayout, clusterLayout, type NodeLayout } from '../../../src/development/layout.ts';
import { policyYaml } from '../../../src/development/templates.ts';
import { CaxtonError, unwrap } from '../../../src/errors.ts';
import type { NodeId } from '../../../src/names.ts';

const bin = join(import.meta.dirname, '..', '..', '..', 'bin', 'caxton.js');
export const nodeId = 'node-1' as NodeId;
export const otherId = 'node-2' as NodeId;
const dayMs = 86_400_000;
/** A start that must fail has this long, from the first byte of the process to its end. */
export const endsWithinMs = 5_000;

/** A copy of a healthy node’s folder, for one test to break. */
export interface Place {
  readonly cluster: ClusterLayout;
  readonly node: NodeLayout;
  /** The path of node.yaml as it is given to `--config`. */
  readonly config: string;
  /** Replaces a text in a file; throws when the file does not hold it. */
  edit(file: string, from: string | RegExp, to: string): Promise<void>;
}

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
}

let template = '';
let copies = 0;

/** Makes the healthy folder that every place is a copy of. */
export async function makeTemplate(): Promise<void> {
  template = await mkdtemp(join(tmpdir(), 'caxton-start-'));
  const now = Date.now();
  const [link, api] = [await freePort(), await freePort()];
  for (const name of ['ours', 'strangers'])
    await initialiseCluster({
      root: join(template, name),
      now: name === 'ours' ? now : now - dayMs,
      nodes: [nodeId],
      spare: [otherId],
      ports: [{ link, api }],
      policy: policyYaml(),
    });
}

export const removeTemplate = (): Promise<void> => rm(template, { recursive: true, force: true });

/** The folder of another cluster, whose files are good and not ours. */
export const strangers = (): ClusterLayout => clusterLayout(join(template, 'strangers'));

/** A copy for one test; removed with the template. */
export async function place(): Promise<Place> {
  copies += 1;
  const cluster = clusterLayout(join(template, `copy-${copies}`));
  await cp(join(template, 'ours'), cluster.root, { recursive: true, preserveTimestamps: true });
  const node = cluster.node(nodeId);
  const edit = async (file: string, from: string | RegExp, to: string): Promise<void> => {
    const text = await readFile(file, 'utf8');
    const edited = text.replace(from, to);
    if (edited === text) throw new Error(`${file} does not hold ${from}`);
    await writeFile(file, edited);
  };
  // Ports of its own: two places may start at once.
  const text = await readFile(node.config, 'utf8');
  const ports = [await freePort(), await freePort()];
  await writeFile(
    node.config,
    text.replace(/bind: 127\.0\.0\.1:\d+/g, () => `bind: 127.0.0.1:${ports.shift()}`),
  );
  return { cluster, node, config: node.config, edit };
}

const processesMax = 2;
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(act: () => Promise<T>): Promise<T> {
  if (running >= processesMax) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    return await act();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

/** A node as a process, with the command line as people use it; with `ipc` as a launcher starts it. */
export function startProcess(argv: readonly string[], { ipc = false } = {}): ChildProcess {
  return spawn(process.execPath, [bin, ...argv], {
    cwd: template,
    env: { PATH: process.env.PATH, HOME: template },
    stdio: ['ignore', 'pipe', 'pipe', ...(ipc ? (['ipc'] as const) : [])],
  });
}

/** Runs a command that must end by itself. At most two at a time; one that hangs is killed and has no exit code. */
export const run = (argv: readonly string[]): Promise<Ended> =>
  inTurn(async () => {
    const began = performance.now();
    const child = startProcess(argv);
    const timer = setTimeout(() => child.kill('SIGKILL'), endsWithinMs * 2);
    const ended = await output(child);
    clearTimeout(timer);
    return { ...ended, ms: performance.now() - began };
  });

/** What a process says until its end. */
export function output(child: ChildProcess): Promise<Omit<Ended, 'ms'>> {
  let [out, err] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, out, err }));
  });
}

/** Starts the node of a place. */
export const start = ({ config }: Pick<Place, 'config'>, ...more: readonly string[]): Promise<Ended> =>
  run(['server', 'start', '--config', config, ...more]);

/** Judges the files of a place as a start does, in this process: a hundred times faster than a process of its own. */
export async function judge({ config: path }: Pick<Place, 'config'>): Promise<Ended> {
  const began = performance.now();
  let err = '';
  try {
    const config = unwrap(loadConfig(unwrap(await readConfigFile(path)), { file: path }));
    await checkNodeFolders(config);
    await readNodeFiles(config, nodeDisk, Date.now());
  } catch (error) {
    if (!(error instanceof CaxtonError)) throw error;
    const terminal = { err: (text: string) => (err += text), errIsTerminal: false, env: {} };
    writeError(terminal as unknown as Terminal, error, false);
  }
  return { code: err === '' ? 0 : 1, signal: null, out: '', err, ms: performance.now() - began };
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Every path below a folder with its type, mode, and the hash of what it holds. */
export async function tree(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode, size } = await lstat(path);
    // Folders have a size of their own on some systems, and a pipe must not be read.
    const content = !entry.isFile() ? '' : size > 1_000_000 ? String(size) : hashOf(await readFile(path));
    found.set(relative(folder, path), `${mode.toString(8)} ${content}`);
  }
  return found;
}

/** A TCP port that nobody holds at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<unknown>((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
