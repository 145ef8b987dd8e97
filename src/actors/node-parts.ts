import type { NodeConfig } from '../config.ts';
import type { AgentId } from '../names.ts';
import { version } from '../version.ts';
import { AgentHost } from './agents/agent-host.ts';
import { AgentKeys } from './agents/agent-keys.ts';
import type { DeploymentAct } from './agents/deployment-act.ts';
import { Deployments } from './agents/deployments.ts';
import { Embedding } from './agents/embedding.ts';
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
import type { AuditDraft } from './operations/audit/audit-draft.ts';
import type { AuditNotaryEvent } from './operations/audit/audit-notary.ts';
import { AuditProofs } from './operations/audit/audit-proofs.ts';
import type { Caller, NodeControl, NodeStatus } from './operations/control.ts';
import { assembleSiem, type SiemParts } from './operations/siem/assemble.ts';

/** A node taken apart: what the supervision tree runs, and what the node’s handle offers. */
export interface NodeParts extends NodeBase {
  readonly cluster: ClusterParts;
  readonly messaging: MessagingParts;
  readonly host: AgentHost;
  readonly deployments: Deployments;
  readonly embedding: Embedding;
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
  const { kernel, events, audit, nodeId } = base;
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
  const host = new AgentHost({
    kernel,
    keys: new AgentKeys(ports.crypto),
    monotonic: () => ports.clock.monotonic(),
    voice: messaging.voice,
    onMode: (agent, mode) => {
      messaging.registry.suspend(agent, !host.handles(agent));
      changed(agent);
      // Protective, so nobody waits for the record: the cell takes no message from now on.
      if (mode === 'compromised') noteCompromised(base, agent);
    },
  });
  base.onSuspension((path) => {
    for (const agent of host.below(path)) messaging.registry.suspend(agent, !host.handles(agent));
  });
  const deployments = new Deployments({
    nodeId,
    disk: ports.disk,
    clock: ports.clock,
    store: ports.store,
    trust: base.files.trust,
    registry: messaging.registry,
    host,
    modulesPath: config.agents.modulesPath,
    record: async (act) => {
      const fact = deploymentFact(act);
      const recorded = await audit.record(fact);
      // What the node did to protect itself is done, so its record waits for a log that is blocked.
      if (!recorded.ok && act.because) audit.note(fact);
      return recorded;
    },
  });
  const embedding = new Embedding({
    nodeId,
    clock: ports.clock,
    crypto: ports.crypto,
    trust: base.files.trust,
    deployments,
    host,
    deployer: options.deployer,
    program: options.program,
  });
  const nodeNotices = assembleNotices({ base, cluster, messaging, deployments });
  const release = await version();
  const witness = assembleWitness(base, cluster);
  const siem = assembleSiem(base, release, witness.forSiem);
  const control = createNodeControl(
    controlParts({ ...base, cluster, messaging, host, deployments, siem, witness, nodeNotices }, release, () => parts),
  );
  const api = assembleApi(base, cluster.apiCertificate, control);
  const parts: NodeParts = {
    ...base,
    cluster,
    messaging,
    host,
    deployments,
    embedding,
    witness,
    control,
    api,
    siem,
    state: 'starting',
    requestStop: () => {},
  };
  return parts;
}

const deploymentFact = (act: DeploymentAct): AuditDraft => {
  const { type, manifest, caller, failure, because, detail } = act;
  return {
    type,
    identity: manifest.agentId,
    sourceIp: caller?.sourceIp ?? '',
    outcome: failure ? 'failure' : 'success',
    reasons: (failure ?? because)?.reasons ?? [],
    ...(failure ? { code: failure.code } : {}),
    ...(caller ? { requestId: caller.requestId } : {}),
    metadata: { generation: manifest.generation, kind: manifest.kind, by: caller?.identity ?? 'program', ...detail },
  };
};

function noteCompromised({ audit }: NodeBase, agent: AgentId): void {
  audit.note({
    type: 'AgentCompromised',
    identity: agent,
    sourceIp: '',
    outcome: 'success',
    reasons: ['The agent was marked as compromised: it takes no messages and is kept for those who look into it.'],
    metadata: { mode: 'compromised' },
  });
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
  keyof NodeBase | 'cluster' | 'messaging' | 'host' | 'deployments' | 'siem' | 'witness'
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
