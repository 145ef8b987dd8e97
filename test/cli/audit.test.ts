import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../src/actors/kernel/utf8.ts';
import { LogProofs } from '../../src/actors/operations/audit/log-proofs.ts';
import type { ProvableLog } from '../../src/actors/operations/audit/provable-log.ts';
import type { NodeControl } from '../../src/actors/operations/control.ts';
import { createApiKey } from '../../src/crypto/api-key.ts';
import { issueCa } from '../../src/crypto/certificate.ts';
import { osCrypto, sha256 } from '../../src/crypto/port.ts';
import { ok, refuse, unwrap } from '../../src/errors.ts';
import type { NodeId } from '../../src/names.ts';
import { decodeCheckpointEvidence } from '../../src/protocols/audit/evidence.ts';
import { emptyRange, extendRange, leafHash } from '../../src/protocols/audit/merkle.ts';
import { encodeProofFile } from '../../src/protocols/audit/proof-file.ts';
import { toBase64 } from '../../src/protocols/base64.ts';
import { newKey, revocationOf, signNotice } from '../actors/notice-lab.ts';
import { type ApiLab, apiLab, fakeControl, tlsIdentity } from '../actors/operations/api/api-lab.ts';
import { testVault } from '../actors/operations/audit/audit-lab.ts';
import { folder as auditFolder, evidence, notary, writtenLog } from '../actors/operations/audit/proof-lab.ts';
import { domain } from '../crypto/fixtures.ts';
import { type ProfileFolder, profileFolder, run } from './cli-lab.ts';

/** The command line reads the real clock. */
const realNow = Math.floor(performance.timeOrigin + performance.now());
const validity = { notBefore: realNow - 86_400_000, notAfter: realNow + 86_400_000 };
const ca = issueCa(osCrypto, {
  trustDomain: domain,
  notBefore: realNow - 40 * 86_400_000,
  notAfter: realNow + 800 * 86_400_000,
});
const one = notary('node-1', ca, validity);
const two = notary('node-2', ca, validity);

const leaves = (word: number) =>
  Array.from({ length: 20 }, (_, i) => leafHash(Uint8Array.of(i, i < 5 ? 0 : word), sha256));
const rangeOf = (size: number, word = 0) => extendRange(emptyRange, leaves(word).slice(0, size), sha256);
const proofsOf = (word: number) => {
  const log: ProvableLog = {
    head: () => ({ sequence: 20, range: rangeOf(20, word) }),
    first: async () => 1,
    async *records() {},
    async *leafHashes(from, to) {
      yield* leaves(word).slice(from - 1, to);
    },
    rangeAt: async (size) => rangeOf(size, word),
  };
  return new LogProofs(log);
};

let labs: readonly ApiLab[];
let folder: ProfileFolder;
let own: Partial<NodeControl> = {};
let peer: Partial<NodeControl> = {};
const usual = fakeControl();
const forwarded = (over: () => Partial<NodeControl>): Partial<NodeControl> => {
  const current = (): NodeControl => ({ ...usual, ...over() });
  return {
    auditVerify: (part) => current().auditVerify(part),
    auditCheckpoint: () => current().auditCheckpoint(),
    auditWitnessed: () => current().auditWitnessed(),
    auditProve: (sequence) => current().auditProve(sequence),
    auditConsistency: (sizes) => current().auditConsistency(sizes),
    auditAccept: (log, caller) => current().auditAccept(log, caller),
  };
};

beforeAll(async () => {
  const shared = { apiKey: createApiKey(osCrypto), tls: tlsIdentity(ca) };
  labs = [
    await apiLab({ over: forwarded(() => own), ...shared }),
    await apiLab({ over: forwarded(() => peer), ...shared }),
  ];
  folder = await profileFolder({
    nodes: labs.map(({ address }, i) => ({ id: `node-${i + 1}`, api: `https://127.0.0.1:${address.port}` })),
    caPem: ca.certPem,
    apiKey: labs[0]!.key,
  });
});
afterAll(async () => {
  for (const { api } of labs) await api.close();
  await folder.remove();
});

/** Node-1’s log has 20 records, node-2 countersigned 12 of them. */
beforeEach(() => {
  own = ownLog(0);
  peer = { auditWitnessed: () => [seen(evidence(one, rangeOf(12), [], realNow), 12)] };
});

const seen = (line: string, size: number) => ({ nodeId: one.nodeId, size, root: 'ab', evidence: line });

function ownLog(word: number, size = 20): Partial<NodeControl> {
  const proofs = proofsOf(word);
  return {
    auditCheckpoint: () => ({
      origin: 'x',
      size,
      witnessedSize: size,
      witnesses: [],
      evidence: evidence(one, rangeOf(size, word), [two], realNow),
    }),
    auditConsistency: async ({ from, to }) =>
      ok({ from, to, root: '', hashes: (await proofs.consistency(from, to)).map(toBase64) }),
  };
}

const caxton = (...argv: string[]) => run(['audit', ...argv], { cwd: folder.root });

describe('caxton audit verify --against-witness', () => {
  const against = () => caxton('verify', '--against-witness');

  it('believes what signatures and proofs say', async () => {
    expect(await against()).toMatchObject({
      code: 0,
      out: expect.stringContaining('node-2: countersigned record 12, and the log continues it'),
    });
  });

  it.each([
    [
      'changed before what was countersigned',
      () => {
        own = ownLog(1);
      },
      'does not continue it',
    ],
    [
      'cut',
      () => {
        own = ownLog(0, 9);
      },
      'countersigned record 12; the log ends with record 9',
    ],
    [
      'known to be forked',
      () => {
        peer = {
          auditWitnessed: () => [
            { nodeId: one.nodeId, size: 12, root: 'ab', fork: { kind: 'rollback', size: 9, root: 'cd' } },
          ],
        };
      },
      'does not countersign it any more: rollback at record 9',
    ],
    [
      'signed with another key',
      () => {
        const thief = { ...one, claim: two.claim };
        peer = { auditWitnessed: () => [seen(evidence(thief, rangeOf(12), [], realNow), 12)] };
      },
      'cannot be believed',
    ],
    [
      'another one’s',
      () => {
        peer = { auditWitnessed: () => [seen(evidence(two, rangeOf(12), [], realNow), 12)] };
      },
      'It is one of another log',
    ],
  ])('finds a log that was %s', async (_, change, text) => {
    change();
    const { code, out } = await against();
    expect(out).toContain(text);
    expect(code).toBe(1);
  });

  it('is not content when nobody confirms the log, whoever keeps them from it', async () => {
    peer = { auditWitnessed: () => [] };
    const { code, out } = await against();
    expect(code).toBe(1);
    expect(out).toContain('has countersigned nothing of it');
    expect(out).toContain('NOT CONFIRMED');
    peer = {
      auditWitnessed: () => {
        throw new Error('a fault of the witness');
      },
    };
    expect(await against()).toMatchObject({ code: 1, out: expect.stringContaining('did not answer') });
  });
});

describe('caxton audit verify', () => {
  it('asks for a part', async () => {
    const asked: unknown[] = [];
    own = {
      auditVerify: async (part) => {
        asked.push(part);
        return usual.auditVerify(part);
      },
    };
    expect((await caxton('verify', '--from', '3', '--to', '9')).code).toBe(0);
    expect((await caxton('verify', '--to', '9')).code).toBe(0);
    expect(asked).toEqual([
      { from: 3, to: 9 },
      { from: 1, to: 9 },
    ]);
    for (const [from, to] of [
      ['0', '3'],
      ['x', '3'],
      ['9', '3'],
      ['1', '99999999999999999999'],
    ])
      expect((await caxton('verify', '--from', from!, '--to', to!)).code).toBe(2);
  });

  it('fails for a node that found its own log forked', async () => {
    own = {
      auditCheckpoint: () => ({
        ...usual.auditCheckpoint(),
        fork: { kind: 'rollback', size: 30, by: 'node-2' as NodeId },
      }),
    };
    expect(await caxton('verify')).toMatchObject({ code: 1, out: expect.stringContaining('FORKED') });
  });

  it('checks a copy of a log’s folder, and a proof file, without a node', async () => {
    const { disk, ranges } = await writtenLog('node-1', 2);
    const copy = join(folder.root, 'copy');
    await mkdir(copy);
    for (const path of disk.paths()) await writeFile(path.replace(auditFolder, copy), disk.peek(path)!);
    await writeFile(join(copy, 'checkpoint.json'), evidence(one, ranges.at(-1)!, [two], realNow));
    await writeFile(join(folder.root, 'vault.key'), testVault.toText());
    const offline = ['verify', '--offline', 'copy', '--vault', 'vault.key'];
    expect(await caxton(...offline)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/24 records, the log holds[\s\S]*countersigned: record 24 by node-2/),
    });
    const authority = newKey();
    const revoked = signNotice(authority.key, {
      ...{ kind: 'revocations', generation: 3, clusterId: 'c0ffee' },
      body: { revocations: [revocationOf('node', two.nodeId)] },
    });
    await writeFile(join(folder.root, 'revoked.notice'), `${revoked}\n`);
    await writeFile(join(folder.root, 'authority.pub'), `${authority.text}\n`);
    const revocations = ['--revocations', 'revoked.notice', '--authority', 'authority.pub'];
    // A countersignature of a revoked node counts for nothing.
    expect(await caxton(...offline, ...revocations)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/countersigned: record 0\n.*generation 3 of the revocations/),
    });
    expect((await caxton('verify', ...revocations)).code).toBe(2);
    await writeFile(join(folder.root, 'kept.jsonl'), evidence(one, rangeOf(20), [two], realNow));
    const bad = await caxton(...offline, '--evidence', 'kept.jsonl', '--output', 'json');
    expect(bad.code).toBe(1);
    expect(JSON.parse(bad.out)).toMatchObject({ valid: false, firstBad: { sequence: 1 } });
    expect((await caxton('verify', '--offline', 'copy')).code).toBe(2);
    expect((await caxton('verify', '--offline', 'copy', '--proof', 'x')).code).toBe(2);
    expect((await caxton('verify', '--proof', 'vault.key')).code).toBe(1);
    for (const wrong of [
      ['--proof', '/dev/zero'],
      ['--proof', 'copy'],
      ['--proof', 'nothing'],
      ['--proof', 'vault.key', '--ca', '/dev/zero'],
      ['--offline', 'copy', '--vault', '/dev/zero'],
      [...offline.slice(1), '--evidence', 'nothing'],
    ])
      expect(await caxton('verify', ...wrong)).toMatchObject({
        code: 1,
        out: '',
        err: expect.stringMatching(/^(FILE_UNREADABLE|LIMIT_EXCEEDED): (nothing|copy|\/dev\/zero) /),
      });
  });
});

describe('caxton audit prove', () => {
  it('prints the proof, or writes it for its owner alone', async () => {
    const { note, keys } = unwrap(decodeCheckpointEvidence(evidence(one, rangeOf(20), [two], realNow))).unverified;
    const proof = encodeProofFile({ record: Uint8Array.of(6), keys, index: 6, proof: [], note }, utf8);
    own = { auditProve: async (sequence) => ok({ sequence, size: 20, witnesses: 1, proof }) };
    expect(await caxton('prove', '7')).toEqual({ code: 0, out: proof, err: '' });
    expect(await caxton('prove', '7', '--out', 'p.tlog-proof')).toMatchObject({ code: 0 });
    expect(await readFile(join(folder.root, 'p.tlog-proof'), 'utf8')).toBe(proof);
    expect((await stat(join(folder.root, 'p.tlog-proof'))).mode & 0o077).toBe(0);
    const again = { code: 1, err: expect.stringContaining('p.tlog-proof exists already; it is left as it is.') };
    expect(await caxton('prove', '7', '--out', 'p.tlog-proof')).toMatchObject(again);
    for (const word of ['0', '-1', 'x', '1.5', '99999999999999999999'])
      expect((await caxton('prove', word)).code).toBe(2);
    expect((await caxton('prove')).code).toBe(2);
    expect((await caxton('prove', '7', '8')).code).toBe(2);
  });
});

describe('caxton audit accept', () => {
  it('asks the witnesses before the log’s own node, and says who had something against it', async () => {
    const asked: string[] = [];
    own = {
      auditAccept: async () => {
        asked.push('node-1');
        return ok(undefined);
      },
    };
    peer = {
      auditAccept: async () => {
        asked.push('node-2');
        return refuse('NOT_FOUND', 'Nothing.');
      },
    };
    expect(await caxton('accept', 'node-1')).toEqual({
      code: 0,
      out: 'node-2: had nothing against it\nnode-1: accepted\n',
      err: '',
    });
    expect(asked).toEqual(['node-2', 'node-1']);
    peer = { auditAccept: async () => refuse('AUDIT_BLOCKED', 'The audit log cannot be written.') };
    expect((await caxton('accept', 'node-1')).code).toBe(1);
    expect((await caxton('accept', 'Node 1')).code).toBe(2);
    own = peer = { auditAccept: async () => refuse('NOT_FOUND', 'Nothing.') };
    expect((await caxton('accept', 'node-1')).code).toBe(0);
    expect(await caxton('accept', 'node-11')).toMatchObject({ code: 1, err: expect.stringContaining('node-11') });
  });
});
