import { diffieHellman, hkdfSync, type KeyObject } from 'node:crypto';
import sodium from 'libsodium-wrappers';
import { ok, type Result, refuse } from '../errors.ts';
import { limits } from '../limits.ts';
import { datagramTag, datagramLayout as layout, readDatagramHead, sealOverheadBytes } from './datagram.ts';
import { rawPublicKey } from './keys.ts';
import type { Crypto } from './port.ts';
import { readU64, transcript, writeU64 } from './transcript.ts';

export { type DatagramHead, datagramTag, readDatagramHead, sealOverheadBytes } from './datagram.ts';

const keyBytes = 32;
const domain = 'caxton gossip seal v1';

/** Resolves when libsodium’s WebAssembly is loaded. Await it once before the first `derivePairSeal`. */
export async function sealReady(): Promise<void> {
  await sodium.ready;
}

/** One end of a pair. */
export interface SealEnd {
  readonly nodeId: string;
  /** Boot epoch: a whole number, greater at every boot. */
  readonly epoch: number;
}

/** Everything that a pair’s two keys depend on. */
export interface PairSealOptions {
  readonly crypto: Crypto;
  /** Own X25519 private key of this boot. */
  readonly ownPrivate: KeyObject;
  /** The peer’s X25519 public key of its boot, from `x25519PublicKey`. */
  readonly peerPublic: KeyObject;
  /** 32 bytes that all members share. */
  readonly gossipKey: Uint8Array;
  readonly clusterId: string;
  /** Of the gossip key: 1 to 2³² − 1. */
  readonly keyVersion: number;
  readonly self: SealEnd;
  readonly peer: SealEnd;
}

/**
 * Seals datagrams between this node and one peer, for one boot of each and one gossip key.
 *
 * Each direction has a key of its own: HKDF-SHA256 over the X25519 secret and the gossip key, so that a holder of the
 * shared key alone can neither read nor forge what two others say. XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) with a
 * random 24-byte nonce that callers never see; everything in clear is either authenticated or compared.
 */
export class PairSeal {
  readonly #crypto: Crypto;
  readonly #keyVersion: number;
  readonly #outward: Direction;
  readonly #inward: Direction;

  /** Use `derivePairSeal`. */
  constructor(crypto: Crypto, keyVersion: number, outward: Direction, inward: Direction) {
    this.#crypto = crypto;
    this.#keyVersion = keyVersion;
    this.#outward = outward;
    this.#inward = inward;
  }

  /**
   * Seals a packet. The counter is the caller’s, grows with every datagram of this boot, and is what the receiver’s replay
   * window checks. Throws when the datagram would be over `limits.datagramBytesMax` or the counter is out of range.
   */
  seal(counter: number, plaintext: Uint8Array): Uint8Array {
    const length = plaintext.length + sealOverheadBytes;
    if (length > limits.datagramBytesMax)
      throw new RangeError(`A sealed packet may have ${limits.datagramBytesMax} bytes at most.`);
    const datagram = Buffer.alloc(length);
    const nonce = this.#crypto.randomBytes(layout.nonceBytes);
    if (nonce.length !== layout.nonceBytes) throw new TypeError('The generator gave a nonce of another length.');
    datagram[0] = layout.formatVersion;
    datagram.writeUInt32BE(this.#keyVersion, layout.keyVersionAt);
    datagram.write(this.#outward.tag, layout.tagAt, 'hex');
    writeU64(datagram, counter, layout.counterAt);
    datagram.set(nonce, layout.nonceAt);
    const { key } = this.#outward;
    const associated = associatedData(this.#outward, counter);
    datagram.set(
      sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, associated, null, nonce, key),
      layout.ciphertextAt,
    );
    return new Uint8Array(datagram.buffer, datagram.byteOffset, length);
  }

  /**
   * Opens a datagram from the peer. The counter is authentic but not yet known to be fresh: check it against the replay
   * window. SEAL_INVALID for anything that this pair did not seal; MALFORMED and LIMIT_EXCEEDED as in `readDatagramHead`.
   */
  open(datagram: Uint8Array): Result<{ readonly counter: number; readonly plaintext: Uint8Array }> {
    const head = readDatagramHead(datagram);
    if (!head.ok) return head;
    if (head.value.keyVersion !== this.#keyVersion || head.value.tag !== this.#inward.tag)
      return refuse('SEAL_INVALID', 'The datagram is for another pair of boots or another gossip key.');
    const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
    const counter = readU64(bytes, layout.counterAt);
    if (counter === undefined) return refuse('SEAL_INVALID', 'The datagram’s counter is out of range.');
    try {
      const plaintext = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(
        null,
        datagram.subarray(layout.ciphertextAt),
        associatedData(this.#inward, counter),
        datagram.subarray(layout.nonceAt, layout.ciphertextAt),
        this.#inward.key,
      );
      return ok({ counter, plaintext });
    } catch {
      return refuse('SEAL_INVALID', 'The datagram could not be authenticated.');
    }
  }
}

interface Direction {
  readonly tag: string;
  readonly key: Uint8Array;
  /** Associated data with a counter of zero at its end. */
  readonly associated: Uint8Array;
}

function associatedData({ associated }: Direction, counter: number): Uint8Array {
  const bytes = Buffer.from(associated);
  writeU64(bytes, counter, bytes.length - 8);
  return bytes;
}

/**
 * Derives the seal of a pair. Both ends derive the same two keys from their own private and the other’s public key. Throws
 * when `sealReady` was not awaited, and for keys or versions of another form: those are bugs of the caller.
 */
export function derivePairSeal(options: PairSealOptions): PairSeal {
  const { crypto, ownPrivate, peerPublic, gossipKey, keyVersion, self, peer } = options;
  if (typeof sodium.crypto_aead_xchacha20poly1305_ietf_encrypt !== 'function')
    throw new TypeError('Await sealReady() before deriving a seal.');
  if (gossipKey.length !== keyBytes) throw new TypeError(`A gossip key has ${keyBytes} bytes.`);
  if (!Number.isInteger(keyVersion) || keyVersion < 1 || keyVersion > 0xffff_ffff)
    throw new RangeError('A gossip key’s version is 1 to 4294967295.');
  const secret = diffieHellman({ privateKey: ownPrivate, publicKey: peerPublic });
  const material = Buffer.concat([secret, gossipKey]);
  const own = { ...self, box: rawPublicKey(ownPrivate) };
  const other = { ...peer, box: rawPublicKey(peerPublic) };
  const outward = direction(options, material, own, other);
  const inward = direction(options, material, other, own);
  // The collector may keep what it likes, but not because we left it lying about.
  secret.fill(0);
  material.fill(0);
  return new PairSeal(crypto, keyVersion, outward, inward);
}

interface KeyedEnd extends SealEnd {
  readonly box: Uint8Array;
}

function direction(
  { clusterId, keyVersion }: PairSealOptions,
  material: Uint8Array,
  from: KeyedEnd,
  to: KeyedEnd,
): Direction {
  const names = [clusterId, keyVersion, from.nodeId, to.nodeId, from.epoch, to.epoch] as const;
  // The public keys too: X25519 accepts several texts of one key, and each should give keys of its own (RFC 7748 §6.1).
  const info = transcript(domain, ...names, from.box, to.box);
  return {
    tag: datagramTag(from.box, to.box),
    key: new Uint8Array(hkdfSync('sha256', material, new Uint8Array(0), info, keyBytes)),
    associated: transcript(layout.formatVersion, ...names, 0),
  };
}
