import type { KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readTrustNotice } from '../../../src/actors/messaging/trust.ts';
import { signDocument } from '../../../src/crypto/signed-document.ts';
import { unwrap } from '../../../src/errors.ts';
import { noticePayload } from '../../../src/protocols/notice/notice.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { alice, deployer, now, signedCapability, signedManifest, stranger, textOf, trust } from './messaging-lab.ts';

const authority = textOf(deployer.publicKey);

function notice(clusterId = 'cluster-1', key: KeyObject = deployer.privateKey): string {
  const keys = [textOf(deployer.publicKey)] as never[];
  const body = { deployers: keys, issuers: keys, authorities: keys };
  const payload = noticePayload({ v: 1, kind: 'trust', generation: 3, clusterId, issuedAt: now, body });
  return signDocument('notice', key, Buffer.from(payload));
}

describe('the trust notice', () => {
  it('counts when an authority of this node signed it, for this cluster', () => {
    const read = unwrap(readTrustNotice(`${notice()}\n`, [authority], 'cluster-1'));
    expect([read.notice.generation, read.text]).toEqual([3, notice()]);
    expect(read.manifest(signedManifest(alice)).ok).toBe(true);
  });

  it.each([
    ['another authority signed it', () => notice('cluster-1', stranger.privateKey), 'SIGNATURE_INVALID'],
    ['it is for another cluster', () => notice('cluster-2'), 'UNAUTHORIZED'],
    ['it is a document of another kind', () => signedManifest(alice), 'MALFORMED'],
    ['it is no document', () => 'trust me', 'MALFORMED'],
    ['it is signed and no notice', () => signDocument('notice', deployer.privateKey, Buffer.from('{}')), 'MALFORMED'],
    [
      'it is signed and no text',
      () => signDocument('notice', deployer.privateKey, new Uint8Array([0xff])),
      'MALFORMED',
    ],
  ])('is refused when %s', (_, text, code) => {
    expect(refusalOf(readTrustNotice(text(), [authority], 'cluster-1')).code).toBe(code);
  });

  it('does not make its own signer an authority', () => {
    expect(readTrustNotice(notice(), [textOf(stranger.publicKey)], 'cluster-1').ok).toBe(false);
    expect(readTrustNotice(notice(), [], 'cluster-1').ok).toBe(false);
  });
});

describe('trusted signatures', () => {
  it('are those of deployers for manifests and of issuers for capabilities', () => {
    const trusted = trust();
    expect(trusted.manifest(signedManifest(alice)).ok).toBe(true);
    expect(refusalOf(trusted.manifest(signedManifest(alice, {}, stranger.privateKey))).code).toBe('DEPLOYMENT_REFUSED');
    expect(trusted.capability(signedCapability(alice, [])).ok).toBe(true);
    expect(trusted.capability(signedCapability(alice, [], {}, stranger.privateKey)).ok).toBe(false);
  });

  it('do not carry a document over into another kind', () => {
    const swapped = signedManifest(alice).replace('cxdep1', 'cxcap1');
    expect(refusalOf(trust().capability(swapped)).code).toBe('SIGNATURE_INVALID');
  });

  it('over anything but a document of the kind are a refusal and no crash', () => {
    const bytes = new Uint8Array([0xff, 0xfe]);
    expect(refusalOf(trust().manifest(signDocument('deployment', deployer.privateKey, bytes))).code).toBe(
      'DEPLOYMENT_REFUSED',
    );
    expect(refusalOf(trust().capability(signDocument('capability', deployer.privateKey, bytes))).code).toBe(
      'MALFORMED',
    );
  });

  describe('that this node makes itself', () => {
    const sign = (key: KeyObject, kind: 'deployment' | 'capability' = 'deployment') => {
      const trusted = trust();
      const source = kind === 'deployment' ? signedManifest(alice, {}, key) : signedCapability(alice, [], {}, key);
      const payload = Buffer.from(source.split('.')[1]!, 'base64url');
      return { trusted, source, text: trusted.sign(kind, key, payload) };
    };

    it('are the same as everybody’s, and good with others too', () => {
      for (const kind of ['deployment', 'capability'] as const) {
        const { source, text } = sign(deployer.privateKey, kind);
        expect(text).toBe(source);
      }
      expect(trust().manifest(sign(deployer.privateKey).text).ok).toBe(true);
    });

    it('count for what their key is trusted with, and no more', () => {
      const { trusted, text } = sign(deployer.privateKey);
      expect(unwrap(trusted.manifest(text)).agentId).toBe(alice);
      const unknown = sign(stranger.privateKey);
      expect(refusalOf(unknown.trusted.manifest(unknown.text)).code).toBe('DEPLOYMENT_REFUSED');
      const token = sign(stranger.privateKey, 'capability');
      expect(token.trusted.capability(token.text).ok).toBe(false);
    });

    it('make no other text trusted, and nothing readable that is not', () => {
      const { trusted, text } = sign(deployer.privateKey);
      const forged = `${text.slice(0, -4)}${text.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
      expect(refusalOf(trusted.manifest(forged)).code).toBe('DEPLOYMENT_REFUSED');
      const broken = trusted.sign('deployment', deployer.privateKey, Buffer.from('{}'));
      expect(refusalOf(trusted.manifest(broken)).code).toBe('DEPLOYMENT_REFUSED');
    });
  });
});
