import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../../src/crypto/port.ts';
import { unwrap } from '../../../src/errors.ts';
import {
  decodeCheckpoint,
  type VerifiedCheckpoint,
  verifyCheckpoint,
} from '../../../src/protocols/audit/checkpoint.ts';
import { emptyRange, extendRange, leafHash, rootOf } from '../../../src/protocols/audit/merkle.ts';
import { beginConsistencyProof, type TreeProof } from '../../../src/protocols/audit/proof.ts';
import {
  decodeWitnessEntry,
  encodeWitnessEntry,
  judgeSubmission,
  unseenLog,
  type WitnessEntry,
} from '../../../src/protocols/audit/witness.ts';
import {
  decodeCheckpointAnswer,
  decodeCheckpointRequest,
  encodeCheckpointAnswer,
  encodeCheckpointRequest,
} from '../../../src/protocols/link/checkpoint-frame.ts';
import { utf8 } from './fixtures.ts';
import { checkpointNote, crypto, signer } from './note-lab.ts';

const log = signer('caxton.test/node/node-1/audit', 'ed25519', 1);

/** A history: record `i` says which branch it is of. */
const leavesOf = (branch: readonly number[]) => branch.map((word, i) => leafHash(Uint8Array.of(i, word), sha256));
const rangeOf = (branch: readonly number[]) => extendRange(emptyRange, leavesOf(branch), sha256);

function checkpointOf(branch: readonly number[]): VerifiedCheckpoint {
  const note = checkpointNote(log, { size: branch.length, root: rootOf(rangeOf(branch), sha256) });
  return unwrap(verifyCheckpoint(unwrap(decodeCheckpoint(note)), { log: log.key, witnesses: [] }, crypto));
}

function proofOf(branch: readonly number[], old: number): TreeProof {
  if (old > branch.length) return [];
  const making = beginConsistencyProof(rangeOf(branch.slice(0, old)), branch.length, sha256);
  for (const leaf of leavesOf(branch).slice(old)) if (!making.isComplete) making.add(leaf);
  return making.hashes;
}

/** What a log that has this branch would send a witness that cosigned `old` records. */
const submit = (entry: WitnessEntry, branch: readonly number[], old = entry.head?.size ?? 0) =>
  judgeSubmission(entry, { oldSize: old, proof: proofOf(branch, old), checkpoint: checkpointOf(branch) }, sha256);

const grown = (count: number, word = 0): number[] => Array<number>(count).fill(word);

describe('a witness', () => {
  it('cosigns what continues the last checkpoint, and nothing else, in any order of submissions', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(12), fc.nat(2), fc.nat(12)), { maxLength: 12 }), (steps) => {
        let entry = unseenLog;
        let accepted: number[] = [];
        for (const [size, word, old] of steps) {
          // Branches part at the fifth record.
          const branch = grown(Math.min(size + 1, 4)).concat(grown(Math.max(0, size - 3), word));
          const judged = submit(entry, branch, old % 2 ? (entry.head?.size ?? 0) : Math.min(old, branch.length));
          const continues = accepted.length <= branch.length && accepted.every((known, i) => known === branch[i]);
          if (judged.verdict === 'cosign') {
            expect(continues).toBe(true);
            accepted = branch;
            expect(judged.entry.head?.size).toBe(branch.length);
          } else expect(judged.entry.head).toBe(entry.head);
          if (judged.discovered) expect(continues).toBe(false);
          entry = judged.entry;
        }
      }),
    );
  });

  it('begins with whatever it is shown first, and from nothing alone', () => {
    expect(submit(unseenLog, grown(5))).toMatchObject({ verdict: 'cosign', entry: { head: { size: 5 } } });
    expect(submit(unseenLog, grown(5), 3)).toMatchObject({ verdict: 'conflict', entry: unseenLog });
  });

  it('answers a repeated checkpoint again, since the first answer may have been lost', () => {
    const { entry } = submit(unseenLog, grown(5));
    expect(submit(entry, grown(5), 0)).toMatchObject({ verdict: 'cosign' });
  });

  it('finds a log that is shorter than it was, once, and forgives it when it fits again', () => {
    const { entry } = submit(unseenLog, grown(5));
    const back = submit(entry, grown(3), 0);
    expect(back).toMatchObject({
      verdict: 'forked',
      discovered: 'rollback',
      entry: { head: { size: 5 }, fork: { size: 3 } },
    });
    const again = submit(back.entry, grown(4), 0);
    expect(again.verdict).toBe('forked');
    expect(again.discovered).toBeUndefined();
    expect(submit(again.entry, grown(7))).toMatchObject({
      verdict: 'cosign',
      healed: true,
      entry: { fork: undefined },
    });
  });

  it('finds a log whose past was changed', () => {
    const { entry } = submit(unseenLog, grown(5));
    const changed = [...grown(4), 9, 0, 0];
    expect(submit(entry, changed)).toMatchObject({ verdict: 'forked', discovered: 'inconsistent' });
    // Under another size than the last one it learns only that this is another.
    expect(submit(entry, changed, 2)).toMatchObject({ verdict: 'conflict', entry });
  });

  it('signs nothing more for a key that signed two trees of one size, until a person says so', () => {
    const { entry } = submit(unseenLog, grown(5));
    const twice = submit(entry, [...grown(4), 9], 0);
    expect(twice).toMatchObject({ verdict: 'forked', discovered: 'equivocation' });
    expect(submit(twice.entry, grown(7))).toMatchObject({ verdict: 'forked', entry: twice.entry });
    // It outweighs what was found before.
    const back = submit(entry, grown(3), 0);
    expect(submit(back.entry, [...grown(4), 9], 0)).toMatchObject({ discovered: 'equivocation' });
  });

  it('keeps what it knows over a restart', () => {
    const { entry } = submit(submit(unseenLog, grown(5)).entry, grown(3), 0);
    expect(unwrap(decodeWitnessEntry(encodeWitnessEntry(entry, utf8), utf8))).toEqual(entry);
    expect(unwrap(decodeWitnessEntry(encodeWitnessEntry(unseenLog, utf8), utf8))).toEqual(unseenLog);
    expect(decodeWitnessEntry(Uint8Array.of(0xff), utf8).ok).toBe(false);
    for (const text of ['', '{', '[]', '{"head":5}', '{"head":"x"}', '{"fork":{"kind":"x","note":""}}'])
      expect(decodeWitnessEntry(utf8.encode(text), utf8).ok).toBe(false);
  });
});

describe('the frames between a log and its witness', () => {
  const note = checkpointNote(log, { size: 5, root: rootOf(rangeOf(grown(5)), sha256) });
  const request = { id: 7, oldSize: 3, proof: proofOf(grown(5), 3), note };
  const body = utf8.decode(encodeCheckpointRequest(utf8, request).content);
  const { header } = encodeCheckpointRequest(utf8, request);
  const read = (text: string) => decodeCheckpointRequest(utf8, { header, content: utf8.encode(text) });

  it('carry what was sent', () => {
    expect(unwrap(read(body)).unverified).toMatchObject({ id: 7, oldSize: 3, checkpoint: { size: 5 } });
    expect(unwrap(read(body)).unverified.proof).toEqual(request.proof);
    const answer = { id: 7, verdict: 'cosigned', text: '— x AAAAAAA=\n' } as const;
    expect(unwrap(decodeCheckpointAnswer(utf8, encodeCheckpointAnswer(utf8, answer))).unverified).toEqual(answer);
  });

  it.each([
    ['no size', body.replace('old 3', 'new 3')],
    ['a size with a zero before it', body.replace('old 3', 'old 03')],
    ['a negative size', body.replace('old 3', 'old -3')],
    ['a size past the safe integers', body.replace('old 3', 'old 9007199254740992')],
    ['a hash of 31 bytes', body.replace(/\n[^\n]{44}\n/, `\n${Buffer.alloc(31).toString('base64')}\n`)],
    ['64 hashes', body.replace('\n', `\n${`${Buffer.alloc(32).toString('base64')}\n`.repeat(64)}`)],
    ['no checkpoint', 'old 3\n\n'],
    ['nothing', ''],
  ])('with %s are refused', (_, text) => {
    expect(read(text).ok).toBe(false);
  });

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.uint8Array({ maxLength: 200 }), (head, content) => {
        expect(decodeCheckpointRequest(utf8, { header: head, content }).ok).toBe(false);
        decodeCheckpointAnswer(utf8, { header: head, content });
      }),
    );
    fc.assert(
      fc.property(fc.nat(body.length), fc.nat(body.length), fc.string({ maxLength: 5 }), (a, b, noise) => {
        read(body.slice(0, a) + noise + body.slice(b));
      }),
    );
    expect(decodeCheckpointRequest(utf8, { header, content: new Uint8Array(1_000_000) }).ok).toBe(false);
  });
});
