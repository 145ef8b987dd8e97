import type { Result } from '../../errors.ts';
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

/** That a node itself is revoked, and who says so: a document that it holds, or peers that refuse it. */
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
