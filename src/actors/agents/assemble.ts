import type { Result } from '../../errors.ts';
import type { AgentId } from '../../names.ts';
import type { Clock } from '../kernel/ports.ts';
import type { MessagingParts } from '../messaging/assemble.ts';
import type { CreateNodeOptions, NodeBase } from '../node-base.ts';
import type { AuditDraft } from '../operations/audit/audit-draft.ts';
import { AgentHost } from './agent-host.ts';
import { AgentKeys } from './agent-keys.ts';
import { assembleRenewal } from './assemble-renewal.ts';
import type { CapabilityRenewal } from './capability-renewal.ts';
import type { DeploymentAct } from './deployment-act.ts';
import { Deployments } from './deployments.ts';
import { DocumentSigner, type SigningKey } from './document-signer.ts';
import { Embedding } from './embedding.ts';

export interface AgentsParts {
  readonly host: AgentHost;
  readonly deployments: Deployments;
  readonly embedding: Embedding;
  readonly renewals: CapabilityRenewal;
}

/**
 * Everything that deploys, runs and keeps agents. `changed` hears of each agent that is in another mode. Throws MALFORMED
 * for a key that cannot sign, or a program’s name that is none.
 */
export function assembleAgents(
  base: NodeBase,
  messaging: MessagingParts,
  options: CreateNodeOptions,
  changed: (agent: AgentId) => void,
): AgentsParts {
  const { config, ports, kernel, audit, nodeId, files } = base;
  const { clock, crypto, disk, store } = ports;
  const record = async (act: DeploymentAct): Promise<Result<unknown>> => {
    const fact = deploymentFact(act);
    const recorded = await audit.record(fact);
    // What the node did to protect itself is done, so its record waits for a log that is blocked.
    if (!recorded.ok && act.because) audit.note(fact);
    return recorded;
  };
  const noticed = (agent: AgentId): void => {
    const capability = messaging.registry.ownRegistration(agent)?.capability;
    if (capability) renewals.noticed(capability);
  };
  const host = new AgentHost({
    kernel,
    keys: new AgentKeys(crypto),
    monotonic: () => clock.monotonic(),
    voice: messaging.voice,
    onMode: (agent, mode) => {
      messaging.registry.suspend(agent, !host.handles(agent));
      changed(agent);
      // Protective, so nobody waits for the record: the cell takes no message from now on.
      if (mode === 'compromised') noteCompromised(base, agent);
      // One that goes on after it was suspended may have a capability that is due, or over.
      if (mode === 'running') noticed(agent);
    },
  });
  base.onSuspension((path) => {
    for (const agent of host.below(path)) messaging.registry.suspend(agent, !host.handles(agent));
  });
  const deployments = new Deployments({
    ...{ nodeId, disk, clock, store, host, record },
    trust: files.trust,
    registry: messaging.registry,
    modulesPath: config.agents.modulesPath,
    announced: noticed,
  });
  const deployer = signerOf(options.deployer, 'deployer', clock);
  const issuer = signerOf(options.issuer ?? files.issuer, 'issuer', clock);
  const issuers = [deployer, issuer].filter((signer) => signer !== undefined);
  const renewals: CapabilityRenewal = assembleRenewal(base, { messaging, host, deployments, issuers, record });
  const embedding = new Embedding({
    ...{ nodeId, clock, crypto, deployments, host, deployer, issuer },
    trust: files.trust,
    program: options.program,
  });
  return { host, deployments, embedding, renewals };
}

const signerOf = (key: SigningKey | undefined, whose: string, clock: Clock): DocumentSigner | undefined =>
  key && new DocumentSigner(key, whose, clock);

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
