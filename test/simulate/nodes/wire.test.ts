import { expect, test } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { rawPublicKey } from '../../../src/crypto/keys.ts';
import { signWith } from '../../../src/crypto/signature.ts';
import type { NodeId } from '../../../src/names.ts';
import { encodeFrame } from '../../../src/protocols/link/frame.ts';
import { encodePushPull } from '../../../src/protocols/link/push-pull-frame.ts';
import { type SignedClaim, signAlive, signSuspicion } from '../../../src/protocols/swim/claim.ts';
import { insecureSeededCrypto } from '../../../src/testing/seeded-crypto.ts';
import { WireChecker } from './wire.ts';

const crypto = insecureSeededCrypto(1);
const keys = new Map(['node-1', 'node-2'].map((id) => [id, crypto.generateKeyPair('ed25519')]));
const signAs = (id: string) => (bytes: Uint8Array) =>
  signWith(keys.get(id)!.privateKey, 'caxton gossip claim v1', bytes);
const node = 'node-1' as NodeId;

const alive = (incarnation: number, signer: string): SignedClaim => {
  const addresses = [{ host: '127.0.0.1', port: 7_701 }];
  const boxKey = new Uint8Array(32);
  return signAlive({ kind: 'alive', node, epoch: 2, incarnation, boxKey, addresses }, signAs(signer), utf8);
};

const said = (...claims: SignedClaim[]): string | undefined => {
  const checker = new WireChecker(
    (id) => rawPublicKey(keys.get(id)!.publicKey),
    (_, { epoch, incarnation }) => epoch < 2 || (epoch === 2 && incarnation <= 3),
  );
  return checker.message(
    'node-2',
    encodeFrame('push-pull', new Uint8Array(0), encodePushPull(utf8, { directory: [], claims })),
  );
};

test('a link that carries what members have signed, up to where they are, is in order', () => {
  const accused = { kind: 'suspect', node, accuser: 'node-2' as NodeId, epoch: 2, incarnation: 3 } as const;
  expect(said(alive(3, 'node-1'), signSuspicion(accused, signAs('node-2'), utf8))).toBeUndefined();
});

test('a claim that another has signed, or of what its subject never was, is found', () => {
  expect(said(alive(3, 'node-2'))).toMatch(/^node-2 passes on a false claim: .*signature of node-1/);
  expect(said(alive(4, 'node-1'))).toBe('node-2 passes on that node-1 is alive at 2/4, which it never was');
});

test('what is no frame, and no document in one, is found', () => {
  const checker = new WireChecker(
    () => undefined,
    () => true,
  );
  expect(checker.message('node-1', Uint8Array.of(9))).toMatch(/^node-1 sends what is no frame/);
  const empty = encodeFrame('push-pull-reply', new Uint8Array(0), Uint8Array.of(0xc1));
  expect(checker.message('node-1', empty)).toMatch(/^node-1 sends a push-pull-reply that is none/);
});
