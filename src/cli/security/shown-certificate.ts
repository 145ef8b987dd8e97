import { connect } from 'node:tls';
import { linkProtocol, shownChain } from '../../actors/cluster/links/node-link-channel.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { type NodeSvid, verifyNodeSvid } from '../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../errors.ts';
import type { NodeId, TrustDomain } from '../../names.ts';
import type { Profile } from '../profile.ts';
import { trustDomainOf } from './held-ca.ts';

const answerMsMax = 3_000;

/**
 * The certificate that a node shows on its link address, verified: the CA of the profile signed it for this very node. So
 * it does not matter who named the address or who answers there: no certificate of another node comes out.
 * UNREACHABLE, CERTIFICATE_REFUSED.
 */
export async function shownCertificate(
  { caPem }: Profile,
  nodeId: NodeId,
  addresses: readonly string[],
): Promise<Result<NodeSvid>> {
  const trustDomain = domainOf(caPem);
  if (trustDomain === undefined) return refuse('CERTIFICATE_REFUSED', 'The CA of the profile names no trust domain.');
  for (const chain of await Promise.all(addresses.map((address) => chainShownAt(address, caPem)))) {
    const judged = chain && verifyNodeSvid(chain, { caPem, trustDomain, now: nodeClock.now(), nodeId });
    if (judged?.ok) return ok(judged.value);
  }
  return refuse('UNREACHABLE', `${nodeId} shows none now that the CA signed for it.`);
}

/** What cannot be judged must not keep anybody from revoking. */
function domainOf(caPem: string): TrustDomain | undefined {
  try {
    return trustDomainOf(caPem, '');
  } catch {
    return undefined;
  }
}

/** A handshake and nothing else: whoever answers is asked nothing, and given no certificate and no API key. */
function chainShownAt(address: string, caPem: string): Promise<Uint8Array | undefined> {
  const url = URL.parse(`https://${address}`);
  if (!url || url.host === '' || url.pathname !== '/' || url.username !== '') return Promise.resolve(undefined);
  const { promise, resolve } = Promise.withResolvers<Uint8Array | undefined>();
  const socket = connect({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 443 : Number(url.port),
    ca: caPem,
    minVersion: 'TLSv1.3',
    ALPNProtocols: [linkProtocol],
    // Whose it is stands in its URI name, which is judged afterwards; the path to the CA is TLS’s to judge.
    checkServerIdentity: () => undefined,
  });
  const timer = setTimeout(() => resolve(undefined), answerMsMax);
  // In TLS 1.3 a client is done before the server misses the client’s certificate (RFC 8446 §2).
  socket.once('secureConnect', () => resolve(shownChain(socket)));
  socket.on('error', () => resolve(undefined));
  socket.once('close', () => resolve(undefined));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
