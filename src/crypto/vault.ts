import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { fromBase64url, toBase64url } from './base64url.ts';
import { type Crypto, sha256 } from './port.ts';
import { transcript } from './transcript.ts';

const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const wrapDomain = 'caxton vault wrap v1';
const idDomain = 'caxton vault key id v1';

/** A data key under a key of the vault: what may lie beside the data. */
export interface WrappedKey {
  /** Which key of the ring opens it. */
  readonly vaultKey: string;
  /** Nonce ‖ ciphertext ‖ tag. */
  readonly bytes: Uint8Array;
}

interface VaultKey {
  /** 22 characters, made of the key itself: two keys never share one. */
  readonly id: string;
  readonly key: Uint8Array;
}

/**
 * The vault of a node: 256-bit keys that wrap the keys of its data (AES-256-GCM), one of them current, the older ones
 * kept to open what they wrapped; and one key for hashes. Immutable: a change gives a new ring. A data key is wrapped
 * for a context, bytes that say what it belongs to, and opens in no other.
 */
export class VaultRing {
  /** Oldest first; private, so that printing a ring prints no key. */
  readonly #keys: readonly VaultKey[];
  readonly #current: VaultKey;
  readonly #hashKey: Uint8Array;

  /** Use `createVaultRing` or `vaultRingFromText`. */
  constructor(keys: readonly VaultKey[], current: VaultKey, hashKey: Uint8Array) {
    this.#keys = keys;
    this.#current = current;
    this.#hashKey = hashKey;
  }

  /** The key that wraps from now on. */
  get currentId(): string {
    return this.#current.id;
  }

  /** All keys held, oldest first. */
  get ids(): readonly string[] {
    return this.#keys.map(({ id }) => id);
  }

  /** Wraps a data key of 32 bytes under the current key. */
  wrap(crypto: Crypto, dataKey: Uint8Array, context: Uint8Array): WrappedKey {
    const { id, key } = this.#current;
    const nonce = crypto.randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(associated(id, context));
    const bytes = Buffer.concat([nonce, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
    return { vaultKey: id, bytes: new Uint8Array(bytes) };
  }

  /** The data key. SEAL_INVALID when its vault key is not held, or it was wrapped for another context, or changed. */
  unwrap({ vaultKey, bytes }: WrappedKey, context: Uint8Array): Result<Uint8Array> {
    const held = this.#keys.find(({ id }) => id === vaultKey);
    if (!held) return refuse('SEAL_INVALID', `The vault does not hold the key ${vaultKey}.`);
    if (bytes.length !== nonceBytes + keyBytes + tagBytes)
      return refuse('SEAL_INVALID', 'A wrapped key has another length.');
    const nonce = bytes.subarray(0, nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', held.key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(associated(vaultKey, context));
    decipher.setAuthTag(bytes.subarray(nonceBytes + keyBytes));
    try {
      const opened = Buffer.concat([decipher.update(bytes.subarray(nonceBytes, -tagBytes)), decipher.final()]);
      return ok(new Uint8Array(opened));
    } catch {
      return refuse('SEAL_INVALID', 'A wrapped key could not be authenticated.');
    }
  }

  /**
   * A stand-in for a secret in a record: the same secret gives the same text, and without the vault nobody can try
   * secrets against it. `hmac:` and 128 bits of HMAC-SHA256 in base64url; stays the same over rotations.
   */
  hash(secret: string): string {
    return `hmac:${toBase64url(createHmac('sha256', this.#hashKey).update(secret).digest().subarray(0, 16))}`;
  }

  /** With a new key that is current from now on. LIMIT_EXCEEDED when `limits.vaultKeysMax` are held. */
  rotated(crypto: Crypto): Result<VaultRing> {
    if (this.#keys.length >= limits.vaultKeysMax)
      return refuse('LIMIT_EXCEEDED', `A vault holds ${limits.vaultKeysMax} keys at most: drop an old one first.`);
    const key = vaultKey(crypto.randomBytes(keyBytes));
    return ok(new VaultRing([...this.#keys, key], key, this.#hashKey));
  }

  /** Without an old key. MALFORMED for the current one, or one that is not held. */
  without(id: string): Result<VaultRing> {
    if (id === this.#current.id) return refuse('MALFORMED', `The vault key ${id} is the current one.`);
    const rest = this.#keys.filter((held) => held.id !== id);
    if (rest.length === this.#keys.length) return refuse('MALFORMED', `The vault does not hold the key ${id}.`);
    return ok(new VaultRing(rest, this.#current, this.#hashKey));
  }

  /** The text of the ring’s file. It is the secret itself; the file is 0600. */
  toText(): string {
    const keys = this.#keys.map(({ id, key }) => ({ id, key: toBase64url(key) }));
    const ring = { format: 1, current: this.#current.id, keys, hash_key: toBase64url(this.#hashKey) };
    return `${JSON.stringify(ring, undefined, 2)}\n`;
  }

  /** Ids only: what `JSON.stringify` of something that holds a ring may show. */
  toJSON(): { readonly current: string; readonly keys: readonly string[] } {
    return { current: this.#current.id, keys: this.ids };
  }
}

/** A ring with one key. */
export function createVaultRing(crypto: Crypto): VaultRing {
  const key = vaultKey(crypto.randomBytes(keyBytes));
  return new VaultRing([key], key, crypto.randomBytes(keyBytes));
}

/**
 * Reads what `toText` wrote. MALFORMED for any other form, LIMIT_EXCEEDED when it is too long or holds too many keys.
 * The refusal never quotes the text.
 */
export function vaultRingFromText(text: string): Result<VaultRing> {
  if (text.length > limits.pemBytesMax) return refuse('LIMIT_EXCEEDED', 'The vault key ring is too long.');
  const ring = parse(text);
  if (ring?.format !== 1 || !Array.isArray(ring.keys)) return malformed();
  if (ring.keys.length > limits.vaultKeysMax)
    return refuse('LIMIT_EXCEEDED', `A vault holds ${limits.vaultKeysMax} keys at most.`);
  const keys: VaultKey[] = [];
  for (const entry of ring.keys as readonly unknown[]) {
    const { id, key } = (entry ?? {}) as Record<string, unknown>;
    const bytes = bytesOf(key);
    if (!bytes) return malformed();
    const read = vaultKey(bytes);
    if (read.id !== id || keys.some((other) => other.id === id)) return malformed();
    keys.push(read);
  }
  const current = keys.find(({ id }) => id === ring.current);
  const hashKey = bytesOf(ring.hash_key);
  return current && hashKey ? ok(new VaultRing(keys, current, hashKey)) : malformed();
}

function vaultKey(key: Uint8Array): VaultKey {
  if (key.length !== keyBytes) throw new TypeError(`A vault key has ${keyBytes} bytes.`);
  return { id: toBase64url(sha256(transcript(idDomain, key)).subarray(0, 16)), key };
}

const associated = (id: string, context: Uint8Array): Uint8Array => transcript(wrapDomain, id, sha256(context));

const bytesOf = (text: unknown): Uint8Array | undefined => {
  const bytes = typeof text === 'string' ? fromBase64url(text) : undefined;
  return bytes?.length === keyBytes ? bytes : undefined;
};

const malformed = (): ReturnType<typeof refuse> =>
  refuse('MALFORMED', 'A vault key ring is JSON: format 1, current, keys with id and key, and hash_key.');

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
