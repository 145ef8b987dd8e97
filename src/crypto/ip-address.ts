/**
 * The bytes of an IP address in text form (RFC 4291 §2.2): 4 for IPv4, 16 for IPv6. Undefined for anything else: no
 * zones, no leading zeros in IPv4, `::` once at most.
 */
export function ipAddressBytes(text: string): Uint8Array | undefined {
  const bytes = text.includes(':') ? ipv6(text) : ipv4(text);
  return bytes && Uint8Array.from(bytes);
}

function ipv4(text: string): number[] | undefined {
  const parts = text.split('.', 5);
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : undefined;
}

function ipv6(text: string): number[] | undefined {
  const [before, after, ...more] = text.split('::', 3);
  if (before === undefined || more.length > 0) return undefined;
  const head = groups(before, after === undefined);
  if (after === undefined) return head?.length === 16 ? head : undefined;
  const tail = groups(after, true);
  if (!head || !tail || head.length + tail.length > 14) return undefined;
  return [...head, ...Array<number>(16 - head.length - tail.length).fill(0), ...tail];
}

/** Colon-separated groups; the last may be an IPv4 address where the text ends. */
function groups(text: string, endsText: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':', 9);
  for (const [index, part] of parts.entries()) {
    const dotted = endsText && index === parts.length - 1 && part.includes('.') ? ipv4(part) : undefined;
    if (dotted) bytes.push(...dotted);
    else if (/^[0-9a-f]{1,4}$/i.test(part))
      bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

/** The text of 4 or 16 bytes; of anything else the bytes in hex. */
export function ipAddressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) return Buffer.from(bytes).toString('hex');
  const words = Array.from({ length: 8 }, (_, at) => ((bytes[2 * at]! << 8) | bytes[2 * at + 1]!).toString(16));
  // RFC 5952 §4.2: the longest run of two and more zeros is left out, the first of several.
  const runs = [...words.join(':').matchAll(/(?<=^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length);
  const [longest] = runs;
  const text = words.join(':');
  if (!longest) return text;
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}
