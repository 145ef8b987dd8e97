import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/**
 * What members say about members. A claim is carried as the exact bytes that were signed (the *body*) and the
 * signatures over them; it is passed on as it came and never encoded again.
 *
 * A suspicion’s body names only the accused and its counters: the accuser is whoever’s key fits the signature. So all
 * accusers of one incarnation sign the very same bytes, and a death certificate is one body with k signatures.
 */
export type Claim = AliveClaim | LeaveClaim | SuspectClaim | DeadClaim;

/** Whom a claim is about: one incarnation of one boot of one node. Both counters are u32 and never wrap. */
export interface Subject {
  readonly node: NodeId;
  readonly epoch: number;
  readonly incarnation: number;
}

/** Where a member listens, for links (TCP) and gossip (UDP) alike. */
export interface MemberAddress {
  /** A name or a literal address without brackets. */
  readonly host: string;
  readonly port: number;
}

/** “I live, this is how to reach me”: signed by its subject. */
export interface AliveClaim extends Subject {
  readonly kind: 'alive';
  /** The X25519 public key of this boot, 32 bytes. */
  readonly boxKey: Uint8Array;
  readonly addresses: readonly MemberAddress[];
}

/** “I go in good order”: signed by its subject. */
export interface LeaveClaim extends Subject {
  readonly kind: 'leave';
}

/** “I cannot reach it”: signed by the accuser. */
export interface SuspectClaim extends Subject {
  readonly kind: 'suspect';
  readonly accuser: NodeId;
}

/** “So many cannot reach it”: the suspicions of several accusers. How many are needed is the receiver’s judgement. */
export interface DeadClaim extends Subject {
  readonly kind: 'dead';
  readonly accusers: readonly NodeId[];
}

/** One signature over a claim’s body. */
export interface ClaimSignature {
  readonly signer: NodeId;
  /** 64 bytes, Ed25519. */
  readonly bytes: Uint8Array;
}

/** A claim with its proof. `wire` is the whole of it as it travels. */
export interface SignedClaim<C extends Claim = Claim> {
  readonly claim: C;
  /** What the signatures cover (under the domain that the caller of the rules puts before it). */
  readonly body: Uint8Array;
  /** One of the subject (alive, leave), one of the accuser (suspect), or one of each accuser (dead). */
  readonly signatures: readonly ClaimSignature[];
  readonly wire: Uint8Array;
}

/** Signs a body; the caller adds the domain. Returns 64 bytes. */
export type Sign = (bytes: Uint8Array) => Uint8Array;

/** The largest boot epoch and incarnation. */
export const counterMax = 0xffff_ffff;
const boxKeyBytes = 32;
const signatureBytes = 64;
const nodeIdBytesMax = 63;
const hostBytesMax = 255;
const host = /^[A-Za-z0-9._:%-]{1,255}$/;

/** The wire code of a kind is its place here; within one incarnation a later kind outranks an earlier one, save that leave outranks all. */
const kinds = ['alive', 'leave', 'suspect', 'dead'] as const;
const rank = { alive: 0, suspect: 1, dead: 2, leave: 3 } as const satisfies Record<Claim['kind'], number>;

/** Negative, zero or positive: which counters are newer, boot epoch before incarnation. */
export const compareCounters = (
  a: { readonly epoch: number; readonly incarnation: number },
  b: { readonly epoch: number; readonly incarnation: number },
): number => a.epoch - b.epoch || a.incarnation - b.incarnation;

/** Whether `a` overrules `b`, both about one node: newer counters; with the same ones leave > dead > suspect > alive. */
export const outranks = (a: Claim, b: Claim): boolean => (compareCounters(a, b) || rank[a.kind] - rank[b.kind]) > 0;

/** Signs an alive claim as its subject. */
export function signAlive(claim: AliveClaim, sign: Sign, utf8: Utf8): SignedClaim<AliveClaim> {
  const body = bodyOf('alive', claim, utf8, (writer) => {
    writer.bin(claim.boxKey).array(claim.addresses.length);
    for (const address of claim.addresses) writer.array(2).str(address.host).uint(address.port);
  });
  return enclose(claim, body, [{ signer: claim.node, bytes: sign(body) }], utf8);
}

/** Signs a leave claim as its subject. */
export function signLeave(claim: LeaveClaim, sign: Sign, utf8: Utf8): SignedClaim<LeaveClaim> {
  const body = bodyOf('leave', claim, utf8);
  return enclose(claim, body, [{ signer: claim.node, bytes: sign(body) }], utf8);
}

/** Signs a suspicion as its accuser. */
export function signSuspicion(claim: SuspectClaim, sign: Sign, utf8: Utf8): SignedClaim<SuspectClaim> {
  const body = bodyOf('suspect', claim, utf8);
  return enclose(claim, body, [{ signer: claim.accuser, bytes: sign(body) }], utf8);
}

/** One suspicion of a death certificate, on its own again. */
export function suspicionFrom(dead: SignedClaim, signature: ClaimSignature, utf8: Utf8): SignedClaim<SuspectClaim> {
  const { node, epoch, incarnation } = dead.claim;
  const claim: SuspectClaim = { kind: 'suspect', node, epoch, incarnation, accuser: signature.signer };
  return enclose(claim, dead.body, [signature], utf8);
}

/** Joins suspicions of one incarnation (at least one, by distinct accusers) into a death certificate. */
export function certifyDead(suspicions: readonly SignedClaim<SuspectClaim>[], utf8: Utf8): SignedClaim<DeadClaim> {
  const { claim, body } = suspicions[0]!;
  const { node, epoch, incarnation } = claim;
  const accusers = suspicions.map((suspicion) => suspicion.claim.accuser);
  const signatures = suspicions.map((suspicion) => suspicion.signatures[0]!);
  return enclose({ kind: 'dead', node, epoch, incarnation, accusers }, body, signatures, utf8);
}

function bodyOf(
  kind: 'alive' | 'leave' | 'suspect',
  subject: Subject,
  utf8: Utf8,
  more?: (writer: Writer) => void,
): Uint8Array {
  const writer = new Writer(utf8, 192).array(kind === 'alive' ? 6 : 4).uint(kinds.indexOf(kind));
  writer.str(subject.node).uint(subject.epoch).uint(subject.incarnation);
  more?.(writer);
  return writer.finish();
}

function enclose<C extends Claim>(
  claim: C,
  body: Uint8Array,
  signatures: readonly ClaimSignature[],
  utf8: Utf8,
): SignedClaim<C> {
  const writer = new Writer(utf8, 256).array(claim.kind === 'suspect' ? 4 : 3).uint(kinds.indexOf(claim.kind));
  writer.bin(body);
  if (claim.kind === 'dead') {
    writer.array(signatures.length);
    for (const { signer, bytes } of signatures) writer.array(2).str(signer).bin(bytes);
  } else {
    if (claim.kind === 'suspect') writer.str(claim.accuser);
    writer.bin(signatures[0]!.bytes);
  }
  return { claim, body, signatures, wire: writer.finish() };
}

/**
 * Decodes one claim, strictly, without judging its signatures.
 *
 * @returns MALFORMED when any byte is not as a Caxton node would have written it
 */
export function decodeClaim(bytes: Uint8Array, utf8: Utf8): Result<Unverified<SignedClaim>> {
  return strictly('claim', () => {
    const reader = new Reader(utf8, bytes);
    const claim = readClaim(reader, bytes, utf8);
    reader.end();
    return claim;
  });
}

/** Reads the claim that starts where `reader` stands in `bytes`; throws `MalformedBytes`. The result owns its bytes. */
export function readClaim(reader: Reader, bytes: Uint8Array, utf8: Utf8): SignedClaim {
  const start = reader.offset;
  const count = reader.array(4);
  const kind = kinds[reader.uint(kinds.length - 1)]!;
  if (count !== (kind === 'suspect' ? 4 : 3)) throw new MalformedBytes(`${kind} of ${count} parts`);
  const body = reader.bin(limits.claimBytesMax).slice();
  const fields = readBody(new Reader(utf8, body), kind);
  const signers = readSigners(reader, kind, fields.node);
  // A claim outlives the datagram that brought it, whose buffer may be large and used again.
  const wire = bytes.slice(start, reader.offset);
  const accusers = signers.map(({ signer }) => signer);
  const claim = claimOf(kind, fields, accusers);
  return { claim, body, signatures: signers, wire };
}

function claimOf(kind: Claim['kind'], fields: AliveClaim | Subject, accusers: readonly NodeId[]): Claim {
  if ('boxKey' in fields) return fields;
  if (kind === 'leave') return { kind, ...fields };
  return kind === 'suspect' ? { kind, ...fields, accuser: accusers[0]! } : { kind: 'dead', ...fields, accusers };
}

function readBody(reader: Reader, kind: Claim['kind']): AliveClaim | Subject {
  const bodyKind = kind === 'dead' ? 'suspect' : kind;
  reader.arrayOf(bodyKind === 'alive' ? 6 : 4);
  if (kinds[reader.uint(kinds.length - 1)] !== bodyKind) throw new MalformedBytes(`body is not of kind ${bodyKind}`);
  const subject = { node: readNodeId(reader), epoch: reader.uint(counterMax), incarnation: reader.uint(counterMax) };
  if (bodyKind !== 'alive') {
    reader.end();
    return subject;
  }
  const boxKey = reader.binOf(boxKeyBytes);
  const addresses: MemberAddress[] = [];
  for (let left = reader.array(limits.addressesMax); left > 0; left--) addresses.push(readAddress(reader));
  if (addresses.length === 0) throw new MalformedBytes('no address');
  reader.end();
  return { kind: 'alive', ...subject, boxKey, addresses };
}

function readAddress(reader: Reader): MemberAddress {
  reader.arrayOf(2);
  const address = { host: reader.str(hostBytesMax), port: reader.uint(0xffff) };
  if (!host.test(address.host) || address.port === 0) throw new MalformedBytes('not an address');
  return address;
}

function readSigners(reader: Reader, kind: Claim['kind'], subject: NodeId): ClaimSignature[] {
  if (kind === 'alive' || kind === 'leave') return [{ signer: subject, bytes: readSignature(reader) }];
  const signers: ClaimSignature[] = [];
  if (kind === 'suspect') signers.push({ signer: readNodeId(reader), bytes: readSignature(reader) });
  else {
    for (let left = reader.array(limits.suspicionsMax); left > 0; left--) {
      reader.arrayOf(2);
      signers.push({ signer: readNodeId(reader), bytes: readSignature(reader) });
    }
    if (signers.length === 0) throw new MalformedBytes('death without accusers');
  }
  const distinct = new Set<NodeId>(signers.map(({ signer }) => signer));
  if (distinct.size !== signers.length) throw new MalformedBytes('an accuser counted twice');
  if (distinct.has(subject)) throw new MalformedBytes('nobody accuses itself');
  return signers;
}

const readSignature = (reader: Reader): Uint8Array => reader.binOf(signatureBytes).slice();

/** Reads a node id in its grammar; throws `MalformedBytes`. */
export function readNodeId(reader: Reader): NodeId {
  const text = reader.str(nodeIdBytesMax);
  if (!isNodeId(text)) throw new MalformedBytes('not a node id');
  return text;
}
