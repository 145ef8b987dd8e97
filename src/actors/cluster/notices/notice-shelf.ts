import { unwrap } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { anyText, list, malformed, object, readShape } from '../../../protocols/json/shape.ts';
import { type NoticeKind, readNotice } from '../../../protocols/notice/notice.ts';
import type { Shelf, SignedNotice } from '../../../protocols/notice/reconciliation.ts';
import { keptRevocations } from '../../../protocols/notice/revocation.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { signedNotice } from '../../messaging/trust.ts';

const text = anyText(limits.noticeBytesMax);
const shape = object({
  current: text,
  rivals: list(text, limits.noticeRivalsMax),
  earlier: list(text, limits.noticesEarlierMax),
  kept: keptRevocations,
});

/** What a node keeps of one kind, as one line of JSON. */
export const encodeShelf = ({ current, rivals, earlier, kept }: Shelf): string =>
  JSON.stringify({ current: current.text, rivals: rivals.map(textOf), earlier: earlier.map(textOf), kept });

/**
 * Reads what `encodeShelf` wrote. Its documents were verified when they were taken, by authorities of that time, and the
 * caller has seen that nobody changed them since. Throws MALFORMED for anything else.
 */
export function decodeShelf(line: string, kind: NoticeKind): Shelf {
  const { current, rivals, earlier, kept } = unwrap(
    readShape(shape, JSON.parse(line), malformed('What the state database keeps of a notice')),
  );
  const read = (document: string): SignedNotice => {
    const payload = utf8.decode(Buffer.from(document.split('.')[1] ?? '', 'base64url'));
    const notice = unwrap(readNotice(payload));
    if (notice.kind !== kind) throw new Error(`a ${notice.kind} notice is kept as ${kind}`);
    return signedNotice(notice, document);
  };
  return { current: read(current), rivals: rivals.map(read), earlier: earlier.map(read), kept };
}

const textOf = ({ text: document }: SignedNotice): string => document;
