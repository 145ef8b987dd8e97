import { join } from 'node:path';
import { limits } from '../../limits.ts';
import { encodeCheckpointEvidence } from '../../protocols/audit/evidence.ts';
import { encodeNote } from '../../protocols/audit/signed-note.ts';
import type { Clock, Disk } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { CosignedCheckpoint } from './audit-checkpoints.ts';

export interface CheckpointFileOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  /** Of the audit log. */
  readonly folder: string;
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
    const isFar = !last || size - last.size >= limits.checkpointRecordsMax || size < last.size;
    if (!isFar && clock.monotonic() - last.atMs < limits.checkpointArchiveMs) return;
    this.#archived = { size, atMs: clock.monotonic() };
    // A crash may have left half a line: a break before each line keeps it from spoiling the next.
    await this.#append(`\n${text}\n`);
  }

  async #append(text: string): Promise<void> {
    const { disk, folder } = this.#options;
    const file = await disk.openAppend(join(folder, checkpointsName), 0o600);
    try {
      await file.append(utf8.encode(text));
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
