import { AuditFile } from '../../../../src/actors/operations/audit/audit-file.ts';
import { verifyFolder } from '../../../../src/actors/operations/audit/folder-verification.ts';
import { noteCrypto } from '../../../../src/actors/operations/audit/proof-check.ts';
import { issueNodeCertificate } from '../../../../src/crypto/certificate.ts';
import { bindClaimKey } from '../../../../src/crypto/identity.ts';
import { rawPublicKey } from '../../../../src/crypto/keys.ts';
import { signNote } from '../../../../src/crypto/note.ts';
import { sha256 } from '../../../../src/crypto/port.ts';
import { verifyNodeSvid } from '../../../../src/crypto/svid.ts';
import type { VaultRing } from '../../../../src/crypto/vault.ts';
import { unwrap } from '../../../../src/errors.ts';
import type { NodeId } from '../../../../src/names.ts';
import { checkpointText, logOrigin, witnessName } from '../../../../src/protocols/audit/checkpoint.ts';
import { cosignatureBytes, cosignedText } from '../../../../src/protocols/audit/cosignature.ts';
import { encodeCheckpointEvidence } from '../../../../src/protocols/audit/evidence.ts';
import { type CompactRange, rootOf } from '../../../../src/protocols/audit/merkle.ts';
import { encodeNote, type NoteKey, noteKeyId } from '../../../../src/protocols/audit/signed-note.ts';
import type { DirectoryEntry } from '../../../../src/protocols/link/push-pull-frame.ts';
import { MemoryDisk } from '../../../../src/testing/memory-disk.ts';
import { crypto, derOf, domain, makeCa, now, period } from '../../../crypto/fixtures.ts';
import { testVault } from './audit-lab.ts';

export const ca = makeCa();
export const trust = { caPem: ca.certPem, now };
export const folder = '/audit';

/** A node’s keys, and what vouches for them. */
export interface Notary {
  readonly nodeId: NodeId;
  readonly entry: DirectoryEntry;
  readonly claim: ReturnType<typeof crypto.generateKeyPair>;
}

export function notary(name: string, authority = ca, validity = period): Notary {
  const nodeId = name as NodeId;
  const keys = crypto.generateKeyPair('p256');
  const claim = crypto.generateKeyPair('ed25519');
  const certPem = unwrap(
    issueNodeCertificate(crypto, {
      ca: authority,
      trustDomain: domain,
      nodeId,
      publicKey: keys.publicKey,
      dns: ['localhost'],
      ip: [],
      ...validity,
    }),
  );
  const certificate = derOf(certPem);
  const at = validity.notBefore + 1;
  const svid = unwrap(verifyNodeSvid(certificate, { caPem: authority.certPem, trustDomain: domain, now: at, nodeId }));
  const binding = bindClaimKey(keys.privateKey, rawPublicKey(claim.publicKey), svid);
  return { nodeId, claim, entry: { nodeId, certificate, binding } };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A checkpoint of the log’s node, countersigned, as one line of evidence. */
export function evidence(log: Notary, range: CompactRange, witnesses: readonly Notary[], atMs = now): string {
  const origin = logOrigin(domain, log.nodeId);
  const text = checkpointText({ origin, size: range.size, root: rootOf(range, sha256), extensions: [] });
  const keyOf = (name: string, type: NoteKey['type'], { claim }: Notary) => {
    const keyId = noteKeyId({ name, type, publicKey: rawPublicKey(claim.publicKey) }, noteCrypto);
    return { name, keyId };
  };
  const timeSeconds = Math.floor(atMs / 1_000);
  const signatures = [
    { ...keyOf(origin, 'ed25519', log), signature: signNote(log.claim.privateKey, bytes(text)) },
    ...witnesses.map((witness) => ({
      ...keyOf(witnessName(domain, witness.nodeId), 'cosignature', witness),
      signature: cosignatureBytes(
        timeSeconds,
        signNote(witness.claim.privateKey, bytes(cosignedText(text, timeSeconds))),
      ),
    })),
  ];
  const keys = [log, ...witnesses].map(({ entry }) => entry);
  return encodeCheckpointEvidence({ note: encodeNote({ text, signatures }), keys });
}

/** A log on a disk in memory, and what it was like on its way. */
export interface WrittenLog {
  readonly disk: MemoryDisk;
  /** The trees after each block. */
  readonly ranges: readonly CompactRange[];
  /** Where the records of each block begin, and where it stands in its file. */
  readonly blocks: readonly {
    readonly path: string;
    readonly from: number;
    readonly to: number;
    readonly first: number;
  }[];
}

export const blockRecords = 3;

/** Writes segments of four blocks of three records. `wordOf` gives each record’s text. */
export async function writtenLog(
  nodeId: string,
  segments: number,
  wordOf: (sequence: number) => string = (sequence) => `word ${sequence}`,
  vault: VaultRing = testVault,
): Promise<WrittenLog> {
  const disk = new MemoryDisk();
  const origin = logOrigin(domain, nodeId);
  const file = new AuditFile({ disk, crypto, vault: () => vault, folder, nodeId, origin, now: () => now });
  await file.open();
  const ranges: CompactRange[] = [];
  const blocks: { path: string; from: number; to: number; first: number }[] = [];
  for (let segment = 0; segment < segments; segment++) {
    if (segment > 0) await file.rotate();
    for (let block = 0; block < 4; block++) {
      const { range, bytes: from, segment: at } = file.committed!;
      const sequences = Array.from({ length: blockRecords }, (_, i) => range.size + i + 1);
      await file.commit(sequences.map((sequence) => eventOf(nodeId, wordOf(sequence))));
      blocks.push({ path: at.path, from, to: file.committed!.bytes, first: range.size + 1 });
      ranges.push(file.committed!.range);
    }
  }
  await file.close();
  return { disk, ranges, blocks };
}

const eventOf = (nodeId: string, word: string) =>
  ({
    type: 'LoginSuccess',
    at: now,
    identity: 'apikey:dev',
    sourceIp: '127.0.0.1',
    nodeId,
    outcome: 'success',
    reasons: [],
    metadata: { word },
  }) as const;

/** A disk with the same files, to be changed. */
export function copied(disk: MemoryDisk): MemoryDisk {
  const copy = new MemoryDisk();
  for (const path of disk.paths()) copy.put(path, disk.peek(path)!);
  return copy;
}

export const checked = (disk: MemoryDisk, lines: readonly string[] = [], vault: VaultRing = testVault) =>
  verifyFolder({ disk, folder, vault, trust, evidence: lines });
