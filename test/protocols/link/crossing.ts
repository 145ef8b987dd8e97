import { type CloseReason, closeCodes } from '../../../src/protocols/link/close-codes.ts';
import {
  createHandshake,
  type HandshakeEffect,
  type HandshakeInput,
  type HandshakeState,
  handshakeStep,
} from '../../../src/protocols/link/handshake.ts';
import { type Candidate, chooseLink } from '../../../src/protocols/link/pairing.ts';
import { frameOf, helloOf, nodeId, optionsOf } from './fixtures.ts';

/**
 * Two nodes and the links under way between them, as a model to be searched: what is sent waits in one queue a link
 * and direction, and whoever drives the model chooses which queue moves. A node treats its links as
 * `actors/cluster/links/links.ts` does: it judges a candidate at its hello and once more when the link comes up.
 */
export type End = 'a' | 'b';
export const ends: readonly End[] = ['a', 'b'];
const other = (end: End): End => (end === 'a' ? 'b' : 'a');

type Message = { readonly bytes: Uint8Array } | { readonly close: CloseReason };

interface Side {
  handshake: HandshakeState;
  ended: CloseReason | undefined;
  opened: boolean;
}

export interface CrossingLink {
  readonly id: number;
  readonly dialler: End;
  readonly sides: Record<End, Side>;
  /** What waits to arrive at an end. */
  readonly towards: Record<End, Message[]>;
}

export interface CrossingNode {
  readonly name: string;
  readonly boot: number;
}

/** A thing that can happen next: an end opens its side of a link, or hears the next message on it. */
export interface Move {
  readonly link: number;
  readonly at: End;
  readonly what: 'open' | 'hear';
}

export class Crossing {
  readonly nodes: Record<End, CrossingNode>;
  readonly links: CrossingLink[];
  /** The link that each end holds as the one that is up. */
  readonly up: Record<End, number | undefined>;

  private constructor(nodes: Record<End, CrossingNode>, links: CrossingLink[], up: Record<End, number | undefined>) {
    this.nodes = nodes;
    this.links = links;
    this.up = up;
  }

  static of(nodes: Record<End, CrossingNode>, dialled: readonly End[]): Crossing {
    const links = dialled.map((dialler, id): CrossingLink => {
      const side = (end: End): Side => ({
        handshake: createHandshake(
          optionsOf(
            end === dialler ? 'dialer' : 'acceptor',
            // Each dial of one node has a number of its own, as `actors/cluster/links/links.ts` counts them.
            helloOf(nodes[end].name, { bootEpoch: nodes[end].boot, dial: end === dialler ? id + 1 : 0 }),
            nodes[other(end)].name,
          ),
        ),
        ended: undefined,
        opened: false,
      });
      return { id, dialler, sides: { a: side('a'), b: side('b') }, towards: { a: [], b: [] } };
    });
    return new Crossing(nodes, links, { a: undefined, b: undefined });
  }

  copy(): Crossing {
    const links = this.links.map(({ id, dialler, sides, towards }) => ({
      id,
      dialler,
      sides: { a: { ...sides.a }, b: { ...sides.b } },
      towards: { a: [...towards.a], b: [...towards.b] },
    }));
    return new Crossing(this.nodes, links, { ...this.up });
  }

  /** Two states of the same key behave alike from there on. */
  key(): string {
    const text = (message: Message): string => ('close' in message ? message.close : frameOf(message.bytes).kind);
    const links = this.links.map(({ sides, towards }) =>
      ends.map((end) => [sides[end].handshake.phase, sides[end].ended, sides[end].opened, towards[end].map(text)]),
    );
    return JSON.stringify([links, this.up.a ?? null, this.up.b ?? null]);
  }

  moves(): Move[] {
    return this.links.flatMap(({ id, dialler, sides, towards }) => {
      const moves: Move[] = [];
      // An acceptor’s side exists once the dialler’s does; and it is open before anything is heard on it.
      if (!sides[dialler].opened) moves.push({ link: id, at: dialler, what: 'open' });
      for (const at of ends) if (sides[at].opened && towards[at].length > 0) moves.push({ link: id, at, what: 'hear' });
      return moves;
    });
  }

  move({ link: id, at, what }: Move): void {
    const link = this.links[id]!;
    if (what === 'open') {
      for (const end of ends) link.sides[end].opened = true;
      this.#step(link, other(at), { type: 'open' });
      this.#step(link, at, { type: 'open' });
      return;
    }
    const message = link.towards[at].shift()!;
    if (link.sides[at].ended) return;
    if ('close' in message) this.#ended(link, at, message.close);
    else this.#step(link, at, { type: 'frame', frame: frameOf(message.bytes) });
  }

  /** Links that are up at both ends, and those that only one of them believes in. */
  outcome(): { readonly agreed: number[]; readonly oneSided: number[] } {
    const alive = this.links.filter(({ id }) => this.up.a === id || this.up.b === id);
    return {
      agreed: alive.filter(({ id }) => this.up.a === id && this.up.b === id).map(({ id }) => id),
      oneSided: alive.filter(({ id }) => this.up.a !== id || this.up.b !== id).map(({ id }) => id),
    };
  }

  #step(link: CrossingLink, at: End, input: HandshakeInput): void {
    const side = link.sides[at];
    const { state, effects } = handshakeStep(side.handshake, input);
    side.handshake = state;
    for (const effect of effects) {
      if (side.ended) return;
      this.#perform(link, at, effect);
    }
  }

  #perform(link: CrossingLink, at: End, effect: HandshakeEffect): void {
    if (effect.type === 'send') link.towards[other(at)].push({ bytes: effect.bytes });
    else if (effect.type === 'close') this.#close(link, at, effect.reason);
    else if (effect.type === 'peer') {
      const yes = this.#wanted(link, at);
      this.#step(link, at, yes ? { type: 'admit', yes } : { type: 'admit', yes, reason: 'another is kept' });
    } else if (this.#wanted(link, at)) {
      const before = this.up[at];
      this.up[at] = link.id;
      if (before !== undefined) this.#close(this.links[before]!, at, 'duplicate');
    } else this.#close(link, at, 'duplicate');
  }

  /** Whether the link is wanted in the place of the one that is up. */
  #wanted(link: CrossingLink, at: End): boolean {
    const existing = this.up[at] === undefined ? undefined : this.links[this.up[at]!]!;
    const choice = chooseLink(
      nodeId(this.nodes[at].name),
      nodeId(this.nodes[other(at)].name),
      existing && this.#candidate(existing, at),
      this.#candidate(link, at),
    );
    return choice === 'replace';
  }

  #candidate = ({ id, dialler, sides }: CrossingLink, at: End): Candidate => ({
    dial: id + 1,
    side: dialler === at ? 'dialer' : 'acceptor',
    bootEpoch: sides[at].handshake.peer!.bootEpoch,
  });

  #close(link: CrossingLink, at: End, reason: CloseReason): void {
    if (!(reason in closeCodes)) throw new Error(`not in the table: ${reason}`);
    link.towards[other(at)].push({ close: reason });
    this.#ended(link, at, reason);
  }

  #ended(link: CrossingLink, at: End, reason: CloseReason): void {
    link.sides[at].ended = reason;
    if (this.up[at] === link.id) this.up[at] = undefined;
  }
}

/** Every state in which nothing can happen any more, reached by every order of events. */
export function everyEnd(start: Crossing): { readonly finals: Crossing[]; readonly states: number } {
  const seen = new Set<string>();
  const finals: Crossing[] = [];
  const open = [start];
  while (open.length > 0) {
    const state = open.pop()!;
    const key = state.key();
    if (seen.has(key)) continue;
    seen.add(key);
    const moves = state.moves();
    if (moves.length === 0) finals.push(state);
    for (const move of moves) {
      const next = state.copy();
      next.move(move);
      open.push(next);
    }
  }
  return { finals, states: seen.size };
}
