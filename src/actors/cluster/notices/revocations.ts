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

/** A node’s certificate, or, without a node, one that signs such. The serial in upper-case hex. */
export interface RevocableCertificate {
  readonly nodeId?: NodeId;
  readonly serial: string;
  /** Of the CAs above it: who revokes one revokes what it signed. */
  readonly issuerSerials?: readonly string[];
}

/** What is revoked now, for everybody who judges: `NoticeBoard` sets it, and its identity stays. */
export class Revocations {
  #find: FindRevocation = () => undefined;
  #nodes: readonly NodeId[] = [];

  set(revocations: readonly Revocation[]): void {
    this.#find = revocationIndex(revocations);
    this.#nodes = revocations.flatMap(({ kind, id }) => (kind === 'node' && isNodeId(id) ? [id] : []));
  }

  /** Nodes that are out for good, whatever certificate they show. */
  get nodes(): readonly NodeId[] {
    return this.#nodes;
  }

  readonly find: FindRevocation = (kind: RevocableKind, id: string) => this.#find(kind, id);

  /** Why nobody may speak for this identity: its node, this very certificate or a CA above it is revoked. */
  ofCertificate({ nodeId, serial, issuerSerials = [] }: RevocableCertificate): Refusal | undefined {
    const ofNode = nodeId && this.#find('node', nodeId);
    if (ofNode) return revokedRefusal(ofNode);
    for (const each of [serial, ...issuerSerials]) {
      const found = this.#find('serial', each);
      if (found) return revokedRefusal(found);
    }
    return undefined;
  }

  /** As `ofCertificate`, for an Ed25519 key in its 32 raw bytes. */
  ofKey(raw: Uint8Array): Refusal | undefined {
    const found = this.#find('key', keyId(raw));
    return found && revokedRefusal(found);
  }
}
