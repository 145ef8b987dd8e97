import { utf8 } from '../../src/actors/kernel/utf8.ts';
import type { AuditLog } from '../../src/actors/operations/audit/audit-log.ts';
import { AuditUpkeep } from '../../src/actors/operations/audit/audit-upkeep.ts';
import { checkpointsName, newestCheckpointName } from '../../src/actors/operations/audit/checkpoint-file.ts';
import { issueCa } from '../../src/crypto/certificate.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing, type VaultRing } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';
import { blockHeadBytes, decodeBlockHead } from '../../src/protocols/audit/block-head.ts';
import { decodeSegmentHeader } from '../../src/protocols/audit/segment-header.ts';
import { ManualClock } from '../../src/testing/manual-clock.ts';
import type { MemoryDisk } from '../../src/testing/memory-disk.ts';
import { blockRecords, copied, evidence, folder, notary, writtenLog } from '../actors/operations/audit/proof-lab.ts';
import { domain } from '../crypto/fixtures.ts';

const dayMs = 86_400_000;
const realNow = Math.floor(performance.timeOrigin + performance.now());
export const authority = issueCa(osCrypto, {
  trustDomain: domain,
  notBefore: realNow - dayMs,
  notAfter: realNow + 30 * dayMs,
});
const validity = { notBefore: realNow - dayMs, notAfter: realNow + dayMs };
const [one, two, three] = ['node-1', 'node-2', 'node-3'].map((name) => notary(name, authority, validity));
export const trust = { caPem: authority.certPem, now: realNow };

const first = createVaultRing(osCrypto);
/** The vault of every node of this operator: the thief of one has them all. Its key was rotated once. */
export const vault: VaultRing = unwrap(first.rotated(osCrypto));

export const segmentCount = 5;
export const segmentRecords = 4 * blockRecords;
export const recordCount = segmentCount * segmentRecords;
/** Records under each checkpoint that two witnesses signed. */
export const checkpoints: readonly number[] = [12, 24, 33, 48, recordCount];

/** A block, or a header, of a segment file. */
export interface Part {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  /** The first record in it, or behind it. */
  readonly first: number;
}

export interface WholeLog {
  readonly disk: MemoryDisk;
  readonly segments: readonly string[];
  readonly headers: readonly Part[];
  readonly blocks: readonly Part[];
}

/**
 * A log of five segments as a node leaves it: the first two compressed, one of them from before the vault’s key was
 * rotated and wrapped anew, the others as they were written, and checkpoints beside it. `wordOf` gives each record’s text.
 */
export async function wholeLog(nodeId = 'node-1', wordOf?: (sequence: number) => string): Promise<WholeLog> {
  const written = await writtenLog(nodeId, segmentCount, wordOf, first);
  const segments = [...new Set(written.blocks.map(({ path }) => path))];
  await tidied(written.disk, first, 2);
  // Under the new key: the compressed ones are wrapped again, the third is compressed and then put back as it was.
  const third = written.disk.peek(segments[2]!)!;
  await tidied(written.disk, vault, 3);
  written.disk.put(segments[2]!, third);
  const lines = checkpoints.map((size) => {
    const range = written.ranges[size / blockRecords - 1]!;
    return nodeId === 'node-1'
      ? evidence(one!, range, [two!, three!], realNow)
      : evidence(two!, range, [one!], realNow);
  });
  written.disk.put(`${folder}/${newestCheckpointName}`, `${lines.at(-1)}\n`);
  written.disk.put(`${folder}/${checkpointsName}`, lines.map((line) => `${line}\n`).join(''));
  const parts = segments.map((path, at) => partsOf(path, written.disk.peek(path)!, at * segmentRecords + 1));
  return {
    disk: written.disk,
    segments,
    headers: parts.map(({ header }) => header),
    blocks: parts.flatMap(({ blocks }) => blocks),
  };
}

/** What the thief of the log’s key puts in place of the checkpoints; `asWitness`: signs as its own witness besides. */
export async function resigned(wordOf: (sequence: number) => string, asWitness: boolean): Promise<MemoryDisk> {
  const { disk, ranges } = await writtenLog('node-1', segmentCount, wordOf, vault);
  const lines = checkpoints.map((size) => {
    const line = evidence(one!, ranges[size / blockRecords - 1]!, asWitness ? [one!] : [], realNow);
    const { note, keys } = JSON.parse(line);
    return JSON.stringify({ note, keys: keys.slice(0, 1) });
  });
  disk.put(`${folder}/${newestCheckpointName}`, `${lines.at(-1)}\n`);
  disk.put(`${folder}/${checkpointsName}`, lines.map((line) => `${line}\n`).join(''));
  return disk;
}

/** A log that the thief of the vault’s key wrote anew, with the true checkpoints beside it. */
export async function rewritten(whole: WholeLog, wordOf: (sequence: number) => string): Promise<MemoryDisk> {
  const { disk } = await writtenLog('node-1', segmentCount, wordOf, vault);
  const mixed = copied(whole.disk);
  for (const path of whole.segments) mixed.put(path, disk.peek(path)!);
  return mixed;
}

/** The checkpoints that the witnesses, or a SIEM, keep elsewhere. */
export const keptElsewhere = ({ disk }: WholeLog): readonly string[] =>
  Buffer.from(disk.peek(`${folder}/${checkpointsName}`)!)
    .toString()
    .trimEnd()
    .split('\n');

async function tidied(disk: MemoryDisk, ring: VaultRing, closed: number): Promise<void> {
  const upkeep = new AuditUpkeep({
    disk,
    clock: new ManualClock(),
    crypto: osCrypto,
    folder,
    // All that the upkeep asks of a log whose records do not grow old.
    log: {
      reader: { newestSegment: () => closed * segmentRecords + 1 },
      head: () => ({ state: 'writing' }),
    } as unknown as AuditLog,
    vault: { ring, reload: async () => {} },
    retentionMs: 1e15,
    fault: (message, error) => {
      throw new Error(message, { cause: error });
    },
  });
  await upkeep.tidy(new AbortController().signal);
}

function partsOf(path: string, bytes: Uint8Array, begin: number) {
  const { length } = unwrap(decodeSegmentHeader(bytes, utf8));
  const blocks: Part[] = [];
  let record = begin;
  for (let from = length; from < bytes.length; ) {
    const head = decodeBlockHead(bytes, from)!;
    const to = from + blockHeadBytes + head.sealedBytes;
    blocks.push({ path, from, to, first: record });
    record += head.records;
    from = to;
  }
  return { header: { path, from: 0, to: length, first: begin }, blocks };
}
