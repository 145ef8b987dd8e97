import { documentId } from '../../crypto/signed-document.ts';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import type { AgentId, NodeId } from '../../names.ts';
import type { Manifest } from '../../protocols/deployment/manifest.ts';
import type { Clock, Disk, Store } from '../kernel/ports.ts';
import type { AgentRegistry } from '../messaging/agent-registry.ts';
import type { Trust } from '../messaging/trust.ts';
import type { Caller, MayDeploy } from '../operations/control.ts';
import type { AgentHost } from './agent-host.ts';
import type { AgentKey } from './agent-keys.ts';
import { loadAgentModule, type ModuleRefusal } from './agent-modules.ts';
import type { Behaviour } from './behaviour.ts';
import type { DeploymentAct } from './deployment-act.ts';
import { judgeDeployment } from './deployment-judgement.ts';
import { DeploymentLine } from './deployment-line.ts';
import { keepGeneration, keptGeneration } from './kept-generations.ts';
import { rightsOfReplacement } from './new-rights.ts';
import { RenewedTokens } from './renewed-tokens.ts';
import { type EmbeddedAgent, readStored, type SignedDeployment, storedBytes } from './stored-deployment.ts';

export interface DeploymentsOptions {
  readonly nodeId: NodeId;
  readonly disk: Disk;
  /** Ends the wait for a module that never loads. */
  readonly clock: Clock;
  readonly store: Store;
  readonly trust: Trust;
  readonly registry: AgentRegistry;
  readonly host: AgentHost;
  readonly modulesPath: string | undefined;
  /** Class A: AgentDeployed and AgentRemoved are durable before the agent starts or stops. */
  readonly record: (act: DeploymentAct) => Promise<Result<unknown>>;
  /** An agent runs, and the others are told of it. */
  readonly announced: (agent: AgentId) => void;
}

interface Deployed {
  readonly manifest: Manifest;
  readonly signed: SignedDeployment;
  readonly behaviour: Behaviour;
  readonly key: AgentKey | undefined;
  /** Whether it is brought back after a restart of the node. */
  readonly kept: boolean;
  readonly caller: Caller | undefined;
}

const collection = 'deployments';

/** What was deployed on this node: checked, recorded, kept on disk, started, and brought back after a restart. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #known = new Map<AgentId, Deployed>();
  /** Deployments of one agent are carried out one after the other. */
  readonly #busy = new Set<AgentId>();
  readonly #line = new DeploymentLine();
  readonly #renewed = new RenewedTokens();

  constructor(options: DeploymentsOptions) {
    this.#options = options;
  }

  /** The highest generation of an agent that this node knows of, deployed here or claimed by any node; 0 for none. */
  async lastGeneration(agent: AgentId): Promise<number> {
    const { store, registry } = this.#options;
    return Math.max(await keptGeneration(store, agent), registry.generationOf(agent));
  }

  /**
   * Deploys an agent whose code lies in the agents folder. An agent that runs already is replaced by a higher
   * generation. DEPLOYMENT_REFUSED, ALREADY_EXISTS, AUDIT_BLOCKED, NOT_SUPPORTED, LIMIT_EXCEEDED, STOPPED, and what `may` refuses with. Many at once
   * wait for each other in the order in which they were asked for; so do those below.
   */
  deploy(signed: SignedDeployment, caller?: Caller, may?: MayDeploy): Promise<Result<Manifest>> {
    return this.#line.run(() =>
      this.#exclusively(signed, async (manifest) => {
        const { agentId } = manifest;
        const isThere = this.#known.has(agentId) || this.#options.registry.find(agentId) !== undefined;
        const permitted = may?.(isThere ? 'UpdateAgent' : 'DeployAgent', agentId);
        if (permitted?.ok === false) return permitted;
        const behaviour = await this.#load(manifest);
        if (!behaviour.ok) return behaviour;
        return this.#carryOut({ manifest, signed, behaviour: behaviour.value, key: undefined, kept: true, caller });
      }),
    );
  }

  /**
   * Deploys an agent whose code the embedding program brings, when its turn has come; its manifest must say so. Not kept
   * on disk. Rejects with what `bring` throws.
   */
  embed(bring: () => EmbeddedAgent | Promise<EmbeddedAgent>): Promise<Result<Manifest>> {
    return this.#line.run(async () => {
      const { signed, behaviour, key } = await bring();
      return this.#exclusively(signed, async (manifest) => {
        if (manifest.code !== 'embedded' && manifest.kind !== 'console')
          return refuse('DEPLOYMENT_REFUSED', `The manifest of ${manifest.agentId} is not for an embedded agent.`);
        if (manifest.kind !== behaviour.kind)
          return refuse('DEPLOYMENT_REFUSED', `The manifest says ${manifest.kind}, the code is a ${behaviour.kind}.`);
        return this.#carryOut({ manifest, signed, behaviour, key, kept: false, caller: undefined });
      });
    });
  }

  /** UNKNOWN_AGENT, AUDIT_BLOCKED, ALREADY_EXISTS while a deployment of it is under way. */
  remove(agent: AgentId, caller?: Caller): Promise<Result<void>> {
    return this.#line.run(() => this.#remove(agent, caller));
  }

  /**
   * Stops what runs here by documents that are revoked now, and forgets it. Nobody is asked and nothing is waited for: a
   * deployment of the same agent that is under way is judged again when it announces it.
   */
  async stopRevoked(): Promise<void> {
    const { record, store } = this.#options;
    const renewed = this.#renewed.revoked((tokenId) => this.#options.trust.revocationOf('token', tokenId));
    const fallen = [...this.#known.values()].flatMap((deployed) => {
      const refusal = this.#revocationOf(deployed.signed) ?? renewed.get(deployed.manifest);
      return refusal ? [{ deployed, refusal }] : [];
    });
    await Promise.all(
      fallen.map(async ({ deployed: { manifest }, refusal }) => {
        const { agentId } = manifest;
        await Promise.all([
          this.#takeDown(agentId),
          record({ type: 'AgentRemoved', manifest, caller: undefined, because: refusal, detail: { by: 'revocation' } }),
          // A deployment of it that is under way puts its own document there, or takes this one away when it fails.
          this.#busy.has(agentId) ? undefined : store.delete(collection, agentId),
        ]);
      }),
    );
  }

  #revocationOf({ manifest, capability }: SignedDeployment): Refusal | undefined {
    const { trust } = this.#options;
    for (const judged of [trust.manifest(manifest), ...(capability === '' ? [] : [trust.capability(capability)])])
      if (!judged.ok && judged.refusal.code === 'REVOKED') return judged.refusal;
    return undefined;
  }

  /** The node stops: who waits is refused with STOPPED, and nothing is begun any more. What is under way goes on. */
  close(): void {
    this.#line.close();
  }

  /**
   * Gives an agent that runs on the token `after`, which grants what `before` does, later: recorded, then kept, then
   * announced. UNKNOWN_AGENT (has not `before` any more), REVOKED, AUDIT_BLOCKED, STOPPED. Rejects as the store does.
   */
  renew(agent: AgentId, before: string, after: string): Promise<Result<void>> {
    return this.#line.run(() => this.#oneAtATime(agent, () => this.#renew(agent, before, after)));
  }

  async #renew(agent: AgentId, before: string, after: string): Promise<Result<void>> {
    const { record, registry, host } = this.#options;
    const known = this.#known.get(agent);
    if (known?.signed.capability !== before)
      return refuse('UNKNOWN_AGENT', `${agent} does not run here with this capability any more.`);
    const { manifest } = known;
    const next: Deployed = { ...known, signed: { manifest: known.signed.manifest, capability: after } };
    const revoked = this.#revocationOf(known.signed) ?? this.#revocationOf(next.signed);
    if (revoked) return { ok: false, refusal: revoked };
    const detail = { by: 'renewal', tokenBefore: documentId(before), token: documentId(after) };
    const recorded = await record({ type: 'TokenRefresh', manifest, caller: undefined, detail });
    if (!recorded.ok) return recorded;
    await this.#keep(agent, next);
    // Whoever revoked it meanwhile has stopped it, and left what is kept to this.
    if (this.#known.get(agent) !== known) {
      await this.#keep(agent, undefined);
      return refuse('UNKNOWN_AGENT', `${agent} is gone.`);
    }
    const announced = registry.announce(agent, next.signed.manifest, after);
    if (!announced.ok) await this.#keep(agent, known);
    if (!announced.ok) return announced;
    registry.suspend(agent, !host.handles(agent));
    this.#renewed.add(detail.tokenBefore, manifest);
    this.#known.set(agent, { ...next, signed: registry.ownDocuments(agent) ?? next.signed });
    return ok(undefined);
  }

  async #remove(agent: AgentId, caller: Caller | undefined): Promise<Result<void>> {
    const known = this.#known.get(agent);
    if (!known) return refuse('UNKNOWN_AGENT', `${agent} is not deployed on this node.`);
    return this.#oneAtATime(agent, async () => {
      const recorded = await this.#options.record({ type: 'AgentRemoved', manifest: known.manifest, caller });
      if (!recorded.ok) return recorded;
      await this.#options.store.delete(collection, agent);
      await this.#takeDown(agent);
      return ok(undefined);
    });
  }

  /** Starts what was deployed before this boot; each is judged again, for trust may have changed meanwhile. */
  async restore(failed: (agent: string, result: Result<unknown>) => void): Promise<void> {
    const stored = await this.#options.store.entries(collection);
    const results = await Promise.all(stored.map(([, bytes]) => this.#line.run(() => this.#restoreOne(bytes))));
    for (const [index, result] of results.entries()) if (!result.ok) failed(stored[index]![0], result);
  }

  async #restoreOne(bytes: Uint8Array): Promise<Result<Manifest>> {
    const signed = readStored(bytes);
    if (!signed.ok) return signed;
    return this.#exclusively(signed.value, async (manifest) => {
      const loaded = await this.#load(manifest);
      // It was admitted with this very file: that another lies there now is an attack, or will be taken for one.
      if (!loaded.ok && loaded.refusal.why === 'changed')
        await this.#options.record({ type: 'AgentCompromised', manifest, caller: undefined, because: loaded.refusal });
      if (!loaded.ok) return loaded;
      const rest = { key: undefined, kept: true, caller: undefined };
      return this.#start({ manifest, signed: signed.value, behaviour: loaded.value, ...rest });
    });
  }

  async #exclusively(
    signed: SignedDeployment,
    act: (manifest: Manifest) => Promise<Result<Manifest>>,
  ): Promise<Result<Manifest>> {
    const running = (agent: AgentId) => this.#known.get(agent)?.manifest;
    const judged = judgeDeployment(signed, { ...this.#options, isFull: this.#options.host.isFull, running });
    if (!judged.ok) return judged;
    return this.#oneAtATime(judged.value.agentId, () => act(judged.value));
  }

  async #oneAtATime<T>(agent: AgentId, act: () => Promise<Result<T>>): Promise<Result<T>> {
    if (this.#busy.has(agent)) return refuse('ALREADY_EXISTS', `A deployment of ${agent} is under way.`);
    this.#busy.add(agent);
    try {
      return await act();
    } finally {
      this.#busy.delete(agent);
    }
  }

  #load(manifest: Manifest): Promise<Result<Behaviour, ModuleRefusal>> {
    return loadAgentModule(this.#options, this.#options.modulesPath, manifest);
  }

  /** Recorded before it is done, and kept before it runs: a crash in between repeats the start and loses nothing. */
  async #carryOut(deployed: Deployed): Promise<Result<Manifest>> {
    const { manifest, caller } = deployed;
    const { agentId } = manifest;
    const running = this.#known.get(agentId);
    const act: DeploymentAct = { type: 'AgentDeployed', manifest, caller };
    const highest = await keptGeneration(this.#options.store, agentId);
    // A deployer replaced it for a reason: whoever kept the older manifest must not bring it back.
    if (manifest.generation < highest)
      return refuse(
        'DEPLOYMENT_REFUSED',
        `${agentId} was deployed here with generation ${highest} already; ${manifest.generation} is older.`,
      );
    const rights = running ? rightsOfReplacement(this.#options.trust, running, deployed) : [];
    for (const each of [act, ...rights]) {
      const recorded = await this.#options.record(each);
      if (!recorded.ok) return recorded;
    }
    // Asked for together, so that both are written or none.
    await Promise.all([
      keepGeneration(this.#options.store, agentId, manifest.generation),
      this.#keep(agentId, deployed),
    ]);
    const started = await this.#start(deployed);
    if (started.ok) return started;
    // What was refused must not come up at the next boot, nor cost the agent that ran before, unless that is revoked now.
    const before = running && !this.#revocationOf(running.signed) ? running : undefined;
    await this.#keep(agentId, before);
    if (before) await this.#start(before);
    // It was recorded as deployed, so that it did not come about belongs there too.
    await this.#options.record({ ...act, failure: started.refusal });
    return started;
  }

  async #keep(agent: AgentId, deployed: Deployed | undefined): Promise<void> {
    const { store } = this.#options;
    if (deployed?.kept) await store.put(collection, agent, storedBytes(deployed.signed));
    else await store.delete(collection, agent);
  }

  async #start(deployed: Deployed): Promise<Result<Manifest>> {
    const { host, registry } = this.#options;
    const { manifest, signed, behaviour, key } = deployed;
    const { agentId } = manifest;
    if (this.#known.has(agentId)) await this.#takeDown(agentId);
    const started = await host.start(agentId, behaviour, key);
    if (!started.ok) return started;
    this.#known.set(agentId, deployed);
    const announced = registry.announce(agentId, signed.manifest, signed.capability);
    // The registry keeps the documents: once is enough.
    registry.suspend(agentId, !host.handles(agentId));
    if (announced.ok) this.#known.set(agentId, { ...deployed, signed: registry.ownDocuments(agentId) ?? signed });
    if (announced.ok) this.#options.announced(agentId);
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
