import { expect, test } from 'vitest';
import { createMessageIds } from '../../../src/actors/messaging/message-ids.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { isUuidV7 } from '../../../src/protocols/acl/uuid.ts';

test('ids are UUIDv7, never the same, and sorted by time', () => {
  const draws: number[] = [];
  const newId = createMessageIds({
    ...osCrypto,
    randomBytes: (length) => {
      draws.push(length);
      return osCrypto.randomBytes(length);
    },
  });
  const ids = Array.from({ length: 1_001 }, (_, index) => newId(1_750_000_000_000 + index));
  expect(ids.every(isUuidV7)).toBe(true);
  expect(new Set(ids).size).toBe(ids.length);
  expect([...ids].sort()).toEqual(ids);
  expect(draws).toHaveLength(3);
});

test('no random bytes serve two ids of the same millisecond', () => {
  let drawn = 0;
  const newId = createMessageIds({
    ...osCrypto,
    randomBytes: (length) => Uint8Array.from({ length }, () => (drawn++ * 7) & 0xff),
  });
  const ids = Array.from({ length: 25 }, () => newId(0));
  expect(new Set(ids).size).toBe(25);
});
