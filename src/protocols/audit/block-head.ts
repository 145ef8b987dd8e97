/**
 * What stands in clear before each block of a segment: 16 bytes, big-endian: a mark, the block’s number within its file,
 * how many records it holds, and how many sealed bytes follow. All of it is authenticated with the block.
 */
export interface BlockHead {
  readonly number: number;
  readonly records: number;
  readonly sealedBytes: number;
}

export const blockHeadBytes = 16;
/** So that a search for the blocks behind a broken one finds them. */
export const blockMark: Uint8Array = Uint8Array.of(0xca, 0x87, 0x0b, 0x10);

export function encodeBlockHead({ number, records, sealedBytes }: BlockHead): Uint8Array {
  const bytes = new Uint8Array(blockHeadBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(blockMark);
  view.setUint32(4, number);
  view.setUint32(8, records);
  view.setUint32(12, sealedBytes);
  return bytes;
}

/** The head at a place; undefined when the mark is not there or the bytes end. Not authenticated yet. */
export function decodeBlockHead(bytes: Uint8Array, at: number): BlockHead | undefined {
  if (bytes.length < at + blockHeadBytes || blockMark.some((byte, i) => bytes[at + i] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, blockHeadBytes);
  return { number: view.getUint32(4), records: view.getUint32(8), sealedBytes: view.getUint32(12) };
}
