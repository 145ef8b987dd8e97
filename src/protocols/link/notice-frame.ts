import type { Result } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Unverified } from '../../unverified.ts';
import { MalformedBytes, Reader } from '../msgpack/reader.ts';
import { strictly } from '../msgpack/strictly.ts';
import { type Utf8, Writer } from '../msgpack/writer.ts';

/** The newest document of one kind that a node holds. */
export interface NoticeMark {
  readonly kind: string;
  readonly generation: number;
  /** SHA-256 of what was signed; of several documents of one generation, of all their hashes in order. */
  readonly hash: Uint8Array;
}

/** What a node offers in its hello that understands both frames. */
export const noticesFeature = 'notices/1';

const kindBytesMax = 255;
const marksMax = 16;
const hashBytes = 32;

/** Writes the marks where the writer stands: in a hello, or alone as the header of a `notice-request`. */
export function writeMarks(writer: Writer, marks: readonly NoticeMark[]): Writer {
  writer.array(marks.length);
  for (const { kind, generation, hash } of marks) writer.array(3).str(kind).uint(generation).bin(hash);
  return writer;
}

/** Throws MalformedBytes. The result owns its bytes. */
export function readMarks(reader: Reader): readonly NoticeMark[] {
  const marks: NoticeMark[] = [];
  for (let left = reader.array(marksMax); left > 0; left--) {
    reader.arrayOf(3);
    marks.push({
      kind: reader.str(kindBytesMax),
      generation: reader.uint(),
      hash: reader.binOf(hashBytes).slice(),
    });
  }
  return marks;
}

/** “This is what I hold; give me what is newer”: the header of a `notice-request`, which has no content. */
export const encodeNoticeRequest = (utf8: Utf8, marks: readonly NoticeMark[]): Uint8Array =>
  writeMarks(new Writer(utf8), marks).finish();

/** Strict; MALFORMED. */
export function decodeNoticeRequest(utf8: Utf8, header: Uint8Array): Result<Unverified<readonly NoticeMark[]>> {
  return strictly('request for notices', () => {
    const reader = new Reader(utf8, header);
    const marks = readMarks(reader);
    reader.end();
    return marks;
  });
}

/** One document of an answer. The content of its frame is the text as it was signed. */
export interface NoticePart {
  /** How many documents of the same answer follow; 0: this is the last one. */
  readonly left: number;
  /** Empty in an answer that has nothing to give. */
  readonly text: string;
}

/** A `notice` frame. */
export const encodeNoticePart = (
  utf8: Utf8,
  { left, text }: NoticePart,
): { readonly header: Uint8Array; readonly content: Uint8Array } => ({
  header: new Writer(utf8, 8).array(1).uint(left).finish(),
  content: utf8.encode(text),
});

/** Strict; MALFORMED. */
export function decodeNoticePart(
  utf8: Utf8,
  frame: { readonly header: Uint8Array; readonly content: Uint8Array },
): Result<Unverified<NoticePart>> {
  return strictly('notice frame', () => {
    const reader = new Reader(utf8, frame.header);
    reader.arrayOf(1);
    const left = reader.uint(limits.noticesPerAnswerMax - 1);
    reader.end();
    if (frame.content.length > limits.noticeBytesMax) throw new MalformedBytes(`over ${limits.noticeBytesMax} bytes`);
    try {
      return { left, text: utf8.decode(frame.content) };
    } catch {
      throw new MalformedBytes('not UTF-8');
    }
  });
}
