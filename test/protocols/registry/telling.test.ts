import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AgentId } from '../../../src/names.ts';
import { names, type Reader, TellingLab } from './telling-lab.ts';

const readers = 2;

const act = fc.record({
  act: fc.constantFrom(
    ...['deploy', 'deploy', 'deploy', 'remove', 'remove', 'suspend', 'waste', 'flush', 'flush', 'flush', 'flush'],
    ...[
      'deliver',
      'deliver',
      'deliver',
      'deliver',
      'drop',
      'acknowledge',
      'hear',
      'hear',
      'repeat',
      'connect',
      'connect',
    ],
    ...['lose', 'forgetGone', 'trust', 'distrust', 'revoke', 'reboot', 'forgotten', 'writer'],
  ),
  reader: fc.nat(readers - 1),
  name: fc.constantFrom(...names),
  number: fc.integer({ min: 0, max: 3 }),
});

type Act = typeof act extends fc.Arbitrary<infer T> ? T : never;

/** A change that comes late, to a reader that knows nothing any more and has asked for a listing that will not name it. */
const lateBesideListing: Act[] = [
  ...['connect 1', 'deploy 0 other/d', 'connect 0', 'flush 0', 'deploy 0', 'flush 0', 'remove 0', 'deliver 0'],
  ...['distrust 0', 'trust 0', 'deliver 0'],
].map((text) => {
  const [act = '', reader, name = 'default/a'] = text.split(' ');
  return { act, reader: Number(reader), name: name as AgentId, number: 0 };
});

function perform(lab: TellingLab, { act, reader: index, name, number }: Act): void {
  const reader = lab.readers[index]!;
  const acts: Record<string, () => void> = {
    deploy: () => lab.deploy(name),
    remove: () => lab.remove(name),
    suspend: () => lab.suspend(name),
    waste: () => lab.waste(),
    writer: () => number === 0 && lab.reboot(),
    forgetGone: () => lab.forgetGone(),
    flush: () => reader.flush(number + 1, number + 1),
    deliver: () => reader.deliver(number % Math.max(1, reader.links.length)),
    drop: () => reader.deliver(number % Math.max(1, reader.links.length), false),
    acknowledge: () => reader.acknowledge(),
    hear: () => reader.hear(number % Math.max(1, reader.links.length)),
    repeat: () => reader.repeat(),
    connect: () => reader.connect(),
    lose: () => reader.lose(number),
    trust: () => reader.trust(true),
    distrust: () => reader.trust(false),
    revoke: () => reader.revoke(),
    reboot: () => number === 0 && reader.reboot(),
    forgotten: () => reader.forgotten(),
  };
  acts[act]!();
}

/** What must hold after each act, of a reader of the writer’s present boot. */
function check(lab: TellingLab, reader: Reader, seen: Map<AgentId, number>): void {
  const { held } = reader;
  if (held.epoch !== lab.epoch) {
    seen.clear();
    return;
  }
  for (const [agent, newest] of lab.newest) {
    const claim = held.live.get(agent);
    const truth = lab.truth.get(agent);
    // Nobody hears of an agent what is older than what was heard of it before: no removed one comes back.
    if (claim) expect(claim.version).toBeGreaterThanOrEqual(seen.get(agent) ?? 0);
    if (claim) seen.set(agent, claim.version);
    // What is known up to a number is what is true, for all who were not written about since.
    if (newest > held.upTo || held.refused || !held.listing.done) continue;
    if (!claim && !truth) seen.set(agent, newest);
    if (!reader.trusts && agent.startsWith('other/')) continue;
    expect([agent, claim?.version, claim?.suspended]).toEqual([agent, truth?.version, truth?.suspended]);
  }
  // Nothing is kept but what lives there, or did.
  expect(held.live.size).toBeLessThanOrEqual(lab.newest.size);
  expect([...reader.registry.claims.keys()].sort()).toEqual([...held.live.keys()].sort());
}

/** Links hold, time passes, and everybody is believed. */
function quiet(lab: TellingLab): void {
  for (const reader of lab.readers) {
    reader.trust(true);
    reader.connect();
  }
  for (let round = 0; round < 12; round += 1)
    for (const reader of lab.readers) {
      reader.flush(100, 2);
      while (reader.links.at(-1)!.toReader.length > 0) reader.deliver(reader.links.length - 1);
      reader.acknowledge();
      while (reader.links.at(-1)!.toWriter.length > 0) reader.hear(reader.links.length - 1);
      reader.repeat();
    }
}

const shown = (reader: Reader) =>
  Object.fromEntries(
    [...reader.held.live.entries()].map(([agent, claim]) => [
      agent,
      [claim.manifest.generation, claim.suspended, claim.version],
    ]),
  );

describe('telling of one’s agents', () => {
  it.each([
    ['with room for all removals', 1_000],
    ['with room for two', 2],
    ['with room for none', 0],
  ])(
    'ends in the truth whatever is lost, late or repeated, and nothing that is gone comes back: %s',
    (_, goneMax) => {
      fc.assert(
        fc.property(fc.array(act, { maxLength: 200, size: 'max' }), (acts) => {
          const lab = new TellingLab(readers, goneMax);
          const seen = lab.readers.map(() => new Map<AgentId, number>());
          for (const one of acts) {
            if (one.act === 'revoke' || one.act === 'reboot') seen[one.reader]!.clear();
            perform(lab, one);
            for (const [index, reader] of lab.readers.entries()) check(lab, reader, seen[index]!);
            expect(lab.log.gone).toBeLessThanOrEqual(goneMax);
          }
          quiet(lab);
          const truth = Object.fromEntries(
            [...lab.truth].map(([agent, { generation, suspended, version }]) => [
              agent,
              [generation, suspended, version],
            ]),
          );
          for (const reader of lab.readers) expect(shown(reader)).toEqual(truth);
          lab.forgetGone();
          expect(lab.log.gone).toBe(0);
        }),
        { numRuns: 300, examples: [[lateBesideListing]] },
      );
    },
    60_000,
  );
});
