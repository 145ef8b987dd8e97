import type { KeyObject } from 'node:crypto';
import type { NodeConfig } from '../config.ts';
import { CaxtonError, unwrap } from '../errors.ts';
import type { AgentId, NodeId } from '../names.ts';
import type { AgentQuery } from '../protocols/registry/agent-query.ts';
import type { AgentAddress, AgentContext, Behaviour } from './agents/behaviour.ts';
import type { Deploy } from './agents/embedding.ts';
import type { SignedDeployment } from './agents/stored-deployment.ts';
import { recordBootChanges } from './boot-changes.ts';
import type { Kernel } from './kernel/kernel.ts';
import { nodeClock } from './kernel/node-clock.ts';
import { type CreateNodeOptions, recordMended, recordNode } from './node-base.ts';
import { checkNodeFolders, type NodeFiles } from './node-files.ts';
import { assemble, closeSockets, type NodeParts } from './node-parts.ts';
import { nodePorts } from './node-ports.ts';
import { type Stopping, stopInPhases } from './node-stop.ts';
import { nodeTree } from './node-tree.ts';
import type { AgentView, Caller, NodeControl, NodeEvent } from './operations/control.ts';
import { nodeDisk } from './operations/node-disk.ts';
import { startFault } from './start-fault.ts';
import { filesAtStart } from './start-files.ts';

/** A running node. */
export interface Node {
  readonly id: NodeId;
  /** What the management API and the command line can ask and do. */
  readonly control: NodeControl;
  readonly kernel: Kernel;
  /**
   * Deploys an agent whose code is in this program: a handler function or an XState machine. Signed with the deployer’s
   * key that `createNode` was given. An agent of the same name that runs here is replaced. Throws a CaxtonError:
   * DEPLOYMENT_REFUSED, MALFORMED (name, action or policy), LIMIT_EXCEEDED, AUDIT_BLOCKED, SUPERVISION.
   */
  readonly deploy: Deploy;
  /**
   * Deploys an agent of this program that somebody else signed for: a host that must not hold the deployer’s key. Throws
   * DEPLOYMENT_REFUSED, ALREADY_EXISTS or AUDIT_BLOCKED. `key`, the agent’s Ed25519 private key, is needed only by
   * agents that sign their messages. Returns the agent’s own voice.
   */
  deploySigned(
    signed: SignedDeployment,
    behaviour: Behaviour,
    options?: { readonly key?: KeyObject },
  ): Promise<AgentContext>;
  /** Where an agent lives and what it offers, as this node knows it now; `undefined` when no node hosts one of that name. */
  lookup(agent: AgentAddress): AgentView | undefined;
  /**
   * The agents of the cluster that are asked for, as this node knows them now, by name: `{ service: 'shop/payments' }`,
   * `{ node: 'node-2' }`, `{ tenant: 'shop' }`, or several of these at once; without a query all of them.
   */
  agents(query?: AgentQuery): readonly AgentView[];
  /** Calls the listener for everything that a watcher may see; returns the function that ends it. */
  on(listener: (event: NodeEvent) => void): () => void;
  /**
   * Stops in phases: drains, leaves the cluster, closes. Idempotent; never rejects, and resolves within
   * `limits.stopMsMax`, because what does not end in time is cut.
   */
  stop(): Promise<void>;
  readonly ended: Promise<{ readonly reason: 'stopped' | 'gave-up'; readonly error?: unknown }>;
}

/**
 * Starts a node from its configuration (`loadConfig`). Resolves when it listens, its deployments run again and its API
 * answers; rejects with a CaxtonError that says what is wrong and how to mend it.
 */
export const createNode = (config: NodeConfig, options: CreateNodeOptions = {}): Promise<Node> =>
  createNodeWith(config, options, undefined);

/** As `createNode`, with files that were read and judged just now. */
export async function createNodeWith(
  config: NodeConfig,
  options: CreateNodeOptions,
  ready: NodeFiles | undefined,
): Promise<Node> {
  const { parts, close } = await started(config, options, ready).catch((error: unknown) => {
    throw startFault(error, config);
  });
  const { kernel, events, control, deployments, host, embedding } = parts;
  let stopping: Promise<void> | undefined;
  const stop = (caller?: Caller): Promise<void> => {
    stopping ??= stopInPhases({ parts, close, caller });
    return stopping;
  };
  parts.requestStop = (caller) => void stop(caller);
  const ended = kernel.ended.then(async (ending) => {
    await stop();
    return ending;
  });
  return {
    id: config.node.id,
    control,
    kernel,
    deploy: embedding.deploy,
    async deploySigned(signed, behaviour, { key } = {}) {
      const { agentId } = unwrap(await deployments.embed(() => ({ signed, behaviour, key })));
      return host.contextOf(agentId)!;
    },
    lookup: (agent) => control.agent(agent as AgentId),
    agents: (query) => control.agents(query),
    on: events.subscribe,
    stop: () => stop(),
    ended,
  };
}

interface Started {
  readonly parts: NodeParts;
  readonly close: Stopping['close'];
}

/** All files are judged before anything is made on the disk: a start that cannot be leaves nothing behind. */
async function started(config: NodeConfig, options: CreateNodeOptions, ready: NodeFiles | undefined): Promise<Started> {
  const { disk = nodeDisk, clock = nodeClock, crypto } = options.ports ?? {};
  if (disk === nodeDisk) await checkNodeFolders(config);
  const files = ready ?? (await filesAtStart(config, disk, clock, crypto));
  const { ports, close } = await nodePorts(config, { ...options.ports, disk, clock });
  try {
    const parts = await assemble(config, ports, files, options);
    if (options.onEvent) parts.events.subscribe(options.onEvent);
    await start(parts);
    return { parts, close };
  } catch (error) {
    await close(Promise.resolve());
    throw error;
  }
}

async function start(parts: NodeParts): Promise<void> {
  const { kernel } = parts;
  try {
    await kernel.start(nodeTree(parts));
    unwrap(await recordNode(parts, 'NodeStarted'));
    const { config, files, ports, audit } = parts;
    if (files.identityMended || files.enrolledAgain !== undefined) unwrap(await recordMended(parts));
    unwrap(await recordBootChanges({ config, files, store: ports.store, record: (fact) => audit.record(fact) }));
    await parts.deployments.restore((agent, result) => {
      if (!result.ok) parts.fault(`${agent} was not brought back: ${result.refusal.reasons.join(' ')}`, undefined);
    });
    parts.state = 'running';
  } catch (error) {
    await kernel.stop();
    await closeSockets(parts);
    await parts.audit.end();
    const cause = error instanceof CaxtonError ? rootOf(error) : undefined;
    throw cause ?? error;
  }
}

/** The supervisor’s error says which child; the child’s own says what to do, so that one is shown. */
function rootOf(error: CaxtonError): CaxtonError {
  let root = error;
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause)
    if (cause instanceof CaxtonError) root = cause;
  return root;
}
