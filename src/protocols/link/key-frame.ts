import type { Result } from '../../errors.ts';
import { isNodeId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import { type KeyId, keyEpochMax } from '../gossip-keys/key-id.ts';
import type { PeerKeys } from '../gossip-keys/state.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/** What a node offers in its hello that understands the three frames. */
export const gossipKeysFeature = 'gossip-keys/1';

const formatVersion = 1;
const hashBytes = 16;
const keyBytes = 32;
const nodeIdBytesMax = 63;
const noBytes = new Uint8Array(0);

interface KeyFrame {
  readonly header: Uint8Array;
  readonly content: Uint8Array;
}

/** A `gossip-keys` frame: what a node seals with and what it holds ready, by name. Header `[version, [id], [id]?]`. */
export function encodePeerKeys(utf8: Utf8, { sealing, candidate }: PeerKeys): KeyFrame {
  const ids = candidate ? [sealing, candidate] : [sealing];
  const writer = new Writer(utf8, 128).array(1 + ids.length).uint(formatVersion);
  for (const id of ids) writeKeyId(writer, id);
  return { header: writer.finish(), content: noBytes };
}

/** Strict; MALFORMED. */
export const decodePeerKeys = (utf8: Utf8, frame: KeyFrame): Result<Unverified<PeerKeys>> =>
  strictly('frame of gossip keys', () => {
    const reader = new Reader(utf8, frame.header);
    const count = reader.array(3);
    if (count < 2) throw new MalformedBytes('no key');
    readVersion(reader);
    const sealing = readKeyId(reader);
    const candidate = count === 3 ? readKeyId(reader) : undefined;
    end(reader, frame, 0);
    return { sealing, candidate };
  });

/** A `gossip-key-request` frame: asks for the key of this name. */
export const encodeKeyRequest = (utf8: Utf8, id: KeyId): KeyFrame => ({
  header: writeKeyId(new Writer(utf8, 128).array(2).uint(formatVersion), id).finish(),
  content: noBytes,
});

/** Strict; MALFORMED. */
export const decodeKeyRequest = (utf8: Utf8, frame: KeyFrame): Result<Unverified<KeyId>> =>
  strictly('request for a gossip key', () => readOne(utf8, frame, 0));

/** A `gossip-key` frame: the key itself is the content. It goes over mutual TLS and nowhere else. */
export const encodeGivenKey = (utf8: Utf8, id: KeyId, key: Uint8Array): KeyFrame => ({
  ...encodeKeyRequest(utf8, id),
  content: key,
});

/** Strict; MALFORMED. The key is a copy; whether it is the one of the name is still to be checked. */
export const decodeGivenKey = (
  utf8: Utf8,
  frame: KeyFrame,
): Result<Unverified<{ readonly id: KeyId; readonly key: Uint8Array }>> =>
  strictly('frame of a gossip key', () => ({ id: readOne(utf8, frame, keyBytes), key: frame.content.slice() }));

function readOne(utf8: Utf8, frame: KeyFrame, contentBytes: number): KeyId {
  const reader = new Reader(utf8, frame.header);
  reader.arrayOf(2);
  readVersion(reader);
  const id = readKeyId(reader);
  end(reader, frame, contentBytes);
  return id;
}

function readVersion(reader: Reader): void {
  if (reader.uint() !== formatVersion) throw new MalformedBytes('unknown version');
}

function end(reader: Reader, { content }: KeyFrame, contentBytes: number): void {
  reader.end();
  if (content.length !== contentBytes) throw new MalformedBytes('content of another length');
}

const writeKeyId = (writer: Writer, { epoch, proposer, revocations, hash }: KeyId): Writer =>
  writer.array(4).uint(epoch).str(proposer).uint(revocations).bin(bytesOf(hash));

function readKeyId(reader: Reader): KeyId {
  reader.arrayOf(4);
  const epoch = reader.uint(keyEpochMax);
  if (epoch < 1) throw new MalformedBytes('epoch 0');
  const proposer = reader.str(nodeIdBytesMax);
  if (proposer !== '' && !isNodeId(proposer)) throw new MalformedBytes('a proposer that is no node');
  return { epoch, proposer, revocations: reader.uint(), hash: hexOf(reader.binOf(hashBytes)) };
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

const bytesOf = (hash: string): Uint8Array =>
  Uint8Array.from({ length: hashBytes }, (_, at) => Number.parseInt(hash.slice(2 * at, 2 * at + 2), 16));
