import type { NodeId } from '../../../names.ts';
import { addressText } from '../../address.ts';
import type { Address } from '../../kernel/ports.ts';
import type { DialTarget } from './peer-connection.ts';

/** An address to be dialled for first contact, and who answered there. */
interface Seed {
  readonly address: Address;
  readonly nodeId: NodeId | undefined;
}

/** What a dialer dials, as a key: a node id, or a seed’s address. */
export const keyOf = ({ nodeId, address }: DialTarget): string => nodeId ?? addressText(address);

/** Whom this node wants a link to: members by name, and seeds, whose names only an answer tells. */
export class WantedPeers {
  readonly #addresses = new Map<NodeId, Address>();
  readonly #seeds = new Map<string, Seed>();
  /** Those for which there was no place; at most as many as are wanted. */
  readonly #postponed = new Map<string, DialTarget>();

  /** An address may change. Who answered at a seed is remembered: it need not be dialled again to find out. */
  want({ nodeId, address }: DialTarget): void {
    const key = keyOf({ address });
    if (nodeId !== undefined) this.#addresses.set(nodeId, address);
    else if (!this.#seeds.has(key)) this.#seeds.set(key, { address, nodeId: undefined });
  }

  /** The node, and every seed where it answered. */
  forget(nodeId: NodeId): void {
    this.#addresses.delete(nodeId);
    this.#postponed.delete(nodeId);
    for (const [key, seed] of this.#seeds) if (seed.nodeId === nodeId) this.#seeds.delete(key);
  }

  clear(): void {
    this.#addresses.clear();
    this.#seeds.clear();
    this.#postponed.clear();
  }

  all(): readonly DialTarget[] {
    return [
      ...[...this.#addresses].map(([nodeId, address]) => ({ nodeId, address })),
      ...[...this.#seeds.values()].map(({ address }) => ({ address })),
    ];
  }

  /** Will be dialled when a place is free. Whether that is new. */
  postpone(target: DialTarget): boolean {
    const size = this.#postponed.size;
    this.#postponed.set(keyOf(target), target);
    return this.#postponed.size > size;
  }

  /** Takes the first that was postponed and is still wanted. */
  takePostponed(isLinked: (nodeId: NodeId) => boolean): DialTarget | undefined {
    for (const [key, target] of this.#postponed) {
      this.#postponed.delete(key);
      if (this.isWanted(target, isLinked)) return target;
    }
    return undefined;
  }

  /** Where a member that is wanted by name can be dialled. */
  addressOf(nodeId: NodeId): Address | undefined {
    return this.#addresses.get(nodeId);
  }

  /** `nodeId` is behind what was dialled, if that was a seed. */
  answered(target: DialTarget | undefined, nodeId: NodeId): void {
    if (!target || target.nodeId !== undefined) return;
    const seed = this.#seeds.get(keyOf(target));
    if (seed) this.#seeds.set(keyOf(target), { address: seed.address, nodeId });
  }

  /**
   * Whether the target should be dialled. A seed stays wanted until whoever answered there is linked, or wanted by
   * name: a link that is lost before gossip told of its peer must not have been the only way into the cluster.
   */
  isWanted(target: DialTarget, isLinked: (nodeId: NodeId) => boolean): boolean {
    if (target.nodeId !== undefined) return this.#addresses.has(target.nodeId) && !isLinked(target.nodeId);
    const seed = this.#seeds.get(keyOf(target));
    if (!seed) return false;
    return seed.nodeId === undefined || !(isLinked(seed.nodeId) || this.#addresses.has(seed.nodeId));
  }
}
