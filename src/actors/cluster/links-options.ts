import type { Result } from '../../errors.ts';
import type { TrustDomain } from '../../names.ts';
import type { Hello } from '../../protocols/link/hello.ts';
import type { Clock, Metrics, Network, Random, TlsIdentity } from '../kernel/ports.ts';
import type { WorkerSpec } from '../kernel/spec.ts';

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
  /** Starts a peer-connection under the supervisor of links, which refuses while it is being restarted itself. */
  readonly spawn: (spec: WorkerSpec) => Promise<Result<unknown>>;
  /** Forgets one that has ended. */
  readonly stop: (id: string) => void;
}
