import { describe, expect, it } from 'vitest';
import { readAuthority } from '../../src/actors/node-authority.ts';
import type { NodeConfig } from '../../src/config.ts';
import { issueIntermediateCa } from '../../src/crypto/certificate.ts';
import { CaxtonError, unwrap } from '../../src/errors.ts';
import { crypto, dayMs, domain, makeCa, now } from '../crypto/fixtures.ts';

const root = makeCa();
const other = makeCa();
const period = { notBefore: now - dayMs, notAfter: now + dayMs };
const below = (ca: typeof root) => unwrap(issueIntermediateCa(crypto, { ca, trustDomain: domain, ...period }));
const config = {
  node: {
    caCertificatePath: 'roots.crt',
    ca: { certificatePath: 'ca.crt', keyPath: 'ca.key', passphrasePath: undefined, validityMsMax: dayMs },
  },
  cluster: { trustDomain: domain },
} as unknown as NodeConfig;

const read = (files: Readonly<Record<string, string>>, caPem = root.certPem) => {
  const text = async ({ path }: { readonly path: string }) => {
    const found = files[path];
    if (found === undefined) throw new CaxtonError('FILE_UNREADABLE', `${path} is not there.`);
    return found;
  };
  return readAuthority(config, caPem, text, text);
};
const filesOf = (ca: typeof root, suffix = '') => ({ [`ca.crt${suffix}`]: ca.certPem, [`ca.key${suffix}`]: ca.keyPem });

describe('the CA of a CA node, at its start', () => {
  it('is a root that members believe, or stands below one', async () => {
    const online = below(root);
    for (const ca of [root, online]) expect((await read(filesOf(ca)))?.ca.certPem).toBe(ca.certPem);
    expect((await read(filesOf(online), other.certPem + root.certPem))?.ca.certPem).toBe(online.certPem);
  });

  it('is refused under a root that no member believes, with both settings and what to do', async () => {
    await expect(read(filesOf(below(other)))).rejects.toThrow(
      /node\.ca\.certificate_path: ca\.crt stands under no root of node\.ca_certificate_path \(roots\.crt\)/,
    );
    await expect(read(filesOf(other))).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED' });
  });

  it('may be the next one, whose files lie beside, where a crash left the old one in its place', async () => {
    const [old, next] = [below(other), below(root)];
    expect((await read({ ...filesOf(old), ...filesOf(next, '.next') }))?.ca.certPem).toBe(next.certPem);
    // Between the two files: the key is the next one’s already.
    const torn = { ...filesOf(old), 'ca.key': next.keyPem, ...filesOf(next, '.next') };
    expect((await read(torn))?.ca.certPem).toBe(next.certPem);
    await expect(read({ ...filesOf(old), ...filesOf(below(other), '.next') })).rejects.toThrow(/stands under no root/);
  });
});
