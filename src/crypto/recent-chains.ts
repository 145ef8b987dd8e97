import { createHash } from 'node:crypto';
import { ok, type Result } from '../errors.ts';
import { limits } from '../limits.ts';
import { type ReadCertificate, readCertificate, splitChain } from './certificate-chain.ts';

/**
 * Chains that were accepted lately, as they were read. A peer shows the same bytes on each of its links and in the
 * directory, and reading them strictly costs as much as a fifth of a TLS handshake. Only what depends on the bytes alone is
 * kept, what stands in them and (`issued`) which of them signed which: trust bundle, names, times and revocations are
 * judged each time, so nothing here can grow stale. What was refused is not kept: strangers cannot fill it.
 *
 * Two maps, a young and an old one: when the young one is full it becomes the old one, and what that held goes.
 */
let young = new Map<string, readonly ReadCertificate[]>();
let old = new Map<string, readonly ReadCertificate[]>();

const nameOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64');

/** The certificates of a chain as it travels, from the leaf upwards, at least one. MALFORMED, LIMIT_EXCEEDED. */
export function readChain(bytes: Uint8Array): Result<readonly ReadCertificate[]> {
  const parts = splitChain(bytes);
  if (!parts.ok) return parts;
  const name = nameOf(bytes);
  const known = young.get(name) ?? old.get(name);
  if (known) return ok(known);
  const chain: ReadCertificate[] = [];
  for (const part of parts.value) {
    const read = readCertificate(part);
    if (!read.ok) return read;
    chain.push(read.value);
  }
  return ok(chain);
}

/** Keeps a chain that was accepted for the next time. */
export function rememberChain(bytes: Uint8Array, chain: readonly ReadCertificate[]): void {
  const name = nameOf(bytes);
  if (young.has(name)) return;
  if (young.size >= limits.chainsKeptMin) {
    old = young;
    young = new Map();
  }
  young.set(name, chain);
  old.delete(name);
}
