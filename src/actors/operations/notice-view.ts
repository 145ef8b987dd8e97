import type { Result } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { NoticeKind } from '../../protocols/notice/notice.ts';
import type { Caller } from './control.ts';

/** The part of a node’s control that is about cluster documents. */
export interface NoticeControl {
  /** The cluster’s documents that are in force here. */
  notices(): readonly NoticeView[];
  /**
   * Takes a signed cluster document and spreads it; class A audited. PARTITION_MINORITY, SIGNATURE_INVALID, MALFORMED,
   * ALREADY_EXISTS (its generation is taken), REPLAYED, PROTOCOL_VIOLATION (it takes a revocation back), AUDIT_BLOCKED.
   */
  publishNotice(document: string, caller: Caller): Promise<Result<NoticeView>>;
}

/** That a node itself is revoked or suspended, and who says so: a document that it holds, or peers that refuse it. */
export interface RevokedView {
  readonly by: 'notice' | 'peers';
  readonly reason: string;
}

/** A cluster document. */
export interface NoticeView {
  readonly kind: NoticeKind;
  readonly generation: number;
  /** SHA-256 of what was signed, hexadecimal. */
  readonly hash: string;
  readonly issuedAt: string;
  /** The id of the authority’s key. */
  readonly signer: string;
  /** Whether that key is still an authority: otherwise the document has to be signed again. */
  readonly signerTrusted: boolean;
  /** Other documents of the same generation: an authority key is misused when it is not 0. */
  readonly rivals: number;
  /** The document as it was signed. */
  readonly document: string;
  /** What is in force: the stricter of all documents of the generation. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** What a cluster document changed, as a node’s events tell it. */
export type NoticeEvent =
  | {
      readonly type: 'notice.changed';
      readonly nodeId: NodeId;
      readonly kind: NoticeKind;
      readonly generation: number;
      readonly change: 'installed' | 'forked' | 'left-out';
    }
  | {
      readonly type: 'node.revoked';
      readonly nodeId: NodeId;
      /** Who says so: this node itself when it holds the document. */
      readonly by: NodeId;
      readonly reason: string;
    }
  | { readonly type: 'node.suspended'; readonly nodeId: NodeId; readonly by: NodeId; readonly reason: string }
  /** This node was suspended by a document that it holds, and is not any more. */
  | { readonly type: 'node.resumed'; readonly nodeId: NodeId };
