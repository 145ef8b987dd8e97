import { ok, type Result } from '../../errors.ts';
import type { DeadLetterOffice } from './dead-letters.ts';
import type { Exposed } from './exposure.ts';
import { FarNode } from './far-node.ts';
import type { RemoteLink } from './life-links.ts';
import type { Ref } from './ref.ts';
import type { Registry } from './registry.ts';
import { RemoteRef } from './remote-ref.ts';
import type { Arrival, PacketReceiver, Transport } from './transport.ts';
import { befalls, type Host, VisitingNode } from './visiting-node.ts';

/**
 * The other nodes, as far as this kernel has to do with them.
 *
 * While a node is not lost: messages from one actor to another arrive in the order in which they were sent, once each;
 * a monitor or link fires when the life ends. When it is lost (it rebooted, said goodbye, was found dead, or did not
 * come back in time): what was on its way may or may not have arrived; who asked it hears UNREACHABLE, who watched it
 * hears `node-lost`, once; what it held here is let go, and answers to its questions go nowhere. Nothing of before is
 * taken up again with the node that comes after it.
 */
export class RemoteNodes implements PacketReceiver {
  readonly #transport: Transport;
  readonly #deadLetters: DeadLetterOffice;
  readonly #host: Host;
  /** By node, until it is lost: numbers given to it must not be given again. */
  readonly #far = new Map<string, FarNode>();
  readonly #visiting = new Map<string, VisitingNode>();

  constructor(transport: Transport, registry: Registry, deadLetters: DeadLetterOffice, exposed: Exposed) {
    this.#transport = transport;
    this.#deadLetters = deadLetters;
    this.#host = { transport, registry, deadLetters, exposed };
    transport.attach(this);
  }

  /** The address without this node’s own name; another node’s as it is. */
  local(address: string): string {
    const own = `${this.#transport.nodeId}!`;
    return address.startsWith(own) ? address.slice(own.length) : address;
  }

  /** The ref of an address on another node; `undefined` when it is one of this node. */
  ref<M>(address: string): Ref<M> | undefined {
    const at = this.#split(address);
    if (at === undefined) return undefined;
    const carry = (message: object): Result<void> => this.#with(at.node, (far) => far.tell(at.path, message));
    return new RemoteRef<M>(address, carry, this.#deadLetters);
  }

  /**
   * Watches a life on another node; `ended` is called once. Returns what takes the watch off, or `undefined` when the
   * address is one of this node.
   */
  monitor(address: string, ended: (reason: string) => void): (() => void) | undefined {
    const watch = this.#watch(address, false, ended);
    return watch && (() => watch('unlink'));
  }

  /** As `monitor`; what is returned also tells the other node to end that life, unless the reason is `unlink`. */
  link(address: string, ended: (reason: string) => void): RemoteLink | undefined {
    return this.#watch(address, true, ended);
  }

  packet(from: string, packet: Arrival): Result<void> {
    const result = this.#take(from, packet);
    return result.ok || befalls(result.refusal) ? ok(undefined) : result;
  }

  lost(node: string): void {
    const far = this.#far.get(node);
    const visiting = this.#visiting.get(node);
    // Whoever hears of it may turn to the node again at once: that is a new beginning.
    this.#far.delete(node);
    this.#visiting.delete(node);
    far?.lost();
    visiting?.lost();
  }

  /** What is held for or by other nodes: nothing of it may be left behind. */
  get held(): {
    readonly questions: number;
    readonly watches: number;
    /** Questions of other nodes that have not been answered. */
    readonly asked: number;
    readonly visitors: number;
  } {
    const held = { questions: 0, watches: 0, asked: 0, visitors: 0 };
    for (const far of this.#far.values()) {
      held.questions += far.questions;
      held.watches += far.watches;
    }
    for (const visiting of this.#visiting.values()) {
      held.asked += visiting.asked;
      held.visitors += visiting.watching;
    }
    return held;
  }

  #take(from: string, packet: Arrival): Result<void> {
    switch (packet.kind) {
      case 'tell':
        return this.#visitor(from).told(packet);
      case 'ask':
        return this.#visitor(from).question(packet);
      case 'monitor':
        return this.#visitor(from).watch(packet);
      case 'forget':
        this.#visiting.get(from)?.forget(packet.id);
        return ok(undefined);
      case 'demonitor':
        this.#visiting.get(from)?.leave(packet.id, undefined);
        return ok(undefined);
      case 'exit':
        this.#visiting.get(from)?.leave(packet.id, packet.reason);
        return ok(undefined);
      // What is said of what was never asked: a node that nothing was asked of is one with no numbers.
      case 'answer':
        return this.#with(from, (far) => far.answered(packet.id, packet.content));
      case 'refused':
        return this.#with(from, (far) => far.refused(packet.id, packet.refusal));
      case 'down':
        return this.#with(from, (far) => far.down(packet.id, packet.reason));
    }
  }

  #visitor(node: string): VisitingNode {
    let visiting = this.#visiting.get(node);
    if (visiting === undefined) {
      visiting = new VisitingNode(node, this.#host);
      this.#visiting.set(node, visiting);
    }
    return visiting;
  }

  #with<T>(node: string, act: (far: FarNode) => T): T {
    const known = this.#far.get(node);
    if (known !== undefined) return act(known);
    const far = new FarNode(node, this.#transport, this.#deadLetters);
    const outcome = act(far);
    // Names of nodes that cannot be reached are not collected.
    if (!far.untouched) this.#far.set(node, far);
    return outcome;
  }

  #watch(address: string, linked: boolean, ended: (reason: string) => void): RemoteLink | undefined {
    const at = this.#split(address);
    return at && this.#with(at.node, (far) => far.watch(at.path, linked, ended));
  }

  #split(address: string): { readonly node: string; readonly path: string } | undefined {
    const bang = address.indexOf('!');
    if (bang < 0) return undefined;
    const node = address.slice(0, bang);
    return node === this.#transport.nodeId ? undefined : { node, path: address.slice(bang + 1) };
  }
}
