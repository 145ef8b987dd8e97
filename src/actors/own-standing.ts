import type { Refusal } from '../errors.ts';
import { limits } from '../limits.ts';
import type { NodeId } from '../names.ts';
import type { NodeBase } from './node-base.ts';
import type { NodeStatus } from './operations/control.ts';

type Out = 'revoked' | 'suspended';

/** A peer’s word that this node is out. */
interface Word {
  readonly how: Out;
  readonly reason: string;
  /** When it was given last, in milliseconds of the monotonic clock. */
  readonly at: number;
}

/** A peer that refuses this node is knocked on once a minute, and says it again: who has not for so long says it no more. */
const wordMsMax = 3 * limits.revokedRedialMs;

const outOf = ({ code }: Refusal): Out => (code === 'SUSPENDED' ? 'suspended' : 'revoked');

/** Whether this node itself is out of its cluster, by a document that it holds or by the word of peers. Tells each once. */
export class OwnStanding {
  readonly #base: NodeBase;
  readonly #words = new Map<NodeId, Word>();
  #said: Refusal | undefined;

  constructor(base: NodeBase) {
    this.#base = base;
  }

  /** What the documents that are held say of this node now. */
  say(refusal: Refusal | undefined): void {
    const before = this.#said;
    if (refusal?.reasons[0] === before?.reasons[0]) return;
    this.#said = refusal;
    const { events, fault, nodeId } = this.#base;
    if (!refusal) {
      if (before?.code === 'SUSPENDED') events.emit({ type: 'node.resumed', nodeId });
      return;
    }
    const [reason] = refusal.reasons;
    const until = refusal.code === 'SUSPENDED' ? 'it is resumed' : 'it has another identity';
    fault(`THIS NODE IS ${outOf(refusal).toUpperCase()}: ${reason} It has no links until ${until}.`, undefined);
    events.emit({ type: `node.${outOf(refusal)}`, nodeId, by: nodeId, reason });
  }

  /** A peer says that this node is out. */
  refusedBy(peer: NodeId, how: Out, reason: string): void {
    const { ports, events, fault, nodeId } = this.#base;
    const known = this.#words.get(peer);
    this.#words.set(peer, { how, reason, at: ports.clock.monotonic() });
    if (known?.reason === reason && this.#counts(known)) return;
    ports.metrics.count('links_refused_as_revoked');
    fault(`${peer} refuses this node as ${how}: ${reason} See caxton notice list there.`, undefined);
    events.emit({ type: `node.${how}`, nodeId, by: peer, reason });
  }

  /** A peer has a link with this node. */
  taken(peer: NodeId): void {
    this.#words.delete(peer);
  }

  forget(): void {
    this.#words.clear();
  }

  /** As it stands in the node’s status; `own` is what the documents say. */
  view(own: Refusal | undefined): Pick<NodeStatus, Out> {
    if (own) return { [outOf(own)]: { by: 'notice', reason: own.reasons[0] } };
    for (const [peer, word] of this.#words) {
      if (this.#counts(word)) return { [word.how]: { by: 'peers', reason: `${peer}: ${word.reason}` } };
      this.#words.delete(peer);
    }
    return {};
  }

  #counts({ at }: Word): boolean {
    return this.#base.ports.clock.monotonic() - at < wordMsMax;
  }
}
