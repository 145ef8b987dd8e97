import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { type SignatureProof, signedMessage } from '../../../src/actors/messaging/message-signature.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { signWith } from '../../../src/crypto/signature.ts';
import type { AgentId } from '../../../src/names.ts';
import type { MessageHeader } from '../../../src/protocols/acl/message.ts';
import { encodeMessageHeader } from '../../../src/protocols/link/message-frame.ts';
import { messageHeader } from './fixtures.ts';
import {
  alice,
  bob,
  type LabOptions,
  messagingLab,
  now,
  openBob,
  policies,
  signedCapability,
  signedManifest,
  stranger,
  textOf,
} from './messaging-lab.ts';

const may = (over: object = {}) => signedCapability(alice, ['request agent:default/*'], over);
const signed = policies({ ...openBob, requires_signed_messages: true });

function lab(options: LabOptions & { capability?: string } = {}) {
  const made = messagingLab(options);
  made.registry.announce(alice, signedManifest(alice), options.capability ?? may());
  made.registry.announce(bob, signedManifest(bob), '');
  return made;
}

function proofOf(header: MessageHeader, key = stranger.privateKey, content = 'hi'): SignatureProof {
  const signedBytes = encodeMessageHeader(utf8, header);
  const contentBytes = utf8.encode('hi');
  const signature = signWith(key, 'caxton message v1', signedMessage(signedBytes, utf8.encode(content)));
  return { signature, signedBytes, contentBytes };
}

describe('the authority over messages', () => {
  it('takes the capability of the sender’s registry record', () => {
    expect(lab().authority.decide(messageHeader(), false, undefined).effect).toBe('allow');
    expect(lab({ capability: '' }).authority.decide(messageHeader(), false, undefined)).toMatchObject({
      layer: 'capability',
      refusal: { code: 'UNAUTHORIZED' },
    });
  });

  it.each([
    ['expired', { notBefore: now - 7_200_000, expires: now - 3_600_000 }],
    ['not yet valid', { notBefore: now + 3_600_000, expires: now + 7_200_000 }],
  ])('refuses one that is %s', (_, over) => {
    expect(lab({ capability: may(over) }).authority.decide(messageHeader(), false, undefined)).toMatchObject({
      layer: 'capability',
    });
  });

  it('takes an explicit token instead of the record’s, and only that one', () => {
    const { authority } = lab({ capability: '' });
    expect(authority.decide(messageHeader({ token: may() }), false, undefined).effect).toBe('allow');
    const refused = [
      'not a token',
      signedCapability(bob, ['request agent:default/*']),
      signedCapability(alice, ['request agent:default/*'], {}, stranger.privateKey),
    ];
    for (const token of refused)
      expect(lab().authority.decide(messageHeader({ token }), false, undefined)).toMatchObject({ layer: 'capability' });
  });

  it('lets a reply pass without a capability', () => {
    expect(lab({ capability: '' }).authority.decide(messageHeader(), true, undefined).effect).toBe('allow');
  });

  it('takes the policy of the receiver’s manifest where the node states none, and notices a new one', () => {
    const made = messagingLab({ policies: policies() });
    made.registry.announce(alice, signedManifest(alice), may());
    made.registry.announce(bob, signedManifest(bob), '');
    expect(made.authority.decide(messageHeader(), false, undefined)).toMatchObject({ layer: 'policy' });
    const policy = {
      allowedSenders: [alice],
      deniedSenders: [],
      permittedOperations: [{ performatives: '*' as const }],
      rateLimits: { senders: [] },
      requiresSignedMessages: false,
      capabilityRequired: false,
    };
    made.registry.announce(bob, signedManifest(bob, { generation: 2, policy }), '');
    expect(made.authority.decide(messageHeader(), false, undefined).effect).toBe('allow');
  });

  it('takes the node’s own rate where the policy states none, for each pair of agents', () => {
    const { authority, registry } = lab({ rate: { count: 1, periodMs: 1_000, burst: 1 } });
    const carol = 'default/carol' as AgentId;
    registry.announce(carol, signedManifest(carol), signedCapability(carol, ['* agent:*']));
    expect(authority.decide(messageHeader(), false, undefined).effect).toBe('allow');
    expect(authority.decide(messageHeader(), false, undefined)).toMatchObject({
      layer: 'rate',
      refusal: { code: 'RATE_LIMIT_EXCEEDED', retryAfterMs: 1_000 },
    });
    expect(authority.decide(messageHeader({ sender: carol }), false, undefined).effect).toBe('allow');
  });

  it('lays a denial at the door of the node that used a name, and not of whose name it is', () => {
    const { authority, audited } = lab();
    authority.refused(messageHeader(), { code: 'REPLAYED', reasons: ['No.'] }, 'node-2' as never);
    expect(audited).toMatchObject([{ identity: 'node-2', metadata: { sender: alice, from: 'node-2' } }]);
  });

  it('writes grants and denials with who, whom and what', () => {
    const { authority, audited } = lab();
    const header = messageHeader();
    authority.granted(header, authority.decide(header, false, undefined));
    authority.refused(header, { code: 'UNAUTHORIZED', reasons: ['No.'] }, 'node-1' as never);
    expect(audited).toMatchObject([
      { type: 'AccessGranted', identity: alice, outcome: 'success', metadata: { receiver: bob, operation: 'request' } },
      {
        type: 'AccessDenied',
        identity: alice,
        outcome: 'refused',
        code: 'UNAUTHORIZED',
        reasons: ['No.'],
        metadata: { sender: alice, receiver: bob, from: 'node-1', messageId: header.id },
      },
    ]);
  });
});

describe('a message’s signature', () => {
  it('is asked for where the policy says so', () => {
    const { authority } = lab({ policies: signed });
    const header = messageHeader();
    expect(authority.decide(header, false, undefined)).toMatchObject({
      layer: 'signature',
      refusal: { code: 'SIGNATURE_INVALID' },
    });
    expect(authority.decide(header, false, proofOf(header)).effect).toBe('allow');
  });

  it.each([
    ['another key', (header: MessageHeader) => proofOf(header, osCrypto.generateKeyPair('ed25519').privateKey)],
    ['other content', (header: MessageHeader) => proofOf(header, stranger.privateKey, 'ho')],
    [
      'another header',
      (header: MessageHeader) => ({
        ...proofOf(header),
        signedBytes: encodeMessageHeader(utf8, { ...header, performative: 'cfp' }),
      }),
    ],
  ])('over %s is refused even where none is asked for', (_, proof) => {
    const header = messageHeader();
    expect(lab().authority.decide(header, false, proof(header))).toMatchObject({ layer: 'signature' });
  });

  it('is not looked at for a message that is refused anyway', () => {
    const header = messageHeader();
    const proof = proofOf(header);
    let looked = 0;
    const watched: SignatureProof = {
      ...proof,
      get signature() {
        looked++;
        return proof.signature;
      },
    };
    expect(lab({ capability: '' }).authority.decide(header, false, watched)).toMatchObject({ layer: 'capability' });
    expect(looked).toBe(0);
    expect(lab().authority.decide(header, false, watched).effect).toBe('allow');
    expect(looked).toBe(1);
  });

  it('counts for the agent whose key the manifest names', () => {
    const other = osCrypto.generateKeyPair('ed25519');
    const made = messagingLab({ policies: signed });
    made.registry.announce(alice, signedManifest(alice, { agentKey: textOf(other.publicKey) as never }), may());
    made.registry.announce(bob, signedManifest(bob), '');
    const header = messageHeader();
    expect(made.authority.decide(header, false, proofOf(header)).effect).toBe('deny');
    expect(made.authority.decide(header, false, proofOf(header, other.privateKey)).effect).toBe('allow');
  });
});

describe('permissive enforcement', () => {
  it('lets through what the capability alone would refuse, and notes it with its reasons', () => {
    const { authority, audited } = lab({ enforcement: 'permissive', capability: '' });
    expect(authority.decide(messageHeader(), false, undefined).effect).toBe('allow');
    expect(audited).toMatchObject([
      {
        type: 'AccessDenied',
        outcome: 'success',
        reasons: [expect.stringContaining('presented no capability token')],
        metadata: { enforcement: 'permissive' },
      },
    ]);
  });

  it('still refuses what the policy or the rate refuses', () => {
    const { authority, audited } = lab({
      enforcement: 'permissive',
      capability: '',
      rate: { count: 1, periodMs: 1_000, burst: 1 },
    });
    expect(authority.decide(messageHeader({ performative: 'subscribe' }), false, undefined).effect).toBe('deny');
    expect(audited).toEqual([]);
    expect(authority.decide(messageHeader(), false, undefined).effect).toBe('allow');
    expect(authority.decide(messageHeader(), false, undefined)).toMatchObject({ layer: 'rate' });
  });

  it('notes nothing when it is off, or when strict would allow', () => {
    for (const options of [{ enforcement: 'off', capability: '' }, { enforcement: 'permissive' }] as const) {
      const { authority, audited } = lab(options);
      expect(authority.decide(messageHeader(), false, undefined).effect).toBe('allow');
      expect(audited).toEqual([]);
    }
  });
});
