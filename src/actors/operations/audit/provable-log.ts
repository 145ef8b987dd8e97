import type { CompactRange } from '../../../protocols/audit/merkle.ts';

/** What proofs, checkpoints and forwarding need of an audit log: its durable records, and the tree over them. */
export interface ProvableLog {
  /** The newest durable record and the tree over all. */
  head(): { readonly sequence: number; readonly range: CompactRange };
  /** The oldest record that is kept: 1 until retention has retired some. */
  first(): Promise<number>;
  /** The records from `from` to `to`, both included, as far as they are kept. */
  records(from: number, to: number): AsyncIterable<{ readonly sequence: number; readonly bytes: Uint8Array }>;
  /** The hashes of their leaves, in order. */
  leafHashes(from: number, to: number): AsyncIterable<Uint8Array>;
  /** The tree when it had this size: from the nearest place that the log keeps one for. */
  rangeAt(size: number): Promise<CompactRange>;
}
