import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { LogProofs } from '../../src/actors/operations/audit/log-proofs.ts';
import { noteCrypto } from '../../src/actors/operations/audit/proof-check.ts';
import type { ProvableLog } from '../../src/actors/operations/audit/provable-log.ts';
import { rawPublicKey } from '../../src/crypto/keys.ts';
import { sha256 } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import { logOrigin, witnessName } from '../../src/protocols/audit/checkpoint.ts';
import { decodeCheckpointEvidence } from '../../src/protocols/audit/evidence.ts';
import { emptyRange, extendRange, leafHash, rootOf } from '../../src/protocols/audit/merkle.ts';
import { type NoteKey, noteKeyId } from '../../src/protocols/audit/signed-note.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';
import { evidence, type Notary, notary } from '../actors/operations/audit/proof-lab.ts';
import { domain } from '../crypto/fixtures.ts';

/** Debian’s copy of golang.org/x/mod stands here. */
const environment = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOFLAGS: '' };
const program = fileURLToPath(new URL('audit/check.go', import.meta.url));

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const one = notary('node-1');
const witnesses = [notary('node-2'), notary('node-3')];

function keyOf(name: string, type: NoteKey['type'], { claim }: Notary) {
  const publicKey = rawPublicKey(claim.publicKey);
  const id = Buffer.from(noteKeyId({ name, type, publicKey }, noteCrypto));
  return { name, id, key: Buffer.concat([Uint8Array.of(type === 'ed25519' ? 1 : 4), publicKey]) };
}

const logKey = keyOf(logOrigin(domain, 'node-1'), 'ed25519', one);
const vkey = `${logKey.name}+${logKey.id.toString('hex')}+${base64(logKey.key)}`;

async function caseOf(size: number, index: number, old: number) {
  const records = Array.from({ length: size }, (_, i) => Buffer.from(`{"seq":${i + 1}}`));
  const leaves = records.map((record) => leafHash(record, sha256));
  const rangeOf = (at: number) => extendRange(emptyRange, leaves.slice(0, at), sha256);
  const log: ProvableLog = {
    head: () => ({ sequence: size, range: rangeOf(size) }),
    first: async () => 1,
    async *records() {},
    async *leafHashes(from, to) {
      yield* leaves.slice(from - 1, to);
    },
    rangeAt: async (at) => rangeOf(at),
  };
  const proofs = new LogProofs(log);
  return {
    note: unwrap(decodeCheckpointEvidence(evidence(one, rangeOf(size), witnesses))).unverified.note,
    log: vkey,
    witnesses: witnesses.map((witness) => {
      const { name, id, key } = keyOf(witnessName(domain, witness.nodeId), 'cosignature', witness);
      return { name, id: id.readUInt32BE(), key: base64(key) };
    }),
    record: base64(records[index]!),
    index,
    inclusion: (await proofs.inclusion(index + 1, size)).map(base64),
    old: { size: old, root: base64(rootOf(rangeOf(old), sha256)) },
    consistency: (await proofs.consistency(old, size)).map(base64),
  };
}

function judged(cases: readonly unknown[]): string[] {
  const out = execFileSync('go', ['run', program], {
    input: JSON.stringify(cases),
    env: environment,
    maxBuffer: 1 << 26,
    encoding: 'utf8',
  });
  return JSON.parse(out);
}

it('Go’s reader of signed notes and transparency logs believes every checkpoint, cosignature and proof, and nothing else', async () => {
  const random = seededRandom(7);
  const below = (count: number) => random.uint32() % count;
  const good = [];
  for (let i = 0; i < 300; i++) {
    const size = 1 + below(i < 100 ? 20 : 700);
    good.push(await caseOf(size, below(size), 1 + below(size)));
  }
  const bad = good.slice(0, 100).map((one, i) => {
    const flipped = Buffer.from(one.record, 'base64');
    flipped[3]! ^= 1;
    if (i % 4 === 0) return { ...one, record: base64(flipped) };
    if (i % 4 === 1) return { ...one, old: { ...one.old, root: base64(Buffer.alloc(32, 1)) } };
    if (i % 4 === 2) return { ...one, note: one.note.replace(/\n(\d+)\n/, '\n1$1\n') };
    return { ...one, index: one.index + 1 };
  });
  const verdicts = judged([...good, ...bad]);
  expect(verdicts.slice(0, good.length).filter((verdict) => verdict !== '')).toEqual([]);
  expect(verdicts.slice(good.length).filter((verdict) => verdict === '')).toEqual([]);
});
