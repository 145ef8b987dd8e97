import type { KeyObject } from 'node:crypto';
import type { AnyStateMachine } from 'xstate';
import type { Crypto } from '../../crypto/port.ts';
import { CaxtonError, ok, type Result, unwrap } from '../../errors.ts';
import { type AgentId, isAgentId, type NodeId } from '../../names.ts';
import type { Performative } from '../../protocols/acl/performative.ts';
import { inlinePolicy, type PolicyRules } from '../../protocols/authorization/policy-rules.ts';
import { malformed, readShape } from '../../protocols/json/shape.ts';
import type { Check } from '../kernel/check.ts';
import type { Clock } from '../kernel/ports.ts';
import type { Trust } from '../messaging/trust.ts';
import type { AgentHost } from './agent-host.ts';
import type { AgentKey } from './agent-keys.ts';
import type { AgentAddress, AgentContext, AgentHandler, Behaviour, HandlerModule } from './behaviour.ts';
import {
  type AgentRef,
  type AnyContract,
  type CheckedMessage,
  type Checks,
  type Contract,
  type ContractOf,
  type PerformativeOf,
  performativesOf,
} from './contract.ts';
import { capabilityBytes, type DeploymentFacts, manifestBytes } from './deployer.ts';
import { DeploymentLine } from './deployment-line.ts';
import type { Deployments } from './deployments.ts';
import type { DocumentSigner } from './document-signer.ts';
import type { EmbeddedAgent, SignedDeployment } from './stored-deployment.ts';

/** The code of an agent: a function, or an XState machine whose input is `{ agent }` (see `ChartModule`). */
export type AgentCode = AgentHandler | AnyStateMachine;

/** A handler behind checks: what it receives has the form that they say. */
export type CheckedHandler<K extends Checks> = (
  message: CheckedMessage<K>,
  agent: AgentContext,
) => void | Promise<void>;

/** Who may write to an agent, and what. Stated in its manifest; it stands above a policy for its whole tenant. */
export interface AgentPolicy {
  /** Agents: `default/planner`, all of a tenant: `default/*`, or all: `*`. */
  readonly allowedSenders: readonly string[];
  /** Outranks `allowedSenders`. */
  readonly deniedSenders?: readonly string[];
  /** Default: the performatives that `accepts` names. */
  readonly permittedOperations?: readonly {
    readonly performatives: readonly Performative[] | '*';
    readonly protocols?: readonly string[];
    readonly ontologies?: readonly string[];
  }[];
  /** By sender, `default` for the others: `{ default: '100/s', 'default/planner': '10/min burst 3' }`. */
  readonly rateLimits?: Readonly<Record<string, string>>;
  /** Default false. */
  readonly requiresSignedMessages?: boolean;
  /** Default true. */
  readonly capabilityRequired?: boolean;
}

export interface DeployOptions {
  /** What it may send, such as `request agent:default/*`. Default: nothing; it can still answer. */
  readonly actions?: readonly string[];
  /** What it offers: names under which agents of its tenant find it. */
  readonly services?: readonly string[];
  /** Default: what the node’s policy file says about it. */
  readonly policy?: AgentPolicy;
  /** A message of this agent was refused after `tell` had accepted it. Handlers only; a chart hears `acl.refused`. */
  readonly onRefused?: HandlerModule['onRefused'];
  /** Its own Ed25519 private key, for `sign: true`. Default: a new one. */
  readonly key?: KeyObject;
  /** How many times what it may send can be handed on to other agents of its tenant; default 0. See `agent.delegate`. */
  readonly delegations?: number;
  /**
   * How long its capability is valid, in milliseconds; default 90 days. The node renews it for the same time while the
   * agent stands, as long as it holds the issuer; one that is not renewed can only answer after its end.
   */
  readonly validForMs?: number;
}

/** `node.deploy`: signs, deploys, and gives a ref. See `Node` for the errors. */
export interface Deploy {
  /** Content is checked before the agent sees it; what the checks turn away is answered with `not-understood`. */
  <K extends Checks>(
    id: AgentAddress,
    code: CheckedHandler<K> | AnyStateMachine,
    options: DeployOptions & { readonly accepts: K },
  ): Promise<AgentRef<ContractOf<K>>>;
  /** The contract is the deployer’s word: it types the ref; the agent’s code still gets content as `unknown`. */
  <C extends Contract = AnyContract>(
    id: AgentAddress,
    code: AgentCode,
    options?: DeployOptions & { readonly accepts?: { readonly [P in PerformativeOf<C>]?: Check } },
  ): Promise<AgentRef<C>>;
}

export interface EmbeddingParts {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly trust: Trust;
  readonly deployments: Deployments;
  readonly host: AgentHost;
  /** Who signs manifests; without it nothing can be deployed here that was not signed elsewhere. */
  readonly deployer: DocumentSigner | undefined;
  /** Who signs capabilities; default: the deployer. */
  readonly issuer: DocumentSigner | undefined;
  /** Under which name the program around the node writes to its agents; checked here. */
  readonly program: string | undefined;
}

const dayMs = 86_400_000;
const defaultValidForMs = 90 * dayMs;

/** What a program does with the agents of the node that it embeds. */
export class Embedding {
  readonly #parts: EmbeddingParts;
  /** Who waits for a signature from elsewhere must not keep others from being deployed or removed. */
  readonly #signing = new DeploymentLine();
  #program: Promise<AgentContext> | undefined;

  /** Throws MALFORMED when the program’s name is none. */
  constructor(parts: EmbeddingParts) {
    this.#parts = parts;
    if (parts.deployer) programAgentOf(parts);
  }

  readonly deploy: Deploy = async (
    id: AgentAddress,
    code: AgentCode | CheckedHandler<Checks>,
    options: DeployOptions & { readonly accepts?: Checks } = {},
  ): Promise<AgentRef> => {
    if (!isAgentId(id))
      throw new CaxtonError('MALFORMED', `“${id}” is not an agent: expected tenant/name of a-z, 0-9, “_” and “-”.`);
    const behaviour = behaviourOf(id, code, options);
    const program = await this.#programAgent();
    const agent = await this.#embed(id, behaviour, options);
    return {
      id,
      agent,
      tell: (message) => void unwrap(program.tell({ ...message, to: id })),
      ask: async (message, askOptions) => unwrap(await program.ask({ ...message, to: id }, askOptions)) as never,
    };
  };

  /** The program’s own mailbox, deployed at the first use; it may say anything, and receivers decide what they take. */
  #programAgent(): Promise<AgentContext> {
    this.#program ??= this.#embed(programAgentOf(this.#parts), { kind: 'console' }, { actions: ['* agent:*'] });
    // What failed is tried again by the next one: the audit log may be back by then.
    this.#program.catch(() => {
      this.#program = undefined;
    });
    return this.#program;
  }

  /** The node stops: nothing is signed any more. */
  close(): void {
    this.#signing.close();
  }

  async #embed(
    agentId: AgentId,
    behaviour: Behaviour,
    options: DeployOptions & { accepts?: Checks },
  ): Promise<AgentContext> {
    const { deployments, host, deployer, issuer = deployer } = this.#parts;
    if (!deployer || !issuer)
      throw new CaxtonError(
        'DEPLOYMENT_REFUSED',
        'This node was made without a deployer’s key, so it signs nothing: createNode(config, { deployer }).',
      );
    const draft = async () => this.#draft(agentId, behaviour, options, await deployments.lastGeneration(agentId));
    // With keys that are here a deployment is signed when its turn has come: many at once must not all be signed first.
    if (deployer.privateKey && issuer.privateKey) {
      const [manifestKey, capabilityKey] = [deployer.privateKey, issuer.privateKey];
      const signed = ({ facts, key }: Drafted): EmbeddedAgent => {
        const { trust, crypto } = this.#parts;
        const manifest = trust.sign('deployment', manifestKey, manifestBytes(facts));
        const payload = capabilityBytes(facts, issuer.keyId, crypto);
        const capability = payload ? trust.sign('capability', capabilityKey, payload) : '';
        return { signed: { manifest, capability }, behaviour, key };
      };
      unwrap(await deployments.embed(async () => signed(await draft())));
    } else {
      const brought = unwrap(
        await this.#signing.run(async () => {
          const { facts, key } = await draft();
          const signed = await this.#signedBy(deployer, issuer, facts);
          return signed.ok ? ok({ signed: signed.value, behaviour, key }) : signed;
        }),
      );
      unwrap(await deployments.embed(() => brought));
    }
    return host.contextOf(agentId)!;
  }

  /** Nothing is deployed before both documents are there. */
  async #signedBy(
    deployer: DocumentSigner,
    issuer: DocumentSigner,
    facts: DeploymentFacts,
  ): Promise<Result<SignedDeployment>> {
    const { trust, crypto } = this.#parts;
    const sign = async (kind: 'deployment' | 'capability', signer: DocumentSigner, payload: Uint8Array) => {
      const text = await signer.sign(kind, payload);
      if (text.ok) trust.noteVerified(text.value, { kind, payload, keyId: signer.keyId });
      return text;
    };
    const payload = capabilityBytes(facts, issuer.keyId, crypto);
    const [manifest, capability] = await Promise.all([
      sign('deployment', deployer, manifestBytes(facts)),
      payload ? sign('capability', issuer, payload) : ok(''),
    ]);
    if (!manifest.ok) return manifest;
    return capability.ok ? ok({ manifest: manifest.value, capability: capability.value }) : capability;
  }

  #draft(
    agentId: AgentId,
    behaviour: Behaviour,
    options: DeployOptions & { accepts?: Checks },
    lastGeneration: number,
  ): Drafted {
    const { nodeId, clock, host } = this.#parts;
    const { actions = [], services = [], validForMs = defaultValidForMs, delegations = 0 } = options;
    const key = options.key ?? host.keys.make(agentId);
    const now = clock.now();
    const policy = options.policy && policyOf(agentId, options.policy, options.accepts);
    const facts: DeploymentFacts = {
      agentId,
      kind: behaviour.kind,
      code: behaviour.kind === 'console' ? null : 'embedded',
      services,
      actions,
      agentKey: host.keys.object(agentId, key),
      nodes: [nodeId],
      // Embedded agents are not kept on disk: the clock tells a later run’s deployment from an earlier one’s. It may be
      // behind that of whoever deployed the agent before, and this is the later one all the same.
      generation: Math.max(Math.floor(now), lastGeneration + 1),
      ...(policy && { policy }),
      now,
      validForMs,
      delegations,
    };
    return { facts, key };
  }
}

/** What is to be signed, and the agent’s own key. */
interface Drafted {
  readonly facts: DeploymentFacts;
  readonly key: AgentKey;
}

function programAgentOf({ nodeId, program = `default/program-${nodeId}` }: EmbeddingParts): AgentId {
  if (isAgentId(program)) return program;
  throw new CaxtonError(
    'MALFORMED',
    `“${program}” cannot be the name of the program’s agent: give one with createNode(config, { program: 'tenant/name' }).`,
  );
}

function behaviourOf(
  id: AgentId,
  code: AgentCode | CheckedHandler<Checks>,
  { onRefused, accepts }: DeployOptions & { readonly accepts?: Checks },
): Behaviour {
  const checks = accepts ? { accepts } : {};
  if (typeof code !== 'function') {
    // From JavaScript anything may come.
    if (!(typeof code === 'object' && code !== null && 'root' in code && 'transition' in code))
      throw new CaxtonError('MALFORMED', `The code of ${id} is neither a function nor an XState machine.`);
    return { kind: 'chart', chart: code, ...checks };
  }
  // The checks make it true that the handler gets only what it takes.
  return { kind: 'handler', handler: code as AgentHandler, ...(onRefused ? { onRefused } : {}), ...checks };
}

function policyOf(agentId: AgentId, policy: AgentPolicy, accepts: Checks | undefined): PolicyRules {
  const { allowedSenders, deniedSenders, rateLimits, requiresSignedMessages, capabilityRequired } = policy;
  const operations = policy.permittedOperations ?? (accepts && [{ performatives: performativesOf(accepts) }]);
  if (!operations)
    throw new CaxtonError(
      'MALFORMED',
      `The policy of ${agentId} permits nothing: give permittedOperations, such as [{ performatives: ['request'] }].`,
    );
  const written = {
    allowed_senders: allowedSenders,
    denied_senders: deniedSenders,
    permitted_operations: operations,
    rate_limits: rateLimits,
    requires_signed_messages: requiresSignedMessages,
    capability_required: capabilityRequired,
  };
  const given = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined));
  return unwrap(readShape(inlinePolicy, given, malformed(`The policy of ${agentId}`)));
}
