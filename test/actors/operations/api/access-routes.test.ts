import { connect as connectHttp2, constants } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { ApiAccess } from '../../../../src/actors/operations/api/api-access.ts';
import { neededBy } from '../../../../src/actors/operations/api/route.ts';
import { apiRoutes } from '../../../../src/actors/operations/api/routes.ts';
import type { NodeControl } from '../../../../src/actors/operations/control.ts';
import { createApiKey } from '../../../../src/crypto/api-key.ts';
import { osCrypto } from '../../../../src/crypto/port.ts';
import { ok } from '../../../../src/errors.ts';
import type { AgentId } from '../../../../src/names.ts';
import { permissions } from '../../../../src/protocols/access/permission.ts';
import type { Resource } from '../../../../src/protocols/access/resource.ts';
import { builtInRoles, type RolesBody } from '../../../../src/protocols/access/roles.ts';
import { ManualClock } from '../../../../src/testing/manual-clock.ts';
import { type ApiLab, type ApiLabOptions, accessOf, agentEcho, apiLab, ca } from './api-lab.ts';

const labs: ApiLab[] = [];
const open = async (options: ApiLabOptions = {}): Promise<ApiLab> => {
  const lab = await apiLab(options);
  labs.push(lab);
  return lab;
};
afterEach(async () => {
  await Promise.all(labs.splice(0).map(({ api }) => api.close()));
});

/** What each path asks for: the one table. A path that is not in it fails the test. */
const table: Readonly<Record<string, string>> = {
  'GET /health/live': '',
  'GET /health/ready': '',
  'GET /api/v1/status': 'Inspect',
  'GET /api/v1/cluster/members': 'Inspect',
  'GET /api/v1/cluster/links': 'Inspect',
  'GET /api/v1/cluster/keys': 'Inspect',
  'POST /api/v1/cluster/keys/rotations': 'ManageSecurity',
  'GET /api/v1/agents': 'Inspect',
  'GET /api/v1/agents/:tenant/:name': 'Inspect',
  'POST /api/v1/agents': 'DeployAgent or UpdateAgent',
  'DELETE /api/v1/agents/:tenant/:name': 'RemoveAgent',
  'POST /api/v1/messages': 'SendMessage',
  'GET /api/v1/auth/whoami': '',
  'GET /api/v1/notices': 'Inspect',
  'POST /api/v1/notices': 'ManageSecurity',
  'GET /api/v1/security/roots': 'Inspect',
  'POST /api/v1/security/join-tokens': 'ManageCluster',
  'GET /api/v1/security/join-tokens': 'ManageCluster',
  'DELETE /api/v1/security/join-tokens/:id': 'ManageCluster',
  'GET /api/v1/security/certificates/:node': 'Inspect',
  'GET /api/v1/enrolment/ca': '',
  'POST /api/v1/enrolment': '',
  'POST /api/v1/enrolment/renewals': '',
  'GET /api/v1/audit/records': 'ReadAudit',
  'GET /api/v1/audit/verification': 'ReadAudit',
  'GET /api/v1/audit/checkpoint': 'ReadAudit',
  'GET /api/v1/audit/witnessed': 'ReadAudit',
  'GET /api/v1/audit/proofs/:sequence': 'ReadAudit',
  'GET /api/v1/audit/consistency': 'ReadAudit',
  'POST /api/v1/audit/acceptances': 'ManageSecurity',
  'GET /api/v1/actors': 'Inspect',
  'GET /api/v1/metrics': 'ViewMetrics',
  'POST /api/v1/server/shutdown': 'ManageCluster',
};
const pathOf = (url: string): string =>
  url
    .replace(':tenant', 'default')
    .replace(':name', 'echo')
    .replace(':node', 'node-1')
    .replace(':sequence', '1')
    .replace(':id', 'ab'.repeat(16));
const json = { 'content-type': 'application/json' };
const post = (body: unknown) => ({ headers: json, body: JSON.stringify(body) });

describe('every path of the API', () => {
  it('asks for a permission, or says that it asks for none', () => {
    expect(
      Object.fromEntries(apiRoutes.map((route) => [`${route.method} ${route.url}`, neededBy(route).join(' or ')])),
    ).toEqual(table);
    // Whoever is asked for nothing is not asked who they are, but for who asks just that.
    for (const { method, url, needs, access } of apiRoutes)
      expect([url, needs === 'nothing']).toEqual([
        url,
        access === 'open' || `${method} ${url}` === 'GET /api/v1/auth/whoami',
      ]);
  });

  const everybody = [...builtInRoles.map(({ name }) => [name]), [], ['no-such-role']];
  it.each(everybody.map((roles) => [roles.join() || 'none', roles] as const))(
    'is open to the role %s for what the role permits, and for nothing else',
    async (_, roles) => {
      const lab = await open({ roles });
      const held = new Set(
        builtInRoles.flatMap((role) => (roles.includes(role.name) ? role.permissions : [])).map(String),
      );
      for (const { method, url } of apiRoutes) {
        // Whatever is sent: nobody learns from an answer whether it would have been right.
        const answer = await lab.ask(method, pathOf(url), method === 'POST' ? post({}) : {});
        const needed = table[`${method} ${url}`]!;
        const allowed = needed === '' || needed.split(' or ').some((one) => held.has(one));
        expect([method, url, answer.status === 403]).toEqual([method, url, !allowed]);
        if (allowed) continue;
        expect(answer.json).toMatchObject({
          code: 'INSUFFICIENT_PERMISSIONS',
          detail: `apikey:dev has no role with the permission ${needed.split(' or ')[0]}.`,
        });
      }
      const denials = lab.control.audited.filter(({ type }) => type === 'AccessDenied');
      expect(denials).toHaveLength(
        apiRoutes.filter(({ method, url }) => {
          const needed = table[`${method} ${url}`]!;
          return needed !== '' && !needed.split(' or ').some((one) => held.has(one));
        }).length,
      );
      expect(lab.bugs).toEqual([]);
    },
  );

  it('is shut to whoever has no key, whatever the path asks for', async () => {
    const lab = await open();
    for (const { method, url, access } of apiRoutes.filter((route) => route.access !== 'open')) {
      const answer = await lab.ask(method, pathOf(url), { headers: { authorization: '' } });
      expect([access, url, answer.status]).toEqual([access, url, 401]);
    }
  });
});

const documents = (roles: RolesBody[], hash: string, own: { roles: string[]; resources: Resource[] }) => {
  const access = accessOf({ dev: hash });
  access.set({
    roles,
    keys: [{ keys: [{ id: 'dev', name: 'dev', ...own, secrets: [{ hash, notBefore: 0 }] }] }],
  });
  return access;
};

describe('a role on some agents', () => {
  const apiKey = createApiKey(osCrypto);
  const shop = () => documents([], apiKey.hash, { roles: ['operator'], resources: ['agent:shop/*'] });
  const other = { ...agentEcho, agentId: 'shop/cart' as AgentId };
  const over: Partial<NodeControl> = { agents: () => [agentEcho, other] };
  const send = (lab: ApiLab, to: string) =>
    lab.ask('POST', '/api/v1/messages', post({ to, performative: 'request', content: 'x', timeoutMs: 0 }));

  it('lets them be seen, removed and written to, and no others', async () => {
    const lab = await open({ over, apiKey, access: shop() });
    expect((await lab.get('/api/v1/agents')).json).toMatchObject({ items: [{ agentId: 'shop/cart' }] });
    const removed = async (agent: string) => (await lab.ask('DELETE', `/api/v1/agents/${agent}`)).status;
    expect([await removed('shop/cart'), await removed('default/echo')]).toEqual([200, 403]);
    expect((await send(lab, 'shop/cart')).status).toBe(200);
    expect((await send(lab, 'service:shop/pay?pick=rr')).status).toBe(200);
    const denied = await send(lab, 'service:default/pay');
    expect([denied.status, denied.json.detail]).toEqual([
      403,
      'apikey:dev has no role with the permission SendMessage on agent:default/*.',
    ]);
    expect((await lab.get('/api/v1/cluster/members')).status).toBe(403);
    expect(lab.control.calls.map(({ name }) => name)).toEqual(['remove', 'send', 'send']);
  });

  it('decides on a deployment when it is known which agent it is for, and whether that is there already', async () => {
    const asked: unknown[] = [];
    const deploying: Partial<NodeControl> = {
      async deploy({ manifest }, _caller, may) {
        const [permission, agent] = manifest.split(' ') as ['DeployAgent' | 'UpdateAgent', AgentId];
        const judged = may?.(permission, agent);
        asked.push(judged?.ok);
        return judged?.ok === false ? judged : ok(agentEcho);
      },
    };
    const lab = await open({ over: deploying, apiKey, access: shop() });
    const deploy = async (manifest: string) =>
      (await lab.ask('POST', '/api/v1/agents', post({ manifest, capability: '' }))).status;
    expect([await deploy('DeployAgent shop/cart'), await deploy('UpdateAgent default/echo')]).toEqual([201, 403]);
    expect(asked).toEqual([true, false]);
  });

  it('is taken away by a deny, on those that it is about', async () => {
    const denying: RolesBody = {
      roles: [{ name: 'not-cart', permissions: [], deniedPermissions: ['RemoveAgent'] }],
      bindings: [{ role: 'not-cart', subjects: ['apikey:dev'], resources: ['agent:shop/cart' as Resource] }],
    };
    const access = documents([denying], apiKey.hash, { roles: ['admin'], resources: ['*'] });
    const lab = await open({ apiKey, access });
    const removed = async (agent: string) => (await lab.ask('DELETE', `/api/v1/agents/${agent}`)).status;
    expect([await removed('shop/cart'), await removed('shop/other')]).toEqual([403, 200]);
  });
});

describe('whoever asks what they may do', () => {
  it('is told, also when it is nothing', async () => {
    const admin = await open();
    expect((await admin.get('/api/v1/auth/whoami')).json).toEqual({
      identity: 'apikey:dev',
      roles: [{ role: 'admin', resources: ['*'] }],
      permissions: [...permissions],
    });
    const nobody = await open({ roles: [] });
    expect((await nobody.get('/api/v1/auth/whoami')).json).toEqual({
      identity: 'apikey:dev',
      roles: [],
      permissions: [],
    });
  });
});

describe('a key that is taken out', () => {
  const apiKey = createApiKey(osCrypto);
  const message = post({ to: 'default/echo', performative: 'request', content: 'x', timeoutMs: 60_000 });
  /** A node whose agents answer when they are let. */
  const waiting = () => {
    let answer: () => void = () => {};
    let arrived: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const over: Partial<NodeControl> = {
      send: () =>
        new Promise((resolve) => {
          answer = () => resolve(ok({ messageId: 'm-1' }));
          arrived();
        }),
    };
    return { over, begun, answer: () => answer() };
  };
  const keysOf = (...ids: string[]) => ({
    roles: [],
    keys: [
      {
        keys: ids.map((id) => ({
          ...{ id, name: id, roles: ['admin'], resources: ['*'] as const },
          secrets: [{ hash: apiKey.hash, notBefore: 0 }],
        })),
      },
    ],
  });

  it('cuts the requests that wait with it, at once, and opens nothing more', async () => {
    const { over, begun, answer } = waiting();
    const access = accessOf({ dev: apiKey.hash });
    const lab = await open({ over, apiKey, access });
    const asking = lab.ask('POST', '/api/v1/messages', message);
    const cut = expect(asking).rejects.toMatchObject({ code: 'ECONNRESET' });
    await begun;
    access.set(keysOf());
    await cut;
    // The agent does not know, and answers all the same.
    answer();
    expect((await lab.get('/api/v1/status')).status).toBe(401);
    access.set(keysOf('dev'));
    expect((await lab.get('/api/v1/status')).status).toBe(200);
    expect(lab.bugs).toEqual([]);
  });

  it('ends its streams alone: others of the connection go on', async () => {
    const { over, begun, answer } = waiting();
    const stays = createApiKey(osCrypto);
    const access = accessOf({ dev: apiKey.hash, stays: stays.hash });
    const lab = await open({ over, apiKey, access });
    const session = connectHttp2(`https://127.0.0.1:${lab.address.port}`, { ca: ca.certPem });
    const stream = session.request({
      ...{ ':method': 'POST', ':path': '/api/v1/messages', authorization: `Bearer ${apiKey.key}` },
      'content-type': 'application/json',
    });
    const ended = new Promise<number>((resolve) =>
      stream.on('error', () => {}).on('close', () => resolve(stream.rstCode)),
    );
    stream.end(message.body);
    await begun;
    access.set({
      roles: [],
      keys: [{ keys: [{ ...keysOf('stays').keys[0]!.keys[0]!, secrets: [{ hash: stays.hash, notBefore: 0 }] }] }],
    });
    expect(await ended).toBe(constants.NGHTTP2_CANCEL);
    answer();
    const other = session.request({ ':path': '/api/v1/status', authorization: `Bearer ${stays.key}` });
    const status = await new Promise((resolve) => other.on('response', (head) => resolve(head[':status'])));
    expect(status).toBe(200);
    other.resume();
    session.close();
    expect(lab.bugs).toEqual([]);
  });

  it('or whose role is, is not answered: what it may have no more is not sent', async () => {
    const { over, begun } = waiting();
    const access = accessOf({ dev: apiKey.hash }, ['operator']);
    const lab = await open({ over, apiKey, access });
    const asking = lab.ask('POST', '/api/v1/messages', message);
    const cut = expect(asking).rejects.toMatchObject({ code: 'ECONNRESET' });
    await begun;
    const roles: RolesBody = {
      roles: [{ name: 'silent', permissions: [], deniedPermissions: ['SendMessage'] }],
      bindings: [{ role: 'silent', subjects: ['apikey:dev'], resources: ['*'] }],
    };
    access.set({ roles: [roles], keys: [] });
    await cut;
  });

  it('answers all the same whoever published what took it out', async () => {
    const access = accessOf({ dev: apiKey.hash });
    const over: Partial<NodeControl> = {
      async publishNotice() {
        access.set(keysOf());
        return ok({
          ...{ kind: 'api-keys' as const, generation: 2, hash: 'ab', issuedAt: '', signer: 'A', signerTrusted: true },
          ...{ rivals: 0, document: 'cxnot1', body: {} },
        });
      },
    };
    const lab = await open({ over, apiKey, access });
    expect((await lab.ask('POST', '/api/v1/notices', post({ document: 'cxnot1.a.b.c' }))).status).toBe(200);
  });

  it('cuts what waits when its time has come', async () => {
    const { over, begun } = waiting();
    const clock = new ManualClock();
    const access = accessOf({});
    const until = {
      roles: [],
      keys: [
        {
          keys: [
            {
              ...keysOf('dev').keys[0]!.keys[0]!,
              secrets: [{ hash: apiKey.hash, notBefore: 0, expiresAt: clock.now() + 5_000 }],
            },
          ],
        },
      ],
    };
    access.set(until);
    const lab = await open({ over, apiKey, access, clock });
    const asking = lab.ask('POST', '/api/v1/messages', message);
    const cut = expect(asking).rejects.toMatchObject({ code: 'ECONNRESET' });
    await begun;
    clock.advance(5_000);
    await cut;
  });
});

describe('API keys that the cluster knows', () => {
  const { hash } = createApiKey(osCrypto);
  const file = (...ids: string[]) => ({
    keys: ids.map((id) => ({
      id,
      name: id,
      roles: ['admin'],
      resources: ['*'] as const,
      secrets: [{ hash, notBefore: 0 }],
    })),
  });
  const access = (fileKeys: ReturnType<typeof file>) => new ApiAccess({ fileKeys, blind: (text) => `blind ${text}` });
  const document = (id: string, secret: object = {}) => ({
    keys: [
      { id, name: id, roles: ['viewer'], resources: ['*'] as const, secrets: [{ hash, notBefore: 10, ...secret }] },
    ],
  });

  it('are those of the document alone once there is one: a file has no say beside it, whatever ids and hashes it has', () => {
    const node = access(file('dev'));
    expect(node.identify(hash, 20)).toMatchObject({ value: { subject: 'apikey:dev' } });
    node.set({ roles: [], keys: [document('ops')] });
    expect(node.identify(hash, 20)).toMatchObject({ value: { subject: 'apikey:ops' } });
    node.set({ roles: [], keys: [{ keys: [] }] });
    expect(node.identify(hash, 20)).toMatchObject({ refusal: { code: 'UNAUTHENTICATED' } });
    node.set({ roles: [], keys: [document('dev')] });
    const identity = node.identify(hash, 20);
    // The same id in both: the document’s roles, and not the file’s.
    expect(identity.ok && node.judge(identity.value, 'ManageSecurity', 'cluster', 20).ok).toBe(false);
  });

  it('count in their time alone', () => {
    const node = access(file());
    node.set({ roles: [], keys: [document('ops', { expiresAt: 30 })] });
    expect([9, 10, 29, 30].map((now) => node.identify(hash, now).ok)).toEqual([false, true, true, false]);
    const identity = { subject: 'apikey:ops', keyHash: hash };
    expect([29, 30].map((now) => node.judge(identity, 'Inspect', 'cluster', now).ok)).toEqual([true, false]);
    expect([node.endsAt(identity), node.view(identity, 30).ok]).toEqual([30, false]);
  });

  it('may do, of two documents of one generation, what both permit', () => {
    const node = access(file());
    const identity = { subject: 'apikey:ops', keyHash: hash };
    const wider = { keys: [{ ...document('ops').keys[0]!, roles: ['admin'] }] };
    node.set({ roles: [], keys: [wider, document('ops')] });
    expect(node.judge(identity, 'Inspect', 'cluster', 20).ok).toBe(true);
    expect(node.judge(identity, 'ManageSecurity', 'cluster', 20).ok).toBe(false);
    node.set({ roles: [], keys: [wider, document('other')] });
    expect(node.identify(hash, 20).ok).toBe(false);
  });

  it('are told of when they change, and not when they do not', () => {
    const node = access(file('dev'));
    let told = 0;
    node.onChanged(() => {
      told += 1;
    });
    const keys = document('ops');
    node.set({ roles: [], keys: [] });
    node.set({ roles: [], keys: [keys] });
    node.set({ roles: [], keys: [keys] });
    expect(told).toBe(1);
  });
});
