import { X509Certificate } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import type { MemberView, NodeControl } from '../../src/actors/operations/control.ts';
import type { JoinTokenView } from '../../src/actors/operations/enrolment-control.ts';
import type { NoticeView } from '../../src/actors/operations/notice-view.ts';
import { claimedNotice } from '../../src/cli/notice/verified-notice.ts';
import { createApiKey } from '../../src/crypto/api-key.ts';
import { issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { ok, type Result, refuse, unwrap } from '../../src/errors.ts';
import type { NodeId, TrustDomain } from '../../src/names.ts';
import type { NoticeKind } from '../../src/protocols/notice/notice.ts';
import type { Revocation } from '../../src/protocols/notice/revocation.ts';
import { newKey, revocationOf, signNotice } from '../actors/notice-lab.ts';
import { apiLab, ca } from '../actors/operations/api/api-lab.ts';
import { profileFolder, run } from './cli-lab.ts';

const authority = newKey();
const other = newKey();
const thief = newKey();
const clusterId = 'c0ffee';
const apiKey = createApiKey(osCrypto);
const trustIn = (generation: number, authorities: readonly string[], key = authority.key): string =>
  signNotice(key, {
    ...{ kind: 'trust', generation, clusterId },
    body: { deployers: [], issuers: [], authorities },
  });
const trust = trustIn(1, [authority.text, other.text]);
const revoking = (key: typeof authority, generation: number, ...revocations: Revocation[]): string =>
  signNotice(key.key, { kind: 'revocations', generation, clusterId, body: { revocations } });

/** What a node shows of a document; `body` is what it claims is in force. */
function viewOf(document: string, body?: readonly Revocation[]): NoticeView {
  const { notice, signer, hash } = unwrap(claimedNotice(document));
  return {
    ...{ kind: notice.kind as NoticeKind, generation: notice.generation, hash: Buffer.from(hash).toString('hex') },
    ...{ issuedAt: new Date(notice.issuedAt).toISOString(), signer, signerTrusted: true, rivals: 0, document },
    body: body ? { revocations: body } : { ...notice.body },
  };
}

interface FakeNode {
  views: NoticeView[];
  /** How it takes a document; the default puts it in force everywhere. */
  publish?: (document: string) => Result<NoticeView>;
  /** As a CA node: whether it makes a token now. */
  joinToken?: () => Result<JoinTokenView>;
  readonly asked: string[];
}

const nodeIdentity = (id: string) => {
  const key = osCrypto.generateKeyPair('p256');
  const { validFromDate, validToDate } = new X509Certificate(ca.certPem);
  const certPem = unwrap(
    issueNodeCertificate(osCrypto, {
      ...{ ca, publicKey: key.publicKey, nodeId: id as NodeId, trustDomain: 'test.caxton' as TrustDomain },
      ...{ notBefore: validFromDate.getTime(), notAfter: validToDate.getTime(), dns: [], ip: ['127.0.0.1'] },
    }),
  );
  return { certPem, keyPem: privateKeyToPem(key.privateKey), caPem: ca.certPem };
};

/** Where a node’s links are: TLS alone, which wants the client’s certificate as a link does. */
async function linkOf({ certPem, keyPem, caPem }: ReturnType<typeof nodeIdentity>): Promise<string> {
  const options = { cert: certPem, key: keyPem, ca: caPem, requestCert: true, ALPNProtocols: ['caxton-link/1'] };
  const server = createServer(options);
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(() => resolve())));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const memberOf = (nodeId: string, address: string): MemberView => ({
  ...{ nodeId: nodeId as NodeId, status: 'alive', address, bootEpoch: 1, incarnation: 0 },
  ...{ self: false, link: 'ready', since: '2026-01-31T12:00:00.000Z' },
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Three nodes that hold the trust notice and these revocations, each of which a test may let lie. */
async function cluster(...documents: string[]) {
  const ids = ['node-1', 'node-2', 'node-3'];
  const nodes = new Map<string, FakeNode>(
    ids.map((id) => [id, { views: [trust, ...documents].map((text) => viewOf(text)), asked: [] }]),
  );
  const inForce = (document: string): Result<NoticeView> => {
    const view = viewOf(document);
    for (const node of nodes.values()) node.views = [...node.views.filter(({ kind }) => kind !== view.kind), view];
    return ok(view);
  };
  const { certPem } = nodeIdentity('node-9');
  const { serialNumber } = new X509Certificate(certPem);
  const held = { serial: serialNumber, notAfter: '2030-01-01T00:00:00.000Z', revoked: false, certificate: certPem };
  const serials = new Map<string, string>([['node-9', serialNumber]]);
  const links = new Map<string, string>();
  const addresses = await Promise.all(
    ids.map(async (id) => {
      const node = nodes.get(id)!;
      const tls = nodeIdentity(id);
      serials.set(id, new X509Certificate(tls.certPem).serialNumber);
      links.set(id, await linkOf(tls));
      const over: Partial<NodeControl> = {
        members: () => ids.map((nodeId) => memberOf(nodeId, links.get(nodeId)!)),
        notices: () => {
          node.asked.push('notices');
          return node.views;
        },
        publishNotice: async (document) => {
          node.asked.push('publish');
          return (node.publish ?? inForce)(document);
        },
        joinToken: async () => (node.joinToken ?? (() => refuse('NOT_SUPPORTED', 'No CA node.')))(),
        certificatesOf: async () => [held],
      };
      const lab = await apiLab({ apiKey, over });
      closing.push(() => lab.api.close());
      return { id, api: `https://127.0.0.1:${lab.address.port}` };
    }),
  );
  const folder = await profileFolder({ nodes: addresses, caPem: ca.certPem, apiKey: apiKey.key });
  closing.push(() => folder.remove());
  await writeFile(join(folder.root, 'authority.key'), privateKeyToPem(authority.key), { mode: 0o600 });
  await writeFile(join(folder.root, 'other.pub'), `${other.text}\n`);
  const security = (line: string) => run(['security', ...line.split(' ')], { cwd: folder.root });
  return {
    folder,
    links,
    node: (id: string) => nodes.get(id)!,
    serial: (id: string) => serials.get(id)!,
    security,
    revoke: (line: string) => security(`revoke --authority-key authority.key ${line}`),
    /** What is in force in the end, as `kind id`. */
    revoked: (id = 'node-1') =>
      nodes
        .get(id)!
        .views.flatMap(({ kind, body }) =>
          kind === 'revocations' ? (body.revocations as Revocation[]).map((entry) => `${entry.kind} ${entry.id}`) : [],
        ),
    generation: () => nodes.get('node-1')!.views.find(({ kind }) => kind === 'revocations')?.generation,
  };
}

/** The id of the other authority’s key. */
const otherKeyId = unwrap(claimedNotice(revoking(other, 1))).signer;
const node9 = revocationOf('node', 'node-9');

describe('caxton security revoke', () => {
  it('adds to what verified documents say, and says all of it before it is signed', async () => {
    const { revoke, revoked, serial, node, generation } = await cluster(revoking(authority, 4, node9));
    const ran = await revoke('--node node-3 --reason keyCompromise');
    expect([ran.code, generation()]).toEqual([0, 5]);
    expect(revoked()).toEqual(['node node-9', 'node node-3', `serial ${serial('node-3')}`]);
    expect(ran.out).toContain('revoked node node-3 (keyCompromise)');
    expect(ran.err).toContain(`generation 5 for cluster ${clusterId}, 2 new`);
    expect(ran.err).toContain('node-2 has it too');
    expect(node('node-3').asked).toEqual([]);
    expect((await revoke('--node node-3')).err).toContain('revoked already');
  });

  it('signs nothing that a node claims without a signature', async () => {
    const { revoke, revoked, node, generation, serial } = await cluster(revoking(authority, 1, node9));
    const healthy = [revocationOf('node', 'node-1'), revocationOf('serial', serial('node-1'))];
    node('node-2').views = [
      viewOf(trust),
      { ...viewOf(revoking(authority, 1, node9), [node9, ...healthy]), generation: Number.MAX_SAFE_INTEGER - 1 },
    ];
    const dry = await revoke('--node node-3 --include-unverified --dry-run');
    expect([dry.code, dry.err]).toEqual([0, expect.stringContaining('node node-1 (keyCompromise)')]);
    expect(generation()).toBe(1);
    const ran = await revoke('--node node-3');
    expect([ran.code, generation()]).toEqual([0, 2]);
    expect(revoked()).toEqual(['node node-9', 'node node-3', `serial ${serial('node-3')}`]);
    expect(ran.err).toContain('node-2 claims 2 more');
    expect(ran.err).toContain('--include-unverified');
  });

  it('signs what is claimed only when it is told to', async () => {
    const { revoke, revoked, node } = await cluster(revoking(authority, 1, node9));
    const kept = revocationOf('node', 'node-8');
    node('node-1').views = [viewOf(trust), viewOf(revoking(authority, 1, node9), [node9, kept])];
    expect((await revoke('--node node-7 --include-unverified')).code).toBe(0);
    expect(revoked()).toEqual(['node node-9', 'node node-8', 'node node-7']);
  });

  it('goes by no document of a stranger, and by those of another authority that its own named', async () => {
    const { revoke, revoked, node, generation } = await cluster(revoking(other, 2, node9));
    node('node-2').views = [viewOf(trust), viewOf(revoking(thief, 900, revocationOf('node', 'node-1')))];
    const ran = await revoke('--node node-7');
    expect([ran.code, generation(), revoked()]).toEqual([0, 3, ['node node-9', 'node node-7']]);
    expect(ran.err).toContain('node-2 shows revocations that no known authority signed');
    // Nor by what an authority signs that another one has revoked.
    const stolen = await cluster(revoking(authority, 2, revocationOf('key', otherKeyId)));
    stolen.node('node-2').views = [viewOf(trust), viewOf(revoking(other, 900, revocationOf('node', 'node-1')))];
    expect((await stolen.revoke('--node node-7')).code).toBe(0);
    expect(stolen.generation()).toBe(3);
  });

  it('takes what an authority signed that only the command line names', async () => {
    const { revoke, revoked, node, generation } = await cluster();
    const theirs = [viewOf(trustIn(2, [authority.text, other.text], other.key)), viewOf(revoking(other, 2, node9))];
    for (const id of ['node-1', 'node-2', 'node-3']) node(id).views = theirs;
    expect((await revoke('--node node-7 --dry-run')).err).toContain('generation 1 ');
    expect((await revoke('--node node-7 --authority other.pub')).code).toBe(0);
    expect([generation(), revoked()]).toEqual([3, ['node node-9', 'node node-7']]);
  });

  it('takes a node that answers badly for a silent one', async () => {
    const { revoke, revoked, node } = await cluster(revoking(authority, 1, node9));
    node('node-1').views = [{ ...viewOf(revoking(authority, 1, node9)), body: { revocations: 'none' } }];
    const ran = await revoke('--node node-7 --output json');
    expect(ran.code).toBe(0);
    expect(JSON.parse(ran.out)).toMatchObject({ generation: 2, node: 'node-2', silent: ['node-1'] });
    expect(revoked('node-2')).toEqual(['node node-9', 'node node-7']);
  });

  it('lets a node that is revoked already have no say', async () => {
    const { revoke, revoked, node } = await cluster(revoking(authority, 1, revocationOf('node', 'node-1')));
    node('node-1').publish = () => refuse('INTERNAL', 'no');
    expect((await revoke('--node node-7')).code).toBe(0);
    expect([node('node-1').asked, revoked('node-2')]).toEqual([['notices'], ['node node-1', 'node node-7']]);
  });

  it('gives the document to another node when one swallows it', async () => {
    const { revoke, revoked, node } = await cluster(revoking(authority, 1, node9));
    node('node-1').publish = (document) => ok(viewOf(document));
    const ran = await revoke('--node node-3');
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('in force at node-2')]);
    expect(revoked('node-2')).toContain('node node-3');
    const via = await revoke('--node node-2 --via node-2');
    expect([via.code, via.err]).toEqual([2, expect.stringContaining('is being revoked')]);
  });

  it('says that the word of a single node stands alone, and that there is none to ask', async () => {
    const { revoke } = await cluster(revoking(authority, 1, node9));
    const ran = await revoke('--node node-2,node-3');
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('Only node-1 answered')]);
    const none = await revoke('--node node-1,node-2,node-3');
    expect([none.code, none.err]).toEqual([1, expect.stringContaining('none to ask')]);
  });

  it('revokes all certificates of a node up to now, and the keys of certificates by their hash', async () => {
    const { revoke, revoked, serial } = await cluster();
    const begun = Date.now();
    const hash = `${'AB:'.repeat(31)}CD`;
    expect((await revoke(`--certificates node-3 --key ${hash}`)).code).toBe(0);
    const [all, ...more] = revoked();
    expect(Number(/^certificates node-3@(\d+)$/.exec(all!)?.[1])).toBeGreaterThanOrEqual(begun - 30_000);
    // What node-3 shows began long ago, so a CRL can have it.
    expect(more).toEqual([`key ${'ab'.repeat(31)}cd`, `serial ${serial('node-3')}`]);
    const wrong = await revoke('--certificates Node!');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('--certificates takes')]);
  });

  it('says that only the id is revoked when no certificate shows the serial', async () => {
    const { revoke, revoked, links } = await cluster();
    // Whoever names the address cannot have the certificate of another node revoked.
    links.set('node-3', links.get('node-1')!);
    const ran = await revoke('--node node-3,node-8');
    expect([ran.code, revoked()]).toEqual([0, ['node node-3', 'node node-8']]);
    expect(ran.err).toContain('Of node-3 only the id is revoked');
    expect(ran.err).toContain('Of node-8 only the id is revoked');
  });
});

describe('caxton security suspend and resume', () => {
  const suspending = (key: typeof authority, generation: number, ...nodes: string[]): string =>
    signNotice(key.key, {
      ...{ kind: 'suspensions', generation, clusterId },
      body: { suspensions: nodes.map((node) => ({ node: node as NodeId, at: 1 })) },
    });
  const suspended = ({ node }: Awaited<ReturnType<typeof cluster>>, id = 'node-1') =>
    node(id).views.flatMap(({ kind, generation, body }) =>
      kind === 'suspensions' ? [generation, ...(body.suspensions as { node: string }[]).map((one) => one.node)] : [],
    );
  const words = '--authority-key authority.key';

  it('sign the next generation with a node more or less, and the node has no say in it', async () => {
    const lab = await cluster(suspending(other, 4, 'node-9'));
    const ran = await lab.security(`suspend node-3 ${words}`);
    expect([ran.code, ran.out]).toEqual([0, expect.stringContaining('suspended node-3')]);
    expect(suspended(lab)).toEqual([5, 'node-9', 'node-3']);
    expect(lab.node('node-3').asked).toEqual([]);
    expect((await lab.security(`suspend node-3 ${words}`)).err).toContain('suspended already');
    const back = await lab.security(`resume node-3 ${words} --output json`);
    expect(JSON.parse(back.out)).toMatchObject({ generation: 6, resumed: 'node-3', seenAt: 'node-2' });
    expect(suspended(lab)).toEqual([6, 'node-9']);
    expect((await lab.security(`resume node-3 ${words}`)).err).toContain('not suspended');
  });

  it('go by no document of a stranger, and give theirs to no node that is suspended', async () => {
    const lab = await cluster(suspending(authority, 1, 'node-1'));
    lab.node('node-2').views = [viewOf(trust), viewOf(suspending(thief, 900, 'node-3'))];
    expect((await lab.security(`suspend node-8 ${words}`)).code).toBe(0);
    expect(suspended(lab, 'node-3')).toEqual([2, 'node-1', 'node-8']);
    expect(lab.node('node-1').asked).toEqual(['notices']);
    const bad = await lab.security(`suspend Node_3 ${words}`);
    expect([bad.code, bad.err]).toEqual([2, expect.stringContaining('no node id')]);
  });
});

describe('caxton security export-crl', () => {
  const words = 'export-crl --ca-cert root.crt --ca-key root.key --out out.crl';
  const withCa = async (lab: Awaited<ReturnType<typeof cluster>>) => {
    await writeFile(join(lab.folder.root, 'pass'), 'a long passphrase\n', { mode: 0o600 });
    const made = 'init-ca --ca-cert root.crt --ca-key root.key --trust-domain example.org --passphrase-file pass';
    expect((await lab.security(made)).code).toBe(0);
    return lab;
  };

  it('signs with an encrypted key what verified documents revoke', async () => {
    const lab = await withCa(await cluster(revoking(authority, 2, revocationOf('serial', '0A1B'))));
    lab.node('node-2').views = [
      viewOf(trust),
      viewOf(revoking(authority, 2, revocationOf('serial', '0A1B')), [revocationOf('serial', '0C1D')]),
    ];
    const ran = await lab.security(`${words} --passphrase-file pass`);
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('1 certificates')]);
    expect((await lab.security(words)).err).toContain('passphrase');
    const listed = await lab.security('inspect out.crl');
    expect(listed.out).toContain('0A1B');
    expect(listed.out).not.toContain('0C1D');
  });

  it('asks whom to believe when nodes name different authorities', async () => {
    const lab = await withCa(await cluster(revoking(other, 2, revocationOf('serial', '0A1B'))));
    lab.node('node-2').views = [
      viewOf(trustIn(9, [thief.text], thief.key)),
      viewOf(revoking(thief, 900, revocationOf('serial', '0C1D'))),
    ];
    const open = await lab.security(`${words} --passphrase-file pass`);
    expect([open.code, open.err]).toEqual([1, expect.stringContaining('--authority')]);
    const ran = await lab.security(`${words} --passphrase-file pass --authority other.pub`);
    expect([ran.code, ran.err]).toEqual([0, expect.stringContaining('1 certificates')]);
  });
});

describe('caxton security join-token --replace', () => {
  const line = 'join-token --node-id node-9 --replace --authority-key authority.key --out node-9.token --node node-1';

  it('revokes the certificates of the node before, and has the token made', async () => {
    const { security, node, revoked, serial, folder } = await cluster();
    node('node-1').joinToken = () =>
      node('node-1').asked.includes('publish')
        ? ok({ token: 'secret', id: '0'.repeat(32), expiresAt: '2030-01-01T00:00:00.000Z' })
        : refuse('ALREADY_EXISTS', 'node-9 has certificates that are not revoked.');
    const begun = Date.now();
    const { code, err } = await security(line);
    expect([code, err]).toEqual([0, expect.stringContaining(serial('node-9'))]);
    const [all, ...more] = revoked();
    expect(more).toEqual([`serial ${serial('node-9')}`]);
    const until = Number(/^certificates node-9@(\d+)$/.exec(all!)?.[1]);
    expect(until).toBeGreaterThanOrEqual(begun - 30_000);
    expect(until).toBeLessThanOrEqual(Date.now() - 30_000);
    expect(await readFile(join(folder.root, 'node-9.token'), 'utf8')).toBe('secret\n');
  });

  it('revokes nothing where no token can be had', async () => {
    const { security, revoked } = await cluster();
    const { code, err } = await security(line);
    expect([code, err]).toEqual([1, expect.stringContaining('No CA node.')]);
    expect(revoked()).toEqual([]);
  });
});
