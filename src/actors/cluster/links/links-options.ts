import type { NodeSvid } from '../../../crypto/svid.ts';
import type { Refusal, Result } from '../../../errors.ts';
import type { NodeId, TrustDomain } from '../../../names.ts';
import type { Hello } from '../../../protocols/link/hello.ts';
import type { Clock, Metrics, Network, Random, TlsIdentity } from '../../kernel/ports.ts';
import type { WorkerSpec } from '../../kernel/spec.ts';
import type { RevocableCertificate } from '../notices/revocations.ts';
import type { GreetingNotices } from './link-session-options.ts';

/** What `Links` needs of its node. */
export interface LinksOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly metrics: Metrics;
  readonly trustDomain: TrustDomain;
  readonly clusterId: string;
  readonly identity: () => TlsIdentity;
  readonly hello: () => Hello;
  /** The part of cluster documents in the greeting of a link; without it none are exchanged. */
  readonly notices?: (peer: NodeId) => GreetingNotices;
  /** Why a certificate does not count any more, if it is revoked. This node’s own is judged as well. */
  readonly revoked?: (certificate: RevocableCertificate) => Refusal | undefined;
  /** The certificate that this node shows now. */
  readonly ownSvid?: () => NodeSvid;
  /** Starts a peer-connection under the supervisor of links, which refuses while it is being restarted itself. */
  readonly spawn: (spec: WorkerSpec) => Promise<Result<unknown>>;
  /** Forgets one that has ended. */
  readonly stop: (id: string) => void;
}
