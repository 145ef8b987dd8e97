import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeJoinFacts, encodeJoinFacts } from '../../../src/protocols/link/join-frame.ts';
import { utf8 } from './fixtures.ts';

const text = fc.string({ unit: 'binary', maxLength: 40 });

test('what a newcomer is told comes back as it was written', () => {
  const facts = fc.record({
    gossipKeys: text,
    authorities: fc.array(text, { maxLength: 16 }),
    trustNotice: text,
    expectedSize: fc.nat(16_384),
    profile: fc.constantFrom('local', 'lan', 'wan'),
    members: fc.array(text, { maxLength: 64 }),
    lastBoot: fc.nat(0x7fff_ffff),
  });
  fc.assert(
    fc.property(facts, (told) => {
      const decoded = decodeJoinFacts(utf8, encodeJoinFacts(utf8, told));
      expect(decoded.ok && decoded.value.unverified).toEqual(told);
    }),
  );
});

test('in any other bytes it is refused and never thrown at', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8 }), fc.uint8Array({ maxLength: 60 }), (header, content) => {
      expect(typeof decodeJoinFacts(utf8, { header, content }).ok).toBe('boolean');
    }),
  );
});
