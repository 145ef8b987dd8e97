import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CaxtonError } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId, type NodeId } from '../names.ts';

/** Where the nodes of a cluster are and what it takes to talk to them. */
export interface Profile {
  readonly path: string;
  readonly clusterId: string;
  readonly caPem: string;
  readonly apiKey: string;
  readonly nodes: readonly ProfileNode[];
}

export interface ProfileNode {
  readonly id: NodeId;
  /** `https://host:port`. */
  readonly api: string;
}

export interface ProfileSearch {
  /** `--profile`. */
  readonly flag: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

const place = join('.caxton', 'profile.json');
const othersWrite = 0o022;
const othersRead = 0o004;

/**
 * Finds and reads the profile: `--profile`, then `$CAXTON_PROFILE`, then `.caxton/profile.json` here and in every
 * folder above. Paths in it are relative to it. FILE_UNREADABLE, CONFIG_INVALID.
 */
export async function loadProfile(search: ProfileSearch): Promise<Profile> {
  const path = await findProfile(search);
  const fields = profileFields(await readText(path, { secret: false }), path);
  const near = (file: string) => resolve(dirname(path), file);
  const [caPath, keyPath] = [near(fields.ca), near(fields.apiKeyFile)];
  const caPem = await readText(caPath, { secret: false });
  const apiKey = (await readText(keyPath, { secret: true })).trim();
  if (!(await isCertificate(caPem))) throw new CaxtonError('CONFIG_INVALID', `${caPath} holds no PEM certificate.`);
  if (!apiKeyForm.test(apiKey))
    throw new CaxtonError('CONFIG_INVALID', `${keyPath} is not one line with an API key, cxk_…_….`);
  return { path, clusterId: fields.clusterId, nodes: fields.nodes, caPem, apiKey };
}

/** Where the CA of a profile lies, for whoever replaces it. As `loadProfile`. */
export async function caPathOf({ path }: Profile): Promise<string> {
  return resolve(dirname(path), profileFields(await readText(path, { secret: false }), path).ca);
}

const apiKeyForm = /^[\x21-\x7e]{1,512}$/;

async function isCertificate(pem: string): Promise<boolean> {
  const { X509Certificate } = await import('node:crypto');
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

async function findProfile({ flag, env, cwd }: ProfileSearch): Promise<string> {
  const named = flag ?? env.CAXTON_PROFILE;
  if (named) return resolve(cwd, named);
  for (let folder = resolve(cwd); ; folder = dirname(folder)) {
    const path = join(folder, place);
    if (await stat(path).catch(() => undefined)) return path;
    if (folder === dirname(folder)) break;
  }
  throw new CaxtonError('FILE_UNREADABLE', [
    `There is no ${place} in ${cwd} or a folder above it.`,
    '`caxton dev start` makes a development cluster with one; --profile FILE or $CAXTON_PROFILE names another.',
  ]);
}

/** Whoever can write one of these files decides to whom our key and messages go, so others must not be able to. */
async function readText(path: string, { secret }: { readonly secret: boolean }): Promise<string> {
  const refuse = (reason: string) => new CaxtonError('FILE_UNREADABLE', `${path} ${reason}`);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw refuse(`cannot be read: ${error.code}.`);
  });
  if (!found.isFile()) throw refuse('is not a file.');
  if (found.size > limits.profileBytesMax) throw refuse(`is larger than ${limits.profileBytesMax} bytes.`);
  const me = process.getuid?.();
  if (me !== undefined) {
    if (me !== 0 && found.uid !== me && found.uid !== 0) throw refuse('belongs to another user.');
    if (found.mode & othersWrite) throw refuse('can be written by others: chmod go-w it.');
    if (secret && found.mode & othersRead) throw refuse('is a secret that others can read: chmod 600 it.');
  }
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw refuse(`cannot be read: ${error.code}.`);
  });
}

interface Fields {
  readonly clusterId: string;
  readonly ca: string;
  readonly apiKeyFile: string;
  readonly nodes: readonly ProfileNode[];
}

/** Checked by hand: a schema library would cost more than all the rest of a short command. */
function profileFields(text: string, path: string): Fields {
  const refuse = (reason: string) => new CaxtonError('CONFIG_INVALID', `${path}: ${reason}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('it is not JSON.');
  }
  if (!isObject(value)) throw refuse('it is not a JSON object.');
  if (value.version !== 1) throw refuse('“version” is not 1; a newer caxton may have written it.');
  const textOf = (key: string): string => {
    const field = value[key];
    if (typeof field !== 'string' || field === '') throw refuse(`“${key}” is not a text.`);
    return field;
  };
  const list = value.nodes;
  if (!Array.isArray(list) || list.length === 0) throw refuse('“nodes” is not a list with at least one node.');
  const nodes = list.map((node: unknown, index): ProfileNode => {
    if (!isObject(node) || typeof node.id !== 'string' || !isNodeId(node.id) || !isApiAddress(node.api))
      throw refuse(`nodes[${index}] is not { "id": "node-1", "api": "https://host:port" }.`);
    return { id: node.id, api: node.api };
  });
  return { clusterId: textOf('clusterId'), ca: textOf('ca'), apiKeyFile: textOf('apiKeyFile'), nodes };
}

/** `https://host:port` and nothing behind it. */
function isApiAddress(text: unknown): text is string {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  return (
    url !== null &&
    url.protocol === 'https:' &&
    url.username === '' &&
    `${url.pathname}${url.search}${url.hash}` === '/'
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
