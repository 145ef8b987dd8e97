import type { KeyObject } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { AgentContext, ReceivedMessage } from '../../src/actors/agents/behaviour.ts';
import type { Caller } from '../../src/actors/operations/control.ts';
import { createApiKey } from '../../src/crypto/api-key.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';
import { malformed, readShape } from '../../src/protocols/json/shape.ts';
import { type NoticeBodies, noticeBodies } from '../../src/protocols/notice/notice.ts';
import { createTestCluster, type TestCluster, type TestClusterOptions } from '../../src/testing/test-cluster.ts';
import { authorityOf, clusterIdOf, newKey, operator, signNotice } from './notice-lab.ts';

type Kind = 'policies' | 'roles' | 'api-keys';

const open: TestCluster[] = [];
const whole = async (options: TestClusterOptions = {}): Promise<TestCluster> => {
  const cluster = await createTestCluster(options);
  open.push(cluster);
  await cluster.until('they find each other', () => cluster.isWhole());
  return cluster;
};

afterEach(async () => {
  for (const cluster of open.splice(0)) await cluster.close();
});

/** A body as it is written in a file. */
const bodyOf = <K extends Kind>(kind: K, written: unknown): NoticeBodies[K] =>
  unwrap(readShape(noticeBodies[kind], written, malformed('The body')));
const documentOf = (cluster: TestCluster, key: KeyObject, kind: Kind, generation: number, written: unknown): string =>
  signNotice(key, { kind, generation, clusterId: clusterIdOf(cluster), body: bodyOf(kind, written) });
const publish = (cluster: TestCluster, node: string, text: string, caller: Caller = operator) =>
  cluster.settled(cluster.node(node).control.publishNotice(text, caller));
const codeOf = async (published: ReturnType<typeof publish>): Promise<string> => {
  const result = await published;
  return result.ok ? 'ok' : result.refusal.code;
};
const viewOf = (cluster: TestCluster, node: string, kind: Kind) =>
  cluster
    .node(node)
    .control.notices()
    .find((view) => view.kind === kind);
const generations = (cluster: TestCluster, kind: Kind) =>
  cluster.running.map((node) => viewOf(cluster, node, kind)?.generation);
const recordsOf = async (cluster: TestCluster, node: string, type: string): Promise<Record<string, unknown>[]> => {
  const tail = await cluster.settled(cluster.node(node).control.auditTail({ limit: 500 }));
  return tail.ok ? (tail.value as Record<string, unknown>[]).filter((record) => record.type === type) : [];
};
const linksOf = (cluster: TestCluster, node: string): number => cluster.node(node).control.links().length;

const talk = {
  policy: { allowedSenders: ['default/*'], permittedOperations: [{ performatives: ['request' as const] }] },
};
const echo = (message: ReceivedMessage, agent: AgentContext) => {
  if (message.performative === 'request') agent.reply(message, { performative: 'inform', content: message.content });
};
const allowing = (...receivers: string[]) => ({
  policies: receivers.map((receiver) => ({
    ...{ receiver, allowed_senders: ['*'], permitted_operations: [{ performatives: '*' }] },
  })),
});

/** An agent on node-2 that answers everybody of its tenant by its manifest; and how it is asked from node-1. */
async function asked(cluster: TestCluster): Promise<() => Promise<string>> {
  const ref = await cluster.deploy('node-2', 'default/echo', echo, talk);
  const far = await cluster.deploy('node-1', 'default/asker', echo, talk);
  await cluster.until('all know both', () =>
    cluster.nodes.every(
      (node) =>
        cluster
          .node(node)
          .control.agents()
          .filter(({ reachable }) => reachable).length >= 2,
    ),
  );
  expect(far).toBeDefined();
  return async () => {
    const answer = cluster
      .settled(ref.ask({ performative: 'request', content: 'hello' }, { timeoutMs: 2_000 }))
      .then(({ content }) => String(content))
      .catch((error: { code: string }) => error.code);
    return answer;
  };
}

describe('the cluster’s policies', () => {
  it('are obeyed by every node at once, and are a ceiling for what manifests permit', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const ask = await asked(cluster);
    expect(await ask()).toBe('hello');
    expect(await codeOf(publish(cluster, 'node-3', documentOf(cluster, authority, 'policies', 1, allowing())))).toBe(
      'ok',
    );
    await cluster.until('all have it', () => generations(cluster, 'policies').every((one) => one === 1));
    expect(await ask()).toBe('UNAUTHORIZED');
    const denied = (await recordsOf(cluster, 'node-2', 'AccessDenied')).at(-1);
    expect(denied).toMatchObject({
      reasons: [expect.stringContaining('Cluster default for default/echo'), expect.anything()],
      policyHash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    // The hash that each decision carries is the one that the record of the change has, wherever it was published.
    const changes = await Promise.all(
      ['node-3', 'node-2'].map(async (node) => (await recordsOf(cluster, node, 'SecurityPolicyUpdated')).at(-1)),
    );
    for (const change of changes)
      expect(change).toMatchObject({ metadata: { what: 'policies', policyHash: denied!.policyHash } });
    await publish(cluster, 'node-1', documentOf(cluster, authority, 'policies', 2, allowing('default/*')));
    await cluster.until('all have it', () => generations(cluster, 'policies').every((one) => one === 2));
    expect(await ask()).toBe('hello');
  });

  it('of one generation must both permit, until a higher one comes', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const ask = await asked(cluster);
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    await publish(cluster, 'node-1', documentOf(cluster, authority, 'policies', 1, allowing('default/other')));
    await publish(cluster, 'node-2', documentOf(cluster, authority, 'policies', 1, allowing('default/*')));
    expect(await ask()).toBe('hello');
    await cluster.until('links break', () => linksOf(cluster, 'node-1') === 0);
    cluster.heal();
    await cluster.until('all are one again', () => cluster.isWhole());
    expect(cluster.nodes.map((node) => viewOf(cluster, node, 'policies')?.rivals)).toEqual([1, 1, 1]);
    expect(await ask()).toBe('UNAUTHORIZED');
    expect(viewOf(cluster, 'node-2', 'policies')?.body).toMatchObject({
      allOf: [expect.anything(), expect.anything()],
    });
    await publish(cluster, 'node-3', documentOf(cluster, authority, 'policies', 2, allowing('default/*')));
    await cluster.until('all have it', () => generations(cluster, 'policies').every((one) => one === 2));
    expect(await ask()).toBe('hello');
  });

  it('are refused when they are forged, old, another cluster’s, or come to a minority', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const of = (generation: number, key = authority) => documentOf(cluster, key, 'policies', generation, allowing());
    expect(await codeOf(publish(cluster, 'node-1', of(1, newKey().key)))).toBe('SIGNATURE_INVALID');
    const foreign = signNotice(authority, {
      kind: 'policies',
      generation: 1,
      clusterId: 'other',
      body: bodyOf('policies', allowing()),
    });
    expect(await codeOf(publish(cluster, 'node-1', foreign))).toBe('PROTOCOL_VIOLATION');
    expect(await codeOf(publish(cluster, 'node-1', of(3)))).toBe('ok');
    await cluster.until('all have it', () => generations(cluster, 'policies').every((one) => one === 3));
    expect(await codeOf(publish(cluster, 'node-1', of(2)))).toBe('REPLAYED');
    expect(await codeOf(publish(cluster, 'node-1', documentOf(cluster, authority, 'policies', 3, allowing('*'))))).toBe(
      'ALREADY_EXISTS',
    );
    cluster.partition(['node-1'], ['node-2', 'node-3']);
    await cluster.until('it knows', () => cluster.node('node-1').control.status().partition !== 'majority');
    expect(await codeOf(publish(cluster, 'node-1', of(4)))).toBe('PARTITION_MINORITY');
    expect(generations(cluster, 'policies')).toEqual([3, 3, 3]);
  });

  it('reach a node that was away for ten generations of each kind, before its first link is up', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    await cluster.stop('node-3');
    const { hash } = createApiKey(osCrypto);
    const keys = { keys: [{ id: 'ops', name: 'ops', roles: ['admin'], secrets: [{ hash, notBefore: 0 }] }] };
    for (let generation = 1; generation <= 10; generation++)
      for (const [kind, written] of [
        ['policies', allowing(`default/of-${generation}`)],
        ['roles', { roles: [], bindings: [] }],
        ['api-keys', keys],
      ] as const)
        expect(
          await codeOf(publish(cluster, 'node-1', documentOf(cluster, authority, kind, generation, written))),
        ).toBe('ok');
    const first: unknown[] = [];
    const unsubscribe = cluster.on((event) => {
      if (event.type === 'link.ready' && event.nodeId === 'node-3' && first.length === 0)
        first.push(
          ...cluster
            .node('node-1')
            .control.notices()
            .map(({ kind }) => kind),
        );
    });
    await cluster.restart('node-3');
    await cluster.until('it is back', () => cluster.isWhole());
    unsubscribe();
    for (const kind of ['policies', 'roles', 'api-keys'] as const)
      expect([kind, generations(cluster, kind)]).toEqual([kind, [10, 10, 10]]);
    // And over another start, from what it kept.
    await cluster.crash('node-3');
    await cluster.restart('node-3');
    expect(viewOf(cluster, 'node-3', 'policies')?.generation).toBe(10);
  });
});

describe('roles and API keys of the cluster', () => {
  // The key of the test cluster’s own file.
  const dev = { ...operator, identity: 'apikey:dev' };
  const { hash } = createApiKey(osCrypto);
  const key = (id: string, roles: string[], of = hash) => ({
    keys: [{ id, name: id, roles, secrets: [{ hash: of, notBefore: 0 }] }],
  });

  it('are refused when whoever publishes them could publish nothing any more', async () => {
    const cluster = await whole({ nodes: 1 });
    const authority = await authorityOf(cluster);
    const keys = (written: unknown, generation = 1) =>
      codeOf(publish(cluster, 'node-1', documentOf(cluster, authority, 'api-keys', generation, written), dev));
    expect(await keys(key('other', ['admin']))).toBe('INSUFFICIENT_PERMISSIONS');
    expect(await keys(key('dev', ['operator']))).toBe('INSUFFICIENT_PERMISSIONS');
    expect(await keys(key('dev', ['admin']))).toBe('ok');
    const denying = {
      roles: [{ name: 'shut', permissions: [], denied_permissions: ['ManageSecurity'] }],
      bindings: [{ role: 'shut', subjects: ['apikey:dev'] }],
    };
    const roles = documentOf(cluster, authority, 'roles', 1, denying);
    expect(await codeOf(publish(cluster, 'node-1', roles, dev))).toBe('INSUFFICIENT_PERMISSIONS');
    expect(viewOf(cluster, 'node-1', 'roles')).toBeUndefined();
    // Whoever has no such permission to lose is only the messenger of the authority.
    expect(await codeOf(publish(cluster, 'node-1', roles))).toBe('ok');
  });

  it('taken away are in force though the audit log cannot record it, and given are not', async () => {
    const cluster = await whole({ nodes: 1 });
    const authority = await authorityOf(cluster);
    const two = { keys: [...key('dev', ['admin']).keys, ...key('ci', ['viewer'], 'a'.repeat(64)).keys] };
    await publish(cluster, 'node-1', documentOf(cluster, authority, 'api-keys', 1, two), dev);
    await cluster.until('they are in force', () => viewOf(cluster, 'node-1', 'api-keys')?.generation === 1);
    cluster.machine('node-1').disk.fail('append', 'EIO');
    const given = documentOf(cluster, authority, 'api-keys', 2, key('dev', ['admin', 'viewer']));
    expect(await codeOf(publish(cluster, 'node-1', given, dev))).toBe('AUDIT_BLOCKED');
    expect(viewOf(cluster, 'node-1', 'api-keys')?.generation).toBe(1);
    const taken = documentOf(cluster, authority, 'api-keys', 2, key('dev', ['admin']));
    const taking = publish(cluster, 'node-1', taken, dev);
    expect(viewOf(cluster, 'node-1', 'api-keys')?.generation).toBe(2);
    expect(await codeOf(taking)).toBe('ok');
    cluster.machine('node-1').disk.mend();
  });

  it('lie in files with which a node begins, which older than what it holds are of no account', async () => {
    const cluster = await whole();
    const authority = await authorityOf(cluster);
    const { disk } = cluster.machine('node-3');
    const put = (text: string) => disk.put('/cluster/notices/api-keys.notice', Buffer.from(`${text}\n`), 0o644);
    await cluster.stop('node-3');
    put(documentOf(cluster, authority, 'api-keys', 1, key('dev', ['admin'])));
    await cluster.restart('node-3');
    await cluster.until('the others hear of it', () => generations(cluster, 'api-keys').every((one) => one === 1));
    await publish(cluster, 'node-1', documentOf(cluster, authority, 'api-keys', 2, key('dev', ['viewer'])));
    await cluster.until('all have it', () => generations(cluster, 'api-keys').every((one) => one === 2));
    await cluster.restart('node-3');
    expect(viewOf(cluster, 'node-3', 'api-keys')).toMatchObject({ generation: 2, rivals: 0 });
    // With nothing held, a file that nobody may believe is a mistake to be told.
    await cluster.stop('node-3');
    await cluster.machine('node-3').store.delete('notices', 'api-keys');
    put(documentOf(cluster, newKey().key, 'api-keys', 3, key('dev', ['admin'])));
    await expect(cluster.restart('node-3')).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
      message: expect.stringContaining('cluster.notices_path: /cluster/notices/api-keys.notice: '),
    });
    put(documentOf(cluster, authority, 'roles', 1, { roles: [], bindings: [] }));
    await expect(cluster.restart('node-3')).rejects.toMatchObject({ code: 'MALFORMED' });
  });
});
