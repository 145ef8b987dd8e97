/**
 * A tiny, naive MessagePack decoder for whole values: the twin that our own codecs are compared with. Written from
 * the specification alone, it shares no line with them, allows longer forms than needed and knows no bounds.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Value[]
  | { readonly [key: string]: Value };

export function decodeMessagePack(bytes: Uint8Array): Value {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  const number = (size: 1 | 2 | 4 | 8): number => {
    const start = at;
    at += size;
    if (size === 1) return view.getUint8(start);
    if (size === 2) return view.getUint16(start);
    return size === 4 ? view.getUint32(start) : Number(view.getBigUint64(start));
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError('cut short');
    at += length;
    return bytes.slice(at - length, at);
  };
  const text = (length: number): string =>
    new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(take(length));
  const list = (length: number): Value[] => Array.from({ length }, () => value());

  const map = (length: number): Value =>
    Object.fromEntries(Array.from({ length }, () => [value(), value()] as [string, Value]));
  const moving = (size: number, read: (start: number) => number): number => {
    at += size;
    return read(at - size);
  };

  const value = (): Value => {
    const head = number(1);
    if (head >= 0xe0) return head - 256;
    if (head >= 0x80 && head <= 0x8f) return map(head - 0x80);
    if (head <= 0x7f) return head;
    if (head >= 0xa0 && head <= 0xbf) return text(head - 0xa0);
    if (head >= 0x90 && head <= 0x9f) return list(head - 0x90);
    const read: Record<number, () => Value> = {
      192: () => null,
      194: () => false,
      195: () => true,
      196: () => take(number(1)),
      197: () => take(number(2)),
      198: () => take(number(4)),
      203: () => moving(8, (start) => view.getFloat64(start)),
      204: () => number(1),
      205: () => number(2),
      206: () => number(4),
      207: () => number(8),
      208: () => moving(1, (start) => view.getInt8(start)),
      209: () => moving(2, (start) => view.getInt16(start)),
      210: () => moving(4, (start) => view.getInt32(start)),
      211: () => moving(8, (start) => Number(view.getBigInt64(start))),
      217: () => text(number(1)),
      218: () => text(number(2)),
      219: () => text(number(4)),
      220: () => list(number(2)),
      221: () => list(number(4)),
      222: () => map(number(2)),
      223: () => map(number(4)),
    };
    const reader = read[head];
    if (!reader) throw new RangeError(`the twin does not know the type ${head}`);
    return reader();
  };

  const whole = value();
  if (at !== bytes.length) throw new RangeError('bytes after the end');
  return whole;
}
