import { createHash, sign as signBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { readStored } from '../../../src/actors/agents/stored-deployment.ts';
import { keyIdOf } from '../../../src/crypto/keys.ts';
import { documentId } from '../../../src/crypto/signed-document.ts';
import { refuse, unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import { parseAgentPattern } from '../../../src/protocols/authorization/agent-pattern.ts';
import { alice, bob, signedCapability, signedManifest, textOf } from '../messaging/messaging-lab.ts';
import { memoryStore } from './agent-lab.ts';
import { deployer, dueMs, issuer, lifeMs, type RenewalLabOptions, renewalLab } from './renewal-lab.ts';

let stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops) await stop();
  stops = [];
});

async function lab(options: RenewalLabOptions = {}) {
  const made = await renewalLab(options);
  stops.push(made.close);
  return made;
}

/** A signer outside the process, in the state in which `how` puts it. */
function elsewhere() {
  const state = { how: 'signs' as 'signs' | 'hangs' | 'throws' | 'garbage', asked: 0 };
  const sign = async (bytes: Uint8Array): Promise<Uint8Array> => {
    state.asked += 1;
    if (state.how === 'hangs') return new Promise(() => {});
    if (state.how === 'throws') throw new Error('the HSM is locked');
    if (state.how === 'garbage') return new Uint8Array(64);
    return new Uint8Array(signBytes(null, bytes, issuer.privateKey));
  };
  return { state, signer: { publicKey: textOf(issuer.publicKey), sign } };
}

describe('the capability of a running agent', () => {
  it('is renewed at two thirds of its life: the very same authority, later, recorded and told', async () => {
    const { deploy, pass, capabilityOf, tokenOf, acts, recorded, link, host } = await lab();
    unwrap(
      await deploy(alice, {
        capability: { audience: unwrap(parseAgentPattern('default/bob')), depth: 1, holder: textOf(issuer.publicKey) },
        manifest: { agentKey: textOf(issuer.publicKey) },
      }),
    );
    const [before, token] = [capabilityOf(alice)!, tokenOf(alice)!];
    await pass(dueMs - lifeMs / 20 - lifeMs / 100 - 2_000);
    expect(tokenOf(alice)).toBe(token);
    link.sent.length = 0;
    await pass(lifeMs / 20 + lifeMs / 100 + 4_000);
    const after = capabilityOf(alice)!;
    const { notBefore, expires, nonce, ...authority } = after;
    expect(authority).toEqual({ ...before, notBefore: undefined, expires: undefined, nonce: undefined });
    expect(expires - notBefore).toBe(lifeMs);
    expect(expires).toBeGreaterThan(before.expires + lifeMs / 2);
    expect(nonce).not.toBe(before.nonce);
    expect(acts('TokenRefresh')).toEqual([alice]);
    expect(recorded.at(-1)?.detail).toEqual({
      by: 'renewal',
      tokenBefore: documentId(token),
      token: documentId(tokenOf(alice)!),
    });
    expect(link.sent.map(({ kind }) => kind)).toEqual(['registry']);
    expect(Buffer.from(link.sent[0]!.content).toString()).toContain(tokenOf(alice));
    expect(host.modeOf(alice)).toBe('running');
  });

  it('is renewed again and again, for as long as the deployment stands', async () => {
    const { deploy, deployments, pass, acts, capabilityOf, clock } = await lab();
    unwrap(await deploy(alice));
    for (let round = 0; round < 60; round += 1) {
      await pass(60_000);
      expect(capabilityOf(alice)!.expires).toBeGreaterThan(clock.now());
    }
    const renewals = acts('TokenRefresh').length;
    expect(renewals).toBeGreaterThanOrEqual(9);
    unwrap(await deployments.remove(alice));
    await pass(10 * lifeMs);
    expect(acts('TokenRefresh')).toHaveLength(renewals);
  });

  it('is recorded before it is used, kept before it is told, and not kept of a program’s agent', async () => {
    const { deploy, pass, world, tokenOf, store, link } = await lab();
    unwrap(await deploy(alice));
    const token = tokenOf(alice);
    const gate = Promise.withResolvers<{ ok: true; value: undefined }>();
    world.audit = () => gate.promise;
    await pass(1_000);
    link.sent.length = 0;
    await pass(dueMs);
    expect([tokenOf(alice), link.sent]).toEqual([token, []]);
    gate.resolve({ ok: true, value: undefined });
    await pass(0);
    expect(tokenOf(alice)).not.toBe(token);
    expect(store.held.size).toBe(0);
  });

  it('is renewed when it was put off by the clock, forward or back', async () => {
    for (const jumpMs of [3 * lifeMs, -3 * lifeMs]) {
      const { deploy, pass, capabilityOf, clock } = await lab();
      unwrap(await deploy(alice));
      await pass(1_000);
      const now = clock.now.bind(clock);
      clock.now = () => now() + jumpMs;
      await pass(limits.renewalPauseMsMax);
      const { notBefore, expires } = capabilityOf(alice)!;
      expect([notBefore <= clock.now(), expires > clock.now()]).toEqual([true, true]);
    }
  });

  it('is renewed though it ended while the node was down', async () => {
    const { deploy, pass, capabilityOf, clock } = await lab();
    const at = clock.now();
    unwrap(await deploy(alice, { capability: { notBefore: at - 2 * lifeMs, expires: at - lifeMs } }));
    await pass(limits.renewalPauseMsMin);
    expect(capabilityOf(alice)!.expires).toBe(at + limits.renewalPauseMsMin + (9 * lifeMs) / 10);
  });
});

describe('a capability is not renewed', () => {
  const never = async (
    spoil: (made: Awaited<ReturnType<typeof lab>>, token: string) => unknown,
    options?: RenewalLabOptions,
  ) => {
    const made = await lab(options);
    unwrap(await made.deploy(alice));
    const token = made.tokenOf(alice)!;
    await spoil(made, token);
    await made.pass(2 * lifeMs);
    expect(made.acts('TokenRefresh').filter((agent) => agent === alice)).toEqual([]);
    expect([token, undefined]).toContain(made.tokenOf(alice));
    return made;
  };

  it('when its issuer is revoked', async () => {
    const { failures, expiring } = await never(({ enforce }) =>
      enforce({ revoked: [`key ${keyIdOf(issuer.publicKey)}`] }),
    );
    // Who revoked it knows.
    expect(failures).toEqual([]);
    expect(expiring).toEqual([]);
  });

  it('when the token is revoked', async () => {
    await never(({ enforce }, token) => enforce({ revoked: [`token ${documentId(token)}`] }));
  });

  it('when its issuer is one no more, and somebody is told in time', async () => {
    const { failures, expiring } = await never(({ enforce }) => enforce({ issuers: [textOf(deployer.publicKey)] }));
    expect(failures[0]).toEqual({ code: 'SIGNATURE_INVALID', attempt: 1 });
    expect(expiring.map(({ agentId, leftMs }) => [agentId, leftMs > 0])).toEqual([
      [alice, true],
      [alice, true],
      [alice, false],
    ]);
  });

  it('when another one issued it than this node holds; somebody is told at half, a tenth and the end', async () => {
    const { expiring, failures } = await never(() => {}, { held: [deployer.privateKey] });
    expect(failures).toEqual([]);
    expect(expiring).toHaveLength(3);
    expect(expiring[0]).toMatchObject({ agentId: alice, agents: 1, reason: expect.stringContaining('does not hold') });
    expect(expiring[0]!.leftMs).toBeGreaterThan(lifeMs / 10);
    expect(expiring[0]!.leftMs).toBeLessThan(lifeMs / 6 + 10_000);
    expect(expiring[2]!.leftMs).toBeLessThanOrEqual(0);
  });

  it('when the agent is suspended, until it goes on', async () => {
    const { host, kernel, pass, capabilityOf, clock } = await never(({ kernel: at }) =>
      at.ref('/node/agents/default/alice').tell({ type: 'agent.suspend' }, 'control'),
    );
    expect(host.modeOf(alice)).toBe('suspended');
    kernel.ref('/node/agents/default/alice').tell({ type: 'agent.resume' }, 'control');
    await pass(limits.renewalPauseMsMax);
    expect(capabilityOf(alice)!.expires).toBeGreaterThan(clock.now());
  });

  it('when it narrows another one: that is its holder’s', async () => {
    const { renewal, deploy, capabilityOf } = await lab();
    unwrap(await deploy(alice));
    expect(renewal.renews(capabilityOf(alice)!)).toBe(true);
    expect(renewal.renews({ ...capabilityOf(alice)!, parent: documentId('a token') })).toBe(false);
  });
});

describe('the renewed capability of a deployment that is kept', () => {
  const modulesPath = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'dev', 'agents');
  const digest = createHash('sha256')
    .update(readFileSync(join(modulesPath, 'echo.ts')))
    .digest('hex');
  const signed = (at: number) => ({
    manifest: signedManifest(alice, { code: { module: 'echo.ts', digest: `sha256:${digest}` } }, deployer.privateKey),
    capability: signedCapability(
      alice,
      ['request agent:default/*'],
      { notBefore: at, expires: at + lifeMs },
      issuer.privateKey,
    ),
  });
  const kept = (store: ReturnType<typeof memoryStore>) => unwrap(readStored(store.held.get(alice)!)).capability;

  it('is what it comes back with', async () => {
    const store = memoryStore();
    const { deployments, pass, tokenOf, clock } = await lab({ store, modulesPath });
    const first = signed(clock.now());
    unwrap(await deployments.deploy(first));
    await pass(dueMs);
    expect(tokenOf(alice)).not.toBe(first.capability);
    expect(kept(store)).toBe(tokenOf(alice));
    const later = await lab({ store, modulesPath });
    await later.deployments.restore((_, result) => unwrap(result));
    expect(later.tokenOf(alice)).toBe(tokenOf(alice));
  });

  it('is made again where a crash came between its record and its place on the disk', async () => {
    const store = memoryStore();
    const { deployments, pass, acts, tokenOf, clock } = await lab({ store, modulesPath });
    const first = signed(clock.now());
    unwrap(await deployments.deploy(first));
    const { put } = store;
    store.put = () => new Promise(() => {});
    await pass(dueMs);
    expect([acts('TokenRefresh'), tokenOf(alice), kept(store)]).toEqual([[alice], first.capability, first.capability]);
    store.put = put;
    const later = await lab({ store, modulesPath });
    await later.pass(dueMs);
    await later.deployments.restore((_, result) => unwrap(result));
    expect(later.tokenOf(alice)).toBe(first.capability);
    await later.pass(limits.renewalPauseMsMax);
    expect(later.tokenOf(alice)).not.toBe(first.capability);
    expect(kept(store)).toBe(later.tokenOf(alice));
  });
});

describe('a renewal that fails', () => {
  it('is tried again, ever later, and goes through when the log takes it again', async () => {
    const { deploy, pass, world, tokenOf, failures, kernel } = await lab();
    unwrap(await deploy(alice));
    const token = tokenOf(alice);
    world.audit = async () => refuse('AUDIT_BLOCKED', 'The disk is full.');
    await pass(dueMs + 60_000);
    expect(failures.length).toBeGreaterThan(1);
    expect(failures.length).toBeLessThan(8);
    expect(new Set(failures.map(({ code }) => code))).toEqual(new Set(['AUDIT_BLOCKED']));
    expect(tokenOf(alice)).toBe(token);
    const state = kernel.tree().find(({ path }) => path.endsWith('capability-renewer'))?.state;
    expect(state).toBe('backing-off');
    world.audit = async () => ({ ok: true, value: undefined });
    await pass(30_000);
    expect(tokenOf(alice)).not.toBe(token);
  });

  it('of the store costs the agent nothing: it goes on with what it has', async () => {
    const { deploy, pass, deployments, tokenOf, host, failures, store } = await lab();
    unwrap(await deploy(alice));
    const token = tokenOf(alice);
    const { delete: remove } = store;
    store.delete = () => Promise.reject(new Error('the disk is gone'));
    await pass(dueMs);
    expect(failures[0]?.code).toBe('UNREACHABLE');
    expect([tokenOf(alice), host.modeOf(alice)]).toEqual([token, 'running']);
    store.delete = remove;
    await pass(60_000);
    expect(tokenOf(alice)).not.toBe(token);
    expect((await deployments.remove(alice)).ok).toBe(true);
  });

  it('of a signer that hangs, throws or gives garbage is bounded, and does not keep agents from being removed', async () => {
    for (const how of ['hangs', 'throws', 'garbage'] as const) {
      const { state, signer } = elsewhere();
      const { deploy, pass, deployments, tokenOf, failures, expiring } = await lab({ held: [signer] });
      const agents = Array.from({ length: 200 }, (_, n) => `default/agent-${n}` as AgentId);
      for (const agent of agents) unwrap(await deploy(agent));
      const tokens = agents.map(tokenOf);
      state.how = how;
      await pass(dueMs + 1_000);
      expect(failures.length).toBeGreaterThan(0);
      expect(state.asked).toBeLessThanOrEqual(limits.signaturesAtOnceMax * failures.length + agents.length);
      unwrap(await deployments.remove(agents[0]!));
      expect(agents.slice(1).map(tokenOf)).toEqual(tokens.slice(1));
      await pass(lifeMs / 6 + 30_000);
      expect(expiring[0]).toMatchObject({ agents: expect.any(Number), reason: expect.stringContaining('issuer') });
      // One word for all of them at a time, however many they are.
      expect(expiring.length).toBeLessThan(20);
      state.how = 'signs';
      await pass(60_000);
      expect(
        agents
          .slice(1)
          .map(tokenOf)
          .filter((token) => tokens.includes(token)),
      ).toEqual([]);
    }
  });

  it('of one issuer holds up no agent of another', async () => {
    const { state, signer } = elsewhere();
    const { deploy, pass, enforce, tokenOf } = await lab({ held: [signer, deployer.privateKey] });
    enforce({ issuers: [textOf(issuer.publicKey), textOf(deployer.publicKey)] });
    unwrap(await deploy(alice));
    unwrap(await deploy(bob, { key: deployer.privateKey }));
    const [ofAlice, ofBob] = [tokenOf(alice), tokenOf(bob)];
    state.how = 'throws';
    await pass(lifeMs);
    expect(tokenOf(alice)).toBe(ofAlice);
    expect(tokenOf(bob)).not.toBe(ofBob);
  });
});

describe('a renewal that something crosses', () => {
  it('comes to nothing when the agent is revoked while it is recorded', async () => {
    const { deploy, deployments, pass, world, enforce, tokenOf, host, store } = await lab();
    unwrap(await deploy(alice));
    const gate = Promise.withResolvers<{ ok: true; value: undefined }>();
    world.audit = () => gate.promise;
    await pass(dueMs);
    enforce({ revoked: [`key ${keyIdOf(issuer.publicKey)}`] });
    const stopped = deployments.stopRevoked();
    gate.resolve({ ok: true, value: undefined });
    await stopped;
    await pass(lifeMs);
    expect([tokenOf(alice), host.modeOf(alice), store.held.size]).toEqual([undefined, undefined, 0]);
  });

  it('leaves a deployment alone that replaced the agent meanwhile', async () => {
    const { state, signer } = elsewhere();
    const { deploy, pass, tokenOf, acts } = await lab({ held: [signer] });
    unwrap(await deploy(alice));
    state.how = 'hangs';
    await pass(dueMs);
    unwrap(await deploy(alice, { manifest: { generation: 2 } }));
    const token = tokenOf(alice);
    await pass(limits.signatureMsMax);
    expect(tokenOf(alice)).toBe(token);
    // The one that the replacement itself brought.
    expect(acts('TokenRefresh')).toEqual([alice]);
  });

  it('means the agent when the token is revoked that it had before', async () => {
    const { deploy, deployments, pass, enforce, tokenOf, host, acts } = await lab();
    unwrap(await deploy(alice));
    unwrap(await deploy(bob));
    const token = tokenOf(alice)!;
    await pass(dueMs);
    expect(tokenOf(alice)).not.toBe(token);
    enforce({ revoked: [`token ${documentId(token)}`] });
    await deployments.stopRevoked();
    expect([host.modeOf(alice), host.modeOf(bob), acts('AgentRemoved')]).toEqual([undefined, 'running', [alice]]);
  });

  it('takes a member’s replay of the record before it for nothing', async () => {
    const { deploy, pass, link, registry, tokenOf } = await lab();
    const there = await lab();
    unwrap(await deploy(alice, { manifest: { placement: { nodes: ['node-1', 'node-2'] as never } } }));
    await pass(0);
    const old = link.sent.at(-1)!;
    await pass(dueMs);
    const fresh = link.sent.at(-1)!;
    // Told to another node, which then hears the old one again.
    const heard = there.registry;
    const from = { nodeId: 'node-9', hello: { bootEpoch: 1 }, violated: () => {} } as never;
    for (const { content } of [old, fresh, old]) {
      const text = Buffer.from(content).toString().replaceAll('"node":"node-1"', '"node":"node-2"');
      heard.linkReady({ ...link.link, nodeId: 'node-2' } as never);
      heard.receive({ ...(from as object), nodeId: 'node-2' } as never, { content: Buffer.from(text) } as never);
    }
    expect(heard.find(alice)?.signed.capability).toBe(tokenOf(alice));
    expect(registry.find(alice)?.signed.capability).toBe(tokenOf(alice));
  });
});

it('thousands that were deployed in one moment are renewed in bounded batches, each once', async () => {
  const { deploy, pass, acts, clock, capabilityOf } = await lab();
  const agents = Array.from({ length: 2_000 }, (_, n) => `tenant-${n % 7}/agent-${n}` as AgentId);
  const manifest = (agent: AgentId) => ({ tenant: agent.split('/')[0]! });
  await Promise.all(agents.map((agent) => deploy(agent, { manifest: manifest(agent) })));
  await pass(dueMs + 10_000);
  // A round of the event loop begins a bounded number, and virtual time waits for none.
  for (let turn = 0; turn < 1_000 && acts('TokenRefresh').length < agents.length; turn += 1) await pass(10);
  expect(acts('TokenRefresh').length).toBe(agents.length);
  expect(agents.every((agent) => capabilityOf(agent)!.expires > clock.now() + lifeMs / 2)).toBe(true);
}, 120_000);
