import type { NodeId } from '../../names.ts';

/** What a node has countersigned of another’s audit log. */
export interface WitnessedLogView {
  readonly nodeId: NodeId;
  readonly size: number;
  /** Of the tree, hexadecimal; empty before anything was countersigned. */
  readonly root: string;
  /** The checkpoint with the certificate that vouches for the log’s key, while that is known. */
  readonly evidence?: string;
  /** What the log showed since that does not fit. */
  readonly fork?: { readonly kind: string; readonly size: number; readonly root: string };
}
