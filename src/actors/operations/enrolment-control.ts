import type { Result } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { Caller } from './control.ts';

/** The part of a node’s control that lets newcomers in; refused with NOT_SUPPORTED on nodes that are no CA node. */
export interface EnrolmentControl {
  /** A token with which one node can join, once; class A audited before. */
  joinToken(request: JoinTokenRequest, caller: Caller): Promise<Result<JoinTokenView>>;
  /** Those of this node that are not over. */
  joinTokens(): Promise<Result<readonly OpenJoinTokenView[]>>;
  /** Makes a token worthless at once; with the serial of what was issued for it, which stays good. NOT_FOUND. */
  cancelJoinToken(id: string, caller: Caller): Promise<Result<{ readonly nodeId: NodeId; readonly serial?: string }>>;
  /** The cluster’s CA, for newcomers that know its hash. */
  enrolmentCa(): Result<string>;
  /** A newcomer’s first certificate, PEM with its chain, and the CA’s. What is refused is a failed login. */
  enrol(
    request: { readonly id: string; readonly secret: string; readonly request: Uint8Array },
    caller: Caller,
  ): Promise<Result<EnrolmentView>>;
  /** As `enrol`, for a node whose certificate has ended and that still has its key. */
  enrolAgain(
    request: { readonly certificate: string; readonly request: Uint8Array; readonly proof: Uint8Array },
    caller: Caller,
  ): Promise<Result<EnrolmentView>>;
  /** Certificates of a node that this one knows and that have not ended; any node answers. */
  certificatesOf(nodeId: NodeId): Promise<readonly HeldCertificateView[]>;
}

export interface EnrolmentView {
  readonly certificate: string;
  readonly ca: string;
}

/** Whom a join token is for, and the names that its certificate will have. */
export interface JoinTokenRequest {
  readonly nodeId: NodeId;
  /** From a minute to `limits.joinTokenMsMax`. */
  readonly ttlMs: number;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
  /** Lets it take the place of a node that is known, once every certificate of that is revoked. */
  readonly replace?: boolean;
}

/** `token` is a secret: whoever has it can join as the node. */
export interface JoinTokenView {
  readonly token: string;
  readonly id: string;
  readonly expiresAt: string;
}

export interface OpenJoinTokenView {
  readonly id: string;
  readonly nodeId: NodeId;
  readonly replace: boolean;
  readonly expiresAt: string;
  /** The certificate that was issued for it; absent while it is unused. */
  readonly serial?: string;
}

export interface HeldCertificateView {
  readonly serial: string;
  readonly notAfter: string;
  readonly revoked: boolean;
  /** PEM with its chain: judge it before you believe whose it is. */
  readonly certificate: string;
}
