import { expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { heldBytes } from '../../attacks/lab/memory.ts';
import { type Reader, TellingLab } from './telling-lab.ts';

const names = 300_000;
const batch = 1_000;

/** What it was told arrives, and it says so. */
function keepUp(reader: Reader): void {
  reader.flush(1, batch + 10);
  while (reader.links.at(-1)!.toReader.length > 0) reader.deliver(0);
  reader.acknowledge();
  while (reader.links.at(-1)!.toWriter.length > 0) reader.hear(0);
}

test('300,000 names that come and go in one boot leave nothing behind, nor more than the bound where one never acknowledges', () => {
  const lab = new TellingLab(2, limits.registryRemovalsMax);
  const [reader, silent] = lab.readers as [Reader, Reader];
  for (const each of lab.readers) each.connect();
  let most = 0;
  const held: number[] = [];
  for (let from = 0; from < names; from += batch) {
    const some = Array.from({ length: batch }, (_, i) => `default/n${from + i}` as AgentId);
    for (const name of some) lab.deploy(name);
    keepUp(reader);
    expect(reader.held.live.size).toBe(batch);
    for (const name of some) lab.remove(name);
    keepUp(reader);
    expect([reader.held.live.size, reader.registry.claims.size, reader.registry.services.size]).toEqual([0, 0, 0]);
    // The other one takes frames, and never says that it did.
    silent.flush(1, batch + 10);
    silent.links[0]!.toReader.length = 0;
    silent.links[0]!.toWriter.length = 0;
    lab.forgetGone();
    most = Math.max(most, lab.log.gone);
    lab.newest.clear();
    lab.forgetGenerations();
    if (from === 100_000) held.push(heldBytes());
  }
  held.push(heldBytes());
  // The silent one costs its bound from 65,536 names on, and 200,000 more cost nothing: the twins’ own noise.
  expect(held[1]! - held[0]!).toBeLessThan(2_000_000);
  expect(most).toBeLessThanOrEqual(limits.registryRemovalsMax);
  expect(most).toBeGreaterThan(0.9 * limits.registryRemovalsMax);
  silent.forgotten();
  lab.forgetGone();
  expect([lab.log.gone, [...lab.log.after(0)].length]).toEqual([0, 0]);
}, 120_000);
