import { sha256 } from '../../../crypto/port.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import { encodeCheckpointEvidence } from '../../../protocols/audit/evidence.ts';
import { rootOf } from '../../../protocols/audit/merkle.ts';
import { sameHash } from '../../../protocols/audit/proof.ts';
import { encodeProofFile } from '../../../protocols/audit/proof-file.ts';
import { encodeNote } from '../../../protocols/audit/signed-note.ts';
import { toBase64 } from '../../../protocols/base64.ts';
import type { DirectoryEntry } from '../../../protocols/link/push-pull-frame.ts';
import type { Clock } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type {
  AuditCheckpointView,
  AuditConsistencyView,
  AuditPart,
  AuditProofView,
  AuditVerification,
  Caller,
} from '../control.ts';
import type { WitnessedLogView } from '../witnessed-log-view.ts';
import type { WitnessParts } from './assemble-witness.ts';
import { asError } from './audit-folder-error.ts';
import type { AuditLog } from './audit-log.ts';
import type { CosignedCheckpoint, SignedHead } from './signed-head.ts';

export interface AuditProofsOptions {
  readonly clock: Clock;
  readonly nodeId: NodeId;
  readonly audit: AuditLog;
  readonly witness: WitnessParts;
  /** This node’s own log was accepted as it is. */
  readonly accepted: () => void;
}

/** How often a record is looked for in a newer checkpoint, and for how long. */
const lookMs = 100;
const looksMax = 30;

/** What a node shows others of its audit log, and of what it has seen of theirs. */
export class AuditProofs {
  readonly #options: AuditProofsOptions;

  constructor(options: AuditProofsOptions) {
    this.#options = options;
  }

  /** As `AuditLog.verify`; what was countersigned of the log must be in it besides. */
  async verify(part?: AuditPart): Promise<Result<AuditVerification>> {
    const { audit, witness } = this.#options;
    const verified = await audit.verify(part);
    const { checkpoints } = witness;
    const { cosigned, proofs, fork } = checkpoints;
    if (!verified.ok || !verified.value.valid) return verified;
    return this.#reading(async () => {
      if (!fork) {
        const same = !cosigned || sameHash(rootOf(await proofs.rangeAt(cosigned.size), sha256), cosigned.root);
        if (same) return verified;
      }
      const size = fork?.size ?? cosigned?.size ?? 0;
      // The first that no checkpoint vouches for: between it and the next checkpoint something is not what it was.
      // Kept checkpoints that cannot be read vouch for nothing; that the log is another one is certain without them.
      const vouched = await checkpoints.goodThrough().catch(() => 0);
      const sequence = Math.min(vouched, verified.value.headSequence, size - 1) + 1;
      const reason = `The log does not continue what was signed of it: the checkpoint of record ${size} has another tree.`;
      return ok({ ...verified.value, valid: false, firstBad: { sequence, reason } });
    });
  }

  checkpoint(): AuditCheckpointView {
    const { signed, cosigned, fork, key } = this.#options.witness.checkpoints;
    const newest = cosigned && cosigned.size === signed?.size ? cosigned : signed;
    const evidence = newest && encodeCheckpointEvidence({ note: encodeNote(newest.note), keys: this.#keysOf(newest) });
    return {
      origin: key.name,
      size: signed?.size ?? 0,
      witnessedSize: cosigned?.size ?? 0,
      witnesses: (cosigned?.cosignatures ?? []).map(({ name, timeSeconds }) => ({
        nodeId: name.split('/')[2] as NodeId,
        at: new Date(timeSeconds * 1_000).toISOString(),
      })),
      ...(evidence !== undefined && { evidence }),
      ...(fork && { fork: { kind: fork.kind, size: fork.size, by: fork.by ?? this.#options.nodeId } }),
    };
  }

  witnessed(): readonly WitnessedLogView[] {
    const { witness, keyEntryOf } = this.#options.witness;
    return witness.logs().map(({ nodeId, head, fork }) => {
      const entry = keyEntryOf(nodeId);
      return {
        nodeId,
        size: head?.size ?? 0,
        root: head ? hex(head.root) : '',
        ...(head && entry && { evidence: encodeCheckpointEvidence({ note: head.note, keys: [entry] }) }),
        ...(fork && { fork: { kind: fork.kind, size: fork.size, root: hex(fork.root) } }),
      };
    });
  }

  /** NOT_FOUND for a record that is not there; TIMED_OUT when no checkpoint with it was signed in time. */
  async prove(sequence: number): Promise<Result<AuditProofView>> {
    const { audit, witness } = this.#options;
    const head = audit.reader.head().sequence;
    if (sequence < 1 || sequence > head) return refuse('NOT_FOUND', `The audit log has records 1 to ${head}.`);
    const covering = await this.#covering(sequence);
    if (!covering) {
      const { fork } = witness.checkpoints;
      return fork
        ? refuse('PROOF_INVALID', 'The log does not continue what was signed of it, so nothing of it is signed now.')
        : refuse('TIMED_OUT', `No checkpoint with record ${sequence} was signed in time.`);
    }
    return this.#reading(async () => {
      let record: Uint8Array | undefined;
      for await (const found of audit.reader.records(sequence, sequence)) record = found.bytes;
      if (!record) return refuse('NOT_FOUND', `Record ${sequence} is not kept any more.`);
      const proof = await witness.checkpoints.proofs.inclusion(sequence, covering.size);
      const note = encodeNote(covering.note);
      const keys = this.#keysOf(covering);
      const file = encodeProofFile({ record, keys, index: sequence - 1, proof, note }, utf8);
      return ok({ sequence, size: covering.size, witnesses: keys.length - 1, proof: file });
    });
  }

  /** LIMIT_EXCEEDED for sizes that the log has not; FILE_UNREADABLE for what is not kept any more. */
  async consistency(from: number, to: number): Promise<Result<AuditConsistencyView>> {
    const { audit, witness } = this.#options;
    const head = audit.reader.head().sequence;
    if (from > to || to > head) return refuse('LIMIT_EXCEEDED', `The audit log has ${head} records.`);
    return this.#reading(async () => {
      const { proofs } = witness.checkpoints;
      const hashes = await proofs.consistency(from, to);
      return ok({ from, to, root: hex(rootOf(await proofs.rangeAt(to), sha256)), hashes: hashes.map(toBase64) });
    });
  }

  /** NOT_FOUND when nothing is held against the log here; AUDIT_BLOCKED when the act cannot be recorded. */
  async accept(log: NodeId, caller: Caller): Promise<Result<void>> {
    const { audit, witness, nodeId, accepted } = this.#options;
    const { checkpoints } = witness;
    const known = witness.witness.logs().find((seen) => seen.nodeId === log);
    if (log === nodeId ? !checkpoints.fork : !known?.fork)
      return refuse('NOT_FOUND', `Nothing is held against the audit log of ${log} here.`);
    const size = log === nodeId ? checkpoints.fork?.size : known?.head?.size;
    const root = known?.head ? { root: hex(known.head.root) } : {};
    const recorded = await audit.record({
      type: 'AuditForked',
      identity: caller.identity,
      sourceIp: caller.sourceIp,
      outcome: 'success',
      reasons: [`The audit log of ${log} is accepted as it is; what was signed of it before no longer binds it here.`],
      requestId: caller.requestId,
      metadata: { log, size: size ?? 0, ...root, act: 'accepted' },
    });
    if (!recorded.ok) return recorded;
    if (log !== nodeId) {
      await witness.witness.forgive(log);
      return ok(undefined);
    }
    await checkpoints.accept();
    accepted();
    return ok(undefined);
  }

  /** The newest checkpoint over a record: a countersigned one if that comes soon, else what this node signed alone. */
  async #covering(sequence: number): Promise<CosignedCheckpoint | SignedHead | undefined> {
    const { clock, witness } = this.#options;
    const { checkpoints } = witness;
    for (let looks = 0; looks < looksMax && !checkpoints.fork; looks++) {
      if (checkpoints.cosigned && checkpoints.cosigned.size >= sequence) return checkpoints.cosigned;
      await new Promise<void>((resolve) => clock.setTimeout(resolve, lookMs));
    }
    const { signed } = checkpoints;
    return signed && signed.size >= sequence ? signed : undefined;
  }

  /** Of this node first, then of those who countersigned it. */
  #keysOf(checkpoint: CosignedCheckpoint | SignedHead): readonly DirectoryEntry[] {
    const own = this.#options.witness.keyEntryOf(this.#options.nodeId);
    return 'keys' in checkpoint ? checkpoint.keys : own ? [own] : [];
  }

  async #reading<T>(read: () => Promise<Result<T>>): Promise<Result<T>> {
    try {
      return await read();
    } catch (error) {
      const { code, reasons } = asError(error, 'of this node');
      return { ok: false, refusal: { code, reasons: [reasons[0]!, ...reasons.slice(1)] } };
    }
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
