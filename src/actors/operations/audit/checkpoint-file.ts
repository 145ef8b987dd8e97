import { join } from 'node:path';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { decodeCheckpoint } from '../../../protocols/audit/checkpoint.ts';
import { decodeCheckpointEvidence, encodeCheckpointEvidence } from '../../../protocols/audit/evidence.ts';
import { encodeNote } from '../../../protocols/audit/signed-note.ts';
import type { Clock, Disk } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { CosignedCheckpoint } from './signed-head.ts';

export interface CheckpointFileOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Of the audit log. */
  readonly folder: string;
  /** The oldest record that the log keeps. */
  readonly first: () => Promise<number>;
}

/** The newest countersigned checkpoint: one JSON object. */
export const newestCheckpointName = 'checkpoint.json';
/** Older ones, further and further apart in time but never in records: JSON lines. */
export const checkpointsName = 'checkpoints.jsonl';

/**
 * Keeps countersigned checkpoints beside the log, with the certificates that vouch for their keys, so that a copy of the
 * folder can be checked by whoever has the CA’s certificate alone.
 */
export class CheckpointFile {
  readonly #options: CheckpointFileOptions;
  #archived: { readonly size: number; readonly atMs: number } | undefined;
  /** When the older ones were last looked through; undefined: not yet, or the last append may have left half a line. */
  #prunedMs: number | undefined;

  constructor(options: CheckpointFileOptions) {
    this.#options = options;
  }

  /** Rejects with what the disk rejects with. */
  async keep(checkpoint: CosignedCheckpoint): Promise<void> {
    const { disk, folder, clock } = this.#options;
    const text = encodeCheckpointEvidence({ note: encodeNote(checkpoint.note), keys: checkpoint.keys });
    await disk.writeFileAtomic(join(folder, newestCheckpointName), utf8.encode(`${text}\n`), 0o600);
    const { size } = checkpoint;
    const last = this.#archived;
    const nowMs = clock.monotonic();
    const isFar = last && (size - last.size >= limits.checkpointRecordsMax || size < last.size);
    if (last && nowMs - last.atMs < (isFar ? limits.checkpointArchivePauseMs : limits.checkpointArchiveMs)) return;
    if (this.#prunedMs === undefined || nowMs - this.#prunedMs >= limits.checkpointPruneMs) await this.#prune();
    this.#prunedMs = undefined;
    const bytes = await this.#append(`${text}\n`);
    this.#prunedMs = bytes < limits.checkpointFileBytesMax ? nowMs : undefined;
    this.#archived = { size, atMs: nowMs };
  }

  /** The notes of all that are kept, as they lie there: nothing of them is verified. Rejects with what the disk rejects with. */
  async notes(): Promise<readonly string[]> {
    const { disk, folder } = this.#options;
    const texts: string[] = [];
    for (const name of [newestCheckpointName, checkpointsName]) {
      const text = await readCheckpointFile(disk, join(folder, name));
      if (text !== undefined) texts.push(...text.split('\n'));
    }
    return texts.map(decodeCheckpointEvidence).flatMap((line) => (line.ok ? [line.value.unverified.note] : []));
  }

  /**
   * Takes out what no record is left for, and half a line at the end, as a crash leaves it. A line in the middle that
   * cannot be read stays: it was changed, and who verifies the folder should see that.
   */
  async #prune(): Promise<void> {
    const { disk, folder, first } = this.#options;
    const path = join(folder, checkpointsName);
    const text = await readCheckpointFile(disk, path);
    if (text === undefined) return;
    const torn = text.slice(text.lastIndexOf('\n') + 1);
    const oldest = await first();
    const lines = text
      .slice(0, text.length - torn.length)
      .split('\n')
      .slice(0, -1);
    const kept = lines.filter((line) => line !== '' && (sizeOf(line) ?? oldest) >= oldest);
    if (torn.includes(evidenceEnd)) kept.push(torn);
    const pruned = thinned(kept)
      .map((line) => `${line}\n`)
      .join('');
    if (pruned !== text) await disk.writeFileAtomic(path, utf8.encode(pruned), 0o600);
  }

  /** How long the file is then. */
  async #append(text: string): Promise<number> {
    const { disk, folder } = this.#options;
    const file = await disk.openAppend(join(folder, checkpointsName), 0o600);
    try {
      await file.append(utf8.encode(text));
      await file.sync();
      return file.bytes;
    } finally {
      await file.close();
    }
  }
}

/**
 * The text of a file of checkpoints; undefined when there is none. LIMIT_EXCEEDED for one that is longer than this node
 * makes any; otherwise rejects with what the disk rejects with.
 */
export async function readCheckpointFile(disk: Disk, path: string): Promise<string | undefined> {
  const bytesMax = 2 * limits.checkpointFileBytesMax;
  const bytes = await disk.readPart(path, 0, bytesMax + 1);
  if (bytes && bytes.length > bytesMax)
    throw new CaxtonError('LIMIT_EXCEEDED', `${path} is longer than a file of checkpoints: ${bytesMax} bytes at most.`);
  return bytes && Buffer.from(bytes).toString('utf8');
}

/**
 * As many lines as half the file may hold: of the older half every second goes, as often as it takes. A later checkpoint
 * vouches for all that an older one did; the older ones only say more exactly where a log was changed.
 */
function thinned(lines: readonly string[]): readonly string[] {
  let kept = lines;
  while (kept.length > 2 && kept.reduce((sum, line) => sum + line.length + 1, 0) > limits.checkpointFileBytesMax / 2) {
    const { length } = kept;
    kept = kept.filter((_, index) => index % 2 === 1 || index >= length / 2);
  }
  return kept;
}

/** Only at its end does a line of evidence hold these: without them it is half a line. */
export const evidenceEnd = ']}';

function sizeOf(line: string): number | undefined {
  const evidence = decodeCheckpointEvidence(line);
  const checkpoint = evidence.ok ? decodeCheckpoint(evidence.value.unverified.note) : undefined;
  return checkpoint?.ok ? checkpoint.value.unverified.size : undefined;
}
