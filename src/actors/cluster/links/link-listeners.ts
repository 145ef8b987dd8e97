import type { Refusal } from '../../../errors.ts';
import type { NodeId } from '../../../names.ts';
import type { Frame, FrameKind } from '../../../protocols/link/frame.ts';
import type { LinkSession } from './link-session.ts';
import type { LinkEnd } from './link-session-options.ts';

type Listener<A extends unknown[]> = (...args: A) => void;

/** Who hears what about the links of a node. They outlive every actor, so nobody takes a listener back. */
export class LinkListeners {
  readonly #frames = new Map<FrameKind, Listener<[LinkSession, Frame]>>();
  readonly #onReady: Listener<[LinkSession]>[] = [];
  readonly #onClosed: Listener<[LinkSession, string, LinkEnd['reason']]>[] = [];
  readonly #onOut: Listener<[NodeId, 'revoked' | 'suspended', string]>[] = [];
  readonly #onRefused: Listener<[{ readonly remote: string; readonly refusal: Refusal }]>[] = [];

  /** One handler a kind. A kind without one is ignored: a newer peer may send what this version does not know. */
  onFrame(kind: FrameKind, handler: Listener<[LinkSession, Frame]>): void {
    this.#frames.set(kind, handler);
  }

  onReady(listener: Listener<[LinkSession]>): void {
    this.#onReady.push(listener);
  }

  onClosed(listener: Listener<[LinkSession, string, LinkEnd['reason']]>): void {
    this.#onClosed.push(listener);
  }

  onRefused(listener: Listener<[{ readonly remote: string; readonly refusal: Refusal }]>): void {
    this.#onRefused.push(listener);
  }

  /** A peer refused this node because its identity is revoked or suspended: the peer’s word, with its reason. */
  onOut(listener: Listener<[NodeId, 'revoked' | 'suspended', string]>): void {
    this.#onOut.push(listener);
  }

  protected tellFrame(link: LinkSession, frame: Frame): void {
    this.#frames.get(frame.kind)?.(link, frame);
  }

  protected tellReady(link: LinkSession): void {
    for (const listener of this.#onReady) listener(link);
  }

  protected tellClosed(link: LinkSession, { text, reason }: LinkEnd): void {
    for (const listener of this.#onClosed) listener(link, text, reason);
  }

  protected tellOut(peer: NodeId, how: 'revoked' | 'suspended', text: string): void {
    for (const listener of this.#onOut) listener(peer, how, text);
  }

  protected tellRefused(remote: string, refusal: Refusal): void {
    for (const listener of this.#onRefused) listener({ remote, refusal });
  }
}
