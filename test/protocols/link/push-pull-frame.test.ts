import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { frameBytes } from '../../../src/protocols/link/frame.ts';
import {
  type DirectoryEntry,
  decodePushPull,
  encodePushPull,
  encodePushPullPages,
  type PushPull,
} from '../../../src/protocols/link/push-pull-frame.ts';
import { Writer } from '../../../src/protocols/msgpack/writer.ts';
import { claims } from '../swim/stage.ts';
import { decoded, nodeId, utf8 } from './fixtures.ts';

const entryOf = (node: string, certificateBytes = 600, bindingBytes = 100): DirectoryEntry => ({
  nodeId: nodeId(node),
  certificate: new Uint8Array(certificateBytes).fill(0x30),
  binding: new Uint8Array(bindingBytes).fill(0x31),
});
const back = (document: PushPull): PushPull => decoded(decodePushPull(utf8, encodePushPull(utf8, document)));
const many = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, i) => make(i));
/** The longest node id, so that nothing but its number differs. */
const longName = (i: number): string => `n${String(i).padStart(62, '0')}`;

describe('a push/pull document', () => {
  test('comes back as it was', () => {
    const node = fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/);
    const directory = fc.array(
      fc.tuple(node, fc.nat(1_000), fc.nat(512)).map((sizes) => entryOf(...sizes)),
      { maxLength: 20 },
    );
    const claim = fc.oneof(
      node.map((name) => claims.alive(name)),
      node.map((name) => claims.leave(name)),
      fc.uniqueArray(node, { minLength: 2, maxLength: 2 }).map(([a, b]) => claims.suspect(a!, b!)),
      fc.uniqueArray(node, { minLength: 2, maxLength: 5 }).map(([a, ...by]) => claims.dead(a!, by)),
    );
    fc.assert(
      fc.property(directory, fc.array(claim, { maxLength: 20 }), (entries, list) => {
        expect(back({ directory: entries, claims: list })).toEqual({ directory: entries, claims: list });
      }),
      { numRuns: 50 },
    );
  });

  test('comes back whole from pages, each of which a peer would read', () => {
    const names = many(800, (i) => longName(i));
    const directory = names.map((name) => entryOf(name, 1_200, 200));
    const list = names.flatMap((name, i) => [
      claims.alive(name),
      ...(i % 7 === 0 ? [claims.dead(name, ['n1', 'n2', 'n3'])] : []),
    ]);
    // Of one nothing but its key is known, of another no key.
    const pages = encodePushPullPages(utf8, { directory: directory.slice(1), claims: list.slice(0, -1) });
    expect(pages.length).toBeGreaterThan(2);
    const read = pages.map((page) => decoded(decodePushPull(utf8, page)));
    expect(read.flatMap((page) => page.claims)).toEqual(list.slice(0, -1));
    expect(read.flatMap((page) => page.directory)).toEqual(directory.slice(1));
    for (const { directory: entries, claims: about } of read)
      for (const { nodeId: node } of entries)
        expect(about.some(({ claim }) => claim.node === node) || node === names.at(-1)).toBe(true);
    expect(encodePushPullPages(utf8, { directory: [], claims: [] })).toEqual([]);
  });

  test('of nothing is a document', () => {
    expect(back({ directory: [], claims: [] })).toEqual({ directory: [], claims: [] });
  });

  test('owns its bytes, whatever becomes of the frame’s buffer', () => {
    const document = { directory: [entryOf('n1')], claims: [claims.alive('n1')] };
    const bytes = encodePushPull(utf8, document);
    const read = decoded(decodePushPull(utf8, bytes));
    bytes.fill(0);
    expect(read).toEqual(document);
  });
});

describe('a push/pull document over its bounds', () => {
  const first = <T>(list: readonly T[], kept: readonly T[]) => expect(kept).toEqual(list.slice(0, kept.length));

  test('keeps the first entries and leaves half of the bytes for claims', () => {
    const directory = many(200, (i) => entryOf(longName(i), limits.certificateBytesMax, 512));
    const one = claims.alive(longName(0));
    const list = many(6_000, () => one);
    const bytes = encodePushPull(utf8, { directory, claims: list });
    expect(bytes.length).toBeLessThanOrEqual(limits.pushPullBytesMax);
    const read = decoded(decodePushPull(utf8, bytes));
    first(directory, read.directory);
    expect(read.directory).toHaveLength(
      Math.floor(limits.pushPullBytesMax / 2 / (16 + 63 + limits.certificateBytesMax + 512)),
    );
    const room = limits.pushPullBytesMax - bytes.length;
    expect(room).toBeLessThan(one.wire.length + 16 + 16 * read.directory.length);
    expect(read.claims.length).toBeGreaterThan(1_000);
    expect(read.claims.length).toBeLessThan(list.length);
  });

  test('gives claims what the directory leaves', () => {
    const one = claims.alive('n1');
    const bytes = encodePushPull(utf8, { directory: [entryOf('n1')], claims: many(9_000, () => one) });
    expect(bytes.length).toBeLessThanOrEqual(limits.pushPullBytesMax);
    expect(bytes.length).toBeGreaterThan(limits.pushPullBytesMax - 2 * one.wire.length);
    expect(decodePushPull(utf8, bytes).ok).toBe(true);
  });

  test('has no more entries than a peer reads, in any size', () => {
    const directory = many(limits.pushPullEntriesMax + 10, (i) => entryOf(`n${i}`, 10, 10));
    const read = back({ directory, claims: [claims.alive('n1')] });
    first(directory, read.directory);
    expect(read.directory).toHaveLength(limits.pushPullEntriesMax);
    expect(read.claims).toHaveLength(1);
  });

  test('fits a frame at its largest', () => {
    expect(frameBytes(new Uint8Array(0), new Uint8Array(limits.pushPullBytesMax))).toBeLessThanOrEqual(
      limits.frameBytesMax,
    );
  });
});

describe('a push/pull document is refused', () => {
  const empty = () => new Writer(utf8);
  const oneEntry = (write: (writer: Writer) => Writer): Uint8Array =>
    write(empty().array(3).uint(1).array(1)).array(0).finish();
  const cert = new Uint8Array(9);
  test('not as long as nothing is wrong', () => {
    expect(
      decodePushPull(
        utf8,
        oneEntry((w) => w.array(3).str('n1').bin(cert).bin(cert)),
      ).ok,
    ).toBe(true);
  });

  test.each<[string, Uint8Array]>([
    ['of another version', empty().array(3).uint(2).array(0).array(0).finish()],
    ['of two parts', empty().array(2).uint(1).array(0).finish()],
    ['of four parts', empty().array(4).uint(1).array(0).array(0).array(0).finish()],
    [
      'with too many entries',
      empty()
        .array(3)
        .uint(1)
        .array(limits.pushPullEntriesMax + 1)
        .finish(),
    ],
    [
      'with too many claims',
      empty()
        .array(3)
        .uint(1)
        .array(0)
        .array(limits.pushPullClaimsMax + 1)
        .finish(),
    ],
    ['with a node id outside the grammar', oneEntry((w) => w.array(3).str('N1').bin(cert).bin(cert))],
    ['with a node id of 64 bytes', oneEntry((w) => w.array(3).str('n'.repeat(64)).bin(cert).bin(cert))],
    [
      'with a certificate over its bound',
      oneEntry((w) =>
        w
          .array(3)
          .str('n1')
          .bin(new Uint8Array(limits.certificateBytesMax + 1))
          .bin(cert),
      ),
    ],
    ['with a binding over its bound', oneEntry((w) => w.array(3).str('n1').bin(cert).bin(new Uint8Array(513)))],
    ['with an entry of two parts', oneEntry((w) => w.array(2).str('n1').bin(cert))],
    ['with a claim that is none', empty().array(3).uint(1).array(0).array(1).uint(1).finish()],
    ['over its bytes', new Uint8Array(limits.pushPullBytesMax + 1)],
  ])('%s', (_, bytes) => {
    expect(decodePushPull(utf8, bytes)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });

  test('cut short at any byte, with a byte more, or from random bytes', () => {
    const bytes = encodePushPull(utf8, { directory: [entryOf('n1', 40, 40)], claims: [claims.suspect('n1', 'n2')] });
    for (let length = 0; length < bytes.length; length++)
      expect(decodePushPull(utf8, bytes.subarray(0, length)).ok, `${length} bytes`).toBe(false);
    expect(decodePushPull(utf8, Uint8Array.of(...bytes, 0)).ok).toBe(false);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (random) => {
        const result = decodePushPull(utf8, random);
        if (result.ok) expect(encodePushPull(utf8, result.value.unverified)).toEqual(random);
      }),
    );
  });

  test('with a changed byte, or it is another one', () => {
    const document = {
      directory: [entryOf('n1', 40, 40)],
      claims: [claims.alive('n1'), claims.dead('n2', ['n1', 'n3'])],
    };
    const bytes = encodePushPull(utf8, document);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const copy = bytes.slice();
        copy[at]! ^= change;
        const result = decodePushPull(utf8, copy);
        if (result.ok) expect(result.value.unverified).not.toEqual(document);
      }),
    );
  });
});
