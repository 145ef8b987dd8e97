import type { NodeId } from '../../src/names.ts';
import type { Utf8 } from '../../src/protocols/msgpack/writer.ts';
import { swimProfiles } from '../../src/protocols/swim/config.ts';
import type { SwimOptions } from '../../src/protocols/swim/state.ts';
import type { ClaimAuthority } from '../../src/protocols/swim/verification.ts';

const encoder = new TextEncoder();

/** UTF-8 as the rules want it. */
export const utf8: Utf8 = {
  encode: (text) => encoder.encode(text),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
};

/** What a datagram leaves after a seal of 61 + 16 bytes. */
export const plaintextBytesMax = 1_400 - 77;

/** A claim key that is nothing but the node’s name: the rules see only whether a signature fits. */
export const keyOf = (node: string): Uint8Array => utf8.encode(`claim key of ${node}`);

/** 64 bytes that depend on every byte of key and message (FNV-1a, chained). No security: for simulations only. */
export function fakeSign(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key[at]!, 0x01000193);
  for (let at = 0; at < bytes.length; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  const signature = new Uint8Array(64);
  for (let at = 0; at < signature.length; at++) {
    hash = Math.imul(hash ^ at, 0x01000193);
    signature[at] = hash >>> 24;
  }
  return signature;
}

/** Knows every node’s key, as a complete directory would. */
export const fakeAuthority: ClaimAuthority = {
  claimKeyOf: keyOf,
  verify: (key, bytes, signature) => {
    const right = fakeSign(key, bytes);
    return signature.length === right.length && right.every((byte, at) => byte === signature[at]);
  },
};

/** Options of one member with fake keys; the parts that a test cares about can be replaced. */
export function swimOptions(
  node: string,
  changes: Partial<SwimOptions> & { epoch?: number; host?: string } = {},
): SwimOptions {
  const { epoch, host, ...rest } = changes;
  const key = keyOf(node);
  return {
    self: {
      nodeId: node as NodeId,
      bootEpoch: epoch ?? 1,
      boxKey: new Uint8Array(32).fill((epoch ?? 1) & 0xff),
      addresses: [{ host: host ?? '127.0.0.1', port: 7_700 + (Number(node.replace(/\D/g, '')) || 0) }],
    },
    config: swimProfiles.local,
    seed: 1,
    expectedSize: 3,
    plaintextBytesMax,
    sign: (bytes) => fakeSign(key, bytes),
    utf8,
    ...rest,
  };
}
