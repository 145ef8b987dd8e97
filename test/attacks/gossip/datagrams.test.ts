import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { until } from '../lab/until.ts';
import { type RecordedPair, recordedPair } from './recorded-pair.ts';

let pair: RecordedPair;
let before = '';
beforeAll(async () => {
  pair = await recordedPair();
  await until('enough was heard to work with', () => pair.target.heard.length > 20 && pair.friend.heard.length > 20);
  before = pair.view();
});
afterAll(() => pair.close());

/** Datagrams that a socket’s buffer holds for sure. */
const burst = 64;

/** Sends all, waits until each was refused, and expects that nothing else has changed. */
async function refused(datagrams: readonly Uint8Array[], code?: string): Promise<void> {
  const counted = pair.target.count('gossip_refused', code);
  for (let sent = 0; sent < datagrams.length; ) {
    const some = datagrams.slice(sent, sent + burst);
    sent += some.length;
    await pair.send(some);
    await until('each is refused and counted', () => pair.target.count('gossip_refused', code) >= counted + sent);
  }
  expect(pair.target.count('gossip_refused', code)).toBe(counted + datagrams.length);
  await stillWell();
}

async function stillWell(): Promise<void> {
  const received = pair.target.count('gossip_received');
  await until('the honest gossip goes on', () => pair.target.count('gossip_received') > received);
  expect(pair.view()).toBe(before);
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
};

describe('datagrams of whoever reaches the port', () => {
  it('are nothing, of whatever size', async () => {
    const sizes = [...Array(128).keys(), 255, 256, 1_000, limits.datagramBytesMax - 1, limits.datagramBytesMax];
    await refused(sizes.map((size) => randomBytes(size)));
  });

  it('over the limit are not even read', async () => {
    const refusedBefore = pair.target.count('gossip_refused');
    await pair.send([limits.datagramBytesMax + 1, 9_000, 65_507].map((size) => randomBytes(size)));
    await stillWell();
    expect(pair.target.count('gossip_refused')).toBe(refusedBefore);
  });

  it('may be an honest one cut off anywhere, or with more behind it', async () => {
    const real = pair.target.heard[0]!;
    const cut = Array.from({ length: real.length }, (_, length) => real.subarray(0, length));
    await refused([...cut, Buffer.concat([real, Buffer.from([0])])]);
  });

  it('may be an honest one with one bit changed, whichever', async () => {
    const real = pair.target.heard[1]!;
    await refused(Array.from({ length: real.length * 8 }, (_, bit) => flipped(real, bit)));
  });

  it('may carry the tag and the key version of a member, and need more than that', async () => {
    const head = pair.target.heard[0]!.subarray(0, 13);
    await refused(
      Array.from({ length: 200 }, (_, i) => Buffer.concat([head, randomBytes(48 + i)])),
      'SEAL_INVALID',
    );
  });

  it('that the target itself has sent are not taken for another’s', async () => {
    await refused(pair.friend.heard.slice(0, 200), 'SEAL_INVALID');
  });

  it('that were recorded are replays: counted, and nothing changes', async () => {
    await refused(pair.target.heard.slice(0, 200), 'REPLAYED');
  });

  it('in a flood leave the node its time', async () => {
    const junk = Array.from({ length: 256 }, () => randomBytes(200));
    const datagrams = 100_000;
    const counted = pair.target.count('gossip_refused');
    const began = process.cpuUsage();
    for (let sent = 0; sent < datagrams; sent++) {
      pair.target.hand(junk[sent % junk.length]!);
      if (sent % 1_000 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(began);
    expect(pair.target.count('gossip_refused')).toBe(counted + datagrams);
    // A signature check takes a hundred microseconds and opening a seal ten; neither may be in here.
    expect((user + system) / datagrams).toBeLessThan(30);
    await stillWell();
  });

  it('recorded from a boot that is over open nothing in the next one', async () => {
    const recorded = pair.target.heard.slice(0, 100);
    await pair.restartTarget();
    before = pair.view();
    await refused(recorded, 'SEAL_INVALID');
  });
});
