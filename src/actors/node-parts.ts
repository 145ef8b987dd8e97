import { parseHostPort } from '../config/quantity.ts';
import type { NodeConfig } from '../config.ts';
import { CaxtonError, type Result } from '../errors.ts';
import type { AgentId, NodeId } from '../names.ts';
import { version } from '../version.ts';
import { AgentHost } from './agents/agent-host.ts';
import { Deployments } from './agents/deployments.ts';
import { nextBootEpoch } from './boot-epoch.ts';
import { assembleCluster, type ClusterParts } from './cluster/assemble.ts';
import { createNodeEvents, type NodeEvents } from './events.ts';
import { createKernel } from './kernel/create-kernel.ts';
import type { Kernel } from './kernel/kernel.ts';
import type { Address, Ports } from './kernel/ports.ts';
import { assembleMessaging, type MessagingParts } from './messaging/assemble.ts';
import type { CreateNodeOptions } from './node.ts';
import { agentView, consoleAgentOf, createNodeControl } from './node-control.ts';
import { type NodeFiles, readNodeFiles } from './node-files.ts';
import { type ApiParts, assembleApi } from './operations/api/assemble.ts';
import { AuditLog } from './operations/audit-log.ts';
import type { NodeControl, NodeStatus } from './operations/control.ts';

/** What every room of a node is given. */
export interface NodeBase {
  readonly config: NodeConfig;
  readonly ports: Ports;
  readonly files: NodeFiles;
  readonly kernel: Kernel;
  readonly audit: AuditLog;
  readonly events: NodeEvents;
  readonly nodeId: NodeId;
  readonly bootEpoch: number;
  readonly seeds: readonly Address[];
  /** Where faults that nobody else hears of are told. */
  readonly fault: (message: string, error: unknown) => void;
}

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

async function assembleBase(config: NodeConfig, ports: Ports, options: CreateNodeOptions): Promise<NodeBase> {
  const { clock, metrics, disk, store } = ports;
  const nodeId = config.node.id;
  const files = await readNodeFiles(config, disk, clock.now());
  const events = createNodeEvents();
  const audit = new AuditLog({ disk, clock, nodeId, folder: config.security.audit.logPath });
  const fault = (message: string, error: unknown) => options.onFault?.(message, error);
  const kernel = createKernel({
    clock,
    metrics,
    tap: () => ports.tap,
    onRestart: ({ path, reason, error }) => {
      const why = error instanceof Error ? error.message : reason;
      fault(`${path} is restarted: ${why}`, error);
      events.emit({ type: 'actor.restarted', nodeId, path, reason: why });
      audit.note({
        type: 'SupervisionEvent',
        identity: path,
        sourceIp: '',
        outcome: 'failure',
        reasons: [why],
        metadata: { reason },
      });
    },
    onStray: (error) => fault('a throw that belongs to no actor', error),
  });
  return {
    config,
    ports,
    files,
    kernel,
    audit,
    events,
    nodeId,
    bootEpoch: await nextBootEpoch(store),
    seeds: [...config.cluster.join, ...(options.join ?? []).map(seedOf)],
    fault,
  };
}

function seedOf(text: string): Address {
  const address = parseHostPort(text);
  if (address) return address;
  throw new CaxtonError('CONFIG_INVALID', `“${text}” is not a link address: expected host:port.`);
}

/** Class A: the node’s own start and stop. */
export const recordNode = (
  { audit, nodeId, bootEpoch }: NodeBase,
  type: 'NodeStarted' | 'NodeStopped',
): Promise<Result<unknown>> =>
  audit.record({ type, identity: nodeId, sourceIp: '', outcome: 'success', reasons: [], metadata: { bootEpoch } });
