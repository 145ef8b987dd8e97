import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../../src/actors/kernel/metrics-registry.ts';
import { AuditCheckpoints } from '../../../../src/actors/operations/audit/audit-checkpoints.ts';
import { AuditWitness } from '../../../../src/actors/operations/audit/audit-witness.ts';
import type { CheckpointNews } from '../../../../src/actors/operations/audit/checkpoint-news.ts';
import { noteCrypto } from '../../../../src/actors/operations/audit/proof-check.ts';
import type { ProvableLog } from '../../../../src/actors/operations/audit/provable-log.ts';
import { rawPublicKey } from '../../../../src/crypto/keys.ts';
import { signNote } from '../../../../src/crypto/note.ts';
import { sha256 } from '../../../../src/crypto/port.ts';
import type { NodeId } from '../../../../src/names.ts';
import { type CompactRange, emptyRange, extendRange, leafHash } from '../../../../src/protocols/audit/merkle.ts';
import { ManualClock, settle } from '../../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../../src/testing/memory-store.ts';
import { crypto, domain } from '../../../crypto/fixtures.ts';

/** A log in memory that is read slowly, and grows while it is read when it is told to. */
class SlowLog implements ProvableLog {
  readonly #leaves: Uint8Array[] = [];
  /** Records that come each time that somebody begins to read. */
  growth = 0;

  grow(count: number): void {
    for (let n = 0; n < count; n += 1) {
      const word = new TextEncoder().encode(`record ${this.#leaves.length + 1}`);
      this.#leaves.push(leafHash(word, sha256));
    }
  }

  head(): { readonly sequence: number; readonly range: CompactRange } {
    return { sequence: this.#leaves.length, range: this.#upTo(this.#leaves.length) };
  }

  async first(): Promise<number> {
    await this.#read();
    return 1;
  }

  async *records(): AsyncIterable<never> {}

  async *leafHashes(from: number, to: number): AsyncIterable<Uint8Array> {
    await this.#read();
    for (const leaf of this.#leaves.slice(from - 1, to)) {
      await settle(1);
      yield leaf;
    }
  }

  async rangeAt(size: number): Promise<CompactRange> {
    await this.#read();
    return this.#upTo(size);
  }

  #upTo(size: number): CompactRange {
    return extendRange(emptyRange, this.#leaves.slice(0, size), sha256);
  }

  async #read(): Promise<void> {
    await settle(1);
    this.grow(this.growth);
  }
}

/** The log of node-1, and node-2 as its witness. */
function pair() {
  const clock = new ManualClock();
  const metrics = createMetrics();
  const store = new MemoryStore();
  const keyOf = () => crypto.generateKeyPair('ed25519');
  const [own, other] = [keyOf(), keyOf()];
  const names = ['node-1', 'node-2'] as const;
  const keys = new Map([own, other].map(({ publicKey }, at) => [names[at] as string, rawPublicKey(publicKey)]));
  const common = { clock, metrics, noteCrypto, trustDomain: domain, claimKeyOf: (node: NodeId) => keys.get(node) };
  const of = (at: 0 | 1) => ({
    nodeId: names[at] as NodeId,
    ownKey: keys.get(names[at])!,
    sign: (bytes: Uint8Array) => signNote([own, other][at]!.privateKey, bytes),
  });
  const found: string[] = [];
  const told: CheckpointNews[] = [];
  const witness = new AuditWitness({
    ...common,
    ...of(1),
    store: new MemoryStore(),
    told: async (log, kind) => {
      found.push(`${log} ${kind}`);
      return { ok: true, value: undefined };
    },
  });
  const log = new SlowLog();
  const checkpoints: AuditCheckpoints = new AuditCheckpoints({
    ...common,
    ...of(0),
    store,
    log,
    peers: () => [names[1] as NodeId],
    send: (_peer, frame) =>
      witness.take(names[0] as NodeId, frame, (answer) => checkpoints.requests.take(names[1] as NodeId, answer)).ok,
    expectsWitnesses: true,
    keysOf: () => [],
    keep: async () => {},
    kept: async () => [],
    tell: async (news) => told.push(news),
  });
  return { log, checkpoints, witness, found, told };
}

describe('the checkpoints of a log', () => {
  it('take records that come while the log is compared with what was signed of it for no fork', async () => {
    const { log, checkpoints, witness, told } = pair();
    await witness.load();
    log.grow(5);
    await checkpoints.round();
    expect(checkpoints.cosigned?.size).toBe(5);
    log.growth = 2;
    await checkpoints.recover();
    expect([checkpoints.fork, told]).toEqual([undefined, []]);
  });

  it('are made one after the other, whatever a life that crashed has left under way', async () => {
    const { log, checkpoints, witness, found, told } = pair();
    await witness.load();
    log.grow(3);
    await checkpoints.round();
    // Each of these is a notary that was restarted while the round of the one before was still under way.
    const lives: Promise<unknown>[] = [];
    for (let life = 0; life < 12; life += 1) {
      log.grow(3 + life);
      log.growth = life % 3;
      lives.push(checkpoints.recover(), checkpoints.round());
      await settle(1 + (life % 4));
    }
    await Promise.all(lives);
    log.growth = 0;
    await checkpoints.round();
    expect(found).toEqual([]);
    expect([checkpoints.fork, told]).toEqual([undefined, []]);
    expect(checkpoints.cosigned?.size).toBe(log.head().sequence);
    expect(witness.logs()).toMatchObject([{ nodeId: 'node-1', head: { size: log.head().sequence } }]);
  });
});
