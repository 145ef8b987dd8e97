/**
 * The one error class and the one refusal shape of Caxton.
 *
 * Two kinds of bad news exist and they never mix. A *refusal* is expected (a peer is not allowed, a limit is reached,
 * a file is malformed): it is a value, carries every reason, and the same object is what the audit log records. A
 * *bug* is a throw. `CaxtonError` is the throwable form of a refusal for the edges where a caller can only catch:
 * `createNode`, `ref.ask`, the command line.
 */

/** What each code means and how the reader mends it. The keys are the closed union of codes. */
export const errorCodes = {
  UNAUTHORIZED: {
    cause: 'The receiver’s policy, or the sender’s capability, does not permit this message.',
    mend: 'Read the reasons: grant the capability, or allow the sender in the receiver’s policy.',
  },
  RATE_LIMIT_EXCEEDED: {
    cause: 'The sender spent its budget for this receiver.',
    mend: 'Wait for the time in “retry after”, or raise security.agents.rate_limit.',
  },
  INSUFFICIENT_PERMISSIONS: {
    cause: 'The identity is known, but its role lacks the permission that this action needs.',
    mend: 'Bind a role that has the permission to the identity.',
  },
  UNAUTHENTICATED: {
    cause: 'No credential was given, or the one given is not valid.',
    mend: 'Send the API key of this cluster: Authorization: Bearer cxk_….',
  },
  CERTIFICATE_REFUSED: {
    cause: 'The peer’s certificate is not an acceptable X.509-SVID for the expected node.',
    mend: 'Compare the reasons with `openssl x509 -text`; issue a certificate from this cluster’s CA.',
  },
  REVOKED: {
    cause: 'An authority of the cluster has revoked the identity, key or document.',
    mend: 'Revocation is for good: see `caxton notice show revocations`, and give the node a new id or certificate.',
  },
  SUSPENDED: {
    cause: 'An authority of the cluster has suspended the node.',
    mend: 'It comes back by itself after `caxton security resume`: see `caxton notice show suspensions`.',
  },
  SIGNATURE_INVALID: {
    cause: 'A signature does not match the bytes that it should cover.',
    mend: 'Sign again with the key that the cluster trusts; never edit a signed file.',
  },
  PROOF_INVALID: {
    cause: 'A Merkle proof does not lead from the record, or from the older tree, to the tree that was signed.',
    mend: 'Keep both: the log was changed, or the proof is for another record, log or checkpoint.',
  },
  SEAL_INVALID: {
    cause: 'A gossip datagram or a part of the audit log could not be authenticated.',
    mend: 'Give it the key that sealed it: nodes one gossip key and each other’s latest boot, a log its vault’s ring.',
  },
  REPLAYED: {
    cause: 'The counter was seen before, or lies behind the window.',
    mend: 'Nothing to do for one packet; many of them mean that someone records and replays traffic.',
  },
  MALFORMED: {
    cause: 'Bytes or text are not in the form that this place accepts.',
    mend: 'Read the reason: it names the field and the form it should have.',
  },
  LIMIT_EXCEEDED: {
    cause: 'A size or count is over the limit.',
    mend: 'Send less; limits are listed in src/limits.ts.',
  },
  CONFIG_INVALID: {
    cause: 'The configuration has an unknown key, a wrong value, or two settings that contradict each other.',
    mend: 'Mend the line that the message names.',
  },
  FILE_UNREADABLE: {
    cause: 'A file that the node needs is missing, unreadable or writable by others.',
    mend: 'Create it (`npm start` makes all files of a development cluster), or mend its owner and mode (keys: 0600).',
  },
  ADDRESS_IN_USE: {
    cause: 'Another process already listens on the port.',
    mend: 'Stop that process, or give this node another port.',
  },
  UNREACHABLE: {
    cause: 'The node that should answer cannot be reached.',
    mend: 'Look at `caxton cluster members`; start the node again or remove it.',
  },
  UNKNOWN_AGENT: {
    cause: 'No live node hosts an agent of this name.',
    mend: 'List the agents (`caxton agent list`), deploy it, or mend the address.',
  },
  ALREADY_EXISTS: {
    cause: 'Something of this name exists already.',
    mend: 'Choose another name, raise the generation, or remove the old one first.',
  },
  DEPLOYMENT_REFUSED: {
    cause: 'The deployment is not signed by a trusted deployer, or its code or placement does not match the manifest.',
    mend: 'Sign the manifest again with a trusted deployer key.',
  },
  INBOX_FULL: {
    cause: 'The receiver’s inbox holds its maximum of messages.',
    mend: 'Send slower, or raise the receiver’s capacity.',
  },
  STOPPED: {
    cause: 'The actor or node has stopped.',
    mend: 'Start it again; a message to it is in the dead letters.',
  },
  TIMED_OUT: {
    cause: 'No answer came in the time that the caller gave.',
    mend: 'Give more time, or look whether the receiver answers at all.',
  },
  CANCELLED: { cause: 'The caller cancelled the request.', mend: 'Nothing to do.' },
  AUDIT_BLOCKED: {
    cause: 'The audit log cannot be written, so audited acts are refused.',
    mend: 'Free disk space or mend the permissions of the audit folder; the log recovers by itself.',
  },
  PARTITION_MINORITY: {
    cause: 'This node sees less than a quorum of cluster.expected_size, so acts that bind all are refused.',
    mend: 'Wait for the partition to heal, or act on the majority side.',
  },
  PROTOCOL_VIOLATION: {
    cause: 'The peer sent what the protocol does not allow at this point.',
    mend: 'Check that both nodes run compatible versions.',
  },
  SUPERVISION: {
    cause: 'A child specification is wrong, or a supervisor gave up after too many restarts.',
    mend: 'Read the reason: it names the child and the field, or the last crash.',
  },
  NOT_FOUND: {
    cause: 'The API has no such path or method.',
    mend: 'Compare with the paths in the documentation of this version.',
  },
  INTERNAL: {
    cause: 'The node met a fault of its own while it answered.',
    mend: 'Look in the node’s log for the request id, and report what stands there.',
  },
  NOT_SUPPORTED: {
    cause: 'This version does not do that.',
    mend: 'See the state table in the README.',
  },
} as const satisfies Record<string, { cause: string; mend: string }>;

/** Every code that a `CaxtonError` or a `Refusal` can carry. */
export type ErrorCode = keyof typeof errorCodes;

/** An expected “no”, as a value. `reasons` are sentences for people; `code` is for programs. */
export interface Refusal {
  readonly code: ErrorCode;
  /** At least one; each a full sentence without secrets, safe to log and to show. */
  readonly reasons: readonly [string, ...string[]];
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number;
}

/** Either a value or a refusal; never both, never a throw. */
export type Result<T, R extends Refusal = Refusal> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: R };

export const ok = <T>(value: T): { readonly ok: true; readonly value: T } => ({ ok: true, value });

/** Makes the refusing half of a `Result`. */
export function refuse(
  code: ErrorCode,
  reason: string,
  ...more: string[]
): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: { code, reasons: [reason, ...more] } };
}

/**
 * The only error class that Caxton throws on purpose.
 *
 * `code` is one of `errorCodes`; `mend` says what to do; `reasons` are all reasons known. `message` joins them.
 */
export class CaxtonError extends Error {
  override readonly name = 'CaxtonError';
  readonly code: ErrorCode;
  readonly reasons: readonly string[];
  readonly mend: string;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCode,
    reasons: string | readonly string[],
    options?: { cause?: unknown; retryAfterMs?: number },
  ) {
    const list = typeof reasons === 'string' ? [reasons] : reasons;
    super(list.join(' '), options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reasons = list;
    this.mend = errorCodes[code].mend;
    this.retryAfterMs = options?.retryAfterMs;
  }

  static from(refusal: Refusal): CaxtonError {
    return new CaxtonError(
      refusal.code,
      refusal.reasons,
      refusal.retryAfterMs === undefined ? undefined : { retryAfterMs: refusal.retryAfterMs },
    );
  }
}

/** The value of a result, or a throw of its refusal: for the edges where a caller can only catch. */
export function unwrap<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw CaxtonError.from(result.refusal);
}
