import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { isNodeId, type NodeId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';
import { readClaim, type SignedClaim } from '../swim/claim.ts';

/** One member’s certificate (DER) and the statement that binds its claim key to it. */
export interface DirectoryEntry {
  readonly nodeId: NodeId;
  readonly certificate: Uint8Array;
  readonly binding: Uint8Array;
}

/**
 * What members exchange over a link: whose keys are whose, and all that can be proven about the members. Certificates
 * come first, because claims are verified with the keys that they bind.
 */
export interface PushPull {
  readonly directory: readonly DirectoryEntry[];
  readonly claims: readonly SignedClaim[];
}

const formatVersion = 1;
const nodeIdBytesMax = 63;
const bindingBytesMax = 512;
/** Heads of the three arrays and the version. */
const headBytes = 16;

/** As much of both lists, in their order, as one frame holds: whoever needs the rest gets it in another exchange. */
export function encodePushPull(utf8: Utf8, { directory, claims }: PushPull): Uint8Array {
  // Half for each, and what the directory leaves is for the claims.
  const entries = fitting(directory, entryBytes, limits.pushPullBytesMax / 2, limits.pushPullEntriesMax);
  const room = limits.pushPullBytesMax - headBytes - entries.bytes;
  const fitted = fitting(claims, ({ wire }) => wire.length, room, limits.pushPullClaimsMax);
  const writer = new Writer(utf8, headBytes + entries.bytes + fitted.bytes).array(3).uint(formatVersion);
  writer.array(entries.items.length);
  for (const { nodeId, certificate, binding } of entries.items)
    writer.array(3).str(nodeId).bin(certificate).bin(binding);
  writer.array(fitted.items.length);
  for (const { wire } of fitted.items) writer.raw(wire);
  return writer.finish();
}

/**
 * Both lists whole, in as many documents as they need, for what is not a frame but is read like one. What is known of a
 * member stands in one of them: its entry, and the claims about it that stand in a row in `claims`.
 */
export function encodePushPullPages(utf8: Utf8, { directory, claims }: PushPull): readonly Uint8Array[] {
  const pages: Page[] = [];
  for (const member of byMember(directory, claims)) {
    const last = pages.at(-1);
    // Half of what a document holds, so that neither list is cut.
    const fits = last !== undefined && last.bytes + member.bytes <= limits.pushPullBytesMax / 2;
    if (!fits || last.claims.length >= limits.pushPullEntriesMax) pages.push(member);
    else {
      last.bytes += member.bytes;
      last.claims.push(...member.claims);
      last.directory.push(...member.directory);
    }
  }
  return pages.map((page) => encodePushPull(utf8, page));
}

interface Page extends PushPull {
  readonly directory: DirectoryEntry[];
  readonly claims: SignedClaim[];
  bytes: number;
}

function byMember(directory: readonly DirectoryEntry[], claims: readonly SignedClaim[]): readonly Page[] {
  const rest = new Map(directory.map((entry) => [entry.nodeId, entry]));
  const members: Page[] = [];
  for (const signed of claims) {
    const { node } = signed.claim;
    const last = members.at(-1);
    if (last?.claims[0]?.claim.node === node) {
      last.claims.push(signed);
      last.bytes += signed.wire.length;
      continue;
    }
    const entry = rest.get(node);
    rest.delete(node);
    const bytes = signed.wire.length + (entry ? entryBytes(entry) : 0);
    members.push({ directory: entry ? [entry] : [], claims: [signed], bytes });
  }
  for (const entry of rest.values()) members.push({ directory: [entry], claims: [], bytes: entryBytes(entry) });
  return members;
}

const entryBytes = ({ nodeId, certificate, binding }: DirectoryEntry): number =>
  16 + nodeId.length + certificate.length + binding.length;

function fitting<T>(
  list: readonly T[],
  bytesOf: (item: T) => number,
  bytesMax: number,
  countMax: number,
): { readonly items: readonly T[]; readonly bytes: number } {
  let bytes = 0;
  let count = 0;
  for (const item of list) {
    const more = bytes + bytesOf(item);
    if (more > bytesMax || count >= countMax) break;
    bytes = more;
    count++;
  }
  return { items: list.slice(0, count), bytes };
}

/** Strict; MALFORMED. Neither certificates nor claims are judged yet. The result owns its bytes. */
export function decodePushPull(utf8: Utf8, bytes: Uint8Array): Result<Unverified<PushPull>> {
  return strictly('push/pull document', () => {
    if (bytes.length > limits.pushPullBytesMax) throw new MalformedBytes(`over ${limits.pushPullBytesMax} bytes`);
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(3);
    if (reader.uint() !== formatVersion) throw new MalformedBytes('unknown version');
    const directory: DirectoryEntry[] = [];
    for (let left = reader.array(limits.pushPullEntriesMax); left > 0; left--) directory.push(readEntry(reader));
    const claims: SignedClaim[] = [];
    for (let left = reader.array(limits.pushPullClaimsMax); left > 0; left--)
      claims.push(readClaim(reader, bytes, utf8));
    reader.end();
    return { directory, claims };
  });
}

function readEntry(reader: Reader): DirectoryEntry {
  reader.arrayOf(3);
  const nodeId = reader.str(nodeIdBytesMax);
  if (!isNodeId(nodeId)) throw new MalformedBytes('not a node id');
  const certificate = reader.bin(limits.certificateBytesMax).slice();
  return { nodeId, certificate, binding: reader.bin(bindingBytesMax).slice() };
}
