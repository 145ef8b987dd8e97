import type { NodeConfig } from '../config.ts';
import type { AgentId } from '../names.ts';
import { version } from '../version.ts';
import { AgentHost } from './agents/agent-host.ts';
import { Deployments } from './agents/deployments.ts';
import { assembleCluster, type ClusterParts } from './cluster/assemble.ts';
import type { Ports } from './kernel/ports.ts';
import { assembleMessaging, type MessagingParts } from './messaging/assemble.ts';
import { assembleBase, type CreateNodeOptions, type NodeBase } from './node-base.ts';
import { agentView, consoleAgentOf, createNodeControl } from './node-control.ts';
import { type ApiParts, assembleApi } from './operations/api/assemble.ts';
import type { NodeControl, NodeStatus } from './operations/control.ts';

/** A node taken apart: what the supervision tree runs, and what the node’s handle offers. */
export interface NodeParts extends NodeBase {
  readonly cluster: ClusterParts;
  readonly messaging: MessagingParts;
  readonly host: AgentHost;
  readonly deployments: Deployments;
  readonly control: NodeControl;
  readonly api: ApiParts;
  state: NodeStatus['state'];
  /** Set by the node’s handle. */
  requestStop: () => void;
}

/** Reads and judges the files, counts the boot, and makes every part; nothing listens or runs yet. */
export async function assemble(config: NodeConfig, ports: Ports, options: CreateNodeOptions): Promise<NodeParts> {
  const base = await assembleBase(config, ports, options);
  const { kernel, events, audit, nodeId } = base;
  const cluster = await assembleCluster(base);
  const messaging = assembleMessaging(base, cluster, {
    deliver: (message) => host.deliver(message),
    refused: (agent, refusal, messageId) => host.refused(agent, refusal, messageId),
    sign: (agent, bytes) => host.sign(agent, bytes),
  });
  const changed = (agent: AgentId) => {
    const view = agentView({ ...parts, ...cluster, ...messaging }, agent);
    if (view) events.emit({ type: 'agent.changed', nodeId, agent: view });
  };
  const host = new AgentHost({
    kernel,
    monotonic: () => ports.clock.monotonic(),
    voice: messaging.voice,
    onMode: (agent) => changed(agent),
  });
  const deployments = new Deployments({
    nodeId,
    disk: ports.disk,
    store: ports.store,
    trust: base.files.trust,
    registry: messaging.registry,
    host,
    modulesPath: config.agents.modulesPath,
    record: (type, { agentId, generation, kind }, reasons) =>
      audit.record({
        type,
        identity: agentId,
        sourceIp: '',
        outcome: 'success',
        reasons,
        metadata: { generation, kind },
      }),
  });
  const startedAt = ports.clock.now();
  const control = createNodeControl({
    clock: ports.clock,
    metrics: ports.metrics,
    kernel,
    identity: cluster.identity,
    clusterId: config.cluster.id,
    bootEpoch: base.bootEpoch,
    version: await version(),
    startedAt,
    addresses: () => ({ ...cluster.addresses(), api: api.address() }),
    gossipKeyVersion: () => base.files.keyring.sealing.version,
    state: () => parts.state,
    gossip: cluster.gossip,
    links: cluster.links,
    registry: messaging.registry,
    host,
    deployments,
    audit,
    consoleAgent: consoleAgentOf(nodeId),
    stop: () => parts.requestStop(),
  });
  const api = assembleApi(base, control);
  const parts: NodeParts = {
    ...base,
    cluster,
    messaging,
    host,
    deployments,
    control,
    api,
    state: 'starting',
    requestStop: () => {},
  };
  return parts;
}
