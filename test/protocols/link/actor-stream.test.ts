import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import {
  ActorStream,
  endingWindow,
  packetCost,
  type Sent,
  usualWindow,
} from '../../../src/protocols/link/actor-stream.ts';

const packet = (n: number, bytes = 0): Sent => ({
  header: Uint8Array.of(n >> 8, n & 0xff),
  content: new Uint8Array(bytes),
});
const numberOf = ({ header }: Sent): number => header[0]! * 256 + header[1]!;

/** Two ends and a wire that carries in order while it holds, and forgets what is on it when it breaks. */
function twoEnds() {
  const [here, there] = [new ActorStream(), new ActorStream()];
  let wire: (() => void)[] = [];
  const got: number[] = [];
  const write = (): void => {
    for (let next = here.next; next !== undefined; next = here.next) {
      const sent = next;
      wire.push(() => {
        expect(there.take(packetCost(sent))).toBe(true);
        got.push(numberOf(sent));
      });
      here.wrote();
    }
  };
  return {
    here,
    there,
    got,
    push(n: number): void {
      here.push(packet(n), endingWindow);
      write();
    },
    carry(count: number): void {
      for (const step of wire.splice(0, count)) step();
    },
    acknowledge(): void {
      const received = there.grant();
      wire.push(() => void expect(here.acknowledge(received)).toBe(true));
    },
    reconnect(): void {
      wire = [];
      expect(here.acknowledge(there.grant())).toBe(true);
      here.rewind();
      write();
    },
    finish(): void {
      this.reconnect();
      this.carry(Number.POSITIVE_INFINITY);
      this.acknowledge();
      this.carry(Number.POSITIVE_INFINITY);
    },
  };
}

describe('a stream of packets', () => {
  test('carries everything in order and once, however often the wire breaks', () => {
    const act = fc.oneof(
      { weight: 6, arbitrary: fc.constant('push' as const) },
      { weight: 4, arbitrary: fc.nat(5) },
      { weight: 2, arbitrary: fc.constant('acknowledge' as const) },
      { weight: 1, arbitrary: fc.constant('reconnect' as const) },
    );
    fc.assert(
      fc.property(fc.array(act, { maxLength: 300 }), (acts) => {
        const ends = twoEnds();
        let pushed = 0;
        for (const what of acts) {
          if (what === 'push') ends.push(pushed++);
          else if (typeof what === 'number') ends.carry(what);
          else ends[what]();
        }
        ends.finish();
        expect(ends.got).toEqual(Array.from({ length: pushed }, (_, n) => n));
        expect([ends.here.waiting, ends.here.underWay]).toEqual([0, 0]);
        expect(ends.there.owes).toBe('nothing');
      }),
    );
  });

  test('takes no more than its window, and more for what ends things', () => {
    const stream = new ActorStream();
    let taken = 0;
    while (stream.push(packet(taken, 10_000), usualWindow)) taken++;
    expect(stream.underWay).toBeLessThanOrEqual(usualWindow.bytes);
    expect(stream.underWay + packetCost(packet(0, 10_000))).toBeGreaterThan(usualWindow.bytes);
    expect(stream.push(packet(0), endingWindow)).toBe(true);
    expect(stream.acknowledge(taken)).toBe(true);
    expect(stream.push(packet(0, 10_000), usualWindow)).toBe(true);
  });

  test('takes no more packets than one node may have in an inbox, and more for what ends things', () => {
    const stream = new ActorStream();
    for (let n = 0; n < limits.actorWindowPackets; n++) expect(stream.push(packet(n), usualWindow)).toBe(true);
    expect(stream.push(packet(0), usualWindow)).toBe(false);
    expect(stream.push(packet(0), endingWindow)).toBe(true);
  });

  test('follows nobody who acknowledges what was never sent, and bears one who repeats himself', () => {
    const stream = new ActorStream();
    for (let n = 0; n < 10; n++) stream.push(packet(n), usualWindow);
    expect(stream.acknowledge(11)).toBe(false);
    expect(stream.acknowledge(4)).toBe(true);
    expect(stream.acknowledge(2)).toBe(true);
    expect(stream.waiting).toBe(6);
    expect(stream.acknowledge(Number.MAX_SAFE_INTEGER)).toBe(false);
  });

  test('notices one who sends more than anybody may', () => {
    const stream = new ActorStream();
    const cost = 1_048_576;
    for (let sent = cost; sent <= limits.actorWindowBytesMax; sent += cost) expect(stream.take(cost)).toBe(true);
    expect(stream.take(cost)).toBe(false);
  });

  test('says when an acknowledgement is due', () => {
    const stream = new ActorStream();
    expect(stream.owes).toBe('nothing');
    for (let n = 1; n < limits.actorAckPackets; n++) {
      stream.take(64);
      expect(stream.owes).toBe('soon');
    }
    stream.take(64);
    expect(stream.owes).toBe('now');
    expect(stream.grant()).toBe(limits.actorAckPackets);
    expect(stream.owes).toBe('nothing');
    stream.take(limits.actorAckBytes);
    expect(stream.owes).toBe('now');
  });
});
