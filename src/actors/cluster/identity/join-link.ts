import { verifyNodeSvid } from '../../../crypto/svid.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import { linkVersions } from '../../../protocols/link/hello.ts';
import { decodeJoinFacts, type JoinFacts, joinQuestion } from '../../../protocols/link/join-frame.ts';
import type { Address, Clock, Network, TlsIdentity } from '../../kernel/ports.ts';
import { utf8 } from '../../kernel/utf8.ts';
import { LinkSession } from '../links/link-session.ts';
import { withoutNotices } from '../links/link-session-options.ts';

export interface JoinLinkOptions {
  readonly clock: Clock;
  readonly network: Network;
  /** The newcomer’s certificate, and the CA that it believes. */
  readonly identity: TlsIdentity;
  readonly nodeId: NodeId;
  /** The CA node that is to answer, and no other. */
  readonly issuer: NodeId;
  readonly address: Address;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
}

/**
 * Asks a CA node, over a link of mutual TLS, for what members know. The link is of boot 0, so it never takes the place
 * of one of a node that runs. CERTIFICATE_REFUSED, UNREACHABLE, TIMED_OUT, or why the CA node closed.
 */
export async function askAsNewcomer(options: JoinLinkOptions): Promise<Result<JoinFacts>> {
  const { clock, network, identity, nodeId, issuer, trustDomain, clusterId } = options;
  const channel = await network.dialLink({
    address: options.address,
    identity,
    signal: AbortSignal.timeout(limits.joinAnswerMsMax),
  });
  const svid = verifyNodeSvid(channel.peerCertificate, {
    caPem: identity.caPem,
    trustDomain,
    nodeId: issuer,
    now: clock.now(),
  });
  if (!svid.ok) {
    channel.close(4003, svid.refusal.reasons[0]);
    return svid;
  }
  return new Promise((resolve) => {
    const late = () => session.close('goodbye', 'the newcomer waits no longer');
    const timer = clock.setTimeout(late, limits.joinAnswerMsMax);
    const session = new LinkSession({
      clock,
      channel,
      svid: svid.value,
      own: {
        versions: linkVersions,
        nodeId,
        trustDomain,
        clusterId,
        bootEpoch: 0,
        dial: 0,
        features: [],
        addresses: [],
        group: '',
        notices: [],
      },
      trustDomain,
      clusterId,
      dial: 1,
      expected: issuer,
      notices: withoutNotices,
      admit: () => true,
      onReady: (link) => void link.send('join-request', joinQuestion.header, joinQuestion.content),
      onFrame: (link, frame) => {
        if (frame.kind !== 'join-answer') return;
        const facts = decodeJoinFacts(utf8, frame);
        resolve(facts.ok ? ok(facts.value.unverified) : facts);
        link.close('goodbye', 'the newcomer knows what it needs');
      },
      onCongestion: () => {},
      onEnd: ({ text }) => {
        clock.clearTimeout(timer);
        resolve(refuse('UNREACHABLE', `${issuer} did not tell what members know: ${text}.`));
      },
    });
    session.open();
  });
}
