import type { NodeId } from '../../src/names.ts';
import type { AliveClaim, SignedClaim } from '../../src/protocols/swim/claim.ts';
import type { Deck } from '../../src/protocols/swim/deck.ts';
import { createMember, type MemberRecord } from '../../src/protocols/swim/member.ts';
import { createRoster, type Roster } from '../../src/protocols/swim/roster.ts';

/** Members that everybody knows from the beginning; shared by all rosters of a cluster. */
export interface Founders {
  readonly ids: readonly NodeId[];
  readonly indexOf: ReadonlyMap<NodeId, number>;
  readonly claims: readonly SignedClaim<AliveClaim>[];
}

/**
 * The roster of a member among founders, as if it had heard of all of them before. A record is made when somebody looks
 * at it: ten thousand rosters of ten thousand records would not fit into memory, and a simulated minute touches few.
 */
export function latentRoster(founders: Founders, self: NodeId): Roster {
  const records = new LatentRecords(founders, self);
  const size = founders.ids.length - 1;
  return {
    ...createRoster(),
    records,
    pool: new LatentDeck(records, founders, self),
    round: new LatentDeck(records, founders, self),
    counts: { alive: size, suspect: 0, unreachable: 0, dead: 0, left: 0, revoked: 0 },
  };
}

class LatentRecords extends Map<NodeId, MemberRecord> {
  readonly #founders: Founders;
  readonly #self: NodeId;
  #newcomers = 0;

  constructor(founders: Founders, self: NodeId) {
    super();
    this.#founders = founders;
    this.#self = self;
  }

  override get size(): number {
    return this.#founders.ids.length - 1 + this.#newcomers;
  }

  override get(id: NodeId): MemberRecord | undefined {
    const known = super.get(id);
    if (known) return known;
    const index = id === this.#self ? undefined : this.#founders.indexOf.get(id);
    if (index === undefined) return undefined;
    const record = createMember(this.#founders.claims[index]!, 0);
    super.set(id, record);
    return record;
  }

  override set(id: NodeId, record: MemberRecord): this {
    if (!super.has(id) && !this.#founders.indexOf.has(id)) this.#newcomers++;
    return super.set(id, record);
  }

  override values(): MapIterator<MemberRecord> {
    for (const id of this.#founders.ids) this.get(id);
    return super.values();
  }
}

/** A deck of the founders that remembers only which cards were moved. */
class LatentDeck implements Deck<MemberRecord> {
  readonly #records: LatentRecords;
  readonly #founders: Founders;
  readonly #self: number;
  readonly #moved = new Map<number, number>();
  readonly #newcomers: MemberRecord[] = [];

  constructor(records: LatentRecords, founders: Founders, self: NodeId) {
    this.#records = records;
    this.#founders = founders;
    this.#self = founders.indexOf.get(self)!;
  }

  get size(): number {
    return this.#founders.ids.length - 1 + this.#newcomers.length;
  }

  at(index: number): MemberRecord {
    const card = this.#card(index);
    const late = card - (this.#founders.ids.length - 1);
    if (late >= 0) return this.#newcomers[late]!;
    return this.#records.get(this.#founders.ids[card < this.#self ? card : card + 1]!)!;
  }

  swap(a: number, b: number): void {
    if (a === b) return;
    const [cardA, cardB] = [this.#card(a), this.#card(b)];
    this.#place(a, cardB);
    this.#place(b, cardA);
  }

  push(record: MemberRecord): void {
    this.#newcomers.push(record);
  }

  #card(index: number): number {
    return this.#moved.get(index) ?? index;
  }

  #place(index: number, card: number): void {
    if (index === card) this.#moved.delete(index);
    else this.#moved.set(index, card);
  }
}
