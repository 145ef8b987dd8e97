import { spawn, spawnSync } from 'node:child_process';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createNodeNetwork } from '../../src/actors/cluster/links/node-network.ts';
import { nodeClock } from '../../src/actors/kernel/node-clock.ts';
import { createListener } from '../../src/actors/operations/api/listener.ts';
import { type TlsBlock, tlsSettings } from '../../src/config/tls.ts';
import { issueCa, issueNodeCertificate } from '../../src/crypto/certificate.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { unwrap } from '../../src/errors.ts';

const period = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 3_600_000 };
const trustDomain = 'test.caxton.internal';
const ca = issueCa(osCrypto, { trustDomain, ...period });
const { publicKey, privateKey } = osCrypto.generateKeyPair('p256');
const request = { ca, publicKey, nodeId: 'node-1', trustDomain, dns: ['localhost'], ip: ['127.0.0.1'], ...period };
const identity = {
  certPem: unwrap(issueNodeCertificate(osCrypto, request)),
  keyPem: privateKeyToPem(privateKey),
  caPem: ca.certPem,
};
const usual: TlsBlock = { min_version: '1.3', groups: ['X25519MLKEM768', 'X25519', 'P-256', 'P-384'] };

/** In another process, because this one’s event loop has to serve meanwhile. */
async function client(port: number, ...words: string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...words], { stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('latin1').on('data', (chunk: string) => {
      said += chunk;
    });
  child.stdin.on('error', () => {});
  child.stdin.end();
  await new Promise((resolve) => child.once('close', resolve));
  return /Cipher is (?!\(NONE\))(\S+)/.exec(said)?.[1] ?? 'refused';
}

async function api(block: Partial<TlsBlock>): Promise<number> {
  const speaks = tlsSettings({ ...usual, ...block });
  const server = createListener({ ...identity, speaks }, osCrypto, (_request, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function links(block: Partial<TlsBlock>): Promise<number> {
  const network = createNodeNetwork({ clock: nodeClock, tls: tlsSettings({ ...usual, ...block }) });
  const server = await network.listenLinks({
    ...{ address: { host: '127.0.0.1', port: 0 }, identity },
    onChannel: () => {},
    onRefused: () => {},
  });
  onTestFinished(() => server.close());
  return server.address.port;
}

const old = ['-tls1_2', '-cipher', 'ALL:@SECLEVEL=0'];

describe('openssl s_client', () => {
  it('is here', () => {
    expect(spawnSync('openssl', ['version']).stdout.toString()).toMatch(/^OpenSSL 3/);
  });

  it.each([
    ['the API', api],
    ['links', links],
  ])('gets TLS 1.3 from %s, the suites and groups that were chosen, and no older version', async (_, serve) => {
    const port = await serve({});
    expect(await client(port, '-tls1_3')).toBe('TLS_AES_256_GCM_SHA384');
    expect(await client(port, '-tls1_3', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256')).toBe(
      'TLS_CHACHA20_POLY1305_SHA256',
    );
    expect(await client(port, '-tls1_3', '-ciphersuites', 'TLS_AES_128_CCM_8_SHA256')).toBe('refused');
    expect(await client(port, '-tls1_3', '-groups', 'P-521')).toBe('refused');
    expect(await client(port, ...old)).toBe('refused');
    const narrow = await serve({ cipher_suites: ['TLS_CHACHA20_POLY1305_SHA256'], groups: ['P-384'] });
    expect(await client(narrow, '-tls1_3')).toBe('TLS_CHACHA20_POLY1305_SHA256');
    expect(await client(narrow, '-tls1_3', '-ciphersuites', 'TLS_AES_256_GCM_SHA384')).toBe('refused');
    expect(await client(narrow, '-tls1_3', '-groups', 'X25519')).toBe('refused');
  });

  it('gets TLS 1.2 from the API when it was allowed, with forward secrecy and authenticated encryption alone', async () => {
    const port = await api({ min_version: '1.2' });
    expect(await client(port, ...old)).toBe('ECDHE-ECDSA-AES256-GCM-SHA384');
    expect(await client(port, '-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256')).toBe(
      'ECDHE-ECDSA-AES128-GCM-SHA256',
    );
    for (const weak of [
      'ECDHE-ECDSA-AES128-SHA256',
      'ECDHE-ECDSA-AES256-SHA',
      'ECDHE-ECDSA-NULL-SHA',
      'ECDHE-ECDSA-AES128-CCM8',
    ])
      expect([weak, await client(port, '-tls1_2', '-cipher', `${weak}:@SECLEVEL=0`)]).toEqual([weak, 'refused']);
    expect(await client(port, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0')).toBe('refused');
    expect(await client(port, '-tls1_3')).toBe('TLS_AES_256_GCM_SHA384');
  });

  it('gets no TLS 1.2 from links, whatever the settings say', async () => {
    expect(await client(await links({ min_version: '1.2' }), ...old)).toBe('refused');
  });
});
