import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, isAgentId } from '../../names.ts';
import type { Unverified } from '../../unverified.ts';
import type { Guarantee, MessageHeader } from '../acl/message.ts';
import { performatives } from '../acl/performative.ts';
import { uuidBytes, uuidText } from '../acl/uuid.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/** The wire code of a guarantee is its place here: append only. */
const guarantees: readonly Guarantee[] = ['at-most-once', 'at-least-once', 'exactly-once'];
const performativeCodes = new Map(performatives.map((performative, code) => [performative, code]));

/** Fields in the array; the last is the signature. */
const fieldCount = 17;
const idBytes = 16;
const signatureBytes = 64;
/** A UTF-16 unit takes three bytes at most. */
const textMax = limits.headerTextCharsMax * 3;
const epochMax = 0xffff_ffff;

/**
 * The header of a message as a MessagePack array of fixed order, without its last element: these are the bytes that a
 * signature covers (with SHA-256 of the content behind them). Throws RangeError for a header that was never checked.
 */
export function encodeMessageHeader(utf8: Utf8, header: MessageHeader): Uint8Array {
  const writer = new Writer(utf8, 256).array(fieldCount);
  writer.bin(uuidBytes(header.id)).uint(performativeCodes.get(header.performative)!);
  writer.str(header.sender).str(header.receiver);
  writer.str(header.language).str(header.ontology).str(header.protocol);
  writer.str(header.conversationId).str(header.replyWith).str(header.inReplyTo);
  writer.uint(header.replyBy).uint(guarantees.indexOf(header.guarantee));
  writer.uint(header.epoch).uint(header.counter).str(header.token).str(header.trace);
  return writer.finish();
}

/** Completes the header with its signature (64 bytes) or nil. */
export function withSignature(unsigned: Uint8Array, signature: Uint8Array | undefined): Uint8Array {
  const tail = signature ? 2 + signature.length : 1;
  const bytes = new Uint8Array(unsigned.length + tail);
  bytes.set(unsigned);
  if (signature) {
    bytes[unsigned.length] = 0xc4;
    bytes[unsigned.length + 1] = signature.length;
    bytes.set(signature, unsigned.length + 2);
  } else bytes[unsigned.length] = 0xc0;
  return bytes;
}

export interface DecodedHeader {
  readonly header: MessageHeader;
  readonly signature: Uint8Array | undefined;
  /** A view of the bytes that the signature covers. */
  readonly signedBytes: Uint8Array;
}

/** Strict and bounded, made for exactly this array. MALFORMED. */
export function decodeMessageHeader(utf8: Utf8, bytes: Uint8Array): Result<Unverified<DecodedHeader>> {
  return strictly('message header', () => {
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(fieldCount);
    const header: MessageHeader = {
      id: readId(reader),
      performative: performatives[reader.uint(performatives.length - 1)]!,
      sender: readAgent(reader, 'sender'),
      receiver: readAgent(reader, 'receiver'),
      language: readText(reader),
      ontology: readText(reader),
      protocol: readText(reader),
      conversationId: readText(reader),
      replyWith: readText(reader),
      inReplyTo: readText(reader),
      replyBy: reader.uint(),
      guarantee: guarantees[reader.uint(guarantees.length - 1)]!,
      epoch: reader.uint(epochMax),
      counter: reader.uint(),
      token: reader.str(limits.tokenBytesMax),
      trace: readText(reader),
    };
    const signedBytes = bytes.subarray(0, reader.offset);
    const signature = reader.nil() ? undefined : reader.binOf(signatureBytes);
    reader.end();
    return { header, signature, signedBytes };
  });
}

function readId(reader: Reader): string {
  const id = reader.binOf(idBytes);
  if (id[6]! >>> 4 !== 7 || id[8]! >>> 6 !== 2) throw new MalformedBytes('the id is not a UUIDv7');
  return uuidText(id);
}

/** The limit counts UTF-16 units, as a sender’s check does: bytes alone would let three times as much ASCII in. */
function readText(reader: Reader): string {
  const text = reader.str(textMax);
  if (text.length > limits.headerTextCharsMax)
    throw new MalformedBytes(`text of ${text.length} characters, at most ${limits.headerTextCharsMax}`);
  return text;
}

function readAgent(reader: Reader, field: string): AgentId {
  const text = reader.str(textMax);
  if (!isAgentId(text)) throw new MalformedBytes(`the ${field} is not an agent`);
  return text;
}
