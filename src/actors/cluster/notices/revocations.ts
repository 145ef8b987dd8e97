import { keyId } from '../../../crypto/keys.ts';
import type { Refusal } from '../../../errors.ts';
import { isNodeId, type NodeId } from '../../../names.ts';
import {
  type FindRevocation,
  isCertificateKeyId,
  type RevocableCertificate as OneCertificate,
  type RevocableKind,
  type Revocation,
  revocationIndex,
  revocationOf,
  revokedRefusal,
  revokedUntil,
} from '../../../protocols/notice/revocation.ts';
import { type Suspension, suspendedRefusal } from '../../../protocols/notice/suspension.ts';

/** A certificate with what stands above it. */
export interface RevocableCertificate extends OneCertificate {
  /** Of the CAs above it: who revokes one revokes what it signed. */
  readonly issuerSerials?: readonly string[];
  readonly issuerKeyIds?: readonly string[] | undefined;
}

/** What is revoked or suspended now, for everybody who judges: `NoticeBoard` sets it, and its identity stays. */
export class Revocations {
  #find: FindRevocation = () => undefined;
  /** Whether the key of any certificate is: else nobody’s has to be hashed. */
  #hasKeys = false;
  #nodes: readonly NodeId[] = [];
  #suspended: ReadonlyMap<NodeId, Suspension> = new Map();

  set(revocations: readonly Revocation[], suspensions: readonly Suspension[] = []): void {
    this.#find = revocationIndex(revocations);
    this.#hasKeys = revocations.some(({ kind, id }) => kind === 'key' && isCertificateKeyId(id));
    this.#suspended = new Map(suspensions.map((entry) => [entry.node, entry]));
    const revoked = revocations.flatMap(({ kind, id }) => (kind === 'node' && isNodeId(id) ? [id] : []));
    this.#nodes = [...new Set([...revoked, ...this.#suspended.keys()])];
  }

  /** Nodes that are out, whatever certificate they show: for good, or until they are resumed. */
  get nodes(): readonly NodeId[] {
    return this.#nodes;
  }

  /** Why nobody may speak for a node, whatever certificate it shows. Who is revoked and suspended is revoked. */
  ofNode(node: NodeId): Refusal | undefined {
    const revoked = this.#find('node', node);
    if (revoked) return revokedRefusal(revoked);
    const suspended = this.#suspended.get(node);
    return suspended && suspendedRefusal(suspended);
  }

  readonly find: FindRevocation = (kind: RevocableKind, id: string) => this.#find(kind, id);

  /**
   * Why nobody may speak for this identity: its node, this very certificate or a CA above it is revoked, by serial, beginning
   * or key, or its node suspended.
   */
  ofCertificate(certificate: RevocableCertificate): Refusal | undefined {
    const { nodeId, serial, notBefore, issuerSerials = [] } = certificate;
    const ofNode = nodeId && this.ofNode(nodeId);
    if (ofNode?.code === 'REVOKED') return ofNode;
    const found =
      revocationOf(this.#find, { nodeId, serial, notBefore }) ??
      firstOf(issuerSerials, (each) => this.#find('serial', each)) ??
      (this.#hasKeys ? this.#ofKeys(certificate) : undefined);
    return found ? revokedRefusal(found) : ofNode;
  }

  #ofKeys({ keyId, issuerKeyIds = [] }: RevocableCertificate): Revocation | undefined {
    return firstOf(keyId === undefined ? issuerKeyIds : [keyId, ...issuerKeyIds], (each) => this.#find('key', each));
  }

  /** As `revokedUntil`: what is issued to the node now must begin later. */
  until(node: NodeId): number | undefined {
    return revokedUntil(this.#find, node);
  }

  /** As `ofCertificate`, for an Ed25519 key in its 32 raw bytes. */
  ofKey(raw: Uint8Array): Refusal | undefined {
    const found = this.#find('key', keyId(raw));
    return found && revokedRefusal(found);
  }
}

function firstOf<T>(items: readonly string[], find: (item: string) => T | undefined): T | undefined {
  for (const item of items) {
    const found = find(item);
    if (found) return found;
  }
  return undefined;
}
