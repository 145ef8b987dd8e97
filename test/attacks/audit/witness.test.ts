import { describe, expect, it } from 'vitest';
import { createMetrics } from '../../../src/actors/kernel/metrics-registry.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { AuditCheckpoints } from '../../../src/actors/operations/audit/audit-checkpoints.ts';
import { AuditWitness } from '../../../src/actors/operations/audit/audit-witness.ts';
import type { CheckpointNews } from '../../../src/actors/operations/audit/checkpoint-news.ts';
import { noteCrypto } from '../../../src/actors/operations/audit/proof-check.ts';
import type { ProvableLog } from '../../../src/actors/operations/audit/provable-log.ts';
import { rawPublicKey } from '../../../src/crypto/keys.ts';
import { signNote } from '../../../src/crypto/note.ts';
import { sha256 } from '../../../src/crypto/port.ts';
import { ok, refuse, unwrap } from '../../../src/errors.ts';
import type { NodeId } from '../../../src/names.ts';
import type { VerifiedCheckpoint } from '../../../src/protocols/audit/checkpoint.ts';
import { decodeCheckpointEvidence } from '../../../src/protocols/audit/evidence.ts';
import { emptyRange, extendRange, leafHash } from '../../../src/protocols/audit/merkle.ts';
import {
  type CheckpointAnswer,
  decodeCheckpointAnswer,
  decodeCheckpointRequest,
  encodeCheckpointAnswer,
  encodeCheckpointRequest,
  type FrameParts,
} from '../../../src/protocols/link/checkpoint-frame.ts';
import { ManualClock, settle } from '../../../src/testing/manual-clock.ts';
import { MemoryStore } from '../../../src/testing/memory-store.ts';
import { evidence, type Notary, notary } from '../../actors/operations/audit/proof-lab.ts';
import { domain } from '../../crypto/fixtures.ts';

const log = notary('node-1');
const witness = notary('node-2');
const stranger = notary('node-3');
const keys = new Map([log, witness, stranger].map(({ nodeId, claim }) => [nodeId, rawPublicKey(claim.publicKey)]));

/** The tree of a history: `word` says which. */
const leavesOf = (size: number, word = 0) =>
  Array.from({ length: size }, (_, i) => leafHash(Uint8Array.of(i & 255, i >> 8, i < 4 ? 0 : word), sha256));
const rangeOf = (size: number, word = 0) => extendRange(emptyRange, leavesOf(size, word), sha256);
const noteOf = (by: Notary, size: number, word = 0) =>
  unwrap(decodeCheckpointEvidence(evidence(by, rangeOf(size, word), []))).unverified.note;
const frameOf = (note: string, oldSize = 0, proof: readonly Uint8Array[] = []) =>
  encodeCheckpointRequest(utf8, { id: 1, oldSize, proof, note });

function common(of: Notary) {
  const clock = new ManualClock();
  const store = new MemoryStore();
  return {
    clock,
    store,
    metrics: createMetrics(),
    noteCrypto,
    trustDomain: domain,
    nodeId: of.nodeId,
    ownKey: rawPublicKey(of.claim.publicKey),
    sign: (bytes: Uint8Array) => signNote(of.claim.privateKey, bytes),
    claimKeyOf: (node: NodeId) => keys.get(node),
  };
}

function witnessLab() {
  const parts = common(witness);
  const told: (string | undefined)[] = [];
  let recorded: ReturnType<typeof refuse> | ReturnType<typeof ok> = ok(undefined);
  const made = new AuditWitness({
    ...parts,
    told: async (_, kind) => {
      told.push(kind);
      return recorded;
    },
  });
  const answers: CheckpointAnswer[] = [];
  return {
    ...parts,
    made,
    told,
    answers,
    blockAudit: () => {
      recorded = refuse('AUDIT_BLOCKED', 'full');
    },
    send: (frame: FrameParts, peer: NodeId = log.nodeId) =>
      made.take(peer, frame, (answer) => answers.push(unwrap(decodeCheckpointAnswer(utf8, answer)).unverified)),
    async sent(frame: FrameParts, peer: NodeId = log.nodeId) {
      const before = answers.length;
      this.send(frame, peer);
      await settle();
      return answers[before];
    },
  };
}

describe('a compromised member against a witness', () => {
  it('cannot make it sign without end: what is too much is not even read', async () => {
    const lab = witnessLab();
    await lab.made.load();
    const frame = frameOf(noteOf(log, 5));
    for (let i = 0; i < 20_000; i++) lab.send(frame);
    await settle();
    expect(lab.answers.length).toBeLessThanOrEqual(8);
    for (let round = 0; round < 200; round++) await lab.sent(frame);
    expect(lab.answers.length).toBeLessThanOrEqual(60);
    await lab.clock.advanceAsync(10_000);
    expect((await lab.sent(frame))?.verdict).toBe('cosigned');
    // Nobody else waits for it.
    expect((await lab.sent(frameOf(noteOf(stranger, 5)), stranger.nodeId))?.verdict).toBe('cosigned');
  });

  it('cannot have a history signed for another log, or with another’s key', async () => {
    const lab = witnessLab();
    await lab.made.load();
    expect(await lab.sent(frameOf(noteOf(stranger, 5)))).toMatchObject({ verdict: 'refused' });
    const thief: Notary = { ...log, claim: stranger.claim };
    expect(await lab.sent(frameOf(noteOf(thief, 5)))).toMatchObject({ verdict: 'refused' });
    expect(lab.made.logs()).toEqual([]);
    expect(lab.store.peek('audit-witnessed').size).toBe(0);
  });

  it('is cut off for a frame that breaks the form', async () => {
    const lab = witnessLab();
    await lab.made.load();
    const proof = Array<Uint8Array>(64).fill(new Uint8Array(32));
    expect(lab.send(frameOf(noteOf(log, 5), 4, proof))).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
    expect(lab.send({ header: new Uint8Array(3), content: new Uint8Array(9) })).toMatchObject({
      refusal: { code: 'MALFORMED' },
    });
  });

  it('is found out once, however often it forks or plays old checkpoints again', async () => {
    const lab = witnessLab();
    await lab.made.load();
    expect((await lab.sent(frameOf(noteOf(log, 9))))?.verdict).toBe('cosigned');
    for (const size of [3, 4, 5, 6, 7, 8])
      expect((await lab.sent(frameOf(noteOf(log, size, 1))))?.verdict).toBe('forked');
    for (const word of [1, 2, 3, 4]) expect((await lab.sent(frameOf(noteOf(log, 9, word))))?.verdict).toBe('forked');
    expect(lab.told).toEqual(['rollback', 'equivocation']);
    expect(lab.made.logs()[0]).toMatchObject({ head: { size: 9 }, fork: { kind: 'equivocation' } });
  });

  it('cannot fill the witness’s log by forking and fitting again in turn', async () => {
    const lab = witnessLab();
    await lab.made.load();
    expect((await lab.sent(frameOf(noteOf(log, 9))))?.verdict).toBe('cosigned');
    for (let second = 0; second < 60; second++) {
      for (let round = 0; round < 4; round++) {
        await lab.sent(frameOf(noteOf(log, 3)));
        await lab.sent(frameOf(noteOf(log, 9)));
      }
      await lab.clock.advanceAsync(1_000);
    }
    expect(lab.told.length).toBeGreaterThan(4);
    expect(lab.told.length).toBeLessThanOrEqual(8 + 2 + 1);
    // What binds it for good is told all the same.
    expect((await lab.sent(frameOf(noteOf(log, 9, 1))))?.verdict).toBe('forked');
    expect(lab.told.at(-1)).toBe('equivocation');
  });

  it('gets nothing from a witness that cannot keep or record what it sees', async () => {
    const lab = witnessLab();
    expect(await lab.sent(frameOf(noteOf(log, 5)))).toBeUndefined();
    await lab.made.load();
    lab.store.fault = new Error('disk full');
    expect(await lab.sent(frameOf(noteOf(log, 5)))).toBeUndefined();
    expect(lab.made.logs()).toEqual([]);
    lab.store.fault = undefined;
    expect((await lab.sent(frameOf(noteOf(log, 5))))?.verdict).toBe('cosigned');
    lab.blockAudit();
    expect(await lab.sent(frameOf(noteOf(log, 5, 1)))).toBeUndefined();
    expect(lab.made.logs()[0]?.fork).toBeUndefined();
  });

  it('gets nothing while what is kept of it cannot be read, until a person says so', async () => {
    const lab = witnessLab();
    lab.store.hold('audit-witnessed', log.nodeId, Uint8Array.of(1, 2, 3));
    await lab.made.load();
    expect((await lab.sent(frameOf(noteOf(log, 5))))?.verdict).toBe('refused');
    expect(await lab.made.forgive(log.nodeId)).toBe(true);
    expect((await lab.sent(frameOf(noteOf(log, 5))))?.verdict).toBe('cosigned');
    expect(await lab.made.forgive(stranger.nodeId)).toBe(false);
  });
});

/** Node-1’s own checkpoints, and a witness that answers as the test says. */
function logLab(size: number) {
  const parts = common(log);
  let leaves = leavesOf(size);
  let whileLooking = (): void => {};
  const provable: ProvableLog = {
    head: () => ({ sequence: leaves.length, range: extendRange(emptyRange, leaves, sha256) }),
    first: async () => {
      whileLooking();
      return 1;
    },
    async *records() {},
    async *leafHashes(from, to) {
      yield* leaves.slice(from - 1, to);
    },
    rangeAt: async (at) => extendRange(emptyRange, leaves.slice(0, at), sha256),
  };
  let bindings = 0;
  const news: CheckpointNews[] = [];
  const kept: VerifiedCheckpoint[] = [];
  const asked: { oldSize: number; id: number }[] = [];
  let answer: (note: string, oldSize: number) => Omit<CheckpointAnswer, 'id'> | undefined = () => undefined;
  const make = () =>
    new AuditCheckpoints({
      ...parts,
      log: provable,
      expectsWitnesses: true,
      peers: () => [witness.nodeId],
      send: (_, frame) => {
        const { id, oldSize, checkpoint } = unwrap(decodeCheckpointRequest(utf8, frame)).unverified;
        asked.push({ oldSize, id });
        const given = answer(checkpoint.note.text, oldSize);
        if (given)
          queueMicrotask(() => void made.requests.take(witness.nodeId, encodeCheckpointAnswer(utf8, { ...given, id })));
        return true;
      },
      // Certificates change; what signed with the old ones is vouched for by those.
      keysOf: () => [{ ...witness.entry, binding: Uint8Array.of(++bindings) }],
      keep: async (checkpoint) => void kept.push(checkpoint),
      kept: async () => [],
      tell: async (told) => void news.push(told),
    });
  let made = make();
  return {
    ...parts,
    news,
    kept,
    asked,
    get made() {
      return made;
    },
    restart: () => {
      made = make();
    },
    grow: (to: number, word = 0) => {
      leaves = leavesOf(to, word);
    },
    /** What happens while the log is looked through. */
    meanwhile: (act: () => void) => {
      whileLooking = act;
    },
    answerWith: (next: typeof answer) => {
      answer = next;
    },
    /** One round, with whatever time it takes. */
    async round() {
      const running = made.round();
      await settle();
      await parts.clock.advanceAsync(3_000);
      await running;
    },
  };
}

describe('a lying witness against a log', () => {
  it('cannot make it count a signature that is none', async () => {
    const lab = logLab(5);
    const forged = unwrap(decodeCheckpointEvidence(evidence(log, rangeOf(5), [{ ...witness, claim: stranger.claim }])));
    for (const text of ['', 'x', forged.unverified.note.split('\n').at(-2)!, '— a AAAAAAA=\n']) {
      lab.answerWith(() => ({ verdict: 'cosigned', text }));
      await lab.round();
    }
    expect(lab.kept).toEqual([]);
    expect(lab.made.cosigned).toBeUndefined();
    lab.answerWith(() => ({
      verdict: 'cosigned',
      text: unwrap(decodeCheckpointEvidence(evidence(log, rangeOf(5), [witness])))
        .unverified.note.split('\n')
        .at(-2)!,
    }));
    await lab.round();
    expect(lab.made.cosigned?.cosignatures).toHaveLength(1);
    expect(lab.kept.at(-1)).toMatchObject({ size: 5, keys: [{ binding: Uint8Array.of(1) }] });
    expect(lab.made.cosigned?.keys).toEqual([{ ...witness.entry, binding: Uint8Array.of(1) }]);
  });

  it('cannot make it believe in a fork that its own key did not sign', async () => {
    const lab = logLab(5);
    for (const note of [noteOf(stranger, 9), noteOf({ ...log, claim: stranger.claim }, 9), 'x', noteOf(witness, 3)]) {
      lab.answerWith(() => ({ verdict: 'forked', text: note }));
      await lab.round();
    }
    expect(lab.made.fork).toBeUndefined();
    expect(lab.news).toEqual([]);
  });

  it('cannot keep it asking', async () => {
    const lab = logLab(9);
    const sizes = [3, 4, 5, 6, 7];
    lab.answerWith(() => ({ verdict: 'conflict', text: noteOf(log, sizes.shift() ?? 8) }));
    await lab.round();
    expect(lab.asked.length).toBeLessThanOrEqual(3);
    lab.answerWith(() => ({ verdict: 'conflict', text: '' }));
    await lab.round();
    expect(lab.asked.length).toBeLessThanOrEqual(6);
    const before = lab.clock.monotonic();
    lab.answerWith(() => undefined);
    await lab.round();
    expect(lab.clock.monotonic() - before).toBe(3_000);
    expect(lab.made.fork).toBeUndefined();
  });

  it('is no help to somebody else who answers in its name', async () => {
    const lab = logLab(5);
    const line = unwrap(decodeCheckpointEvidence(evidence(log, rangeOf(5), [witness])))
      .unverified.note.split('\n')
      .at(-2)!;
    const running = lab.made.round();
    await settle();
    const answer = encodeCheckpointAnswer(utf8, { id: lab.asked[0]!.id, verdict: 'cosigned', text: line });
    lab.made.requests.take(stranger.nodeId, answer);
    await settle();
    expect(lab.made.cosigned).toBeUndefined();
    await lab.clock.advanceAsync(3_000);
    await running;
    // And too late is too late.
    lab.made.requests.take(witness.nodeId, answer);
    expect(lab.made.cosigned).toBeUndefined();
  });
});

describe('a log whose past is another than it signed', () => {
  it('signs nothing more, whether it shrank or was changed, even when nobody else knows', async () => {
    for (const change of [() => 3, () => 5, () => 9] as const) {
      const lab = logLab(5);
      await lab.round();
      expect(lab.made.signed?.size).toBe(5);
      lab.grow(change(), 1);
      lab.restart();
      await lab.made.recover();
      expect(lab.made.fork).toMatchObject({ size: 5, by: undefined });
      await lab.round();
      expect(lab.made.signed?.size).toBe(5);
      expect(lab.news.filter(({ type }) => type === 'forked')).toHaveLength(1);
    }
  });

  it('goes on after a restart when it only grew', async () => {
    const lab = logLab(5);
    await lab.round();
    lab.grow(700);
    lab.restart();
    await lab.made.recover();
    expect(lab.made.fork).toBeUndefined();
    await lab.round();
    expect(lab.made.signed?.size).toBe(700);
  });

  it('goes on when records come while it is looked at', async () => {
    const lab = logLab(5);
    await lab.round();
    lab.grow(7);
    lab.restart();
    lab.meanwhile(() => lab.grow(9));
    await lab.made.recover();
    expect([lab.made.fork, lab.news.filter(({ type }) => type === 'forked')]).toEqual([undefined, []]);
  });

  it('believes its own signature on what it has not', async () => {
    for (const [size, word, kind] of [
      [9, 0, 'rollback'],
      [5, 1, 'equivocation'],
    ] as const) {
      const lab = logLab(5);
      lab.answerWith(() => ({ verdict: 'forked', text: noteOf(log, size, word) }));
      await lab.round();
      expect(lab.made.fork).toEqual({ kind, size, by: witness.nodeId });
      await lab.made.accept();
      expect(lab.made.fork).toBeUndefined();
    }
  });

  it('never shows a checkpoint that it could not keep', async () => {
    const lab = logLab(5);
    lab.store.fault = new Error('disk full');
    await expect(lab.made.round()).rejects.toThrow('disk full');
    expect(lab.asked).toEqual([]);
    expect(lab.made.signed).toBeUndefined();
  });
});
