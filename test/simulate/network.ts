import { type Chance, drawBelow, drawUint32 } from '../../src/protocols/swim/chance.ts';

/** What happens to every datagram of a simulated network. Parts are 0 to 1. */
export interface NetworkOptions {
  /** The part that is lost. */
  readonly loss?: number;
  /** The part that arrives twice. */
  readonly duplicated?: number;
  /** One-way delay, uniform between the two: what is sent later may arrive earlier. */
  readonly delayMs?: readonly [least: number, most: number];
  /** The part that is held back by up to a second on top. */
  readonly heldBack?: number;
}

/** What is wrong with the wire of one node. */
export interface Wire {
  /** The part of what it is sent that never arrives. */
  ingressLoss: number;
  /** The part of what it sends that never leaves. */
  egressLoss: number;
  /** On top of each datagram’s delay, both ways. */
  extraDelayMs: number;
}

const heldBackMsMax = 1_000;

/** Which datagrams of a simulated network arrive, and when. */
export class Network {
  options: NetworkOptions;
  /** No datagram arrives anywhere, as behind a firewall that lets only TCP through. */
  datagramsBlocked = false;
  readonly #chance: Chance;
  readonly #sideOf = new Map<string, number>();
  readonly #severed = new Set<string>();
  readonly #wires = new Map<string, Wire>();

  constructor(chance: Chance, options: NetworkOptions) {
    this.#chance = chance;
    this.options = options;
  }

  /** What is wrong with a node’s wire, to be changed. */
  wire(id: string): Wire {
    let wire = this.#wires.get(id);
    if (!wire) {
      wire = { ingressLoss: 0, egressLoss: 0, extraDelayMs: 0 };
      this.#wires.set(id, wire);
    }
    return wire;
  }

  /** Cuts the network into groups that cannot reach each other. */
  split(groups: readonly (readonly string[])[]): void {
    this.#sideOf.clear();
    for (const [side, group] of groups.entries()) for (const id of group) this.#sideOf.set(id, side);
  }

  /** Datagrams from one node to another vanish; links stay. */
  sever(from: string, to: string): void {
    this.#severed.add(`${from}>${to}`);
  }

  /** Everything is as it should be again, but for what the options say. */
  heal(): void {
    this.#sideOf.clear();
    this.#severed.clear();
    this.#wires.clear();
    this.datagramsBlocked = false;
  }

  /** Whether a link can stand between two nodes: both ways, and not on a wire that loses nearly everything. */
  carriesLink(a: string, b: string): boolean {
    return this.#connects(a, b) && this.#carriesStream(a) && this.#carriesStream(b);
  }

  delayMs(): number {
    const [least, most] = this.options.delayMs ?? [1, 3];
    return least === most ? least : least + drawBelow(this.#chance, most - least + 1);
  }

  /** The delays after which copies of a datagram arrive: none when it is lost. */
  arrivals(from: string, to: string): readonly number[] {
    const { loss = 0, duplicated = 0, heldBack = 0 } = this.options;
    if (this.datagramsBlocked || !this.#connects(from, to) || this.#severed.has(`${from}>${to}`)) return [];
    if (this.#happens(loss)) return [];
    let delayMs = this.delayMs();
    if (this.#wires.size > 0) {
      const [out, into] = [this.#wires.get(from), this.#wires.get(to)];
      if (this.#happens(out?.egressLoss ?? 0) || this.#happens(into?.ingressLoss ?? 0)) return [];
      delayMs += (out?.extraDelayMs ?? 0) + (into?.extraDelayMs ?? 0);
    }
    if (this.#happens(heldBack)) delayMs += drawBelow(this.#chance, heldBackMsMax);
    return this.#happens(duplicated) ? [delayMs, delayMs + this.delayMs()] : [delayMs];
  }

  #connects(a: string, b: string): boolean {
    return this.#sideOf.size === 0 || this.#sideOf.get(a) === this.#sideOf.get(b);
  }

  #carriesStream(id: string): boolean {
    const wire = this.#wires.get(id);
    return wire === undefined || (wire.ingressLoss < 0.5 && wire.egressLoss < 0.5);
  }

  #happens(part: number): boolean {
    return part > 0 && drawUint32(this.#chance) / 0x1_0000_0000 < part;
  }
}
