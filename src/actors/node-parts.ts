import type { NodeConfig } from '../config.ts';
import type { AgentId } from '../names.ts';
import { version } from '../version.ts';
import { type AgentsParts, assembleAgents } from './agents/assemble.ts';
import { assembleEnrolment } from './assemble-enrolment.ts';
import { assembleCluster, type ClusterParts } from './cluster/assemble.ts';
import type { Ports } from './kernel/ports.ts';
import { assembleMessaging, type MessagingParts } from './messaging/assemble.ts';
import { assembleBase, type CreateNodeOptions, type NodeBase } from './node-base.ts';
import { agentView, consoleAgentOf, createNodeControl, type NodeControlParts } from './node-control.ts';
import type { NodeFiles } from './node-files.ts';
import { assembleGossipKeys } from './node-gossip-keys.ts';
import { assembleNotices, type NodeNotices } from './node-notices.ts';
import { type ApiParts, assembleApi } from './operations/api/assemble.ts';
import { assembleWitness, notaryPath, type WitnessParts } from './operations/audit/assemble-witness.ts';
import type { AuditNotaryEvent } from './operations/audit/audit-notary.ts';
import { AuditProofs } from './operations/audit/audit-proofs.ts';
import type { Caller, NodeControl, NodeStatus } from './operations/control.ts';
import { assembleSiem, type SiemParts } from './operations/siem/assemble.ts';

/** A node taken apart: what the supervision tree runs, and what the node’s handle offers. */
export interface NodeParts extends NodeBase, AgentsParts {
  readonly cluster: ClusterParts;
  readonly messaging: MessagingParts;
  readonly witness: WitnessParts;
  readonly control: NodeControl;
  readonly api: ApiParts;
  readonly siem: SiemParts;
  state: NodeStatus['state'];
  /** Set by the node’s handle. */
  requestStop: (caller: Caller) => void;
}

/** Counts the boot and makes every part; nothing listens or runs yet. */
export async function assemble(
  config: NodeConfig,
  ports: Ports,
  files: NodeFiles,
  options: CreateNodeOptions,
): Promise<NodeParts> {
  const base = await assembleBase(config, ports, files, options);
  const { events, nodeId } = base;
  const cluster = await assembleCluster(base);
  const messaging = assembleMessaging(base, cluster, {
    deliver: (message) => host.deliver(message),
    refused: (agent, refusal, messageId) => host.refused(agent, refusal, messageId),
    keyOf: (agent) => host.keyOf(agent),
  });
  const changed = (agent: AgentId) => {
    const view = agentView({ ...parts, ...cluster, ...messaging }, agent);
    if (view) events.emit({ type: 'agent.changed', nodeId, agent: view });
  };
  const rooms = assembleAgents(base, messaging, options, changed);
  const { host, deployments, renewals } = rooms;
  const nodeNotices = assembleNotices({ base, cluster, messaging, deployments });
  const release = await version();
  const witness = assembleWitness(base, cluster);
  const siem = assembleSiem(base, release, witness.forSiem);
  const control = createNodeControl(
    controlParts(
      { ...base, cluster, messaging, host, deployments, renewals, siem, witness, nodeNotices },
      release,
      () => parts,
    ),
  );
  const api = assembleApi(base, cluster.apiCertificate, control);
  const parts: NodeParts = {
    ...base,
    cluster,
    messaging,
    ...rooms,
    witness,
    control,
    api,
    siem,
    state: 'starting',
    requestStop: () => {},
  };
  return parts;
}

/**
 * Closes what an actor has left open that was cut, or that ended while the node stopped: nobody restarts one then. After
 * a stop in order there is nothing left to do here.
 */
export async function closeSockets({ messaging, cluster, api, siem, transport }: NodeParts): Promise<void> {
  transport.stop();
  messaging.asks.stop();
  await Promise.all([cluster.gossip.close(), cluster.port.close(), api.api.close(), siem.end()]);
}

type BuiltParts = Pick<
  NodeParts,
  keyof NodeBase | 'cluster' | 'messaging' | 'host' | 'deployments' | 'renewals' | 'siem' | 'witness'
> & { readonly nodeNotices: NodeNotices };

/** `whole` gives what is made after the control: it is asked only while the node runs. */
function controlParts(built: BuiltParts, release: string, whole: () => NodeParts): NodeControlParts {
  const { config, ports, kernel, nodeId, cluster, messaging } = built;
  return {
    clock: ports.clock,
    metrics: ports.metrics,
    kernel,
    identity: cluster.identity,
    clusterId: config.cluster.id,
    bootEpoch: built.bootEpoch,
    version: release,
    startedAt: ports.clock.now(),
    addresses: () => ({ ...cluster.addresses(), api: whole().api.address() }),
    gossipKeys: assembleGossipKeys(built, cluster),
    state: () => whole().state,
    gossip: cluster.gossip,
    links: cluster.links,
    revocations: built.revocations,
    registry: messaging.registry,
    host: built.host,
    deployments: built.deployments,
    renewals: built.renewals,
    audit: built.audit,
    siem: () => built.siem.views(),
    proofs: new AuditProofs({
      clock: ports.clock,
      nodeId,
      audit: built.audit,
      witness: built.witness,
      accepted: () => kernel.ref<AuditNotaryEvent>(notaryPath).tell({ type: 'audit.accepted' }, 'control'),
    }),
    notices: built.nodeNotices,
    roots: cluster.roots,
    enrolment: assembleEnrolment(built, cluster, () => whole().api.address()),
    consoleAgent: consoleAgentOf(nodeId),
    stop: (caller) => whole().requestStop(caller),
  };
}
