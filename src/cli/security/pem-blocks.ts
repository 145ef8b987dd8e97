import { ok, type Result, refuse } from '../../errors.ts';

/** A block of a PEM text (RFC 7468). */
export interface PemBlock {
  readonly label: string;
  /** As it stands in the file, markers included. */
  readonly pem: string;
  readonly der: Uint8Array;
}

const blockForm = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([^-]*)-----END \1-----/g;

/** Every block of a text, in its order. */
export const pemBlocks = (text: string): readonly PemBlock[] =>
  [...text.matchAll(blockForm)].map(([pem, label, body]) => ({
    label: label!,
    pem,
    // An encrypted key of the old form has headers before its bytes; those are looked at by nobody here.
    der: new Uint8Array(Buffer.from(body!.replace(/^[\w-]+:.*$/gm, '').replace(/\s+/g, ''), 'base64')),
  }));

/** DER of the blocks with this label; a file that is DER itself counts as one. MALFORMED when there is none. */
export function derBlocks(text: string, label: string): Result<readonly Uint8Array[]> {
  const found = pemBlocks(text).filter((block) => block.label === label);
  if (found.length > 0) return ok(found.map(({ der }) => der));
  if (text.startsWith('0')) return ok([new Uint8Array(Buffer.from(text, 'latin1'))]);
  return refuse('MALFORMED', `It holds no ${label}.`);
}
