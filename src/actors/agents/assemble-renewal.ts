import type { MessagingParts } from '../messaging/assemble.ts';
import type { NodeBase } from '../node-base.ts';
import type { AgentHost } from './agent-host.ts';
import { CapabilityRenewal } from './capability-renewal.ts';
import type { CapabilityRenewerEvent } from './capability-renewer.ts';
import type { DeploymentAct } from './deployment-act.ts';
import type { Deployments } from './deployments.ts';
import type { DocumentSigner } from './document-signer.ts';

/** The place of the chart in the tree. */
const renewerPath = '/node/operations/capability-renewer';

export interface RenewalRooms {
  readonly messaging: MessagingParts;
  readonly host: AgentHost;
  readonly deployments: Deployments;
  readonly issuers: readonly DocumentSigner[];
  readonly record: (act: DeploymentAct) => Promise<unknown>;
}

/** The renewal of this node’s agents’ capabilities, wired to what it watches and tells. */
export function assembleRenewal(base: NodeBase, rooms: RenewalRooms): CapabilityRenewal {
  const { ports, files, kernel, events, nodeId, fault } = base;
  const { messaging, host, deployments, issuers, record } = rooms;
  const { registry } = messaging;
  return new CapabilityRenewal({
    clock: ports.clock,
    crypto: ports.crypto,
    trust: files.trust,
    issuers,
    deployments,
    own: () => registry.own(),
    isActive: (agent) => host.modeOf(agent) === 'running' && registry.hostOf(agent) === nodeId && host.handles(agent),
    jitter: () => ports.random.uint32() / 0x1_0000_0000,
    failed: ({ manifest }, failure, attempt) => {
      ports.metrics.count('capability_renewals_failed');
      fault(`capabilities could not be renewed, attempt ${attempt}: ${failure.reasons.join(' ')}`, undefined);
      void record({
        type: 'TokenRefresh',
        manifest,
        caller: undefined,
        failure,
        detail: { by: 'renewal', attempt: String(attempt) },
      });
    },
    expiring: ({ agentId, leftMs, agents, reason }) => {
      const others = agents === 1 ? '' : ` and ${agents - 1} more`;
      const when = leftMs > 0 ? `ends in ${Math.ceil(leftMs / 60_000)} min` : 'has ended';
      fault(`the capability of ${agentId}${others} ${when}. ${reason}`, undefined);
      events.emit({ type: 'capability.expiring', nodeId, agentId, leftMs: Math.max(0, leftMs), agents, reason });
    },
    sooner: () => void kernel.ref<CapabilityRenewerEvent>(renewerPath).tell({ type: 'capability.sooner' }, 'control'),
  });
}
