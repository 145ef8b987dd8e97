import { sha256 } from '../../../crypto/port.ts';
import type { Result } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import {
  checkpointText,
  decodeCheckpoint,
  logOrigin,
  type VerifiedCheckpoint,
  verifyCheckpoint,
  witnessName,
} from '../../../protocols/audit/checkpoint.ts';
import { type CompactRange, rootOf } from '../../../protocols/audit/merkle.ts';
import { sameHash } from '../../../protocols/audit/proof.ts';
import {
  encodeNote,
  type NoteCrypto,
  type NoteKey,
  type NoteSignature,
  noteKeyId,
  readSignatureLine,
} from '../../../protocols/audit/signed-note.ts';
import type { CheckpointAnswer, FrameParts } from '../../../protocols/link/checkpoint-frame.ts';
import type { DirectoryEntry } from '../../../protocols/link/push-pull-frame.ts';
import { Jobs } from '../../kernel/jobs.ts';
import type { Clock, Metrics, Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import type { CheckpointNews, LogFork } from './checkpoint-news.ts';
import { fittingThrough, grownFrom, LogProofs } from './log-proofs.ts';
import { Loneliness } from './loneliness.ts';
import type { ProvableLog } from './provable-log.ts';
import { type CosignedCheckpoint, keepSigned, readSigned, type SignedHead, signedHeadPlace } from './signed-head.ts';
import { WitnessRequests } from './witness-requests.ts';
import { witnessesOf } from './witnesses-of.ts';

export interface AuditCheckpointsOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly noteCrypto: NoteCrypto;
  readonly trustDomain: string;
  readonly nodeId: NodeId;
  readonly ownKey: Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  readonly log: ProvableLog;
  /** Peers whose links are up. */
  readonly peers: () => readonly NodeId[];
  readonly send: (peer: NodeId, frame: FrameParts) => boolean;
  readonly claimKeyOf: (node: NodeId) => Uint8Array | undefined;
  /** Whether there should be somebody else: a cluster of one has no witness to miss. */
  readonly expectsWitnesses: boolean;
  /** What vouches now for the keys that signed a checkpoint. */
  readonly keysOf: (checkpoint: VerifiedCheckpoint) => readonly DirectoryEntry[];
  /** A checkpoint that somebody countersigned: to be kept beside the log. */
  readonly keep: (checkpoint: CosignedCheckpoint) => Promise<void>;
  /** The notes of those that were kept. */
  readonly kept: () => Promise<readonly string[]>;
  readonly tell: (news: CheckpointNews) => Promise<unknown>;
}

const attemptsMax = 3;

/**
 * Signs checkpoints of this node’s own audit log and has them countersigned. It never signs a tree that does not
 * continue what it signed before: the last one is kept in the store, apart from the log, before anybody sees it.
 */
export class AuditCheckpoints {
  readonly #options: AuditCheckpointsOptions;
  readonly #proofs: LogProofs;
  /** Is told what comes of the questions to witnesses. */
  readonly requests: WitnessRequests;
  /** The size that each witness signed last, as far as this process knows. */
  readonly #sizes = new Map<NodeId, number>();
  #signed: SignedHead | undefined;
  #cosigned: CosignedCheckpoint | undefined;
  #fork: LogFork | undefined;
  /**
   * One after the other: an actor that crashes leaves its round under way, and the next life begins with another. Two at
   * once would mix up the leaves of their proofs, and a witness holds a proof that does not hold against the log.
   */
  readonly #acts = new Jobs(
    () => Promise.resolve(),
    () => {},
  );
  readonly #loneliness: Loneliness;
  /** Called when there is another checkpoint to show. */
  readonly listeners: Set<() => void> = new Set();

  constructor(options: AuditCheckpointsOptions) {
    this.#options = options;
    this.#proofs = new LogProofs(options.log);
    this.requests = new WitnessRequests(options);
    this.#loneliness = new Loneliness(options.clock);
  }

  /** The last checkpoint that was signed here. */
  get signed(): SignedHead | undefined {
    return this.#signed;
  }

  /** The last one that a witness countersigned in the life of this process. */
  get cosigned(): CosignedCheckpoint | undefined {
    return this.#cosigned;
  }

  /** What those outside are to keep: the newest that somebody countersigned; where nobody does, the newest at all. */
  get shown(): CosignedCheckpoint | SignedHead | undefined {
    return this.#options.peers().length > 0 && !this.#loneliness.isLonely ? this.#cosigned : this.#signed;
  }

  get fork(): LogFork | undefined {
    return this.#fork;
  }

  get proofs(): LogProofs {
    return this.#proofs;
  }

  get key(): NoteKey {
    const { trustDomain, nodeId, ownKey } = this.#options;
    return { name: logOrigin(trustDomain, nodeId), type: 'ed25519', publicKey: ownKey };
  }

  /** Whether records have come since the last checkpoint, or a witness has not signed it. */
  get isDue(): boolean {
    const { sequence } = this.#options.log.head();
    return sequence > (this.#signed?.size ?? 0) || this.#behind().length > 0 || this.#loneliness.isGrowing;
  }

  /** Whether so many records have come since the last checkpoint that the next one is due before its time. */
  get hasMany(): boolean {
    return this.#options.log.head().sequence - (this.#signed?.size ?? 0) >= limits.checkpointRecordsMax;
  }

  /** Compares the log with what was signed of it last; `fork` says what came of it. Rejects when it cannot be read. */
  recover(): Promise<void> {
    return this.#acts.run('', () => this.#recover());
  }

  /** Signs the head if it is new and asks the witnesses that have not signed it. */
  round(): Promise<void> {
    return this.#acts.run('', () => this.#round());
  }

  /** A person takes the log as it is for its history: what was signed before is forgotten here. */
  accept(): Promise<void> {
    return this.#acts.run('', () => this.#accept());
  }

  async #recover(): Promise<void> {
    const { store, log } = this.#options;
    this.#signed ??= await readSigned(store);
    const signed = this.#signed;
    if (!signed) return;
    const head = log.head().range;
    if (head.size < signed.size) return this.#forked({ kind: 'rollback', size: signed.size, by: undefined });
    // What was signed last and is not kept any more cannot be compared; the witnesses still can.
    if ((await log.first()) > signed.size + 1) return;
    // Records that became durable meanwhile are not in the head that was taken.
    const grown = await grownFrom(signed.range, head.size, log);
    const same = sameHash(rootOf(grown, sha256), rootOf(head, sha256));
    if (!same) await this.#forked({ kind: 'inconsistent', size: signed.size, by: undefined });
  }

  /** Up to which record the log is for certain what it was, by the checkpoints that are kept. Rejects as reading does. */
  async goodThrough(): Promise<number> {
    const heads = (await this.#options.kept()).map((note) => this.#verified(note, []));
    return fittingThrough(this.#options.log, this.#proofs, heads);
  }

  async #round(): Promise<void> {
    if (this.#fork) return;
    const { range } = this.#options.log.head();
    if (range.size === 0) return;
    await this.#proofs.follow(range);
    if (range.size > (this.#signed?.size ?? 0)) await this.#sign(range);
    const signed = this.#signed!;
    const asked = await Promise.all(this.#behind().map((peer) => this.#ask(peer, signed)));
    const given = asked.filter((signature) => signature !== undefined);
    if (given.length > 0) await this.#keep(signed, given);
    for (const listener of this.listeners) listener();
    if (!this.#options.expectsWitnesses || this.#fork) return;
    const changed = this.#loneliness.look(this.#cosigned?.size === signed.size);
    if (changed === 'unwitnessed') await this.#options.tell({ type: changed, since: this.#cosigned?.size ?? 0 });
    if (changed === 'witnessed') await this.#options.tell({ type: changed });
  }

  async #accept(): Promise<void> {
    await this.#options.store.delete(...signedHeadPlace);
    this.#signed = undefined;
    this.#fork = undefined;
    this.#sizes.clear();
  }

  async #sign(range: CompactRange): Promise<void> {
    const { sign, store, noteCrypto } = this.#options;
    const root = rootOf(range, sha256);
    const text = checkpointText({ origin: this.key.name, size: range.size, root, extensions: [] });
    const keyId = noteKeyId(this.key, noteCrypto);
    const signature = { name: this.key.name, keyId, signature: sign(utf8.encode(text)) };
    const signed = { size: range.size, root, range, note: { text, signatures: [signature] } };
    // First kept, then shown: a checkpoint that is out must never be forgotten.
    await keepSigned(store, signed);
    this.#signed = signed;
  }

  #behind(): readonly NodeId[] {
    const { peers, nodeId } = this.#options;
    return witnessesOf(nodeId, peers()).filter((peer) => this.#sizes.get(peer) !== this.#signed?.size);
  }

  async #ask(peer: NodeId, signed: SignedHead): Promise<NoteSignature | undefined> {
    for (let attempt = 0; attempt < attemptsMax && !this.#fork; attempt++) {
      const oldSize = Math.min(this.#sizes.get(peer) ?? 0, signed.size);
      const answer = await this.#submit(peer, signed, oldSize);
      this.#options.metrics.count('audit_witness_asked', { verdict: answer?.verdict ?? 'none' });
      if (!answer || answer.verdict === 'refused') return undefined;
      if (answer.verdict === 'cosigned') return this.#takeSignature(peer, signed, answer.text);
      if (!(await this.#goesOn(peer, signed, answer))) return undefined;
    }
    return undefined;
  }

  async #submit(peer: NodeId, signed: SignedHead, oldSize: number): Promise<CheckpointAnswer | undefined> {
    const proof = await this.#proofs.consistency(oldSize, signed.size);
    return this.requests.ask(peer, { oldSize, proof, note: encodeNote(signed.note) });
  }

  #takeSignature(peer: NodeId, signed: SignedHead, line: string): NoteSignature | undefined {
    const signature = readSignatureLine(line.endsWith('\n') ? line.slice(0, -1) : line);
    if (!signature) return undefined;
    const note = { ...signed.note, signatures: [...signed.note.signatures, signature] };
    const judged = this.#verified(encodeNote(note), [peer]);
    if (!judged.ok || judged.value.cosignatures.length !== 1) {
      this.#options.metrics.count('audit_witness_untrue');
      return undefined;
    }
    this.#sizes.set(peer, signed.size);
    return signature;
  }

  /** What a witness holds against the checkpoint; whether to ask again. Only what this log’s own key signed counts. */
  async #goesOn(peer: NodeId, signed: SignedHead, { verdict, text }: CheckpointAnswer): Promise<boolean> {
    const { tell, metrics } = this.#options;
    const before = this.#sizes.get(peer) ?? 0;
    if (text === '') {
      this.#sizes.set(peer, 0);
      if (before > 0) await tell({ type: 'witness.forgot', witness: peer, size: before });
      return before > 0;
    }
    const shown = this.#verified(text, []);
    if (!shown.ok) {
      metrics.count('audit_witness_untrue');
      return false;
    }
    const { size, root } = shown.value;
    if (size > signed.size) await this.#forked({ kind: 'rollback', size, by: peer });
    else if (!sameHash(root, rootOf(await this.#proofs.rangeAt(size), sha256))) {
      // A witness that asked for a proof that there is not gets one that does not hold, so that it knows as well.
      if (verdict === 'conflict') await this.#submit(peer, signed, size);
      await this.#forked({ kind: size === signed.size ? 'equivocation' : 'inconsistent', size, by: peer });
    }
    if (this.#fork || (verdict === 'conflict' && size === before)) return false;
    this.#sizes.set(peer, size);
    return true;
  }

  #verified(note: string, witnesses: readonly NodeId[]): Result<VerifiedCheckpoint> {
    const { noteCrypto, trustDomain, claimKeyOf } = this.#options;
    const decoded = decodeCheckpoint(note);
    if (!decoded.ok) return decoded;
    const keys = witnesses.flatMap((node): NoteKey[] => {
      const publicKey = claimKeyOf(node);
      return publicKey ? [{ name: witnessName(trustDomain, node), type: 'cosignature', publicKey }] : [];
    });
    return verifyCheckpoint(decoded.value, { log: this.key, witnesses: keys }, noteCrypto);
  }

  async #keep(signed: SignedHead, given: readonly NoteSignature[]): Promise<void> {
    const before = this.#cosigned?.size === signed.size ? this.#cosigned.note.signatures.slice(1) : [];
    const again = new Set(given.map(({ name }) => name));
    const signatures = [...signed.note.signatures, ...before.filter(({ name }) => !again.has(name)), ...given];
    const verified = this.#verified(encodeNote({ ...signed.note, signatures }), this.#options.peers());
    if (!verified.ok) return;
    this.#cosigned = { ...verified.value, keys: this.#options.keysOf(verified.value) };
    this.#options.metrics.gauge('audit_witnessed_sequence', signed.size);
    await this.#options.keep(this.#cosigned);
  }

  async #forked(fork: LogFork): Promise<void> {
    // Several witnesses may show it at once.
    if (this.#fork) return;
    this.#fork = fork;
    await this.#options.tell({ type: 'forked', ...fork });
  }
}
