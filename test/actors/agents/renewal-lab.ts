import type { KeyObject } from 'node:crypto';
import { CapabilityRenewal, type Expiring } from '../../../src/actors/agents/capability-renewal.ts';
import { capabilityRenewer } from '../../../src/actors/agents/capability-renewer.ts';
import type { DeploymentAct } from '../../../src/actors/agents/deployment-act.ts';
import { Deployments } from '../../../src/actors/agents/deployments.ts';
import { DocumentSigner, type SigningKey } from '../../../src/actors/agents/document-signer.ts';
import { Patience } from '../../../src/actors/cluster/gossip/patience.ts';
import { AgentRegistry } from '../../../src/actors/messaging/agent-registry.ts';
import { Trust } from '../../../src/actors/messaging/trust.ts';
import { nodeDisk } from '../../../src/actors/operations/node-disk.ts';
import { osCrypto } from '../../../src/crypto/port.ts';
import { ok, type Result, unwrap } from '../../../src/errors.ts';
import type { AgentId } from '../../../src/names.ts';
import type { Capability } from '../../../src/protocols/authorization/capability.ts';
import type { Manifest } from '../../../src/protocols/deployment/manifest.ts';
import type { NoticeOf } from '../../../src/protocols/notice/notice.ts';
import { settle } from '../../../src/testing/manual-clock.ts';
import { fakeLink, now, one, signedCapability, signedManifest, textOf } from '../messaging/messaging-lab.ts';
import { hosting, memoryStore } from './agent-lab.ts';

export const deployer = osCrypto.generateKeyPair('ed25519');
export const issuer = osCrypto.generateKeyPair('ed25519');
const authority = osCrypto.generateKeyPair('ed25519');

export const lifeMs = 600_000;
/** When one that was signed at the start is due at the latest. */
export const dueMs = (lifeMs * 2) / 3;

const bundle = {
  deployers: [textOf(deployer.publicKey)],
  issuers: [textOf(issuer.publicKey)],
  authorities: [textOf(authority.publicKey)],
};

/** A node’s agents, and what renews their capabilities, in virtual time. `held`: the issuers that the node has. */
export async function renewalLab({
  held = [issuer.privateKey],
  store = memoryStore(),
  modulesPath,
}: RenewalLabOptions = {}) {
  const { clock, kernel, host } = await hosting();
  const body: NoticeOf<'trust'> = {
    v: 1,
    kind: 'trust',
    generation: 1,
    clusterId: 'cluster-1',
    issuedAt: now,
    body: bundle,
  };
  const trust = new Trust(body, '');
  const link = fakeLink('node-2' as never);
  const patience = () => new Patience(clock, { count: 10_000, periodMs: 1_000, burst: 400_000 });
  const registry = new AgentRegistry({
    nodeId: one,
    bootEpoch: 1,
    trust,
    clock,
    linkTo: (node) => (node === link.link.nodeId ? link.link : undefined),
    isLive: () => true,
    patience: { refused: patience(), heard: patience(), repeated: patience() },
    onPostponed: () => {},
    onChanges: () => {},
    onRefused: () => {},
  });
  registry.linkReady(link.link);
  const recorded: DeploymentAct[] = [];
  const world = { audit: async (): Promise<Result<unknown>> => ok(undefined) };
  const record = async (act: DeploymentAct): Promise<Result<unknown>> => {
    const result = await world.audit();
    if (result.ok) recorded.push(act);
    return result;
  };
  const deployments = new Deployments({
    ...{ nodeId: one, disk: nodeDisk, clock, store, trust, registry, host, record },
    modulesPath,
    announced: (agent) => {
      const capability = registry.ownRegistration(agent)?.capability;
      if (capability) renewal.noticed(capability);
    },
  });
  const expiring: Expiring[] = [];
  const failures: { code: string; attempt: number }[] = [];
  const renewal: CapabilityRenewal = new CapabilityRenewal({
    clock,
    crypto: osCrypto,
    trust,
    issuers: held.map((key) => new DocumentSigner(key, 'issuer', clock)),
    deployments,
    own: () => registry.own(),
    isActive: (agent) => host.modeOf(agent) === 'running',
    jitter: () => 0,
    failed: (_, { code }, attempt) => void failures.push({ code, attempt }),
    expiring: (news) => void expiring.push(news),
    sooner: () => void kernel.ref('/node/capability-renewer').tell({ type: 'capability.sooner' }, 'control'),
  });
  unwrap(
    await kernel.startChild('/node', {
      kind: 'worker',
      id: 'capability-renewer',
      logic: capabilityRenewer,
      input: { renewals: renewal },
    }),
  );
  const lab = {
    ...{ clock, kernel, host, trust, registry, deployments, renewal, store, recorded, expiring, failures, link, world },
    deploy: (agent: AgentId, { capability = {}, manifest = {}, key = issuer.privateKey }: DeployFacts = {}) =>
      deployments.embed(() => ({
        signed: {
          manifest: signedManifest(agent, manifest, deployer.privateKey),
          capability: signedCapability(agent, ['request agent:default/*'], timesAt(clock.now(), capability), key),
        },
        behaviour: { kind: 'handler', handler: () => {} },
        key: undefined,
      })),
    tokenOf: (agent: AgentId): string | undefined => registry.ownDocuments(agent)?.capability,
    capabilityOf: (agent: AgentId): Capability | undefined => registry.ownRegistration(agent)?.capability,
    /** The acts of this type, by agent. */
    acts: (type: DeploymentAct['type']) =>
      recorded.filter((act) => act.type === type).map(({ manifest: { agentId } }) => agentId),
    async pass(ms: number): Promise<void> {
      await clock.advanceAsync(ms);
      await settle();
    },
    /** From now on these are the issuers, and what `revoked` names counts no more. */
    enforce: ({
      issuers = bundle.issuers,
      revoked = [],
    }: {
      issuers?: readonly string[];
      revoked?: readonly string[];
    }) =>
      trust.enforce({ notice: trust.notice, text: '' }, { ...bundle, issuers }, (kind, id) =>
        revoked.includes(`${kind} ${id}`) ? { kind: kind as 'key', id, reason: 'keyCompromise', at: now } : undefined,
      ),
    close: () => kernel.stop(),
  };
  return lab;
}

export interface RenewalLabOptions {
  readonly held?: readonly SigningKey[];
  readonly store?: ReturnType<typeof memoryStore>;
  readonly modulesPath?: string;
}

interface DeployFacts {
  readonly capability?: Partial<Capability>;
  readonly manifest?: Partial<Manifest>;
  readonly key?: KeyObject;
}

const timesAt = (at: number, over: Partial<Capability>): Partial<Capability> => ({
  notBefore: at,
  expires: at + lifeMs,
  ...over,
});
