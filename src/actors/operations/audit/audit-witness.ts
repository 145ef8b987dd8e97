import { sha256 } from '../../../crypto/port.ts';
import { CaxtonError, type Result } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId } from '../../../names.ts';
import { logOrigin, verifyCheckpoint, witnessName } from '../../../protocols/audit/checkpoint.ts';
import { cosignatureBytes, cosignedText } from '../../../protocols/audit/cosignature.ts';
import { type NoteCrypto, noteKeyId, signatureLine } from '../../../protocols/audit/signed-note.ts';
import {
  decodeWitnessEntry,
  encodeWitnessEntry,
  type ForkKind,
  judgeSubmission,
  type SeenHead,
  unseenLog,
  type WitnessEntry,
} from '../../../protocols/audit/witness.ts';
import {
  type CheckpointAnswer,
  decodeCheckpointRequest,
  encodeCheckpointAnswer,
  type FrameParts,
  type ReceivedCheckpoint,
} from '../../../protocols/link/checkpoint-frame.ts';
import { Patience } from '../../cluster/gossip/patience.ts';
import type { Clock, Metrics, Store } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';

export interface AuditWitnessOptions {
  readonly clock: Clock;
  readonly store: Store;
  readonly metrics: Metrics;
  readonly noteCrypto: NoteCrypto;
  readonly trustDomain: string;
  readonly nodeId: NodeId;
  /** Raw Ed25519 public key of this node, with which `sign` goes. */
  readonly ownKey: Uint8Array;
  /** Signs a note’s bytes with this node’s claim key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** The key that a valid certificate of the node binds; undefined while none is known. */
  readonly claimKeyOf: (node: NodeId) => Uint8Array | undefined;
  /** A log went back on its word, or fits again (`undefined`): class A. Resolves when that is durable. */
  readonly told: (log: NodeId, kind: ForkKind | undefined, entry: WitnessEntry) => Promise<Result<unknown>>;
}

/** What this node has seen of another one’s log. */
export interface WitnessedLog {
  readonly nodeId: NodeId;
  readonly head: SeenHead | undefined;
  readonly fork: WitnessEntry['fork'];
}

const collection = 'audit-witnessed';
/** A log asks once a second, twice when its guess was wrong, and more often only under load. */
const patience = { count: 20, burst: 40, periodMs: 1_000 };
/** What is told of one log: who shows an old checkpoint and the newest in turn would fill this node’s log. */
const tellingPatience = { count: 2, burst: 8, periodMs: 60_000 };

/**
 * Countersigns the checkpoints of other nodes’ audit logs: only of the node at the other end of the link, only what
 * provably continues the last one, and only once that is durable here. What this object knows of each log outlives the
 * actor that loads it.
 */
export class AuditWitness {
  readonly #options: AuditWitnessOptions;
  readonly #patience: Patience;
  readonly #telling: Patience;
  /** `unreadable`: something is kept and cannot be read, so nothing is signed until a person says so. */
  readonly #entries = new Map<NodeId, WitnessEntry | 'unreadable'>();
  /** The end of the work under way for each log, and how much of it waits. */
  readonly #turns = new Map<NodeId, { readonly last: Promise<void>; readonly waiting: number }>();
  #loaded = false;

  constructor(options: AuditWitnessOptions) {
    this.#options = options;
    this.#patience = new Patience(options.clock, patience);
    this.#telling = new Patience(options.clock, tellingPatience);
  }

  /** Reads what is kept; nothing is countersigned before. Rejects with what the store rejects with. */
  async load(): Promise<void> {
    if (this.#loaded) return;
    for (const [key, value] of await this.#options.store.entries(collection)) {
      const entry = decodeWitnessEntry(value, utf8);
      this.#entries.set(key as NodeId, entry.ok ? entry.value : 'unreadable');
    }
    this.#loaded = true;
  }

  /** Every log that this node has seen something of, by node id. */
  logs(): readonly WitnessedLog[] {
    return [...this.#entries]
      .map(([nodeId, entry]) => ({ nodeId, ...(entry === 'unreadable' ? unseenLog : entry) }))
      .sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  }

  /**
   * A request from the authenticated peer. MALFORMED, LIMIT_EXCEEDED for one that breaks the form: the link is to be
   * closed. One too many is not answered at all.
   */
  take(peer: NodeId, frame: FrameParts, reply: (answer: FrameParts) => void): Result<void> {
    const { metrics } = this.#options;
    const turn = this.#turns.get(peer);
    if (!this.#loaded || !this.#patience.with(peer) || (turn?.waiting ?? 0) >= limits.witnessRequestsPerPeerMax) {
      metrics.count('audit_witness_dropped');
      return { ok: true, value: undefined };
    }
    this.#patience.spend(peer);
    const request = decodeCheckpointRequest(utf8, frame);
    if (!request.ok) return request;
    const { unverified } = request.value;
    // One after the other: what was judged must be kept before the next is judged.
    this.#inTurn(peer, async () => {
      const answer = await this.#answer(peer, unverified);
      if (!answer) return metrics.count('audit_witness_dropped');
      metrics.count('audit_witness_answers', { verdict: answer.verdict });
      reply(encodeCheckpointAnswer(utf8, { ...answer, id: unverified.id }));
    });
    return { ok: true, value: undefined };
  }

  /** A person takes what the log says now for its history. Returns whether anything was known of it. */
  async forgive(log: NodeId): Promise<boolean> {
    if (!this.#entries.has(log)) return false;
    await new Promise<void>((resolve, reject) => {
      this.#inTurn(log, async () => {
        try {
          await this.#options.store.delete(collection, log);
          this.#entries.delete(log);
          resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
    return true;
  }

  #inTurn(log: NodeId, work: () => Promise<void>): void {
    const turn = this.#turns.get(log);
    const last = (turn?.last ?? Promise.resolve()).then(work).catch(() => {
      // The store refused: the log hears nothing and asks again.
      this.#options.metrics.count('audit_witness_failed');
    });
    const next = { last, waiting: (turn?.waiting ?? 0) + 1 };
    this.#turns.set(log, next);
    void last.then(() => {
      const now = this.#turns.get(log)!;
      if (now.waiting === 1) this.#turns.delete(log);
      else this.#turns.set(log, { last: now.last, waiting: now.waiting - 1 });
    });
  }

  /** Undefined for what is neither kept nor answered: its log forks and fits again too often. */
  async #answer(peer: NodeId, request: ReceivedCheckpoint): Promise<Omit<CheckpointAnswer, 'id'> | undefined> {
    const { trustDomain, claimKeyOf, noteCrypto, store } = this.#options;
    const publicKey = claimKeyOf(peer);
    if (!publicKey) return refused(`The key of ${peer} is not known here yet.`);
    // Only for itself: the origin that the peer’s certificate gives it is the only one that is compared with.
    const log = { name: logOrigin(trustDomain, peer), type: 'ed25519', publicKey } as const;
    const checkpoint = verifyCheckpoint({ unverified: request.checkpoint }, { log, witnesses: [] }, noteCrypto);
    if (!checkpoint.ok) return refused(checkpoint.refusal.reasons[0]);
    const known = this.#entries.get(peer) ?? unseenLog;
    if (known === 'unreadable') return refused(`What is kept about the log of ${peer} cannot be read.`);
    if (known === unseenLog && this.#entries.size >= limits.membersMax) return refused('Too many logs are known here.');
    const { oldSize, proof } = request;
    const judgement = judgeSubmission(known, { oldSize, proof, checkpoint: checkpoint.value }, sha256);
    const { entry, verdict, discovered, healed } = judgement;
    if (discovered || healed) {
      // That a log has two histories is told whatever came before: it can be only once.
      if (discovered !== 'equivocation' && !this.#telling.with(peer)) return undefined;
      this.#telling.spend(peer);
      const told = await this.#options.told(peer, discovered, entry);
      // What nobody will ever read of must not be signed away.
      if (!told.ok) throw CaxtonError.from(told.refusal);
    }
    if (entry !== known) {
      await store.put(collection, peer, encodeWitnessEntry(entry, utf8));
      this.#entries.set(peer, entry);
    }
    if (verdict === 'cosign') return { verdict: 'cosigned', text: this.#cosign(checkpoint.value.note.text) };
    // Of two trees of one size the log is shown the one that it may not know of.
    const shown = entry.fork?.kind === 'equivocation' ? entry.fork : entry.head;
    return { verdict, text: shown?.note ?? '' };
  }

  #cosign(text: string): string {
    const { trustDomain, nodeId, ownKey, sign, clock, noteCrypto } = this.#options;
    const name = witnessName(trustDomain, nodeId);
    const timeSeconds = Math.floor(clock.now() / 1_000);
    const signature = cosignatureBytes(timeSeconds, sign(utf8.encode(cosignedText(text, timeSeconds))));
    const keyId = noteKeyId({ name, type: 'cosignature', publicKey: ownKey }, noteCrypto);
    return signatureLine({ name, keyId, signature });
  }
}

const refused = (text: string): Omit<CheckpointAnswer, 'id'> => ({ verdict: 'refused', text });
