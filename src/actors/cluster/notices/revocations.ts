import { keyId } from '../../../crypto/keys.ts';
import type { Refusal } from '../../../errors.ts';
import { isNodeId, type NodeId } from '../../../names.ts';
import {
  type FindRevocation,
  type RevocableKind,
  type Revocation,
  revocationIndex,
  revokedRefusal,
} from '../../../protocols/notice/revocation.ts';
import { type Suspension, suspendedRefusal } from '../../../protocols/notice/suspension.ts';

/** A node’s certificate, or, without a node, one that signs such. The serial in upper-case hex. */
export interface RevocableCertificate {
  readonly nodeId?: NodeId;
  readonly serial: string;
  /** Of the CAs above it: who revokes one revokes what it signed. */
  readonly issuerSerials?: readonly string[];
}

/** What is revoked or suspended now, for everybody who judges: `NoticeBoard` sets it, and its identity stays. */
export class Revocations {
  #find: FindRevocation = () => undefined;
  #nodes: readonly NodeId[] = [];
  #suspended: ReadonlyMap<NodeId, Suspension> = new Map();

  set(revocations: readonly Revocation[], suspensions: readonly Suspension[] = []): void {
    this.#find = revocationIndex(revocations);
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

  /** Why nobody may speak for this identity: its node, this very certificate or a CA above it is revoked, or its node suspended. */
  ofCertificate({ nodeId, serial, issuerSerials = [] }: RevocableCertificate): Refusal | undefined {
    const ofNode = nodeId && this.ofNode(nodeId);
    if (ofNode?.code === 'REVOKED') return ofNode;
    for (const each of [serial, ...issuerSerials]) {
      const found = this.#find('serial', each);
      if (found) return revokedRefusal(found);
    }
    return ofNode;
  }

  /** As `ofCertificate`, for an Ed25519 key in its 32 raw bytes. */
  ofKey(raw: Uint8Array): Refusal | undefined {
    const found = this.#find('key', keyId(raw));
    return found && revokedRefusal(found);
  }
}
