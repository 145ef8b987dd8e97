import { X509Certificate } from 'node:crypto';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { isSelfIssued, joinChain } from '../../crypto/certificate-chain.ts';
import { type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import { CaxtonError, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { Profile, ProfileNode } from '../profile.ts';
import { trustDomainOf } from './held-ca.ts';

const answerMsMax = 3_000;

/**
 * The certificate that a node shows at its API, verified: the CA of the profile signed it for this very node. So a node
 * that lies can name no certificate but its own. UNREACHABLE, CERTIFICATE_REFUSED.
 */
export async function shownCertificate({ caPem, path }: Profile, { id, api }: ProfileNode): Promise<Result<NodeSvid>> {
  const chain = await chainShownAt(api, caPem);
  if (!chain) return refuse('UNREACHABLE', `${id} does not answer with a certificate of the CA.`);
  try {
    const trustDomain = trustDomainOf(caPem, path);
    return verifyNodeSvid(joinChain(chain), { caPem, trustDomain, now: nodeClock.now(), nodeId: id });
  } catch (error) {
    if (error instanceof CaxtonError) return { ok: false, refusal: refuse(error.code, error.message).refusal };
    throw error;
  }
}

/** A handshake and nothing else: the node is asked nothing and given no API key. */
function chainShownAt(api: string, caPem: string): Promise<readonly Uint8Array[] | undefined> {
  const { hostname, port } = new URL(api);
  const { promise, resolve } = Promise.withResolvers<readonly Uint8Array[] | undefined>();
  const socket = connect({
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? 443 : Number(port),
    ca: caPem,
    minVersion: 'TLSv1.3',
    // Whose it is stands in its URI name, which is judged afterwards; the path to the CA is TLS’s to judge.
    checkServerIdentity: () => undefined,
  });
  const timer = setTimeout(() => resolve(undefined), answerMsMax);
  socket.once('secureConnect', () => resolve(chainOf(socket.getPeerCertificate(true))));
  socket.once('error', () => resolve(undefined));
  socket.once('close', () => resolve(undefined));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.on('error', () => {});
    socket.destroy();
  });
}

/** Leaf first; without the root, which the profile has. */
function chainOf(leaf: DetailedPeerCertificate): readonly Uint8Array[] {
  const chain: Uint8Array[] = [];
  for (let at: DetailedPeerCertificate | undefined = leaf; at?.raw; at = at.issuerCertificate) {
    const isRoot = chain.length > 0 && isSelfIssued(new X509Certificate(at.raw));
    if (isRoot || chain.push(new Uint8Array(at.raw)) >= limits.chainCertificatesMax) break;
  }
  return chain;
}
