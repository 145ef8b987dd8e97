import { type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import type { NodeId } from '../../names.ts';
import { type Manifest, placementAllows } from '../../protocols/deployment/manifest.ts';
import type { Trust } from '../messaging/trust.ts';
import type { SignedDeployment } from './stored-deployment.ts';

/** What a deployment is judged against. */
export interface DeploymentGround {
  readonly nodeId: NodeId;
  readonly trust: Trust;
  /** Whether the node takes no more agents. */
  readonly isFull: boolean;
  /** The manifest of the agent of that name that runs here. */
  readonly running: (agent: Manifest['agentId']) => Manifest | undefined;
}

/**
 * Whether both documents count, and here: the manifest signed by a trusted deployer, for this node, newer than what runs;
 * the token by a trusted issuer, for this agent. DEPLOYMENT_REFUSED, REVOKED, ALREADY_EXISTS, LIMIT_EXCEEDED.
 */
export function judgeDeployment(
  { manifest: text, capability: token }: SignedDeployment,
  { nodeId, trust, isFull, running }: DeploymentGround,
): Result<Manifest> {
  const manifest = trust.manifest(text);
  if (!manifest.ok) return manifest;
  const { agentId, generation } = manifest.value;
  if (!placementAllows(manifest.value, nodeId))
    return refuse('DEPLOYMENT_REFUSED', `The manifest of ${agentId} does not place it on ${nodeId}.`);
  const known = running(agentId);
  if (known && generation <= known.generation)
    return refuse(
      'ALREADY_EXISTS',
      `${agentId} runs here with generation ${known.generation}; a replacement needs a higher one than ${generation}.`,
    );
  if (!known && isFull)
    return refuse('LIMIT_EXCEEDED', `${nodeId} hosts ${limits.agentsMax} agents already: remove some first.`);
  if (token === '') return manifest;
  const capability = trust.capability(token);
  if (!capability.ok) return refuse('DEPLOYMENT_REFUSED', ...capability.refusal.reasons);
  if (capability.value.subject !== agentId)
    return refuse('DEPLOYMENT_REFUSED', `The capability token is for ${capability.value.subject}, not for ${agentId}.`);
  return manifest;
}
