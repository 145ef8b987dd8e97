import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createNodeIdentity, type NodeIdentity } from '../../src/actors/cluster/identity/node-identity.ts';
import { acknowledge } from '../../src/actors/cluster/identity/root-acknowledgement.ts';
import { TrustedRoots } from '../../src/actors/cluster/identity/trusted-roots.ts';
import { nodeDisk } from '../../src/actors/operations/node-disk.ts';
import type { NoticeView } from '../../src/actors/operations/notice-view.ts';
import type { RootsMemberView } from '../../src/actors/operations/roots-view.ts';
import { claimedNotice } from '../../src/cli/notice/verified-notice.ts';
import { createApiKey } from '../../src/crypto/api-key.ts';
import { type IssuedCertificate, issueCa, issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { rootsInPem } from '../../src/crypto/root-bundle.ts';
import { ok, refuse, unwrap } from '../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';
import type { RootsBody } from '../../src/protocols/notice/roots.ts';
import { newKey, revocationOf, signNotice } from '../actors/notice-lab.ts';
import { ca as apiCa, apiLab, tlsIdentity } from '../actors/operations/api/api-lab.ts';
import { profileFolder, run } from './cli-lab.ts';

const trustDomain = 'example.org' as TrustDomain;
const clusterId = 'c0ffee';
const authority = newKey();
const thief = newKey();
const apiKey = createApiKey(osCrypto);
const begun = Date.now();
const period = { notBefore: begun - 60_000, notAfter: begun + 90 * 86_400_000 };
const old = issueCa(osCrypto, { trustDomain, ...period, notAfter: begun + 400 * 86_400_000 });
const trust = signNotice(authority.key, {
  ...{ kind: 'trust', generation: 1, clusterId },
  body: { deployers: [], issuers: [], authorities: [authority.text] },
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const leafOf = (id: NodeId, ca: IssuedCertificate) => {
  const key = osCrypto.generateKeyPair('p256');
  const names = { nodeId: id, trustDomain, dns: [], ip: [] };
  const certPem = unwrap(issueNodeCertificate(osCrypto, { ca, publicKey: key.publicKey, ...names, ...period }));
  return { certPem, keyPem: privateKeyToPem(key.privateKey) };
};

function identityOf(id: NodeId): NodeIdentity {
  const claimKey = osCrypto.generateKeyPair('ed25519').privateKey;
  const files = { nodeId: id, trustDomain, ...leafOf(id, old), caPem: old.certPem, claimKey };
  return unwrap(createNodeIdentity(files, Date.now()));
}

const viewOf = (document: string): NoticeView => {
  const { notice, signer, hash } = unwrap(claimedNotice(document));
  return {
    ...{ kind: notice.kind, generation: notice.generation, hash: Buffer.from(hash).toString('hex') },
    ...{ issuedAt: new Date(notice.issuedAt).toISOString(), signer, signerTrusted: true, rivals: 0, document },
    body: { ...notice.body },
  };
};

const bundleOf = ({ certPem }: IssuedCertificate): RootsBody => {
  const { roots } = unwrap(rootsInPem(certPem));
  return { trustDomain, roots, issuing: 0, crossSigned: [], lockedOut: [] };
};

/** Three nodes that do what a signed bundle wants at once, each of which a test may keep from it or let lie. */
async function cluster(profileCa: IssuedCertificate = apiCa) {
  const ids = ['node-1', 'node-2', 'node-3'] as NodeId[];
  const deaf = new Set<string>();
  const lies = new Map<string, (members: readonly RootsMemberView[]) => readonly RootsMemberView[]>();
  const documents: string[] = [trust];
  const published: RootsBody[] = [];
  const state: {
    oldLinks: NodeId[];
    canSign: boolean;
    roots: readonly string[];
    /** What another operator publishes just before. */
    faster: ((document: string) => string) | undefined;
    /** Up to which generation another operator was faster. */
    taken: number;
  } = {
    faster: undefined,
    taken: 0,
    oldLinks: [] as NodeId[],
    canSign: true,
    roots: unwrap(rootsInPem(old.certPem)).roots,
  };
  const nodes = new Map(
    ids.map((id) => [id, { identity: identityOf(id), roots: new TrustedRoots(trustDomain, old.certPem), word: '' }]),
  );
  let next: IssuedCertificate | undefined;
  const obey = (document: string): void => {
    const { notice, hash } = unwrap(claimedNotice(document));
    if (notice.kind !== 'roots') return;
    for (const [id, node] of nodes) {
      if (deaf.has(id)) continue;
      unwrap(node.roots.set(notice.body, notice.generation, hash));
      node.identity.believe(node.roots.caPem, Date.now());
      if (!node.roots.isCurrent(node.identity.svid.issuerSerials)) {
        const { certPem, keyPem } = leafOf(id, next!);
        unwrap(node.identity.install(certPem, keyPem, Date.now()));
      }
      node.word = acknowledge(node.identity, { clusterId, generation: notice.generation, hash }, Date.now());
    }
  };
  const members = (): readonly RootsMemberView[] =>
    [...nodes].map(([nodeId, { identity, word }]) => ({
      ...{ nodeId, status: 'alive' as const },
      ...(word === '' ? {} : { acknowledgement: word }),
      certificate: Buffer.from(identity.svid.der).toString('base64'),
    }));
  const addresses = await Promise.all(
    ids.map(async (id) => {
      const lab = await apiLab({
        apiKey,
        tls: tlsIdentity(profileCa),
        over: {
          notices: () => documents.map(viewOf),
          roots: async () => {
            const { roots } = nodes.get(id)!;
            return {
              generation: roots.inForce?.generation ?? 0,
              roots: roots.inForce?.body.roots ?? state.roots,
              issuing: roots.inForce?.body.issuing ?? 0,
              held: state.canSign ? (roots.inForce?.roots.map(({ serial }) => serial) ?? []) : [],
              current: true,
              oldLinks: state.oldLinks,
              members: lies.get(id)?.(members()) ?? members(),
            };
          },
          publishNotice: async (document) => {
            if (state.faster) {
              const rival = state.faster(document);
              state.faster = undefined;
              documents.push(rival);
              obey(rival);
              state.taken = viewOf(rival).generation;
            }
            const view = viewOf(document);
            if (state.taken >= view.generation)
              return refuse('ALREADY_EXISTS', 'Another roots notice has this generation.');
            const at = documents.findIndex((text) => viewOf(text).kind === view.kind);
            if (at >= 0) documents.splice(at, 1);
            documents.push(document);
            published.push(view.body as unknown as RootsBody);
            const nextPem = await readFile(join(folder.root, 'root-2.key'), 'utf8').catch(() => '');
            const pem = await readFile(join(folder.root, 'root-2.crt'), 'utf8').catch(() => '');
            if (nextPem !== '') next = { certPem: new X509Certificate(pem).toString(), keyPem: nextPem };
            obey(document);
            return ok(view);
          },
        },
      });
      closing.push(() => lab.api.close());
      return { id, api: `https://127.0.0.1:${lab.address.port}` };
    }),
  );
  const folder = await profileFolder({ nodes: addresses, caPem: profileCa.certPem, apiKey: apiKey.key });
  closing.push(() => folder.remove());
  await writeFile(join(folder.root, 'authority.key'), privateKeyToPem(authority.key), { mode: 0o600 });
  await writeFile(join(folder.root, 'authority.pub'), `${authority.text}\n`);
  await writeFile(join(folder.root, 'root.crt'), old.certPem);
  await writeFile(join(folder.root, 'root.key'), old.keyPem, { mode: 0o600 });
  const rotate = (line: string) => run(['security', 'rotate-ca', ...line.split(' ')], { cwd: folder.root });
  return {
    ...{ folder, deaf, lies, documents, published, state, nodes, rotate, obey },
    prepare: () =>
      rotate('--prepare --ca-cert root.crt --ca-key root.key --next-cert root-2.crt --next-key root-2.key'),
    go: (more = '') =>
      rotate(
        `--ca-cert root.crt --next-cert root-2.crt --authority-key authority.key --wait 200ms${more === '' ? '' : ` ${more}`}`,
      ),
  };
}

describe('caxton security rotate-ca', () => {
  it('prepares without a network, once; says what it would do; does all of it, and leaves a profile of another CA alone', async () => {
    const { prepare, go, rotate, published, folder } = await cluster();
    const look = '--ca-cert root.crt --authority authority.pub';
    const none = await rotate(`${look} --dry-run`);
    expect([none.code, none.out]).toEqual([0, expect.stringContaining('Make the next root with --prepare')]);
    const ran = await prepare();
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('--next-cert root-2.crt')]);
    const key = join(folder.root, 'root-2.key');
    expect((await stat(key)).mode & 0o777).toBe(0o600);
    const before = await readFile(join(folder.root, 'root-2.crt'), 'utf8');
    const { roots, others } = unwrap(rootsInPem(before));
    expect([roots.length, others.length]).toEqual([1, 1]);
    expect((await prepare()).code).toBe(0);
    expect(await readFile(join(folder.root, 'root-2.crt'), 'utf8')).toBe(before);
    expect(await rotate('--prepare --ca-cert root.crt')).toMatchObject({ code: 2 });
    // What is in the way is not the next root.
    for (const [file, reason] of [
      ['root.crt', /root\.crt holds the present root/],
      ['.', /is a folder, not a file/],
      ['authority.pub', /authority\.pub: It holds no whole PEM certificate/],
    ] as const) {
      const wrong = await rotate(
        `--prepare --ca-cert root.crt --ca-key root.key --next-cert ${file} --next-key none.key`,
      );
      expect([wrong.code, wrong.err]).toEqual([1, expect.stringMatching(reason)]);
    }
    expect(await rotate('--ca-cert authority.pub --authority authority.pub --status')).toMatchObject({
      ...{ code: 1, err: expect.stringMatching(/authority\.pub: It holds no whole PEM/) },
    });
    const dry = await rotate(`${look} --next-cert root-2.crt --dry-run --output json`);
    const shown = JSON.parse(dry.out) as { stage: string; next: string; body: RootsBody };
    expect([shown.stage, shown.next, shown.body.roots.length]).toEqual(['settled', 'distribute', 2]);
    expect((await rotate(`${look} --status`)).out).toMatch(/node-3: generation 0 acknowledged/);
    expect(await rotate('--ca-cert root.crt --status')).toMatchObject({ code: 2 });
    expect(published).toEqual([]);
    const all = await go();
    expect([all.code, all.err]).toEqual([0, expect.stringContaining('the old root is dropped')]);
    expect(all.out).toMatch(/No rotation is under way.*generation 3/);
    const steps = [
      [2, 0],
      [2, 1],
      [1, 0],
    ];
    expect(published.map((body) => [body.roots.length, body.issuing])).toEqual(steps);
    expect(await readFile(join(folder.root, '.caxton', 'ca', 'ca.crt'), 'utf8')).toBe(apiCa.certPem);
    expect(await go()).toMatchObject({ code: 0 });
    expect(published).toHaveLength(3);
  });

  it('waits for a member that is missing, believes no other about it, goes on, and by force says whom it locks out', async () => {
    const { prepare, go, published, deaf, lies, documents, obey, nodes } = await cluster();
    await prepare();
    deaf.add('node-3');
    // node-2 hands on its own word as that of node-3, and makes one with its own keys.
    lies.set('node-2', (members) => {
      const own = members.find(({ nodeId }) => nodeId === 'node-2')?.acknowledgement ?? '';
      return [
        ...members.filter(({ nodeId }) => nodeId !== 'node-3'),
        { nodeId: 'node-3' as NodeId, status: 'alive', acknowledgement: own },
        { nodeId: 'node-3' as NodeId, status: 'alive', acknowledgement: own.replaceAll('node-2', 'node-3') },
      ];
    });
    const suspended = { suspensions: [{ node: 'node-3' as NodeId, at: begun }] };
    documents.push(
      signNotice(authority.key, { kind: 'suspensions', generation: 1, clusterId, body: suspended }),
      signNotice(thief.key, { kind: 'roots', generation: 9, clusterId, body: bundleOf(old) }),
    );
    const stuck = await go();
    expect([stuck.code, stuck.out]).toEqual([
      1,
      expect.stringMatching(/Still missing:\n {2}node-3: is suspended, and has acknowledged no bundle/),
    ]);
    // What no authority has signed is no bundle.
    expect(stuck.out).toContain('(generation 1)');
    expect(nodes.get('node-1' as NodeId)!.roots.inForce?.generation).toBe(1);
    expect(published).toHaveLength(1);
    lies.clear();
    deaf.clear();
    documents.splice(0, documents.length, trust, documents.at(-1)!);
    obey(documents.at(-1)!);
    deaf.add('node-3');
    const again = await go();
    expect([again.code, again.out]).toEqual([1, expect.stringContaining('node-3: has acknowledged generation 1')]);
    expect(published).toHaveLength(2);
    const forced = await go('--force');
    expect([forced.code, forced.err]).toEqual([0, expect.stringMatching(/LOCKED OUT.*\n {2}node-3/)]);
    expect(published.at(-1)).toMatchObject({ lockedOut: ['node-3'] });
  });

  it('waits for a CA under the next root and for links to be replaced, and for no member that was revoked', async () => {
    const { prepare, go, state, deaf, documents, published } = await cluster();
    await prepare();
    deaf.add('node-3');
    documents.push(
      signNotice(authority.key, {
        ...{ kind: 'revocations', generation: 1, clusterId },
        body: { revocations: [revocationOf('node', 'node-3')] },
      }),
    );
    state.canSign = false;
    const unsigned = await go();
    expect([unsigned.code, unsigned.out]).toEqual([
      1,
      expect.stringContaining('no CA node that answers has a CA under the next root'),
    ]);
    expect(published).toHaveLength(1);
    state.canSign = true;
    // It would be cut before another is up.
    state.oldLinks = ['node-2' as NodeId];
    const linked = await go();
    expect([linked.code, linked.out]).toEqual([
      1,
      expect.stringContaining('node-2: a link of it with node-1 stands on its old'),
    ]);
    expect(published).toHaveLength(2);
    state.oldLinks = [];
    expect((await go()).code).toBe(0);
  });

  it('goes on from what another operator has put in force meanwhile, and waits for no member that is only a name', async () => {
    const { prepare, go, state, lies, published } = await cluster();
    await prepare();
    lies.set('node-2', (members) => [...members, { nodeId: 'ghost' as NodeId, status: 'alive' }]);
    state.faster = (document) => {
      const { notice } = unwrap(claimedNotice(document));
      return signNotice(authority.key, {
        ...{ kind: 'roots', generation: notice.generation, clusterId, body: notice.body as RootsBody },
        issuedAt: notice.issuedAt + 1,
      });
    };
    const ran = await go();
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('generation 1 was put in force by somebody else')]);
    expect(ran.out).toMatch(/No rotation is under way.*generation 3/);
    expect(published).toHaveLength(2);
  });

  it('keeps the CA of the profile at what the cluster believes, and says what to do where that cannot be written', async () => {
    const { prepare, go, folder } = await cluster(old);
    const path = join(folder.root, '.caxton', 'ca', 'ca.crt');
    await prepare();
    const write = vi
      .spyOn(nodeDisk, 'writeFileAtomic')
      .mockRejectedValueOnce(Object.assign(new Error('no'), { code: 'EACCES' }));
    const first = await go();
    write.mockRestore();
    expect(first.err).toMatch(/ca\.crt could not be brought up to date \(EACCES\).*put the roots there/);
    // The next step has written it.
    expect(first.err).toContain('generation 2');
    expect(unwrap(rootsInPem(await readFile(path, 'utf8'))).roots).toHaveLength(2);
  });

  it('refuses a root that does not follow, nodes of other roots, and another one while a rotation is under way', async () => {
    const { prepare, go, rotate, state, deaf, folder } = await cluster();
    const stranger = issueCa(osCrypto, { trustDomain, ...period });
    await writeFile(join(folder.root, 'root-2.crt'), stranger.certPem);
    expect((await go()).err).toContain('as the old one has signed it');
    await writeFile(join(folder.root, 'root-2.crt'), '');
    expect((await go()).code).toBe(1);
    await unlink(join(folder.root, 'root-2.crt'));
    await prepare();
    const { roots } = state;
    state.roots = unwrap(rootsInPem(stranger.certPem)).roots;
    expect((await go()).err).toContain('believes other roots');
    state.roots = roots;
    deaf.add('node-3');
    await go();
    await rotate('--prepare --ca-cert root.crt --ca-key root.key --next-cert root-3.crt --next-key root-3.key');
    const other = await rotate('--ca-cert root.crt --next-cert root-3.crt --authority-key authority.key --wait 200ms');
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('is under way')]);
    expect(existsSync(join(folder.root, 'root-3.key'))).toBe(true);
  });
});
