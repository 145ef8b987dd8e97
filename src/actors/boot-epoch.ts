import { CaxtonError } from '../errors.ts';
import type { Store } from './kernel/ports.ts';
import { utf8 } from './kernel/utf8.ts';

const collection = 'node';
const key = 'boot-epoch';
const epochMax = 0xffff_fffe;

/**
 * Counts the boots of this node, durably and before anything is signed with the number: two boots never share one, so
 * what was recorded from an earlier boot is old by its first byte. MALFORMED when the count in the store cannot be read,
 * LIMIT_EXCEEDED past the last one; what the store rejects with is passed on, and then no number was given.
 */
export async function nextBootEpoch(store: Store): Promise<number> {
  const last = await readEpoch(store);
  return write(store, last + 1);
}

/** Others have seen a later boot than the store knows of (the disk was lost or set back): go past it. */
export async function raiseBootEpoch(store: Store, known: number): Promise<void> {
  if (!Number.isSafeInteger(known)) throw new RangeError(`not a boot epoch: ${known}`);
  const last = await readEpoch(store);
  if (known > last) await write(store, known);
}

async function readEpoch(store: Store): Promise<number> {
  const bytes = await store.get(collection, key);
  if (!bytes) return 0;
  const epoch = parseEpoch(bytes);
  if (epoch !== undefined) return epoch;
  throw new CaxtonError('MALFORMED', 'The boot epoch in the state database is not a number; restore the database.');
}

/** Strictly what `write` writes: a lost number must not be read as 0, from where the boots would be counted again. */
function parseEpoch(bytes: Uint8Array): number | undefined {
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    return undefined;
  }
  const epoch = Number(text);
  return /^[1-9][0-9]{0,9}$/.test(text) && epoch <= epochMax ? epoch : undefined;
}

async function write(store: Store, epoch: number): Promise<number> {
  if (epoch > epochMax) throw new CaxtonError('LIMIT_EXCEEDED', 'The boot epoch has reached its maximum.');
  await store.put(collection, key, utf8.encode(String(epoch)));
  return epoch;
}
