import { createPrivateKey, type KeyObject } from 'node:crypto';
import { publicKeyToText, rawPublicKey } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { signDocument } from '../../src/crypto/signed-document.ts';
import { type Notice, type NoticeBodies, type NoticeKind, noticePayload } from '../../src/protocols/notice/notice.ts';
import type { Revocation } from '../../src/protocols/notice/revocation.ts';
import type { TestCluster } from '../../src/testing/test-cluster.ts';

export const operator = { identity: 'apikey:ops', sourceIp: '127.0.0.1', requestId: 'request-1' } as const;

/** The authority’s private key of a test cluster, as `npm start` makes it. */
export async function authorityOf(cluster: TestCluster): Promise<KeyObject> {
  const pem = await cluster.machine(cluster.nodes[0]!).disk.readFile('/cluster/keys/authority.key');
  return createPrivateKey(Buffer.from(pem!));
}

export const newKey = (): { readonly key: KeyObject; readonly text: string } => {
  const { privateKey, publicKey } = osCrypto.generateKeyPair('ed25519');
  return { key: privateKey, text: publicKeyToText(rawPublicKey(publicKey)) };
};

export const textOfKey = (key: KeyObject): string => publicKeyToText(rawPublicKey(key));

export interface ToSign<K extends NoticeKind> {
  readonly kind: K;
  readonly generation: number;
  readonly clusterId: string;
  readonly body: NoticeBodies[K];
  readonly issuedAt?: number;
}

/** A notice as an authority signs it. */
export function signNotice<K extends NoticeKind>(
  key: KeyObject,
  { issuedAt = 1_700_000_000_000, ...rest }: ToSign<K>,
): string {
  const notice = { v: 1, issuedAt, ...rest } as unknown as Notice;
  return signDocument('notice', key, Buffer.from(noticePayload(notice)));
}

export const revocationOf = (
  kind: Revocation['kind'],
  id: string,
  reason: Revocation['reason'] = 'keyCompromise',
): Revocation => ({ kind, id, reason, at: 1_700_000_000_000 });

export const clusterIdOf = (cluster: TestCluster): string => cluster.machine(cluster.nodes[0]!).config.cluster.id;
