import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readTrustNotice } from '../../src/actors/messaging/trust.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { signDocument } from '../../src/crypto/signed-document.ts';
import { unwrap } from '../../src/errors.ts';
import { noticePayload } from '../../src/protocols/notice/notice.ts';
import { newKey } from '../actors/notice-lab.ts';
import { run } from './cli-lab.ts';

const deployer = newKey();
const issuer = newKey();
const agentKey = newKey();

const trust = () => {
  const body = { deployers: [deployer.text], issuers: [issuer.text, deployer.text], authorities: [deployer.text] };
  const payload = noticePayload({ v: 1, kind: 'trust', generation: 1, clusterId: 'c', issuedAt: 1, body });
  return unwrap(readTrustNotice(signDocument('notice', deployer.key, Buffer.from(payload)), [deployer.text], 'c'));
};

function desk() {
  const cwd = mkdtempSync(join(tmpdir(), 'caxton-deployment-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const put = (file: string, text: string) => writeFileSync(join(cwd, file), text, { mode: 0o600 });
  put('deployer.key', privateKeyToPem(deployer.key));
  put('issuer.key', privateKeyToPem(issuer.key));
  put('echo.js', 'export const handler = () => {};\n');
  const sign = (over: Readonly<Record<string, string | undefined>> = {}, agent = 'default/echo') => {
    const given = { 'deployer-key': 'deployer.key', module: 'echo.js', place: 'node-1', ...over };
    const options = Object.entries(given).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, value]));
    return run(['agent', 'sign', agent, ...options], { cwd });
  };
  return { cwd, put, sign };
}

describe('caxton agent sign', () => {
  it('signs what a node takes: the code by its digest, the place, the rights and the rules', async () => {
    const { put, sign, cwd } = desk();
    put('policy.yaml', 'allowed_senders: [default/*]\npermitted_operations: [{ performatives: [request] }]\n');
    const ran = await sign({
      ...{ place: 'node-1,node-2', service: 'echo', action: 'request agent:default/*', delegations: '1' },
      ...{ 'issuer-key': 'issuer.key', 'agent-key': agentKey.text, policy: 'policy.yaml', generation: '7' },
      out: 'echo.deployment',
    });
    expect(ran).toMatchObject({ code: 0, out: '' });
    const signed = JSON.parse(readFileSync(join(cwd, 'echo.deployment'), 'utf8'));
    expect(unwrap(trust().manifest(signed.manifest))).toMatchObject({
      agentId: 'default/echo',
      code: { module: 'echo.js', digest: expect.stringMatching(/^sha256:/) },
      placement: { nodes: ['node-1', 'node-2'] },
      services: ['echo'],
      agentKey: agentKey.text,
      generation: 7,
      policy: { allowedSenders: ['default/*'] },
    });
    expect(unwrap(trust().capability(signed.capability))).toMatchObject({
      subject: 'default/echo',
      actions: ['request agent:default/*'],
      depth: 1,
      holder: agentKey.text,
    });
  });

  it('signs a mailbox without code, and nothing that an agent may do unless it is said', async () => {
    const { sign } = desk();
    const signed = JSON.parse((await sign({ kind: 'console', module: undefined })).out);
    expect(unwrap(trust().manifest(signed.manifest))).toMatchObject({ kind: 'console', code: null });
    expect(signed.capability).toBe('');
  });

  it.each<[string, Readonly<Record<string, string | undefined>>, number, string]>([
    ['a kind that there is not', { kind: 'wasm' }, 2, 'handler, chart, console'],
    ['no module', { module: undefined }, 2, '--module'],
    ['a console with code', { kind: 'console' }, 2, '--module'],
    ['a module that is not there', { module: 'other.js' }, 1, 'is not there'],
    ['a module that leads out of the folder', { module: '../x/echo.js', 'modules-dir': '/tmp/x' }, 1, ''],
    ['a node that is none', { place: 'Node 1' }, 2, '--place'],
    ['a service that is no name', { service: 'Echo!' }, 1, 'services'],
    ['an action that is none', { action: 'echo' }, 2, '--action'],
    ['a generation that is none', { generation: '0' }, 2, '--generation'],
    ['an agent key that is none', { 'agent-key': 'ed25519:x' }, 2, '--agent-key'],
    ['a policy that is not there', { policy: 'p.yaml' }, 1, 'p.yaml'],
    ['a key that is not there', { 'deployer-key': 'd.key' }, 1, 'd.key'],
  ])('refuses %s', async (_, over, code, words) => {
    const ran = await desk().sign(over);
    expect([ran.code, ran.out, ran.err]).toEqual([code, '', expect.stringContaining(words)]);
  });

  it('says where a policy is wrong', async () => {
    const { put, sign } = desk();
    put('p.yaml', 'allowed_senders: [default/*\n');
    expect(await sign({ policy: 'p.yaml' })).toMatchObject({ code: 1, err: expect.stringContaining('p.yaml:') });
    put('p.yaml', 'allowed_senders: [default/*]\nallow: all\n');
    expect(await sign({ policy: 'p.yaml' })).toMatchObject({ code: 1, err: expect.stringContaining('allow') });
  });

  it('refuses a name that is no agent', async () => {
    expect(await desk().sign({}, 'echo')).toMatchObject({ code: 2, err: expect.stringContaining('tenant/name') });
  });
});
