import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { belongTogether } from '../../src/actors/cluster/identity/pem.ts';
import type { IssuedCertificate } from '../../src/crypto/certificate.ts';
import type { Revocation } from '../../src/protocols/notice/revocation.ts';
import { newKey, revocationOf, signNotice } from '../actors/notice-lab.ts';
import { crlPem, revocationList } from '../crypto/revocation-list.ts';
import { run } from './cli-lab.ts';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'caxton-certificates-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

type Over = Parameters<typeof run>[1];
const lab = (cwd = folder()) => {
  const at = (name: string) => join(cwd, name);
  const security = (line: string, over: Over = {}) => run(['security', ...line.split(' ')], { cwd, ...over });
  return {
    at,
    security,
    text: (name: string) => readFileSync(at(name), 'utf8'),
    x509: (name: string) => new X509Certificate(readFileSync(at(name))),
    mode: (name: string) => statSync(at(name)).mode & 0o777,
    names: (name = '') => readdirSync(at(name)).sort(),
    write: (name: string, text: string, mode = 0o600) => {
      writeFileSync(at(name), text);
      chmodSync(at(name), mode);
    },
    root: (more = '') => security(`init-ca --ca-cert root.crt --ca-key root.key --trust-domain example.org${more}`),
    online: (more = '') =>
      security(`init-ca --parent-cert root.crt --parent-key root.key --ca-cert ca.crt --ca-key ca.key${more}`),
    node: (id = 'node-1', more = '') =>
      security(`gen-cert --node-id ${id} --ca-cert root.crt --ca-key root.key --output certs${more}`),
  };
};
const dayMs = 86_400_000;

describe('caxton security init-ca', () => {
  it('makes a root whose key nobody else can read', async () => {
    const { root, x509, mode, at } = lab();
    expect(await root()).toMatchObject({ code: 0, out: expect.stringContaining('cluster.trust_domain') });
    const ca = x509('root.crt');
    expect([ca.ca, ca.subjectAltName, mode('root.key')]).toEqual([true, 'URI:spiffe://example.org', 0o600]);
    expect(ca.validToDate.getTime() - Date.now()).toBeGreaterThan(3_649 * dayMs);
    expect(existsSync(at('root.key'))).toBe(true);
  });

  it('makes a CA below it that can do less, and ends no later', async () => {
    const { root, online, security, x509, text, at } = lab();
    await root(' --validity 30d');
    const made = await online();
    expect([made.code, made.err]).toEqual([0, expect.stringContaining('ends with its parent')]);
    const ca = x509('ca.crt');
    expect(ca.validToDate).toEqual(x509('root.crt').validToDate);
    expect(text('ca.crt').match(/BEGIN/g)).toHaveLength(2);
    const { out } = await security('inspect ca.crt --output json');
    expect(JSON.parse(out).items[0]).toMatchObject({ ca: true, pathLength: 0, permittedUris: ['example.org'] });
    const below = await security(`init-ca --parent-cert ca.crt --parent-key ca.key --ca-cert x.crt --ca-key x.key`);
    expect([below.code, below.err]).toEqual([1, expect.stringContaining('path length 0')]);
    expect(existsSync(at('x.key'))).toBe(false);
  });

  it('replaces nothing without --force, and leaves nothing half done', async () => {
    const { root, text, names, write } = lab();
    write('root.crt', 'mine');
    const refused = await root();
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('ALREADY_EXISTS')]);
    expect([names(), text('root.crt')]).toEqual([['root.crt'], 'mine']);
    expect((await root(' --force')).code).toBe(0);
    expect(names()).toEqual(['root.crt', 'root.key']);
  });

  it('of several at once lets one make it', async () => {
    const { root, text, names } = lab();
    const codes = (await Promise.all([1, 2, 3, 4].map(() => root()))).map(({ code }) => code);
    expect(codes.filter((code) => code === 0)).toHaveLength(1);
    expect(belongTogether(text('root.crt'), text('root.key'))).toBe(true);
    expect(names()).toEqual(['root.crt', 'root.key']);
  });

  it('makes folders that are closed to others', async () => {
    const { security, mode } = lab();
    expect((await security('init-ca --ca-cert new/pki/ca.crt --ca-key new/pki/ca.key')).code).toBe(0);
    expect([mode('new'), mode('new/pki')]).toEqual([0o700, 0o700]);
  });

  it.each([
    ['--validity', 'init-ca --ca-cert a --ca-key b --validity 0d'],
    ['--validity', 'init-ca --ca-cert a --ca-key b --validity 200y'],
    ['--trust-domain', 'init-ca --ca-cert a --ca-key b --trust-domain Example.org'],
    ['same file', 'init-ca --ca-cert a --ca-key a'],
    ['belong together', 'init-ca --ca-cert a --ca-key b --parent-key c'],
    ['--ca-key is missing', 'init-ca --ca-cert a'],
  ])('says what is wrong: %s', async (said, line) => {
    const { security, names } = lab();
    expect(await security(line)).toMatchObject({ code: 2, err: expect.stringContaining(said) });
    expect(names()).toEqual([]);
  });
});

describe('the passphrase of a CA key', () => {
  const secret = 'correct horse battery';
  it('comes from a file, the environment or a person, and never from the command line', async () => {
    const { root, node, text, write, security } = lab();
    write('pass', `${secret}\n`);
    expect((await root(' --passphrase-file pass')).code).toBe(0);
    expect(text('root.key')).toContain('ENCRYPTED');
    const asked: string[] = [];
    const askSecret = async (question: string) => {
      asked.push(question);
      return secret;
    };
    expect((await node('node-1', ' --passphrase-file pass')).code).toBe(0);
    const line = 'gen-cert --node-id node-2 --ca-cert root.crt --ca-key root.key --output two';
    expect((await security(line, { env: { CAXTON_CA_PASSPHRASE: secret } })).code).toBe(0);
    expect((await security(line.replace('two', 'three'), { askSecret })).code).toBe(0);
    expect(asked).toEqual([expect.stringContaining('root.key')]);
    for (const refused of [
      await security(`${line}4`),
      await security(`${line}5`, { env: { CAXTON_CA_PASSPHRASE: 'another passphrase' } }),
      await security(`${line}6 --passphrase ${secret}`),
    ]) {
      expect(refused.code).not.toBe(0);
      expect(refused.out + refused.err).not.toContain('BEGIN');
    }
  });

  it('is asked for twice when it is new', async () => {
    const { root, security, names } = lab();
    const answers = [secret, 'a misspelt one'];
    const line = 'init-ca --ca-cert root.crt --ca-key root.key --encrypt';
    const refused = await security(line, { askSecret: async () => answers.shift() ?? '' });
    expect([refused.code, refused.err, names()]).toEqual([1, expect.stringContaining('not the same'), []]);
    expect((await security(line, { askSecret: async () => secret })).code).toBe(0);
    expect((await root()).err).toContain('ALREADY_EXISTS');
  });

  it('is refused when it is short, or its file is open to others', async () => {
    const { root, write } = lab();
    write('short', 'abc\n');
    write('open', secret, 0o644);
    expect((await root(' --passphrase-file short')).err).toMatch(/8 to/);
    expect((await root(' --passphrase-file open')).err).toContain('chmod 600');
  });
});

describe('caxton security gen-cert', () => {
  it('writes what a node needs', async () => {
    const { root, node, x509, mode, names, text } = lab();
    await root();
    expect((await node('node-1', ' --dns n1.example.org,alt.example.org --ip 10.0.0.1 --ip ::1')).code).toBe(0);
    expect(names('certs')).toEqual(['ca.crt', 'node.crt', 'node.key']);
    expect([mode('certs'), mode('certs/node.key'), mode('certs/node.crt')]).toEqual([0o700, 0o600, 0o644]);
    expect(text('certs/ca.crt')).toBe(text('root.crt'));
    const leaf = x509('certs/node.crt');
    expect(leaf.subject).toBe('CN=node-1');
    expect(leaf.subjectAltName).toBe(
      'URI:spiffe://example.org/node/node-1, DNS:n1.example.org, DNS:alt.example.org, IP Address:10.0.0.1, IP Address:0:0:0:0:0:0:0:1',
    );
    expect(Math.round((leaf.validToDate.getTime() - Date.now()) / dayMs)).toBe(90);
    // For peers whose clocks are behind.
    expect(Date.now() - leaf.validFromDate.getTime()).toBeGreaterThanOrEqual(59_000);
  });

  it('puts the intermediate behind the certificate, and only the root into ca.crt', async () => {
    const { root, online, security, text } = lab();
    await root();
    await online();
    const line = 'gen-cert --node-id node-1 --ca-cert ca.crt --ca-key ca.key --output certs';
    expect((await security(line)).code).toBe(0);
    expect(text('certs/node.crt').match(/BEGIN/g)).toHaveLength(2);
    expect(text('certs/ca.crt')).toBe(text('root.crt'));
    const verified = await security('verify --ca-cert certs/ca.crt --cert certs/node.crt --expect-node node-1');
    expect([verified.code, verified.out.split('\n')[0]]).toEqual([0, 'OK']);
  });

  it('keeps a pair that is there, and replaces it as a whole when told to', async () => {
    const { root, node, text } = lab();
    await root();
    await node();
    const before = text('certs/node.key');
    expect((await node('node-2')).err).toContain('ALREADY_EXISTS');
    expect(text('certs/node.key')).toBe(before);
    expect((await node('node-2', ' --force')).code).toBe(0);
    expect(text('certs/node.key')).not.toBe(before);
    expect(belongTogether(text('certs/node.crt'), text('certs/node.key'))).toBe(true);
  });

  it.each([
    ['a name that is none', 'Node-1', '', 2],
    ['a name that leads elsewhere', '../x', '', 2],
    ['an address that is none', 'node-1', ' --ip 1.2.3', 1],
    ['a DNS name that is none', 'node-1', ' --dns a..b', 1],
    ['a life that is none', 'node-1', ' --validity forever', 2],
  ])('refuses %s, and writes nothing', async (_, id, more, code) => {
    const { root, node, at } = lab();
    await root();
    expect((await node(id, more)).code).toBe(code);
    expect(existsSync(at('certs'))).toBe(false);
  });

  it('refuses a CA that is none, and a key of another one', async () => {
    const { root, node, security } = lab();
    await root();
    await node();
    await security('init-ca --ca-cert other.crt --ca-key other.key');
    const with_ = (cert: string, key: string) =>
      security(`gen-cert --node-id a --ca-cert ${cert} --ca-key ${key} --output x`);
    expect((await with_('certs/node.crt', 'certs/node.key')).err).toContain('does not belong to any CA');
    expect((await with_('root.crt', 'other.key')).err).toContain('does not belong to any CA');
    expect((await with_('missing.crt', 'root.key')).err).toContain('missing.crt is not there');
  });
});

describe('caxton security renew-cert', () => {
  const explicit = 'renew-cert --cert certs/node.crt --ca-cert root.crt --ca-key root.key';

  it('does nothing when it is not due', async () => {
    const { root, node, security, text } = lab();
    await root();
    await node();
    const before = text('certs/node.crt');
    expect(await security(explicit)).toMatchObject({ code: 0, out: expect.stringMatching(/^not due: /) });
    expect(text('certs/node.crt')).toBe(before);
  });

  it('keeps the names and the length of life, and takes a new key', async () => {
    const { root, node, security, text, x509, names, mode } = lab();
    await root();
    await node('node-1', ' --dns n1.example.org --ip 10.0.0.1 --ip 2001:db8::1 --validity 20d');
    const [before, key] = [x509('certs/node.crt'), text('certs/node.key')];
    const early = await security(explicit);
    expect([early.code, early.err]).toEqual([2, expect.stringContaining('whole life')]);
    expect((await security(`${explicit} --force`)).code).toBe(0);
    const after = x509('certs/node.crt');
    expect(after.subjectAltName).toBe(before.subjectAltName);
    const life = ({ validFromDate, validToDate }: X509Certificate) => validToDate.getTime() - validFromDate.getTime();
    expect(life(after)).toBe(life(before));
    expect(after.serialNumber).not.toBe(before.serialNumber);
    expect(text('certs/node.key')).not.toBe(key);
    expect(belongTogether(text('certs/node.crt'), text('certs/node.key'))).toBe(true);
    expect(names('certs')).toEqual(['ca.crt', 'node.crt', 'node.key', 'node.key.last']);
    expect(mode('certs/node.key.last')).toBe(0o600);
  });

  it('refuses a pair that does not belong together, and one of another CA', async () => {
    const { root, node, security, write, text } = lab();
    await root();
    await node('node-1', ' --validity 20d');
    await security('init-ca --ca-cert other.crt --ca-key other.key --trust-domain example.org');
    const foreign = explicit.replace('root.crt', 'other.crt').replace('root.key', 'other.key');
    expect((await security(`${foreign} --force`)).err).toContain('OTHER_CA');
    write('certs/node.key', text('root.key'));
    expect((await security(`${explicit} --force`)).err).toContain('does not belong to');
  });
});

describe('caxton security verify', () => {
  const first = async (result: ReturnType<typeof run>) => {
    const { code, out } = await result;
    return [code, out.split('\n')[0]];
  };

  it('says on its first line what a link would say', async () => {
    const { root, node, security } = lab();
    await root();
    await node();
    await security('init-ca --ca-cert other.crt --ca-key other.key --trust-domain example.org');
    const verify = (line: string) => first(security(`verify ${line}`));
    const leaf = '--cert certs/node.crt';
    expect(await verify(`--ca-cert root.crt ${leaf}`)).toEqual([0, 'OK']);
    expect(await verify(`--ca-cert root.crt ${leaf} --expect-node node-2`)).toEqual([1, 'WRONG_NODE']);
    expect(await verify(`--ca-cert root.crt ${leaf} --at 2100-01-01`)).toEqual([1, 'EXPIRED']);
    expect(await verify(`--ca-cert root.crt ${leaf} --at 2000-01-01T00:00:00Z`)).toEqual([1, 'NOT_YET_VALID']);
    expect(await verify(`--ca-cert other.crt ${leaf}`)).toEqual([1, 'OTHER_CA']);
    expect(await verify(`--ca-cert root.crt ${leaf} --trust-domain other.org`)).toEqual([1, 'OTHER_TRUST_DOMAIN']);
    expect(await verify('--ca-cert root.crt --cert root.crt')).toEqual([1, expect.stringMatching(/^[A-Z_]+$/)]);
    expect((await security(`verify --ca-cert root.crt ${leaf} --at yesterday`)).code).toBe(2);
  });

  it('finds the way over an intermediate, and asks the lists', async () => {
    const { root, online, security, text, write, x509 } = lab();
    await root();
    await online();
    await security('gen-cert --node-id node-1 --ca-cert ca.crt --ca-key ca.key --output certs');
    write('leaf.crt', x509('certs/node.crt').toString());
    const verify = (line: string) => first(security(`verify --ca-cert root.crt --cert leaf.crt ${line}`.trim()));
    expect(await verify('')).toEqual([1, 'OTHER_CA']);
    expect(await verify('--chain ca.crt')).toEqual([0, 'OK']);
    const now = Date.now();
    const list = (ca: string, nextUpdate: number, ...serials: string[]) => {
      const held: IssuedCertificate = { certPem: text(`${ca}.crt`), keyPem: text(`${ca}.key`) };
      return crlPem(revocationList(held, { thisUpdate: now - dayMs, nextUpdate, serials }));
    };
    const lists = async (rootList: string, onlineList: string) => {
      write('lists.pem', rootList + onlineList);
      return verify('--chain ca.crt --crl lists.pem');
    };
    const soon = now + dayMs;
    expect(await lists(list('root', soon), list('ca', soon))).toEqual([0, 'OK']);
    expect(await lists(list('root', soon), list('ca', soon, x509('leaf.crt').serialNumber))).toEqual([1, 'REVOKED']);
    expect(await lists(list('root', soon, x509('ca.crt').serialNumber), list('ca', soon))).toEqual([
      1,
      'ISSUER_REVOKED',
    ]);
    expect(await lists(list('root', soon), list('ca', now - 60_000))).toEqual([1, 'CRL_EXPIRED']);
    expect(await lists(list('root', soon), '')).toEqual([1, 'CRL_MISSING']);
    expect((await security('inspect lists.pem')).out).toContain('revocation list');
  });

  it('knows what the cluster has revoked when it is given, and says when it is not', async () => {
    const { root, node, security, write, x509 } = lab();
    await root();
    await node();
    const [authority, other] = [newKey(), newKey()];
    write('authority.pub', `${authority.text}\n`);
    write('other.pub', `${other.text}\n`);
    const leaf = 'verify --ca-cert root.crt --cert certs/node.crt';
    const verify = (...revocations: Revocation[]) => {
      const notice = { kind: 'revocations' as const, generation: 3, clusterId: 'c0ffee', body: { revocations } };
      write('cluster.notice', `${signNotice(authority.key, notice)}\n`);
      return security(`${leaf} --revocations cluster.notice --authority authority.pub`);
    };
    expect((await security(leaf)).out).toContain('revocations were not looked at');
    const fine = await verify(revocationOf('node', 'node-2'));
    expect([fine.code, fine.out]).toEqual([0, expect.stringContaining('generation 3 of the revocations')]);
    expect(await first(verify(revocationOf('node', 'node-1')))).toEqual([1, 'REVOKED']);
    expect(await first(verify(revocationOf('serial', x509('certs/node.crt').serialNumber)))).toEqual([1, 'REVOKED']);
    const forged = await security(`${leaf} --revocations cluster.notice --authority other.pub`);
    expect([forged.code, forged.out, forged.err]).toEqual([1, '', expect.stringContaining('not a trusted one')]);
    expect((await security(`${leaf} --revocations cluster.notice`)).code).toBe(2);
    expect((await security(`${leaf} --authority authority.pub`)).code).toBe(2);
    expect((await security(`${leaf} --revocations cluster.notice --authority root.crt`)).err).toContain('root.crt');
  });

  it('refuses what is no certificate, by a code or by the file’s name', async () => {
    const { root, security, write } = lab();
    await root();
    write('text.crt', 'hello');
    write('broken.crt', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    const text = await security('verify --ca-cert root.crt --cert text.crt');
    expect([text.code, text.err]).toEqual([1, expect.stringContaining('text.crt')]);
    expect(await first(security('verify --ca-cert root.crt --cert broken.crt'))).toEqual([1, 'MALFORMED']);
    const { code, out } = await security('verify --ca-cert root.crt --cert broken.crt --output json');
    expect([code, JSON.parse(out).code]).toEqual([1, 'MALFORMED']);
  });
});

describe('caxton security inspect', () => {
  it('tells what there is to tell, and no secret', async () => {
    const { root, node, security, write, text } = lab();
    await root();
    await node('node-1', ' --ip 10.0.0.1');
    write('all.pem', text('certs/node.crt') + text('certs/node.key') + text('root.crt'));
    const { out } = await security('inspect all.pem --output json');
    const [leaf, key, ca] = JSON.parse(out).items;
    expect(leaf).toMatchObject({
      kind: 'certificate',
      subject: 'CN=node-1',
      names: ['URI:spiffe://example.org/node/node-1', 'IP:10.0.0.1'],
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      key: 'ec P-256',
      ca: false,
    });
    expect(key).toMatchObject({ kind: 'private key', encrypted: false, keyId: leaf.keyId });
    expect(ca).toMatchObject({ selfSigned: true, ca: true });
    const table = await security('inspect all.pem');
    expect(table.out).toMatch(/state +valid, \d+ days left/);
    const lines = text('certs/node.key').split('\n');
    expect(out + table.out).not.toContain(lines[1]);
  });

  it('reads DER and requests, and says what it cannot read', async () => {
    const { root, security, x509, at, write } = lab();
    await root();
    writeFileSync(at('root.der'), x509('root.crt').raw);
    expect((await security('inspect root.der')).out).toMatch(/kind +certificate/);
    write('x.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
    expect(await security('inspect x.pem')).toMatchObject({ code: 1, out: expect.stringContaining('unreadable') });
    write('empty.txt', 'nothing');
    expect((await security('inspect empty.txt')).err).toContain('empty.txt holds no certificate');
    expect((await security('inspect gone.pem')).err).toContain('is not there');
  });
});
