import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { NodeControl } from '../../src/actors/operations/control.ts';
import type { NoticeView } from '../../src/actors/operations/notice-view.ts';
import { claimedNotice } from '../../src/cli/notice/verified-notice.ts';
import { createApiKey, readApiKey } from '../../src/crypto/api-key.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { ok, unwrap } from '../../src/errors.ts';
import type { ApiKeyEntry } from '../../src/protocols/access/api-keys.ts';
import { bodyInOrder, type NoticeKind } from '../../src/protocols/notice/notice.ts';
import { newKey, signNotice } from '../actors/notice-lab.ts';
import { apiLab, ca } from '../actors/operations/api/api-lab.ts';
import { profileFolder, run } from './cli-lab.ts';

const authority = newKey();
const apiKey = createApiKey(osCrypto);
const clusterId = 'c0ffee';
const trust = signNotice(authority.key, {
  ...{ kind: 'trust', generation: 1, clusterId },
  body: { deployers: [], issuers: [], authorities: [authority.text] },
});

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function viewOf(document: string): NoticeView {
  const { notice, signer, hash } = unwrap(claimedNotice(document));
  return {
    ...{ kind: notice.kind, generation: notice.generation, hash: Buffer.from(hash).toString('hex') },
    ...{ issuedAt: new Date(notice.issuedAt).toISOString(), signer, signerTrusted: true, rivals: 0, document },
    body: { ...bodyInOrder(notice) },
  };
}

/** Two nodes that hold the same documents, and a folder with the keys of whoever may change them. */
async function cluster() {
  let views = [viewOf(trust)];
  const over: Partial<NodeControl> = {
    members: () => [],
    notices: () => views,
    publishNotice: async (document) => {
      const view = viewOf(document);
      views = [...views.filter(({ kind }) => kind !== view.kind), view];
      return ok(view);
    },
  };
  const labs = await Promise.all([1, 2].map(() => apiLab({ over, apiKey })));
  const nodes = labs.map(({ address }, at) => ({ id: `node-${at + 1}`, api: `https://127.0.0.1:${address.port}` }));
  const { root, remove } = await profileFolder({ nodes, caPem: ca.certPem, apiKey: apiKey.key });
  closing.push(
    ...labs.map(
      ({ api }) =>
        () =>
          api.close(),
    ),
    remove,
  );
  await writeFile(join(root, 'authority.key'), privateKeyToPem(authority.key), { mode: 0o600 });
  return {
    root,
    caxton: (words: string, ...more: string[]) =>
      run(
        [...words.split(' '), ...more, ...(/list|who|check/.test(words) ? [] : ['--authority-key', 'authority.key'])],
        {
          cwd: root,
        },
      ),
    fork: (kind: NoticeKind) => {
      views = views.map((view) => (view.kind === kind ? { ...view, rivals: 1 } : view));
    },
    keys: () => {
      const view = views.find(({ kind }) => kind === 'api-keys');
      return { generation: view?.generation, keys: (view?.body.keys ?? []) as ApiKeyEntry[] };
    },
    view: (kind: NoticeKind) => views.find((view) => view.kind === kind),
  };
}

const policy = `policies:
  - receiver: default/echo
    allowed_senders: [default/*]
    permitted_operations:
      - performatives: [request]
`;

describe('caxton api-key', () => {
  it('makes a key that is shown once, of which the nodes get the hash; the first document has the key in use as well', async () => {
    const lab = await cluster();
    const made = await lab.caxton('api-key create ci --role viewer --validity 90d');
    expect([made.code, made.err]).toEqual([
      0,
      expect.stringContaining('dev, which this command uses, is in it too, as admin'),
    ]);
    const { hash } = unwrap(readApiKey(made.out.trim()));
    const { generation, keys } = lab.keys();
    expect([generation, keys.map(({ id, roles }) => [id, ...roles])]).toEqual([
      1,
      [
        ['dev', 'admin'],
        ['ci', 'viewer'],
      ],
    ]);
    expect(keys[1]!.secrets.map((secret) => secret.hash)).toEqual([hash]);
    expect(JSON.stringify(lab.view('api-keys'))).not.toContain(made.out.trim());
    expect((await lab.caxton('api-key create ci')).err).toContain('There is a key ci');
    const listed = await lab.caxton('api-key list');
    expect(listed.out).toMatch(/^ci +ci +viewer +\* +\d{4}-.*in force$/m);
    expect(listed.out).not.toContain(hash);
  });

  it('writes it into a new file of its owner alone, and leaves none behind when it is not in force', async () => {
    const lab = await cluster();
    expect((await lab.caxton('api-key create ci --out ci.key')).out).toBe(`${join(lab.root, 'ci.key')}\n`);
    expect((await stat(join(lab.root, 'ci.key'))).mode & 0o777).toBe(0o600);
    expect(readApiKey((await readFile(join(lab.root, 'ci.key'), 'utf8')).trim()).ok).toBe(true);
    expect((await lab.caxton('api-key create other --out ci.key')).err).toContain('ALREADY_EXISTS');
    expect((await lab.caxton('api-key create ci --out again.key')).code).toBe(1);
    await expect(stat(join(lab.root, 'again.key'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.each<[string, string, number, RegExp]>([
    ['an id in capitals', 'api-key create CI', 2, /a-z, 0-9/],
    ['an id that only looks like one', 'api-key create сi', 2, /a-z, 0-9/],
    ['a role that there is not', 'api-key create ci --role chief', 1, /There is no role chief/],
    ['a resource that is none', 'api-key create ci --on agents', 2, /agent:tenant/],
    ['a time that is none', 'api-key create ci --validity soon', 2, /--validity is a time/],
    ['a key that there is not, to revoke', 'api-key revoke ci', 1, /There is no key ci/],
    ['a key that there is not, to rotate', 'api-key rotate ci', 1, /There is no key ci/],
  ])('refuses %s', async (_, words, code, expected) => {
    const lab = await cluster();
    const ran = await lab.caxton(words);
    expect([ran.code, ran.err]).toEqual([code, expect.stringMatching(expected)]);
    expect(lab.view('api-keys')).toBeUndefined();
  });

  it('rotates with an overlap, as long as the one before, and gathers no secrets', async () => {
    const lab = await cluster();
    await lab.caxton('api-key create ci --validity 10d');
    const lifetimes = () =>
      lab
        .keys()
        .keys.find(({ id }) => id === 'ci')!
        .secrets.map(({ notBefore, expiresAt }) => expiresAt! - notBefore);
    const [whole] = lifetimes();
    await lab.caxton('api-key rotate ci --overlap 1h');
    const [next, before] = lifetimes();
    expect(next).toBe(whole);
    expect(before).toBeLessThan(4_000_000);
    for (let at = 0; at < 5; at++) await lab.caxton('api-key rotate ci --overlap 1h');
    expect(lifetimes()).toHaveLength(4);
    await lab.caxton('api-key rotate ci --overlap 0s');
    expect(lifetimes()).toHaveLength(1);
  });

  it('takes out one key and leaves the others; not while two documents of one generation are about', async () => {
    const lab = await cluster();
    await lab.caxton('api-key create ci');
    await lab.caxton('api-key create ops');
    expect((await lab.caxton('api-key revoke ci')).out).toContain('revoked ci');
    expect(lab.keys()).toMatchObject({ generation: 3, keys: [{ id: 'dev' }, { id: 'ops' }] });
    lab.fork('api-keys');
    expect((await lab.caxton('api-key revoke ops')).err).toContain('sign the next one whole');
    expect(lab.keys().generation).toBe(3);
  });
});

describe('caxton policy and role', () => {
  it('check a file, and name every line that is wrong', async () => {
    const lab = await cluster();
    const file = (name: string, text: string) => writeFile(join(lab.root, name), text);
    await file('policy.yaml', policy);
    expect((await lab.caxton('policy check policy.yaml')).out).toBe('policy.yaml: 1 entries, nothing wrong\n');
    await file('policy.yaml', policy.replace('allowed_senders', 'allowed_sender').replace('[request]', '[reqest]'));
    const wrong = await lab.caxton('policy check policy.yaml');
    expect(wrong.err).toContain('policy.yaml:3: policies[0].allowed_sender: unknown key');
    expect(wrong.err).toContain('policy.yaml:5: policies[0].permitted_operations[0].performatives[0]: expected a FIPA');
    await file('twice.yaml', `${policy}policies: []\n`);
    expect((await lab.caxton('policy check twice.yaml')).err).toMatch(/twice\.yaml:6: /);
    await file('alias.yaml', 'policies: &a []\nx: *a\n');
    expect((await lab.caxton('policy check alias.yaml')).err).toContain('aliases');
    await file('twice.json', '{"policies": [], "policies": []}');
    expect((await lab.caxton('policy check twice.json')).err).toContain('comes twice');
    await file('roles.yaml', 'roles: []\nbindings:\n  - role: viewr\n    subjects: ["apikey:ci"]\n');
    expect((await lab.caxton('role check roles.yaml')).err).toContain(
      'roles.yaml:3: bindings[0].role: there is no role viewr',
    );
  });

  it('publish the next generation, and nothing of a file that is wrong', async () => {
    const lab = await cluster();
    await writeFile(join(lab.root, 'policy.yaml'), policy);
    expect((await lab.caxton('policy publish policy.yaml')).code).toBe(0);
    const again = await lab.caxton('policy publish policy.yaml --node node-2');
    expect([again.code, again.err]).toEqual([
      0,
      expect.stringContaining('generation 2 of the policies is in force at node-2'),
    ]);
    await writeFile(join(lab.root, 'policy.yaml'), policy.replace('receiver', 'reciever'));
    expect((await lab.caxton('policy publish policy.yaml')).code).toBe(1);
    expect(lab.view('policies')).toMatchObject({ generation: 2 });
  });

  it('tell who may do what, as the nodes judge it', async () => {
    const lab = await cluster();
    await lab.caxton('api-key create ci --role viewer');
    await lab.caxton('api-key create shop --role operator --on agent:shop/*');
    const roles = `roles:
  - { name: auditor, permissions: [ReadAudit] }
bindings:
  - { role: auditor, subjects: ["apikey:ci"] }
`;
    await writeFile(join(lab.root, 'roles.yaml'), roles);
    expect((await lab.caxton('role publish roles.yaml')).code).toBe(0);
    expect((await lab.caxton('role who-can ReadAudit')).out).toBe('apikey:dev\napikey:ci\n');
    expect((await lab.caxton('role who-can DeployAgent --on agent:shop/cart')).out).toBe('apikey:dev\napikey:shop\n');
    expect((await lab.caxton('role who-can Everything')).code).toBe(2);
    expect((await lab.caxton('role list')).out).toMatch(/^auditor +ReadAudit +apikey:ci$/m);
    expect((await lab.caxton('auth whoami')).out).toMatch(/^identity +apikey:dev$/m);
  });
});
