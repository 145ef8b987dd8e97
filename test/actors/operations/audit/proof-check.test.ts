import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../../src/actors/kernel/utf8.ts';
import { LogProofs } from '../../../../src/actors/operations/audit/log-proofs.ts';
import { verifyAuditProof } from '../../../../src/actors/operations/audit/proof-check.ts';
import type { ProvableLog } from '../../../../src/actors/operations/audit/provable-log.ts';
import { keyId, rawPublicKey } from '../../../../src/crypto/keys.ts';
import { sha256 } from '../../../../src/crypto/port.ts';
import { unwrap } from '../../../../src/errors.ts';
import { decodeCheckpointEvidence } from '../../../../src/protocols/audit/evidence.ts';
import { emptyRange, extendRange, leafHash } from '../../../../src/protocols/audit/merkle.ts';
import { encodeProofFile } from '../../../../src/protocols/audit/proof-file.ts';
import { auditLine, auditRecord } from '../../../../src/protocols/audit/record.ts';
import { type Revocation, revocationIndex } from '../../../../src/protocols/notice/revocation.ts';
import { dayMs, makeCa, now } from '../../../crypto/fixtures.ts';
import { auditPath, consistencyPath } from '../../../twins/merkle-tree.ts';
import { ca, evidence, type Notary, notary, trust } from './proof-lab.ts';

const one = notary('node-1');
const two = notary('node-2');
const records = Array.from({ length: 40 }, (_, i) =>
  utf8.encode(
    auditLine(
      auditRecord(
        {
          type: 'LoginSuccess',
          at: now,
          identity: `user ${i}`,
          sourceIp: '',
          nodeId: 'node-1',
          outcome: 'success',
          reasons: [],
          metadata: {},
        },
        i + 1,
      ),
    ),
  ),
);
const leaves = records.map((record) => leafHash(record, sha256));

/** A log in memory, of which the first records may be gone; counts the leaves that it is asked for. */
function logOf(all: readonly Uint8Array[], kept = 1): ProvableLog & { read: number } {
  const log = {
    read: 0,
    head: () => ({ sequence: all.length, range: extendRange(emptyRange, all, sha256) }),
    first: async () => kept,
    async *records() {},
    async *leafHashes(from: number, to: number) {
      for (let sequence = Math.max(from, kept); sequence <= Math.min(to, all.length); sequence++) {
        log.read += 1;
        yield all[sequence - 1]!;
      }
    },
    rangeAt: async (size: number) => extendRange(emptyRange, all.slice(0, size), sha256),
  };
  return log;
}

const serialOf = ({ entry }: Notary): string => new X509Certificate(entry.certificate).serialNumber;
const claimKeyIdOf = ({ claim }: Notary): string => keyId(rawPublicKey(claim.publicKey));
const rangeOf = (size: number) => extendRange(emptyRange, leaves.slice(0, size), sha256);

async function fileOf(sequence: number, size: number, line = evidence(one, rangeOf(size), [two])) {
  const proof = await new LogProofs(logOf(leaves)).inclusion(sequence, size);
  const { note, keys } = unwrap(decodeCheckpointEvidence(line)).unverified;
  return encodeProofFile({ record: records[sequence - 1]!, index: sequence - 1, proof, note, keys }, utf8);
}

describe('the proofs of a log', () => {
  it('are those of the RFC, however much of the log is in memory', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(39), fc.nat(39), fc.integer({ min: 1, max: 50 }), fc.nat(40), async (a, b, keep, at) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b) + 1];
        const proofs = new LogProofs(logOf(leaves), keep);
        await proofs.follow(extendRange(emptyRange, leaves.slice(0, at), sha256));
        await proofs.follow(extendRange(emptyRange, leaves, sha256));
        expect(await proofs.inclusion(low + 1, high)).toEqual(auditPath(low, records.slice(0, high)));
        if (low > 0) expect(await proofs.consistency(low, high)).toEqual(consistencyPath(low, records.slice(0, high)));
      }),
      { numRuns: 60 },
    );
  });

  it('cost no reading of what came last', async () => {
    const log = logOf(leaves);
    const proofs = new LogProofs(log);
    await proofs.follow(log.head().range);
    log.read = 0;
    await proofs.consistency(30, 40);
    expect(log.read).toBe(0);
  });
});

describe('a proof file', () => {
  it('shows whoever has the CA that a record is in the log, and who countersigned it', async () => {
    for (const [sequence, size] of [
      [1, 1],
      [1, 40],
      [17, 40],
      [40, 40],
      [5, 33],
    ] as const)
      expect(unwrap(verifyAuditProof(await fileOf(sequence, size), trust))).toMatchObject({
        sequence,
        nodeId: 'node-1',
        record: { seq: sequence, identity: `user ${sequence - 1}` },
        witnesses: [{ nodeId: 'node-2', timeSeconds: now / 1_000 }],
      });
  });

  it('is refused after any change, but for what it does not rest on', async () => {
    const file = await fileOf(17, 40);
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), fc.constantFrom(...'0A+/=\n z'), async (at, letter) => {
        const changed = file.slice(0, at) + letter + file.slice(at + 1);
        const result = verifyAuditProof(changed, trust);
        if (changed === file || !result.ok) return;
        // A signature of nobody known counts for nothing: the record stands, and with it one witness less.
        expect(result.value).toMatchObject({ sequence: 17, record: { identity: 'user 16' }, witnesses: [] });
      }),
      { numRuns: 300 },
    );
  });

  it('is refused when it is for another place, record, log or CA', async () => {
    const file = await fileOf(17, 40);
    expect(verifyAuditProof(file.replace('index 16', 'index 17'), trust)).toMatchObject({
      refusal: { code: 'PROOF_INVALID' },
    });
    expect(verifyAuditProof(file.replace('index 16', 'index 9007199254740992'), trust).ok).toBe(false);
    expect(verifyAuditProof(file, { ...trust, caPem: makeCa().certPem })).toMatchObject({
      refusal: { code: 'CERTIFICATE_REFUSED' },
    });
    const range = rangeOf(40);
    // A witness whose certificate is of another CA refuses the whole: its key is known to be none of ours.
    expect(verifyAuditProof(await fileOf(17, 40, evidence(one, range, [notary('node-2', makeCa())])), trust).ok).toBe(
      false,
    );
    expect(verifyAuditProof(await fileOf(17, 40, evidence(one, range, [])), trust)).toMatchObject({
      value: { witnesses: [] },
    });
  });

  it('holds after the certificates ran out, for they were good when they signed', async () => {
    const file = await fileOf(17, 40);
    const later = now + 5 * dayMs;
    expect(verifyAuditProof(file, { ...trust, now: later }).ok).toBe(true);
    // Without a witness nothing says when it was signed.
    const alone = await fileOf(17, 40, evidence(one, rangeOf(40), []));
    expect(verifyAuditProof(alone, trust).ok).toBe(true);
    expect(verifyAuditProof(alone, { ...trust, now: later })).toMatchObject({
      refusal: { code: 'CERTIFICATE_REFUSED' },
    });
    // A witness that signed when its certificate was not good any more.
    const late = evidence(one, rangeOf(40), [two], later);
    expect(verifyAuditProof(await fileOf(17, 40, late), { ...trust, now: later }).ok).toBe(false);
  });

  it('does not take the log’s own node for a witness, whose key its thief has', async () => {
    const { note, keys } = JSON.parse(evidence(one, rangeOf(40), [one]));
    const file = await fileOf(17, 40, JSON.stringify({ note, keys: keys.slice(0, 1) }));
    expect(unwrap(verifyAuditProof(file, trust)).witnesses).toEqual([]);
    // And so nothing dates it.
    expect(verifyAuditProof(file, { ...trust, now: now + 5 * dayMs }).ok).toBe(false);
  });

  it('counts a witness once, and refuses a second certificate for one node', async () => {
    const twice = await fileOf(17, 40, evidence(one, rangeOf(40), [two, two]));
    expect(verifyAuditProof(twice, trust)).toMatchObject({ refusal: { code: 'MALFORMED' } });
    const again = evidence(one, rangeOf(40), [two, notary('node-2')]);
    expect(verifyAuditProof(await fileOf(17, 40, again), trust)).toMatchObject({ refusal: { code: 'MALFORMED' } });
  });

  it('is dated by signatures that hold alone, not by lines that claim a time', async () => {
    // The certificate of the log ran out long ago; a line with the name of a witness says that it was good then.
    const later = now + 5 * dayMs;
    const { note, keys } = JSON.parse(evidence(one, rangeOf(40), [two]));
    const [text, lines] = note.split('\n\n');
    const [own, witness] = lines.split('\n');
    const [dash, name, signature] = witness.split(' ');
    const bytes = Buffer.from(signature, 'base64');
    // Another key id: nobody’s signature, so it is never verified.
    bytes[0]! ^= 1;
    const stray = [dash, name, bytes.toString('base64')].join(' ');
    const line = JSON.stringify({ note: `${text}\n\n${own}\n${stray}\n`, keys });
    for (const at of [now, later])
      expect(verifyAuditProof(await fileOf(17, 40, line), { ...trust, now: at })).toMatchObject({
        refusal: { code: 'SIGNATURE_INVALID' },
      });
  });

  it('stands whatever lines of nobody known are added', async () => {
    const { note, keys } = JSON.parse(evidence(one, rangeOf(40), [two]));
    const lines = note.split('\n\n')[1].split('\n');
    const [dash, name, signature] = lines[1].split(' ');
    const bytes = Buffer.from(signature, 'base64');
    bytes[0]! ^= 1;
    // A time at which no certificate is good.
    bytes[4] = 0x7f;
    const stray = [dash, name, bytes.toString('base64')].join(' ');
    const line = JSON.stringify({ note: `${note}${stray}\n`, keys });
    expect(unwrap(verifyAuditProof(await fileOf(17, 40, line), trust)).witnesses).toHaveLength(1);
  });

  it('does not show a record in a place that is not the one which the record says', async () => {
    const moved = leaves.toSpliced(16, 1, leaves[20]!);
    const range = extendRange(emptyRange, moved, sha256);
    const { note, keys } = unwrap(decodeCheckpointEvidence(evidence(one, range, [two]))).unverified;
    const proof = await new LogProofs(logOf(moved)).inclusion(17, 40);
    const file = encodeProofFile({ record: records[20]!, index: 16, proof, note, keys }, utf8);
    expect(verifyAuditProof(file, trust)).toMatchObject({ refusal: { code: 'PROOF_INVALID' } });
  });

  it('counts no witness that is revoked, and no log of a revoked node beyond what others countersigned', async () => {
    const three = notary('node-3');
    const line = evidence(one, rangeOf(40), [two, three]);
    const both = await fileOf(17, 40, line);
    const alone = await fileOf(17, 40, evidence(one, rangeOf(40), []));
    const revoking = (kind: Revocation['kind'], id: string) =>
      ({ ...trust, revoked: revocationIndex([{ kind, id, reason: 'keyCompromise', at: now }]) }) as const;
    const names = { node: ({ nodeId }: Notary) => nodeId, serial: serialOf, key: claimKeyIdOf };
    for (const kind of ['node', 'serial', 'key'] as const) {
      const isWitness = revoking(kind, names[kind](two));
      expect(unwrap(verifyAuditProof(both, isWitness)).witnesses.map(({ nodeId }) => nodeId)).toEqual(['node-3']);
      // A certificate that has ended is revoked all the same.
      expect(unwrap(verifyAuditProof(both, { ...isWitness, now: now + 5 * dayMs })).witnesses).toHaveLength(1);
      const isLog = revoking(kind, names[kind](one));
      expect(unwrap(verifyAuditProof(both, isLog)).witnesses).toHaveLength(2);
      expect(verifyAuditProof(alone, isLog)).toMatchObject({ refusal: { code: 'REVOKED' } });
      expect(unwrap(verifyAuditProof(alone, isWitness)).witnesses).toEqual([]);
    }
    // The CA above all of them.
    const root = new X509Certificate(ca.certPem).serialNumber;
    expect(verifyAuditProof(both, revoking('serial', root))).toMatchObject({ refusal: { code: 'REVOKED' } });
  });

  it('survives any text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 200 }), (noise) => void verifyAuditProof(noise, trust)));
    expect(verifyAuditProof('x'.repeat(2_000_000), trust)).toMatchObject({ refusal: { code: 'LIMIT_EXCEEDED' } });
  });
});
