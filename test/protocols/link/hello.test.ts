import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/limits.ts';
import { decodeHello, decodeReady, encodeHello, encodeReady, type Hello } from '../../../src/protocols/link/hello.ts';
import { decodeMessagePack } from '../../twins/message-pack.ts';
import { decoded, domain, helloOf, nodeId, utf8 } from './fixtures.ts';

const text = fc.string({ unit: 'binary', maxLength: 40 });
const anyHello: fc.Arbitrary<Hello> = fc.record({
  versions: fc.array(fc.nat(0xffff), { maxLength: 16 }),
  nodeId: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,62}$/).map(nodeId),
  trustDomain: fc.stringMatching(/^[a-z0-9._-]{1,60}$/).map(domain),
  clusterId: text,
  bootEpoch: fc.integer({ min: 0, max: 0xffff_ffff }),
  dial: fc.maxSafeNat(),
  features: fc.array(text, { maxLength: 16 }),
  addresses: fc.array(
    fc.record({ host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()), port: fc.integer({ min: 1, max: 0xffff }) }),
    { maxLength: limits.addressesMax },
  ),
  group: text,
  notices: fc.array(
    fc.record({ kind: text, generation: fc.maxSafeNat(), hash: fc.uint8Array({ minLength: 32, maxLength: 32 }) }),
    { maxLength: 16 },
  ),
});

const wild = (changes: Record<string, unknown>): Hello => ({ ...helloOf('n1'), ...changes }) as Hello;
const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
const mark = { kind: 'trust', generation: 1, hash: new Uint8Array(32) };

describe('hello', () => {
  test('comes back as it was', () => {
    fc.assert(
      fc.property(anyHello, (hello) => {
        expect(decoded(decodeHello(utf8, encodeHello(utf8, hello)))).toEqual(hello);
      }),
    );
  });

  test('is plain MessagePack, its fields in order', () => {
    const hello = helloOf('n1', { bootEpoch: 300, dial: 7, group: 'X25519MLKEM768', notices: [mark] });
    expect(decodeMessagePack(encodeHello(utf8, hello))).toEqual([
      [1],
      'n1',
      'caxton.test',
      'cluster-1',
      300,
      7,
      [],
      [['127.0.0.1', 7_701]],
      'X25519MLKEM768',
      [['trust', 1, new Uint8Array(32)]],
    ]);
  });

  const refused: readonly [string, Record<string, unknown>][] = [
    ['a node id outside the grammar', { nodeId: 'N1' }],
    ['an empty node id', { nodeId: '' }],
    ['a trust domain outside the grammar', { trustDomain: 'Caxton Test' }],
    ['a boot epoch over 32 bits', { bootEpoch: 2 ** 32 }],
    ['a version over 16 bits', { versions: [0x1_0000] }],
    ['a port over 16 bits', { addresses: [{ host: 'a', port: 0x1_0000 }] }],
    ['too many versions', { versions: many(17, 1) }],
    ['too many features', { features: many(17, 'f') }],
    ['too many addresses', { addresses: many(limits.addressesMax + 1, { host: 'a', port: 1 }) }],
    ['an address without a host', { addresses: [{ host: '', port: 1 }] }],
    ['a host that is none', { addresses: [{ host: 'a b', port: 1 }] }],
    ['a host that breaks the line', { addresses: [{ host: 'a\n', port: 1 }] }],
    ['port 0', { addresses: [{ host: 'a', port: 0 }] }],
    ['too many notices', { notices: many(17, mark) }],
    ['a cluster id over its length', { clusterId: 'x'.repeat(256) }],
    ['a cluster id over its length in bytes', { clusterId: '€'.repeat(86) }],
    ['a hash of 31 bytes', { notices: [{ ...mark, hash: new Uint8Array(31) }] }],
    ['a hash of 33 bytes', { notices: [{ ...mark, hash: new Uint8Array(33) }] }],
  ];
  test.each(refused)('is refused with %s', (_, changes) => {
    expect(decodeHello(utf8, encodeHello(utf8, wild(changes)))).toMatchObject({
      ok: false,
      refusal: { code: 'MALFORMED', reasons: [expect.stringContaining('hello')] },
    });
  });

  test('is refused cut short, or with a byte more', () => {
    const bytes = encodeHello(utf8, helloOf('n1', { features: ['f'], notices: [mark] }));
    for (let length = 0; length < bytes.length; length++)
      expect(decodeHello(utf8, bytes.subarray(0, length)).ok, `${length} bytes`).toBe(false);
    expect(decodeHello(utf8, Uint8Array.of(...bytes, 0)).ok).toBe(false);
  });

  test('with a changed byte is refused or is another hello; nothing throws', () => {
    fc.assert(
      fc.property(anyHello, fc.nat(), fc.integer({ min: 1, max: 255 }), (hello, at, change) => {
        const bytes = encodeHello(utf8, hello);
        bytes[at % bytes.length]! ^= change;
        const result = decodeHello(utf8, bytes);
        if (result.ok) expect(result.value.unverified).not.toEqual(hello);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(decodeHello(utf8, bytes).ok).toBe(false);
      }),
    );
  });

  test('owns its hashes, whatever becomes of the frame’s buffer', () => {
    const bytes = encodeHello(utf8, helloOf('n1', { notices: [{ ...mark, hash: new Uint8Array(32).fill(7) }] }));
    const hello = decoded(decodeHello(utf8, bytes));
    bytes.fill(0);
    expect(hello.notices[0]!.hash).toEqual(new Uint8Array(32).fill(7));
  });
});

describe('ready', () => {
  test('comes back as it was', () => {
    const ready = fc.record({ version: fc.nat(0xffff), heartbeatMs: fc.nat(limits.linkSilenceMsMax) });
    fc.assert(
      fc.property(ready, (value) => {
        expect(decoded(decodeReady(utf8, encodeReady(utf8, value)))).toEqual(value);
      }),
    );
  });

  test.each([
    ['a version over 16 bits', encodeReady(utf8, { version: 0x1_0000, heartbeatMs: 1 })],
    [
      'heartbeats rarer than the silence that ends a link',
      encodeReady(utf8, { version: 1, heartbeatMs: limits.linkSilenceMsMax + 1 }),
    ],
    ['one field', Uint8Array.of(0x91, 1)],
    ['three fields', Uint8Array.of(0x93, 1, 1, 1)],
    ['a byte more', Uint8Array.of(0x92, 1, 1, 1)],
    ['nothing', Uint8Array.of()],
    ['a byte less', Uint8Array.of(0x92, 1)],
  ])('is refused with %s', (_, bytes) => {
    expect(decodeReady(utf8, bytes)).toMatchObject({ ok: false, refusal: { code: 'MALFORMED' } });
  });
});
