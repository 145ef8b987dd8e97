import type { NodeId } from '../../names.ts';
import type { RotationStage } from '../../protocols/notice/root-rotation.ts';

/** The part of a node’s control that is about roots. */
export interface RootsControl {
  /** The roots of the cluster, and how far a rotation of them is. */
  roots(): Promise<RootsView>;
}

/** A bundle of roots is in force: so many roots, and where a rotation of them is. */
export interface RootsEvent {
  readonly type: 'roots.changed';
  readonly nodeId: NodeId;
  readonly generation: number;
  readonly stage: RotationStage;
  readonly roots: number;
}

/**
 * The roots of the cluster, and how far a rotation of them is, as one node knows it. What decides anything in it carries its
 * proof: whoever reads it verifies acknowledgements and certificates.
 */
export interface RootsView {
  /** Of the bundle in force; 0 while the roots are those of the node’s file. */
  readonly generation: number;
  /** DER in base64, the oldest first. */
  readonly roots: readonly string[];
  /** Which of them new certificates stand under. */
  readonly issuing: number;
  /** The serials of those under which this node can sign. */
  readonly held: readonly string[];
  /** Whether its own certificate stands under the issuing one. */
  readonly current: boolean;
  /** Peers of whom a link here still stands on a certificate under another root. */
  readonly oldLinks: readonly NodeId[];
  /** Every member that was not revoked; who is suspended may come back. */
  readonly members: readonly RootsMemberView[];
}

export interface RootsMemberView {
  readonly nodeId: NodeId;
  readonly status: 'alive' | 'suspect' | 'unreachable' | 'dead' | 'left' | 'revoked' | 'suspended' | 'unknown';
  /** What it has signed last (`RootsAcknowledgement`), one line. */
  readonly acknowledgement?: string;
  /** The certificate that it showed last, DER with its intermediates, in base64. */
  readonly certificate?: string;
}
