import { expect, test } from 'vitest';
import { UnprovenAddresses } from '../../../../src/actors/cluster/gossip/unproven-addresses.ts';
import type { NodeId } from '../../../../src/names.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';

const node = 'node-2' as NodeId;
const claimed = { host: '192.0.2.1', port: 7_700 };

/** How many datagrams of 100 bytes go out before one is held back. */
function admitted(unproven: UnprovenAddresses, address = claimed): number {
  let count = 0;
  while (count < 1_000 && unproven.admits(node, address, 100)) count++;
  return count;
}

test('an address that nothing came from gets a first allowance, and a trickle afterwards', () => {
  const clock = new ManualClock();
  const unproven = new UnprovenAddresses(clock);
  expect([admitted(unproven), admitted(unproven)]).toEqual([42, 0]);
  clock.advance(60_000);
  expect(admitted(unproven)).toBe(9);
});

test('it gets three bytes for each that the member sends from elsewhere, saved up to a most', () => {
  const unproven = new UnprovenAddresses(new ManualClock());
  admitted(unproven);
  unproven.heard(node, { host: '192.0.2.99', port: 7_700 }, 1_000);
  expect(admitted(unproven)).toBe(30);
  for (let i = 0; i < 1_000; i++) unproven.heard(node, { host: '192.0.2.99', port: 7_700 }, 1_000);
  expect(admitted(unproven)).toBe(84);
});

test('an address that the member was heard from gets everything, whatever the port; a new one does not', () => {
  const unproven = new UnprovenAddresses(new ManualClock());
  unproven.heard(node, { host: claimed.host, port: 50_000 }, 100);
  expect(admitted(unproven)).toBe(1_000);
  expect(admitted(unproven, { host: '192.0.2.2', port: 7_700 })).toBe(45);
});
