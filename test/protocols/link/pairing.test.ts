import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Candidate, chooseLink } from '../../../src/protocols/link/pairing.ts';
import { Crossing, type End, everyEnd } from './crossing.ts';
import { nodeId } from './fixtures.ts';

const low = nodeId('n1');
const high = nodeId('n2');

describe('two nodes that dial each other at once', () => {
  const cases: readonly [string, string, string, number, number][] = [
    ['of the first boot', 'n1', 'n2', 1, 1],
    ['named the other way round', 'n2', 'n1', 1, 1],
    ['of unlike boots, the lower id younger', 'n1', 'n2', 1, 9],
    ['of unlike boots, the lower id older', 'n1', 'n2', 9, 1],
  ];
  test.each(cases)('%s end with one link, whatever the order', (_, nameA, nameB, bootA, bootB) => {
    const nodes = { a: { name: nameA, boot: bootA }, b: { name: nameB, boot: bootB } };
    const { finals, states } = everyEnd(Crossing.of(nodes, ['a', 'b']));
    expect(states).toBeGreaterThan(50);
    const survivors = new Set<End>();
    for (const final of finals) {
      const { agreed, oneSided } = final.outcome();
      expect(oneSided).toEqual([]);
      expect(agreed).toHaveLength(1);
      survivors.add(final.links[agreed[0]!]!.dialler);
      for (const link of final.links)
        if (link.id !== agreed[0]) expect([link.sides.a.ended, link.sides.b.ended]).toEqual(['duplicate', 'duplicate']);
    }
    expect([...survivors]).toEqual([nameA < nameB ? 'a' : 'b']);
  });

  test('a node that dials alone gets its link in every order', () => {
    const nodes = { a: { name: 'n2', boot: 1 }, b: { name: 'n1', boot: 1 } };
    const { finals } = everyEnd(Crossing.of(nodes, ['a']));
    expect(finals.map((final) => final.outcome())).toEqual([{ agreed: [0], oneSided: [] }]);
  });

  test('also when one of them dials by an address and by a name at once, and the other is the lower id', () => {
    // The lower id’s link wins over both of the others, so that it does not matter which of these came last.
    const nodes = { a: { name: 'n1', boot: 1 }, b: { name: 'n2', boot: 1 } };
    const { finals } = everyEnd(Crossing.of(nodes, ['a', 'b', 'b']));
    expect(finals.length).toBeGreaterThan(0);
    for (const final of finals) expect(final.outcome()).toEqual({ agreed: [0], oneSided: [] });
  });

  test('a node that dials the other twice at once keeps one link, whatever the order', () => {
    const nodes = { a: { name: 'n1', boot: 1 }, b: { name: 'n2', boot: 1 } };
    for (const final of everyEnd(Crossing.of(nodes, ['a', 'a'])).finals)
      expect(final.outcome()).toMatchObject({ agreed: [expect.any(Number)], oneSided: [] });
  });

  test('a node that dials the other twice at once never leaves a link that only one end believes in', () => {
    const nodes = { a: { name: 'n1', boot: 1 }, b: { name: 'n2', boot: 1 } };
    for (const final of everyEnd(Crossing.of(nodes, ['a', 'a'])).finals) expect(final.outcome().oneSided).toEqual([]);
  });
});

interface Link {
  readonly dialler: 'low' | 'high';
  readonly dial: number;
}

const candidate = (end: 'low' | 'high', { dialler, dial }: Link, bootEpoch: number): Candidate => ({
  side: end === dialler ? 'dialer' : 'acceptor',
  bootEpoch,
  dial,
});

/** The link that an end keeps of these, in the order in which it meets them. */
function kept(end: 'low' | 'high', links: readonly Link[], bootOfPeer: (link: Link) => number): Link | undefined {
  const [self, peer] = end === 'low' ? [low, high] : [high, low];
  let existing: Link | undefined;
  for (const link of links) {
    const at = existing && candidate(end, existing, bootOfPeer(existing));
    if (chooseLink(self, peer, at, candidate(end, link, bootOfPeer(link))) === 'replace') existing = link;
  }
  return existing;
}

describe('chooseLink', () => {
  const boot = fc.integer({ min: 0, max: 0xffff_ffff });

  test('of one link from each side, both ends keep the one that the lower id dialled, in any order', () => {
    const byLow: Link = { dialler: 'low', dial: 1 };
    const byHigh: Link = { dialler: 'high', dial: 1 };
    const orders = [
      [byLow, byHigh],
      [byHigh, byLow],
    ];
    fc.assert(
      fc.property(boot, boot, (bootOfLow, bootOfHigh) => {
        for (const atLow of orders)
          for (const atHigh of orders) {
            expect(kept('low', atLow, () => bootOfHigh)).toBe(byLow);
            expect(kept('high', atHigh, () => bootOfLow)).toBe(byLow);
          }
      }),
    );
  });

  test('any number of links, met in any order, leave both ends with the same one', () => {
    const diallers = fc.array(fc.constantFrom<'low' | 'high'>('low', 'high'), { minLength: 1, maxLength: 6 });
    const orders = diallers
      .map((list) => list.map((dialler, index): Link => ({ dialler, dial: index + 1 })))
      .chain((links) => {
        const order = () => fc.shuffledSubarray(links, { minLength: links.length });
        return fc.tuple(fc.constant(links), order(), order());
      });
    fc.assert(
      fc.property(orders, boot, boot, ([links, atLow, atHigh], bootOfLow, bootOfHigh) => {
        const last = links.findLast(({ dialler }) => dialler === 'low') ?? links.at(-1);
        expect(kept('low', atLow, () => bootOfHigh)).toBe(last);
        expect(kept('high', atHigh, () => bootOfLow)).toBe(last);
      }),
    );
  });

  test('a peer’s newest boot is kept, whoever dialled, whatever the order and the ids', () => {
    const sides = fc.constantFrom<Candidate['side']>('dialer', 'acceptor');
    const pair = fc.constantFrom([low, high] as const, [high, low] as const);
    fc.assert(
      fc.property(pair, sides, sides, fc.uniqueArray(boot, { minLength: 2, maxLength: 2 }), (ids, one, two, boots) => {
        const [older, newer] = boots.toSorted((a, b) => a - b) as [number, number];
        const old: Candidate = { side: one, bootEpoch: older, dial: 9 };
        const young: Candidate = { side: two, bootEpoch: newer, dial: 1 };
        expect(chooseLink(...ids, old, young)).toBe('replace');
        expect(chooseLink(...ids, young, old)).toBe('keep-existing');
      }),
    );
  });

  test.each([
    [low, high, 'dialer', 'acceptor', 'keep-existing'],
    [low, high, 'acceptor', 'dialer', 'replace'],
    [low, high, 'dialer', 'dialer', 'replace'],
    [low, high, 'acceptor', 'acceptor', 'replace'],
    [high, low, 'dialer', 'acceptor', 'replace'],
    [high, low, 'acceptor', 'dialer', 'keep-existing'],
    [high, low, 'dialer', 'dialer', 'replace'],
    [high, low, 'acceptor', 'acceptor', 'replace'],
  ] as const)('at %s of %s, with one as %s, one as %s: %s', (self, peer, existing, incoming, choice) => {
    const of = (side: Candidate['side'], dial: number): Candidate => ({ side, bootEpoch: 4, dial });
    expect(chooseLink(self, peer, of(existing, 1), of(incoming, 2))).toBe(choice);
    expect(chooseLink(self, peer, undefined, of(incoming, 2))).toBe('replace');
    // Of one side’s dials the later stays, whichever was seen first; a number that was used already is nothing new.
    if (existing === incoming)
      for (const dial of [1, 2])
        expect(chooseLink(self, peer, of(existing, 2), of(incoming, dial))).toBe('keep-existing');
  });
});
