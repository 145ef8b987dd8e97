import type { Result } from '../../errors.ts';
import type { NodeId } from '../../names.ts';
import type { Caller } from './control.ts';

/** The part of a node’s control that lets newcomers in; refused with NOT_SUPPORTED on nodes that are no CA node. */
export interface EnrolmentControl {
  /** A token with which one node can join, once; class A audited before. */
  joinToken(request: JoinTokenRequest, caller: Caller): Promise<Result<JoinTokenView>>;
  /** The cluster’s CA, for newcomers that know its hash. */
  enrolmentCa(): Result<string>;
  /** A newcomer’s first certificate, PEM with its chain, and the CA’s. What is refused is a failed login. */
  enrol(
    request: { readonly id: string; readonly secret: string; readonly request: Uint8Array },
    caller: Caller,
  ): Promise<Result<{ readonly certificate: string; readonly ca: string }>>;
}

/** Whom a join token is for, and the names that its certificate will have. */
export interface JoinTokenRequest {
  readonly nodeId: NodeId;
  /** From a minute to `limits.joinTokenMsMax`. */
  readonly ttlMs: number;
  readonly dns: readonly string[];
  readonly ip: readonly string[];
}

/** `token` is a secret: whoever has it can join as the node. */
export interface JoinTokenView {
  readonly token: string;
  readonly id: string;
  readonly expiresAt: string;
}
