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

  /** Why nobody may speak for this identity: its node or this very certificate is revoked. */
  ofCertificate({ nodeId, serial }: RevocableCertificate): Refusal | undefined {
    const found = (nodeId && this.#find('node', nodeId)) ?? this.#find('serial', serial);
    return found && revokedRefusal(found);
  }

  /** As `ofCertificate`, for an Ed25519 key in its 32 raw bytes. */
  ofKey(raw: Uint8Array): Refusal | undefined {
    const found = this.#find('key', keyId(raw));
    return found && revokedRefusal(found);
  }
}
