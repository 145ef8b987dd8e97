import { expect, test, vi } from 'vitest';
import { AgentKeys } from '../../../src/actors/agents/agent-keys.ts';
import { rawPublicKey } from '../../../src/crypto/keys.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { insecureSeededCrypto } from '../../../src/testing/seeded-crypto.ts';

const bob = 'default/bob' as AgentId;
const eve = 'default/eve' as AgentId;

const hex = (keys: AgentKeys, agent: AgentId, key: ReturnType<AgentKeys['make']>): string =>
  Buffer.from(rawPublicKey(keys.object(agent, key))).toString('hex');

test('no key is made twice, for one agent or for two, and none by another run', () => {
  const keys = new AgentKeys(osCrypto);
  const again = new AgentKeys(osCrypto);
  const made = [bob, bob, eve].map((agent) => hex(keys, agent, keys.make(agent)));
  made.push(hex(again, bob, again.make(bob)));
  expect(new Set(made).size).toBe(4);
});

test('a key is the same one however many were made meanwhile', () => {
  const keys = new AgentKeys(osCrypto);
  const key = keys.make(bob);
  const before = hex(keys, bob, key);
  for (let n = 0; n <= limits.agentKeysAtHandMax; n += 1) keys.make(eve);
  expect(hex(keys, bob, key)).toBe(before);
});

test('what is kept is not the key: another agent’s name, or another run, gives nobody that key', () => {
  const keys = new AgentKeys(osCrypto);
  const key = keys.make(bob);
  const d = String(keys.object(bob, key).export({ format: 'jwk' }).d);
  expect(String(key)).not.toContain(Buffer.from(d, 'base64url').toString('latin1'));
  expect(hex(keys, eve, key)).not.toBe(hex(keys, bob, key));
  expect(hex(new AgentKeys(osCrypto), bob, key)).not.toBe(hex(keys, bob, key));
});

test('a key that the program brought is used as it is', () => {
  const { privateKey } = osCrypto.generateKeyPair('ed25519');
  expect(new AgentKeys(osCrypto).object(bob, privateKey)).toBe(privateKey);
});

test('a seeded run makes the same keys again', () => {
  const [first, second] = [1, 2].map(() => new AgentKeys(insecureSeededCrypto('keys')));
  expect(hex(first!, bob, first!.make(bob))).toBe(hex(second!, bob, second!.make(bob)));
});

test('a key that is forgotten is at hand no more, and is the same one for whoever still asks', () => {
  const keys = new AgentKeys(osCrypto);
  const key = keys.make(bob);
  const object = keys.object(bob, key);
  expect(keys.object(bob, key)).toBe(object);
  keys.forget(bob, key);
  expect(keys.object(bob, key)).not.toBe(object);
  expect(keys.object(bob, key).equals(object)).toBe(true);
});

test('neither the secret of the run nor a key is left in bytes that nobody wipes', () => {
  const given: Uint8Array[] = [];
  const randomBytes = (bytes: number): Uint8Array => {
    given.push(osCrypto.randomBytes(bytes));
    return given.at(-1)!;
  };
  const { privateKey } = osCrypto.generateKeyPair('ed25519');
  const exported = vi.spyOn(privateKey, 'export');
  const keys = new AgentKeys({ ...osCrypto, randomBytes, generateKeyPair: () => ({ privateKey }) as never });
  keys.make(bob);
  expect(exported.mock.results).not.toEqual([]);
  const buffers = exported.mock.results.map(({ value }) => value as Buffer);
  for (const bytes of [...given, ...buffers]) expect([...bytes].every((byte) => byte === 0)).toBe(true);
});
