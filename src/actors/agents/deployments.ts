import type { KeyObject } from 'node:crypto';
import { ok, type Result, refuse } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import { type Manifest, placementAllows } from '../../protocols/deployment/manifest.ts';
import type { Disk, Store } from '../kernel/ports.ts';
import { utf8 } from '../kernel/utf8.ts';
import type { AgentRegistry } from '../messaging/agent-registry.ts';
import type { Trust } from '../messaging/trust.ts';
import type { AgentHost } from './agent-host.ts';
import { loadAgentModule } from './agent-modules.ts';
import type { Behaviour } from './behaviour.ts';

export interface SignedDeployment {
  /** Signed by a trusted deployer; text form. */
  readonly manifest: string;
  /** Issued by a trusted issuer; text form, or empty for an agent that only answers. */
  readonly capability: string;
}

export interface DeploymentsOptions {
  readonly nodeId: NodeId;
  readonly disk: Disk;
  readonly store: Store;
  readonly trust: Trust;
  readonly registry: AgentRegistry;
  readonly host: AgentHost;
  readonly modulesPath: string | undefined;
  /** Class A: AgentDeployed and AgentRemoved are durable before the agent starts or stops. */
  readonly record: (
    type: 'AgentDeployed' | 'AgentRemoved',
    manifest: Manifest,
    reasons: readonly string[],
  ) => Promise<Result<unknown>>;
}

const collection = 'deployments';

/** What was deployed on this node: checked, recorded, kept on disk, started, and brought back after a restart. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #known = new Map<AgentId, { readonly manifest: Manifest; readonly signed: SignedDeployment }>();
  /** Deployments of one agent are carried out one after the other. */
  readonly #busy = new Set<AgentId>();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
  }

  manifestOf(agent: AgentId): Manifest | undefined {
    return this.#known.get(agent)?.manifest;
  }

  /**
   * Deploys an agent whose code lies in the agents folder. An agent that runs already is replaced by a higher
   * generation. DEPLOYMENT_REFUSED, ALREADY_EXISTS, AUDIT_BLOCKED, NOT_SUPPORTED.
   */
  async deploy(signed: SignedDeployment): Promise<Result<Manifest>> {
    return this.#exclusively(signed, async (manifest) => {
      const behaviour = await this.#load(manifest);
      return behaviour.ok ? this.#carryOut(manifest, signed, behaviour.value, undefined) : behaviour;
    });
  }

  /** Deploys an agent whose code the embedding program brings; its manifest must say so. Not kept on disk. */
  async embed(signed: SignedDeployment, behaviour: Behaviour, key: KeyObject | undefined): Promise<Result<Manifest>> {
    return this.#exclusively(signed, async (manifest) => {
      if (manifest.code !== 'embedded' && manifest.kind !== 'console')
        return refuse('DEPLOYMENT_REFUSED', `The manifest of ${manifest.agentId} is not for an embedded agent.`);
      if (manifest.kind !== behaviour.kind)
        return refuse('DEPLOYMENT_REFUSED', `The manifest says ${manifest.kind}, but the code is a ${behaviour.kind}.`);
      return this.#carryOut(manifest, signed, behaviour, key);
    });
  }

  /** UNKNOWN_AGENT, AUDIT_BLOCKED. */
  async remove(agent: AgentId): Promise<Result<void>> {
    const known = this.#known.get(agent);
    if (!known) return refuse('UNKNOWN_AGENT', `${agent} is not deployed on this node.`);
    const recorded = await this.#options.record('AgentRemoved', known.manifest, []);
    if (!recorded.ok) return recorded;
    await this.#options.store.delete(collection, agent);
    await this.#takeDown(agent);
    return ok(undefined);
  }

  /** Starts what was deployed before this boot; each is judged again, for trust may have changed meanwhile. */
  async restore(failed: (agent: string, result: Result<unknown>) => void): Promise<void> {
    for (const [agent, bytes] of await this.#options.store.entries(collection)) {
      const signed = JSON.parse(utf8.decode(bytes)) as SignedDeployment;
      const result = await this.#exclusively(signed, async (manifest) => {
        const behaviour = await this.#load(manifest);
        return behaviour.ok ? this.#start(manifest, signed, behaviour.value, undefined) : behaviour;
      });
      if (!result.ok) failed(agent, result);
    }
  }

  async #exclusively(
    signed: SignedDeployment,
    act: (manifest: Manifest) => Promise<Result<Manifest>>,
  ): Promise<Result<Manifest>> {
    const judged = this.#judge(signed);
    if (!judged.ok) return judged;
    const { agentId } = judged.value;
    if (this.#busy.has(agentId)) return refuse('ALREADY_EXISTS', `A deployment of ${agentId} is under way.`);
    this.#busy.add(agentId);
    try {
      return await act(judged.value);
    } finally {
      this.#busy.delete(agentId);
    }
  }

  #judge({ manifest: text, capability: token }: SignedDeployment): Result<Manifest> {
    const { trust, nodeId } = this.#options;
    const manifest = trust.manifest(text);
    if (!manifest.ok) return manifest;
    const { agentId, generation } = manifest.value;
    if (!placementAllows(manifest.value, nodeId))
      return refuse('DEPLOYMENT_REFUSED', `The manifest of ${agentId} does not place it on ${nodeId}.`);
    const known = this.#known.get(agentId)?.manifest;
    if (known && generation <= known.generation)
      return refuse(
        'ALREADY_EXISTS',
        `${agentId} runs here with generation ${known.generation}; a replacement needs a higher one than ${generation}.`,
      );
    if (token === '') return manifest;
    const capability = trust.capability(token);
    if (!capability.ok) return refuse('DEPLOYMENT_REFUSED', ...capability.refusal.reasons);
    if (capability.value.subject !== agentId)
      return refuse(
        'DEPLOYMENT_REFUSED',
        `The capability token is for ${capability.value.subject}, not for ${agentId}.`,
      );
    return manifest;
  }

  #load(manifest: Manifest): Promise<Result<Behaviour>> {
    return loadAgentModule(this.#options.disk, this.#options.modulesPath, manifest);
  }

  /** Recorded before it is done, and kept before it runs: a crash in between repeats the start and loses nothing. */
  async #carryOut(
    manifest: Manifest,
    signed: SignedDeployment,
    behaviour: Behaviour,
    key: KeyObject | undefined,
  ): Promise<Result<Manifest>> {
    const recorded = await this.#options.record('AgentDeployed', manifest, []);
    if (!recorded.ok) return recorded;
    if (manifest.code !== 'embedded')
      await this.#options.store.put(collection, manifest.agentId, utf8.encode(JSON.stringify(signed)));
    return this.#start(manifest, signed, behaviour, key);
  }

  async #start(
    manifest: Manifest,
    signed: SignedDeployment,
    behaviour: Behaviour,
    key: KeyObject | undefined,
  ): Promise<Result<Manifest>> {
    const { host, registry } = this.#options;
    const { agentId } = manifest;
    if (this.#known.has(agentId)) await this.#takeDown(agentId);
    const started = await host.start(agentId, behaviour, key);
    if (!started.ok) return started;
    this.#known.set(agentId, { manifest, signed });
    const announced = registry.announce(agentId, signed.manifest, signed.capability);
    if (announced.ok) return ok(manifest);
    await this.#takeDown(agentId);
    return announced;
  }

  async #takeDown(agent: AgentId): Promise<void> {
    this.#known.delete(agent);
    this.#options.registry.withdraw(agent);
    await this.#options.host.stop(agent);
  }
}
