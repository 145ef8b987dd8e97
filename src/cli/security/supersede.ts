import { judgedAtItsEnd } from '../../actors/cluster/identity/issued-certificates.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { createClient } from '../../client.ts';
import { keyIdOf, publicHalf } from '../../crypto/keys.ts';
import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { certificatesUntil, type Revocation, revocationIndex, unionOf } from '../../protocols/notice/revocation.ts';
import type { Invocation } from '../command.ts';
import { authorityKey, signedBy } from '../notice/authority-key.ts';
import { givenAuthorities } from '../notice/verified-notice.ts';
import type { Profile } from '../profile.ts';
import { trustDomainOf } from './held-ca.ts';
import { type KnownRevocations, knownRevocations } from './known-revocations.ts';
import { putInForce } from './put-in-force.ts';

const answerMsMax = 3_000;

/**
 * Names all certificates of a node that were issued up to now, by whatever CA node. They begin a little before they are issued,
 * by `limits.clockSkewMsMax`: half of that is left for a CA node whose clock is ahead, half for what is issued next.
 */
export const allCertificatesOf = (nodeId: NodeId, now: number): string =>
  certificatesUntil(nodeId, now - limits.clockSkewMsMax / 2);

/**
 * Revokes the certificates of a node, so that another may take its place: all that were issued up to now, and by their serials,
 * for other programs, those that the nodes of the profile know. Only what the CA of the profile signed for this very node is
 * signed for; a node that lies about the rest gains nothing. Gives the serials.
 */
export async function supersede(invocation: Invocation, nodeId: NodeId): Promise<readonly string[]> {
  const key = await authorityKey(invocation);
  const publicKey = publicHalf(key);
  const anchors = new Map([...(await givenAuthorities(invocation)), [keyIdOf(publicKey), publicKey] as const]);
  const known = await knownRevocations(invocation, { anchors, except: [nodeId] });
  const at = nodeClock.now();
  const serials = await serialsOf(known, nodeId);
  const named = serials.map((id): Revocation => ({ kind: 'serial', id, reason: 'superseded', at }));
  const news = unionOf(known.revocations, named).slice(known.revocations.length);
  for (const doubt of known.doubts) invocation.terminal.err(`${doubt}\n`);
  // Done before, for a token that was not used yet.
  if (news.length === 0 && revocationIndex(known.revocations)('certificates', nodeId)) return [];
  const all: Revocation = { kind: 'certificates', id: allCertificatesOf(nodeId, at), reason: 'superseded', at };
  const revocations = [...known.revocations, all, ...news];
  const generation = known.generation + 1;
  const document = signedBy(key, {
    ...{ v: 1, kind: 'revocations', generation, clusterId: known.profile.clusterId, issuedAt: at },
    body: { revocations },
  });
  // The CA node first, which is asked for a token next.
  const first = invocation.text('node');
  const publishers = known.heard.toSorted((a, b) => Number(b.id === first) - Number(a.id === first));
  await putInForce(known.profile, document, publishers, known.heard);
  return news.map(({ id }) => id);
}

async function serialsOf({ profile, heard }: KnownRevocations, nodeId: NodeId): Promise<readonly string[]> {
  const trustDomain = trustDomainOf(profile.caPem, 'The CA of the profile');
  const shown = await Promise.all(heard.map(({ api }) => certificatesAt(profile, api, nodeId)));
  const serials = new Set<string>();
  for (const certificate of new Set(shown.flat())) {
    const judged = judgedAtItsEnd(certificate, { caPem: profile.caPem, trustDomain }, nodeId);
    if (judged.ok) serials.add(judged.value.serial);
  }
  return [...serials];
}

/** What one node knows; one that does not answer knows nothing. */
async function certificatesAt({ caPem, apiKey }: Profile, address: string, nodeId: NodeId): Promise<readonly string[]> {
  const client = createClient({ address, caPem, apiKey });
  try {
    const known = await client.certificatesOf(nodeId, { timeoutMs: answerMsMax });
    return known.slice(0, limits.issuedCertificatesMax).map(({ certificate }) => certificate);
  } catch (error) {
    if (error instanceof CaxtonError) return [];
    throw error;
  } finally {
    client.close();
  }
}
