import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { Crypto } from './port.ts';
import { transcript } from './transcript.ts';

const nonceBytes = 12;
const tagBytes = 16;
const domain = 'caxton block v1';

/** What sealing adds to a block. */
export const blockSealBytes = nonceBytes + tagBytes;

/**
 * Seals the blocks of one file with a key of its own (AES-256-GCM). Nonces are random: a block that a crash tore is
 * written again with its number, and one nonce must not seal two texts. What the block is and which file it stands in
 * is associated data, so no block opens at another place.
 */
export class BlockSeal {
  readonly #key: KeyObject;
  readonly #file: Uint8Array;

  /** `dataKey`: 32 bytes; `file`: bytes that no other file has. */
  constructor(dataKey: Uint8Array, file: Uint8Array) {
    this.#key = createSecretKey(dataKey);
    this.#file = file;
  }

  /** Nonce, ciphertext and tag, in this order; `head` is authenticated and stays in clear beside them. */
  seal(crypto: Crypto, head: Uint8Array, plaintext: Uint8Array): readonly Uint8Array[] {
    const nonce = crypto.randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(transcript(domain, this.#file, head));
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return [nonce, ciphertext, cipher.getAuthTag()];
  }

  /** The plaintext; undefined for anything that was not sealed with this key, for this file and this head. */
  open(head: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < blockSealBytes) return undefined;
    const nonce = sealed.subarray(0, nonceBytes);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tagBytes });
    decipher.setAAD(transcript(domain, this.#file, head));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    try {
      const plaintext = decipher.update(sealed.subarray(nonceBytes, -tagBytes));
      decipher.final();
      return plaintext;
    } catch {
      return undefined;
    }
  }
}
