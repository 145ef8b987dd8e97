import { createHash, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { setup } from 'xstate';
import type { Behaviour } from '../../../src/actors/agents/behaviour.ts';
import { Deployments } from '../../../src/actors/agents/deployments.ts';
import type { SignedDeployment } from '../../../src/actors/agents/stored-deployment.ts';
import { nodeClock } from '../../../src/actors/kernel/node-clock.ts';
import { utf8 } from '../../../src/actors/kernel/utf8.ts';
import { ComposedMessage } from '../../../src/actors/messaging/composed-message.ts';
import { Content } from '../../../src/actors/messaging/content.ts';
import { nodeDisk } from '../../../src/actors/operations/node-disk.ts';
import { ok, type Result, refuse, unwrap } from '../../../src/errors.ts';
import { limits } from '../../../src/limits.ts';
import type { AgentId } from '../../../src/names.ts';
import type { Manifest } from '../../../src/protocols/deployment/manifest.ts';
import { settle } from '../../../src/testing/manual-clock.ts';
import { refusalOf } from '../../crypto/fixtures.ts';
import { messageHeader } from '../messaging/fixtures.ts';
import {
  alice,
  bob,
  mallory,
  messagingLab,
  one,
  signedCapability,
  signedManifest,
  stranger,
  trust,
  two,
} from '../messaging/messaging-lab.ts';
import { hosting, memoryStore } from './agent-lab.ts';

const folder = join(fileURLToPath(import.meta.url), '..', '..', '..', '..', 'src', 'cli', 'dev', 'agents');
const bytes = (await nodeDisk.readFile(join(folder, 'echo.ts')))!;
const code = { module: 'echo.ts', digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };

const deployment = (over: Partial<Manifest> = {}): SignedDeployment => ({
  manifest: signedManifest(bob, { code, ...over }),
  capability: signedCapability(bob, []),
});

let stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops) await stop();
  stops = [];
});

async function lab({ store = memoryStore(), trusted = trust(), modulesPath = folder } = {}) {
  const { host, kernel } = await hosting();
  stops.push(() => kernel.stop());
  const { registry } = messagingLab();
  const recorded: string[] = [];
  const world = { audit: (): Result<unknown> => ok(undefined) };
  const deployments = new Deployments({
    nodeId: one,
    disk: nodeDisk,
    clock: nodeClock,
    store,
    trust: trusted,
    registry,
    host,
    modulesPath,
    announced: () => {},
    record: async ({ type, manifest: { agentId, generation }, caller, failure }) => {
      const more = `${caller ? ` by ${caller.identity}` : ''}${failure ? ` failed: ${failure.code}` : ''}`;
      recorded.push(`${type} ${agentId} ${generation} ${host.modeOf(agentId) ?? 'absent'}${more}`);
      return world.audit();
    },
  });
  return { deployments, host, registry, recorded, store, world };
}

describe('a deployment', () => {
  it('is recorded before the agent runs, kept, started and announced', async () => {
    const { deployments, recorded, store, host, registry } = await lab();
    expect(await deployments.deploy(deployment())).toMatchObject({ ok: true, value: { agentId: bob } });
    expect(recorded).toEqual([`AgentDeployed ${bob} 1 absent`]);
    expect([[...store.held.keys()], host.modeOf(bob), registry.find(bob)?.nodeId]).toEqual([[bob], 'running', one]);
  });

  it.each([
    ['no deployer signed it', { ...deployment(), manifest: signedManifest(bob, { code }, stranger.privateKey) }],
    ['it is placed elsewhere', deployment({ placement: { nodes: [two] } })],
    ['the code differs', deployment({ code: { ...code, digest: `sha256:${'0'.repeat(64)}` } })],
    ['the host should bring the code', deployment({ code: 'embedded' })],
    ['no issuer signed the token', { ...deployment(), capability: signedCapability(bob, [], {}, stranger.privateKey) }],
    ['the token is another agent’s', { ...deployment(), capability: signedCapability(mallory, []) }],
  ])('is refused without a trace when %s', async (_, signed) => {
    const { deployments, recorded, store, host, registry } = await lab();
    expect(refusalOf(await deployments.deploy(signed)).code).toBe('DEPLOYMENT_REFUSED');
    expect([recorded, store.held.size, host.size, registry.find(bob)]).toEqual([[], 0, 0, undefined]);
  });

  it('does not happen when it cannot be audited', async () => {
    const { deployments, store, host, world } = await lab();
    world.audit = () => refuse('AUDIT_BLOCKED', 'The disk is full.');
    expect(refusalOf(await deployments.deploy(deployment())).code).toBe('AUDIT_BLOCKED');
    expect([store.held.size, host.size]).toEqual([0, 0]);
  });

  it('is replaced by a higher generation only', async () => {
    const { deployments, registry } = await lab();
    await deployments.deploy(deployment({ generation: 2 }));
    for (const generation of [1, 2])
      expect(refusalOf(await deployments.deploy(deployment({ generation }))).code).toBe('ALREADY_EXISTS');
    expect((await deployments.deploy(deployment({ generation: 3 }))).ok).toBe(true);
    expect(registry.find(bob)?.manifest.generation).toBe(3);
  });

  it('is carried out alone: another one of the agent, or its removal, is refused meanwhile', async () => {
    const { deployments, registry, store } = await lab();
    await deployments.deploy(deployment());
    const [replaced, again, removed] = await Promise.all([
      deployments.deploy(deployment({ generation: 2 })),
      deployments.deploy(deployment({ generation: 3 })),
      deployments.remove(bob),
    ]);
    expect(replaced.ok).toBe(true);
    expect([refusalOf(again).code, refusalOf(removed).code]).toEqual(['ALREADY_EXISTS', 'ALREADY_EXISTS']);
    expect([registry.find(bob)?.manifest.generation, store.held.size]).toEqual([2, 1]);
  });

  it('that cannot start is not kept, and the agent that ran before comes back', async () => {
    const { deployments, host, registry, recorded } = await lab();
    const embedded = (generation: number) => ({
      manifest: signedManifest(alice, { kind: 'chart', generation }),
      capability: '',
    });
    const chart = setup({}).createMachine({});
    const broken = setup({}).createMachine({
      context: () => {
        throw new Error('no context');
      },
    });
    expect(
      (await deployments.embed(() => ({ signed: embedded(1), behaviour: { kind: 'chart', chart }, key: undefined })))
        .ok,
    ).toBe(true);
    const failed = await deployments.embed(() => ({
      signed: embedded(2),
      behaviour: { kind: 'chart', chart: broken },
      key: undefined,
    }));
    expect(refusalOf(failed).code).toBe('SUPERVISION');
    expect([host.modeOf(alice), registry.find(alice)?.manifest.generation]).toEqual(['running', 1]);
    expect(recorded.slice(1)).toEqual([
      `AgentDeployed ${alice} 2 running`,
      `AgentDeployed ${alice} 2 running failed: SUPERVISION`,
    ]);
  });

  it('is not replaced by an older one, not even after its removal and a restart of the node', async () => {
    const { deployments, store } = await lab();
    await deployments.deploy(deployment({ generation: 3 }));
    await deployments.remove(bob);
    const later = await lab({ store });
    const older = refusalOf(await later.deployments.deploy(deployment({ generation: 2 })));
    expect([older.code, older.text]).toEqual(['DEPLOYMENT_REFUSED', expect.stringContaining('generation 3')]);
    expect((await later.deployments.deploy(deployment({ generation: 3 }))).ok).toBe(true);
  });

  it('is recorded with who asked for it', async () => {
    const { deployments, recorded } = await lab();
    const caller = { identity: 'apikey:dev', sourceIp: '192.0.2.1', requestId: 'r1' };
    await deployments.deploy(deployment(), caller);
    await deployments.remove(bob, caller);
    expect(recorded).toEqual([
      `AgentDeployed ${bob} 1 absent by apikey:dev`,
      `AgentRemoved ${bob} 1 running by apikey:dev`,
    ]);
  });

  it('is removed with a record, and does not come back', async () => {
    const { deployments, recorded, store, host, registry, world } = await lab();
    expect(refusalOf(await deployments.remove(bob)).code).toBe('UNKNOWN_AGENT');
    await deployments.deploy(deployment());
    world.audit = () => refuse('AUDIT_BLOCKED', 'The disk is full.');
    expect(refusalOf(await deployments.remove(bob)).code).toBe('AUDIT_BLOCKED');
    expect(host.modeOf(bob)).toBe('running');
    world.audit = () => ok(undefined);
    expect((await deployments.remove(bob)).ok).toBe(true);
    expect(recorded.at(-1)).toBe(`AgentRemoved ${bob} 1 running`);
    expect([store.held.size, host.size, registry.find(bob)]).toEqual([0, 0, undefined]);
  });
});

describe('many deployments at once', () => {
  const name = (n: number) => `tenant-${n % 3}/agent-${n}` as AgentId;
  const embedded = (n: number, over: Partial<Manifest> = {}, key?: KeyObject) => ({
    manifest: signedManifest(name(n), { tenant: `tenant-${n % 3}`, ...over }, key),
    capability: '',
  });
  const handler = { kind: 'handler', handler: () => {} } as const;
  const bring =
    (signed: SignedDeployment, behaviour: Behaviour = handler) =>
    () => ({
      signed,
      behaviour,
      key: undefined,
    });

  it('stand each for itself: what is refused, throws or cannot start leaves the others alone', async () => {
    const { deployments, host, registry, recorded, store } = await lab();
    const broken = setup({}).createMachine({
      context: () => {
        throw new Error('no context');
      },
    });
    const results = await Promise.allSettled(
      Array.from({ length: 100 }, (_, n) => {
        if (n % 10 === 1) return deployments.embed(bring(embedded(n, {}, stranger.privateKey)));
        if (n % 10 === 2)
          return deployments.embed(bring(embedded(n, { kind: 'chart' }), { kind: 'chart', chart: broken }));
        if (n % 10 === 3)
          return deployments.embed(() => {
            throw new Error('cannot be signed');
          });
        return deployments.embed(bring(embedded(n)));
      }),
    );
    for (const [n, result] of results.entries()) {
      const [runs, known] = [host.modeOf(name(n)), registry.find(name(n))?.nodeId];
      if (n % 10 === 3) expect([n, result.status, runs, known]).toEqual([n, 'rejected', undefined, undefined]);
      else if (n % 10 === 1 || n % 10 === 2) {
        expect(result).toMatchObject({ status: 'fulfilled', value: { ok: false } });
        expect([n, runs, known]).toEqual([n, undefined, undefined]);
      } else expect([n, runs, known]).toEqual([n, 'running', one]);
    }
    expect(recorded.filter((line) => line.includes('failed: SUPERVISION'))).toHaveLength(10);
    expect([recorded.length, host.size, store.held.size]).toEqual([90, 70, 0]);
  });

  it('go on while one of them crashes, and it is restarted', async () => {
    const { deployments, host } = await lab();
    let calls = 0;
    const crashing: Behaviour = {
      kind: 'handler',
      handler: () => {
        calls += 1;
        if (calls === 1) throw new Error('bad day');
      },
    };
    const first = deployments.embed(bring(embedded(0), crashing)).then(() => {
      const message = new ComposedMessage(messageHeader({ receiver: name(0) }), unwrap(Content.fromValue('hi')));
      host.deliver(message);
      host.deliver(message);
    });
    const rest = await Promise.all(Array.from({ length: 200 }, (_, n) => deployments.embed(bring(embedded(n + 1)))));
    await first;
    await settle();
    expect([calls, host.modeOf(name(0)), rest.every(({ ok }) => ok)]).toEqual([2, 'running', true]);
  });

  it('of one agent leave the highest generation that was let in, and its removal leaves none', async () => {
    const { deployments, host, registry } = await lab();
    const generations = await Promise.all(
      [1, 2, 3].map((generation) => deployments.embed(bring(embedded(0, { generation })))),
    );
    expect(generations.map(({ ok }) => ok)).toEqual([true, false, false]);
    expect((await deployments.embed(bring(embedded(0, { generation: 9 })))).ok).toBe(true);
    expect(registry.find(name(0))?.manifest.generation).toBe(9);
    const removed = await Promise.all([deployments.remove(name(0)), deployments.remove(name(0))]);
    expect(removed.map(({ ok }) => ok)).toEqual([true, false]);
    expect([host.size, registry.find(name(0))]).toEqual([0, undefined]);
    const older = refusalOf(await deployments.embed(bring(embedded(0, { generation: 8 }))));
    expect(older.text).toContain('generation 9');
  });

  it('are refused once the node stops, those that wait and those that come', async () => {
    const { deployments, host, recorded } = await lab();
    const all = Array.from({ length: 200 }, (_, n) => deployments.embed(bring(embedded(n))));
    deployments.close();
    const results = await Promise.all(all);
    const refused = results.filter(({ ok }) => !ok).map((result) => refusalOf(result).code);
    expect(new Set(refused)).toEqual(new Set(['STOPPED']));
    expect([refused.length + host.size, recorded.length]).toEqual([200, host.size]);
    expect(refusalOf(await deployments.remove(name(0))).code).toBe('STOPPED');
  });

  it('are refused without a record when the node is full', async () => {
    const { deployments, host, recorded } = await lab();
    await deployments.embed(bring(embedded(0)));
    vi.spyOn(host, 'isFull', 'get').mockReturnValue(true);
    expect(refusalOf(await deployments.embed(bring(embedded(1))))).toMatchObject({
      code: 'LIMIT_EXCEEDED',
      text: expect.stringContaining(`${limits.agentsMax} agents already`),
    });
    expect(recorded).toHaveLength(1);
  });
});

describe('an embedded agent', () => {
  const handler = { kind: 'handler', handler: () => {} } as const;

  it('runs the code that the program brings, and is not kept on disk', async () => {
    const { deployments, store, host } = await lab();
    const signed = { manifest: signedManifest(bob), capability: '' };
    expect((await deployments.embed(() => ({ signed: signed, behaviour: handler, key: undefined }))).ok).toBe(true);
    const mailbox = { manifest: signedManifest(alice, { kind: 'console', code: null }), capability: '' };
    expect(
      (await deployments.embed(() => ({ signed: mailbox, behaviour: { kind: 'console' }, key: undefined }))).ok,
    ).toBe(true);
    expect([store.held.size, host.size]).toEqual([0, 2]);
  });

  it.each([
    ['names a module', deployment(), handler],
    ['is of another kind', { manifest: signedManifest(bob, { kind: 'chart' }), capability: '' }, handler],
  ])('is refused when its manifest %s', async (_, signed, behaviour) => {
    const { deployments, host } = await lab();
    expect(
      refusalOf(await deployments.embed(() => ({ signed: signed, behaviour: behaviour, key: undefined }))).code,
    ).toBe('DEPLOYMENT_REFUSED');
    expect(host.size).toBe(0);
  });
});

describe('a revocation', () => {
  /** A trust that finds documents revoked, by their texts. */
  function revoking() {
    const trusted = trust();
    const fallen = new Set<string>();
    const judge = trusted.manifest.bind(trusted);
    trusted.manifest = (text) => (fallen.has(text) ? refuse('REVOKED', 'It is revoked.') : judge(text));
    return { trusted, fallen };
  }

  it('takes no newer deployment from the disk that is under way while it stops the old one', async () => {
    const { trusted, fallen } = revoking();
    const store = memoryStore();
    const { deployments, host } = await lab({ store, trusted });
    const old = deployment();
    await deployments.deploy(old);
    const { put } = store;
    const [putting, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.put = async (...kept) => {
      await put(...kept);
      if (kept[0] === 'deployments') putting.resolve();
      await gate.promise;
    };
    const newer = deployments.deploy(deployment({ generation: 2 }));
    await putting.promise;
    fallen.add(old.manifest);
    await deployments.stopRevoked();
    gate.resolve();
    expect((await newer).ok).toBe(true);
    expect([store.held.size, host.modeOf(bob)]).toEqual([1, 'running']);
  });

  it('is not undone by a deployment that fails: what ran before comes back only if it may', async () => {
    const { trusted, fallen } = revoking();
    const { deployments, host, registry, store } = await lab({ trusted });
    const old = deployment();
    await deployments.deploy(old);
    const announce = vi.spyOn(registry, 'announce').mockImplementation(() => {
      fallen.add(old.manifest);
      return refuse('LIMIT_EXCEEDED', 'No room.');
    });
    expect((await deployments.deploy(deployment({ generation: 2 }))).ok).toBe(false);
    expect([store.held.size, host.size, announce.mock.calls.length]).toEqual([0, 0, 1]);
  });
});

describe('after a restart', () => {
  async function restored(store: ReturnType<typeof memoryStore>, trusted = trust(), modulesPath = folder) {
    const made = await lab({ store, trusted, modulesPath });
    const failed: string[] = [];
    await made.deployments.restore((agent, result) => void failed.push(`${agent} ${refusalOf(result).code}`));
    return { ...made, failed };
  }

  it('one whose module is another one now does not run, and that is recorded; one whose module is away is no attack', async () => {
    const { store, deployments } = await lab();
    await deployments.deploy(deployment());
    const other = await mkdtemp(join(tmpdir(), 'caxton-modules-'));
    await writeFile(join(other, 'echo.ts'), 'export const handler = () => {};\n');
    const changed = await restored(store, trust(), other);
    expect([changed.failed, changed.host.size]).toEqual([[`${bob} DEPLOYMENT_REFUSED`], 0]);
    expect(changed.recorded).toEqual([`AgentCompromised ${bob} 1 absent`]);
    await rm(other, { recursive: true });
    const away = await restored(store, trust(), other);
    expect([away.failed, away.recorded]).toEqual([[`${bob} DEPLOYMENT_REFUSED`], []]);
  });

  it('deployments run again, without a second record', async () => {
    const { store, deployments } = await lab();
    await deployments.deploy(deployment());
    const { host, recorded, failed, registry } = await restored(store);
    expect([host.modeOf(bob), recorded, failed, registry.find(bob)?.nodeId]).toEqual(['running', [], [], one]);
  });

  it('each is judged again: what is no longer trusted stays down, and the rest comes up', async () => {
    const { store, deployments } = await lab();
    await deployments.deploy(deployment());
    const untrusted = { ...deployment(), manifest: signedManifest(mallory, { code }, stranger.privateKey) };
    store.held.set(mallory, utf8.encode(JSON.stringify(untrusted)));
    store.held.set('default/broken', utf8.encode('{"manifest":'));
    store.held.set('default/empty', utf8.encode('null'));
    const { host, failed } = await restored(store);
    expect([host.modeOf(bob), host.size]).toEqual(['running', 1]);
    expect(failed).toEqual(['default/broken MALFORMED', 'default/empty MALFORMED', `${mallory} DEPLOYMENT_REFUSED`]);
  });
});
