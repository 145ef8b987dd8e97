import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { ok, type Refusal, type Result, refuse } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { type AgentId, localNameOf, tenantOf } from '../../names.ts';
import { keepOnlySender } from '../kernel/dead-letters.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Ref } from '../kernel/ref.ts';
import type { WorkerSpec } from '../kernel/spec.ts';
import type { AgentKey, AgentKeys } from './agent-keys.ts';
import type { Voice } from './agent-voice.ts';
import type { AgentContext, Behaviour, ReceivedMessage } from './behaviour.ts';
import { cellOf } from './cell-logic.ts';
import { HostedAgent } from './hosted-agent.ts';
import type { AgentMode } from './lifecycle.ts';
import type { CellEvent, CellHost } from './seat.ts';

const agentsPath = '/node/agents';

const covers = (above: string, path: string): boolean => path === above || path.startsWith(`${above}/`);

export interface AgentHostOptions {
  readonly kernel: Kernel;
  readonly keys: AgentKeys;
  readonly monotonic: () => number;
  readonly voice: Voice;
  readonly onMode: (agent: AgentId, mode: AgentMode) => void;
}

/** The agents that live here: one cell each, under a supervisor of their tenant. */
export class AgentHost {
  readonly #options: AgentHostOptions;
  readonly #ofCells: CellHost;
  readonly #hosted = new Map<AgentId, HostedAgent>();
  readonly #tenants = new LRUCache<string, Promise<Result<unknown>>>({ max: 10_000 });

  constructor(options: AgentHostOptions) {
    this.#options = options;
    const { kernel, monotonic, onMode } = options;
    const keptBack = (path: string): boolean => kernel.suspensions().some((above) => covers(above, path));
    const refOf = (agent: AgentId): Ref<CellEvent> => kernel.ref<CellEvent>(`${agentsPath}/${agent}`);
    this.#ofCells = { monotonic, onMode, keptBack, refOf };
  }

  /** The keys of the agents that sign here. */
  get keys(): AgentKeys {
    return this.#options.keys;
  }

  get size(): number {
    return this.#hosted.size;
  }

  /** Whether it takes no more agents. */
  get isFull(): boolean {
    return this.#hosted.size >= limits.agentsMax;
  }

  modeOf(agent: AgentId): AgentMode | undefined {
    return this.#hosted.get(agent)?.mode;
  }

  /** Whether an agent handles what it is sent now, or will in a moment. */
  handles(agent: AgentId): boolean {
    const mode = this.modeOf(agent);
    const works = mode === 'verifying' || mode === 'starting' || mode === 'running';
    return works && !this.#ofCells.keptBack(`${agentsPath}/${agent}`);
  }

  /** The agents that an order to suspend this place is about. */
  *below(path: string): Generator<AgentId> {
    for (const agent of this.#hosted.keys()) if (covers(path, `${agentsPath}/${agent}`)) yield agent;
  }

  contextOf(agent: AgentId): AgentContext | undefined {
    return this.#hosted.get(agent)?.context;
  }

  /** Starts an agent; resolves when it runs. ALREADY_EXISTS, LIMIT_EXCEEDED, SUPERVISION. */
  async start(agentId: AgentId, behaviour: Behaviour, key: AgentKey | undefined): Promise<Result<void>> {
    if (this.#hosted.has(agentId)) return refuse('ALREADY_EXISTS', `${agentId} runs here already.`);
    if (this.isFull) return refuse('LIMIT_EXCEEDED', `This node hosts ${limits.agentsMax} agents already.`);
    const { kernel, voice } = this.#options;
    const tenant = tenantOf(agentId);
    const hosted = new HostedAgent(agentId, behaviour, key, this.#ofCells, voice);
    this.#hosted.set(agentId, hosted);
    const housed = await this.#tenantSupervisor(tenant);
    const started = housed.ok ? await kernel.startChild(`${agentsPath}/${tenant}`, specOf(hosted)) : housed;
    if (started.ok) {
      hosted.settled = true;
      return ok(undefined);
    }
    this.#forget(hosted);
    return started;
  }

  /**
   * The supervisor of all agents has started. A later life of it has none of them any more: they are brought back, each
   * with the messages that it had taken and the mode that it was put in.
   */
  started(life: number): void {
    if (life === 1) return;
    this.#tenants.clear();
    for (const tenant of new Set([...this.#hosted.keys()].map(tenantOf))) void this.#rehouse(tenant);
  }

  async #rehouse(tenant: string): Promise<void> {
    const { kernel } = this.#options;
    // A refusal means that the supervisor is being restarted once more: then this comes again with its next life.
    if (!(await this.#tenantSupervisor(tenant)).ok) return;
    for (const hosted of this.#hosted.values()) {
      const { agentId } = hosted;
      if (tenantOf(agentId) !== tenant || !hosted.settled || hosted.mode === 'stopped') continue;
      const started = await kernel.startChild(`${agentsPath}/${tenant}`, specOf(hosted));
      if (!started.ok && started.refusal.answer === 'start-failed') {
        hosted.mode = 'stopped';
        this.#options.onMode(agentId, 'stopped');
      }
    }
  }

  /** Lets the agent finish what it has and removes it. UNKNOWN_AGENT. */
  async stop(agentId: AgentId): Promise<Result<void>> {
    const hosted = this.#hosted.get(agentId);
    if (!hosted) return refuse('UNKNOWN_AGENT', `${agentId} does not live on this node.`);
    hosted.settled = false;
    await this.#options.kernel.stopChild(`${agentsPath}/${tenantOf(agentId)}`, localNameOf(agentId));
    this.#forget(hosted);
    return ok(undefined);
  }

  #forget({ agentId, key }: HostedAgent): void {
    this.#hosted.delete(agentId);
    if (key !== undefined) this.#options.keys.forget(agentId, key);
  }

  /** An authorised message for an agent of this node. INBOX_FULL, STOPPED, UNKNOWN_AGENT. */
  deliver(message: ReceivedMessage): Result<void> {
    const hosted = this.#hosted.get(message.header.receiver);
    if (!hosted) return refuse('UNKNOWN_AGENT', `${message.header.receiver} does not live on this node.`);
    const { mode, queue } = hosted;
    if (mode === 'stopping' || mode === 'stopped' || mode === 'compromised')
      return refuse('STOPPED', `${hosted.agentId} takes no messages: it is ${mode}.`);
    // What the cell took out of its inbox and could not hand on yet counts as well, or the bound would not be one.
    if (queue !== undefined && queue.length >= limits.inboxMessagesMax)
      return refuse('INBOX_FULL', `${hosted.agentId} has ${queue.length} messages waiting.`);
    const delivery = { type: 'agent.message', message } as const;
    keepOnlySender(delivery, message.header.sender);
    return hosted.self.tell(delivery);
  }

  /** Tells an agent that a message of its was refused after `tell` had accepted it. */
  refused(agent: AgentId, refusal: Refusal, messageId: string): void {
    this.#hosted.get(agent)?.self.tell({ type: 'agent.refused', refusal, messageId });
  }

  /** The agent’s private key; undefined when it is not held here. */
  keyOf(agent: AgentId): KeyObject | undefined {
    const key = this.#hosted.get(agent)?.key;
    return key === undefined ? undefined : this.#options.keys.object(agent, key);
  }

  /**
   * A crash-looping agent is suspended by its own budget before it costs its neighbours anything, so the tenant’s
   * intensity only has to be out of reach.
   */
  #tenantSupervisor(tenant: string): Promise<Result<unknown>> {
    const known = this.#tenants.get(tenant);
    if (known) return known;
    const started = this.#startTenant(tenant);
    this.#tenants.set(tenant, started);
    void started.then((result) => {
      if (!result.ok) this.#tenants.delete(tenant);
    });
    return started;
  }

  async #startTenant(tenant: string): Promise<Result<unknown>> {
    const started = await this.#options.kernel.startChild(agentsPath, {
      kind: 'supervisor',
      id: tenant,
      strategy: 'one-for-one',
      intensity: limits.restartsRememberedMax - 1,
      periodMs: 1_000,
      // Tenants share the turns equally, however many agents of theirs are busy.
      group: tenant,
      // One that does not end holds up its own end and nobody else’s.
      stopTogether: true,
      children: [],
      onStarted: (life) => {
        if (life > 1) void this.#rehouse(tenant);
      },
    });
    // The cache is bounded, so it may have forgotten one that runs.
    return !started.ok && started.refusal.code === 'ALREADY_EXISTS' ? ok(undefined) : started;
  }
}

const specOf = (agent: HostedAgent): WorkerSpec => ({
  kind: 'worker',
  id: localNameOf(agent.agentId),
  logic: cellOf(agent.behaviour),
  input: agent,
  restart: 'transient',
});
