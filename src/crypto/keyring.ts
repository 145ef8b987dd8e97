import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';

/** Length of a gossip key. */
const gossipKeyBytes = 32;

const versionMax = 0xffff_ffff;

/** A gossip key with its version, a number that only grows. */
export interface GossipKey {
  readonly version: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/**
 * The gossip keys that a node holds: one seals, all open. Immutable; a change gives a new keyring. Rotation in three
 * steps: `added` everywhere, then `sealingWith` everywhere, then `without` the old one. Versions never regress.
 */
export class Keyring {
  /** Ascending by version; private, so that printing a keyring prints no key. */
  readonly #keys: readonly GossipKey[];
  readonly #sealing: GossipKey;

  /** Use `createKeyring` or `keyringFromText`. */
  constructor(keys: readonly GossipKey[], sealing: GossipKey) {
    this.#keys = keys;
    this.#sealing = sealing;
  }

  /** The key that seals what this node sends. */
  get sealing(): GossipKey {
    return this.#sealing;
  }

  /** Versions held, ascending. */
  get versions(): readonly number[] {
    return this.#keys.map(({ version }) => version);
  }

  /** The key of a version, 32 bytes; undefined when it is not held. */
  key(version: number): Uint8Array | undefined {
    return this.#keys.find((held) => held.version === version)?.key;
  }

  /**
   * With a key more, which opens but does not seal yet. REPLAYED when the version is not above all held ones,
   * LIMIT_EXCEEDED when the ring is full, MALFORMED for another form of key.
   */
  added(version: number, key: Uint8Array): Result<Keyring> {
    if (!isGossipKey(version, key)) return malformed();
    if (version <= this.#keys.at(-1)!.version)
      return refuse('REPLAYED', `Gossip key ${version} is not newer than ${this.#keys.at(-1)!.version}.`);
    if (this.#keys.length >= limits.gossipKeysMax)
      return refuse('LIMIT_EXCEEDED', `A keyring holds ${limits.gossipKeysMax} keys at most.`);
    return ok(new Keyring([...this.#keys, { version, key: key.slice() }], this.#sealing));
  }

  /** Sealing with a held key from now on. REPLAYED for a version below the sealing one, MALFORMED when it is not held. */
  sealingWith(version: number): Result<Keyring> {
    const found = this.#keys.find((held) => held.version === version);
    if (!found) return refuse('MALFORMED', `The keyring holds no key of version ${version}.`);
    if (version < this.#sealing.version)
      return refuse('REPLAYED', `Gossip key ${version} is older than the sealing one, ${this.#sealing.version}.`);
    return ok(new Keyring(this.#keys, found));
  }

  /** Without a key that is older than the sealing one. MALFORMED for the sealing one or a newer one. */
  without(version: number): Result<Keyring> {
    if (version >= this.#sealing.version)
      return refuse('MALFORMED', `Gossip key ${version} is not older than the sealing one.`);
    return ok(
      new Keyring(
        this.#keys.filter((held) => held.version !== version),
        this.#sealing,
      ),
    );
  }

  /** Versions only: what `JSON.stringify` of something that holds a keyring may show. */
  toJSON(): { readonly sealing: number; readonly versions: readonly number[] } {
    return { sealing: this.#sealing.version, versions: this.versions };
  }
}

/** A keyring with one key, which seals. Throws for a key that is not 32 bytes or a version that is not 1 to 2³² − 1. */
export function createKeyring(version: number, key: Uint8Array): Keyring {
  if (!isGossipKey(version, key)) throw new TypeError('A gossip key has 32 bytes and a version from 1.');
  const only = { version, key: key.slice() };
  return new Keyring([only], only);
}

/** The text of the keyring’s file: JSON with versions and base64 keys. It is the secret itself; the file is 0600. */
export function keyringToText(keyring: Keyring): string {
  const keys = keyring.versions.map((version) => ({
    version,
    key: Buffer.from(keyring.key(version)!).toString('base64'),
  }));
  return `${JSON.stringify({ format: 1, sealing: keyring.sealing.version, keys }, undefined, 2)}\n`;
}

/**
 * Reads a keyring’s file. MALFORMED for another form, for versions that do not ascend, or when the sealing key is not
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
    if (!isRecord(entry) || typeof entry.version !== 'number' || typeof entry.key !== 'string') return malformed();
    const key = Buffer.from(entry.key, 'base64');
    const { version } = entry;
    if (key.toString('base64') !== entry.key || !isGossipKey(version, key)) return malformed();
    if (version <= (keys.at(-1)?.version ?? 0)) return malformed();
    keys.push({ version, key: new Uint8Array(key) });
  }
  const sealing = keys.find(({ version }) => version === file.sealing);
  return sealing ? ok(new Keyring(keys, sealing)) : malformed();
}

const isGossipKey = (version: number, key: Uint8Array): boolean =>
  key.length === gossipKeyBytes && Number.isInteger(version) && version >= 1 && version <= versionMax;

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
