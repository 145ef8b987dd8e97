import { createHash } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { isNodeId } from '../names.ts';
import { transcript } from './transcript.ts';

/** Length of a gossip key. */
const gossipKeyBytes = 32;
const hashBytes = 16;
const epochMax = 0xffff_ffff;
const domain = 'caxton gossip key v1';

/** What a gossip key is for, fixed when it is made. */
export interface GossipKeyFacts {
  /** The key version of datagrams, 1 to 2³² − 1. */
  readonly epoch: number;
  /** The node that made it; empty for the first key of a cluster. */
  readonly proposer: string;
  /** How many steps the cluster’s revocations had taken then. */
  readonly revocations: number;
}

/** Names a gossip key; no secret. */
export interface GossipKeyName extends GossipKeyFacts {
  /** 128 bits of SHA-256 over the key and its facts, hexadecimal: 256 random bits cannot be guessed from it. */
  readonly hash: string;
}

/** A gossip key. */
export interface GossipKey {
  readonly id: GossipKeyName;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/**
 * A key with its name. The facts are hashed with it, so whoever is given a key under a name can tell that it is the one.
 * Throws for a key that is not 32 bytes and an epoch that is out of range: bugs of the caller.
 */
export function gossipKey(key: Uint8Array, { epoch, proposer, revocations }: GossipKeyFacts): GossipKey {
  if (key.length !== gossipKeyBytes) throw new TypeError(`A gossip key has ${gossipKeyBytes} bytes.`);
  if (!isEpoch(epoch)) throw new RangeError(`A gossip key’s epoch is 1 to ${epochMax}.`);
  const hashed = createHash('sha256').update(transcript(domain, epoch, proposer, revocations, key));
  const hash = hashed.digest('hex').slice(0, 2 * hashBytes);
  return { id: { epoch, proposer, revocations, hash }, key: key.slice() };
}

/** The gossip keys that a node holds: one seals, all open. Immutable; which it holds, the rules of rotation say. */
export class Keyring {
  /** Private, so that printing a keyring prints no key. */
  readonly #keys: readonly GossipKey[];
  readonly #sealing: GossipKey;

  /** Use `createKeyring` or `keyringFromText`. */
  constructor(sealing: GossipKey, others: readonly GossipKey[]) {
    this.#sealing = sealing;
    this.#keys = [sealing, ...others.filter(({ id }) => id.hash !== sealing.id.hash)];
  }

  /** The key that seals what this node sends. */
  get sealing(): GossipKey {
    return this.#sealing;
  }

  /** All keys, the sealing one first. */
  get keys(): readonly GossipKey[] {
    return this.#keys;
  }

  /** The keys that a datagram of this version may be sealed with: several when two nodes proposed at once. */
  ofEpoch(epoch: number): readonly GossipKey[] {
    return this.#keys.filter(({ id }) => id.epoch === epoch);
  }

  /** The key with this hash; undefined when it is not held. */
  key(hash: string): GossipKey | undefined {
    return this.#keys.find(({ id }) => id.hash === hash);
  }

  /** Names only: what `JSON.stringify` of something that holds a keyring may show. */
  toJSON(): { readonly sealing: string; readonly keys: readonly string[] } {
    return { sealing: this.#sealing.id.hash, keys: this.#keys.map(({ id }) => id.hash) };
  }
}

/** A keyring with the key that seals and those that open besides. */
export const createKeyring = (sealing: GossipKey, others: readonly GossipKey[] = []): Keyring =>
  new Keyring(sealing, others);

/**
 * The text of a gossip key file: JSON with the key that seals, as a node needs it to begin. It is the secret itself; the
 * file is 0600.
 */
export function keyringToText({ sealing }: Keyring): string {
  const { epoch, proposer, revocations } = sealing.id;
  const facts = proposer === '' && revocations === 0 ? {} : { proposer, revocations };
  const entry = { version: epoch, ...facts, key: Buffer.from(sealing.key).toString('base64') };
  return `${JSON.stringify({ format: 1, sealing: epoch, keys: [entry] }, undefined, 2)}\n`;
}

/**
 * Reads a gossip key file. MALFORMED for another form, for versions that do not ascend, or when the sealing key is not
 * among them; LIMIT_EXCEEDED when the text is too long or holds too many keys. The refusal never quotes the text.
 */
export function keyringFromText(text: string): Result<Keyring> {
  if (text.length > limits.pemBytesMax) return refuse('LIMIT_EXCEEDED', 'The gossip key file is too long.');
  const file = parse(text);
  if (!isRecord(file) || file.format !== 1 || !Array.isArray(file.keys)) return malformed();
  if (file.keys.length > limits.gossipKeysMax)
    return refuse('LIMIT_EXCEEDED', `A keyring holds ${limits.gossipKeysMax} keys at most.`);
  const keys: GossipKey[] = [];
  for (const entry of file.keys as readonly unknown[]) {
    const key = readEntry(entry);
    if (!key || key.id.epoch <= (keys.at(-1)?.id.epoch ?? 0)) return malformed();
    keys.push(key);
  }
  const sealing = keys.find(({ id }) => id.epoch === file.sealing);
  return sealing ? ok(new Keyring(sealing, keys)) : malformed();
}

function readEntry(entry: unknown): GossipKey | undefined {
  if (!isRecord(entry)) return undefined;
  const { version, proposer = '', revocations = 0, key: text } = entry;
  if (typeof version !== 'number' || typeof text !== 'string' || typeof proposer !== 'string') return undefined;
  const key = Buffer.from(text, 'base64');
  if (key.toString('base64') !== text || key.length !== gossipKeyBytes || !isEpoch(version)) return undefined;
  if (typeof revocations !== 'number' || !Number.isSafeInteger(revocations) || revocations < 0) return undefined;
  if (proposer !== '' && !isNodeId(proposer)) return undefined;
  return gossipKey(new Uint8Array(key), { epoch: version, proposer, revocations });
}

const isEpoch = (epoch: number): boolean => Number.isInteger(epoch) && epoch >= 1 && epoch <= epochMax;

const malformed = (): ReturnType<typeof refuse> =>
  refuse(
    'MALFORMED',
    'A gossip key file is JSON: format 1, sealing, and keys with ascending versions and base64 keys.',
  );

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
