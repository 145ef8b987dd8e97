import { type ErrorCode, errorCodes, type Refusal, type Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Unverified } from '../../unverified.ts';
import { isUuidV7, uuidBytes, uuidText } from '../acl/uuid.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/** Says to the sender’s node that one of its messages was refused, and why. */
export interface MessageRefusal extends Refusal {
  readonly messageId: string;
}

const reasonBytesMax = 512;
const idBytes = 16;

const isErrorCode = (text: string): text is ErrorCode => Object.hasOwn(errorCodes, text);

/** `[id, code, [reason…], retryAfterMs | nil]`; reasons past the bounds are left out. */
export function encodeRefusal(utf8: Utf8, refusal: MessageRefusal): Uint8Array {
  const writer = new Writer(utf8, 256).array(4).bin(uuidBytes(refusal.messageId));
  writeRefusal(writer, refusal);
  return writer.finish();
}

/** `code, [reason…], retryAfterMs | nil`, within the caller’s array. */
export function writeRefusal(writer: Writer, refusal: Refusal): void {
  const reasons = refusal.reasons.slice(0, limits.reasonsMax).map((reason) => clip(reason));
  writer.str(refusal.code).array(reasons.length);
  for (const reason of reasons) writer.str(reason);
  const wait = Math.max(0, Math.ceil(refusal.retryAfterMs ?? Number.NaN));
  // A wait without end, or of more than the wire can say, is no time to try again.
  if (Number.isSafeInteger(wait)) writer.uint(wait);
  else writer.nil();
}

/** A character takes at most three bytes a UTF-16 unit. */
const clip = (text: string): string =>
  text.length * 3 <= reasonBytesMax
    ? text
    : `${text.slice(0, reasonBytesMax / 3 - 2).replace(/[\ud800-\udbff]$/, '')}…`;

/** Strict; MALFORMED. */
export function decodeRefusal(utf8: Utf8, bytes: Uint8Array): Result<Unverified<MessageRefusal>> {
  return strictly('refusal', () => {
    const reader = new Reader(utf8, bytes);
    reader.arrayOf(4);
    const messageId = uuidText(reader.binOf(idBytes));
    if (!isUuidV7(messageId)) throw new MalformedBytes('the id is not a UUIDv7');
    const refusal = readRefusal(reader);
    reader.end();
    return { messageId, ...refusal };
  });
}

/** What `writeRefusal` wrote. Throws MalformedBytes. */
export function readRefusal(reader: Reader): Refusal {
  const code = reader.str(64);
  if (!isErrorCode(code)) throw new MalformedBytes('not a code of ours');
  const reasons: string[] = [];
  for (let left = reader.array(limits.reasonsMax); left > 0; left--) reasons.push(reader.str(reasonBytesMax));
  const [first, ...more] = reasons;
  if (first === undefined) throw new MalformedBytes('no reason');
  const retryAfterMs = reader.nil() ? undefined : reader.uint();
  return { code, reasons: [first, ...more], ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
