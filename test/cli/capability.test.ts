import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { keyIdOf, privateKeyToPem } from '../../src/crypto/keys.ts';
import { documentId, signDocument } from '../../src/crypto/signed-document.ts';
import { noticePayload } from '../../src/protocols/notice/notice.ts';
import { newKey } from '../actors/notice-lab.ts';
import { run } from './cli-lab.ts';

const issuer = newKey();
const planner = newKey();
const worker = newKey();
const authority = newKey();

/** A folder with the keys of an issuer, two agents and an authority. */
function desk() {
  const cwd = mkdtempSync(join(tmpdir(), 'caxton-capability-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  const put = (file: string, text: string, mode = 0o600) => writeFileSync(join(cwd, file), text, { mode });
  for (const [name, { key, text }] of Object.entries({ issuer, planner, worker, authority })) {
    put(`${name}.key`, privateKeyToPem(key));
    put(`${name}.pub`, `${text}\n`);
  }
  const caxton = (...argv: string[]) => run(['capability', ...argv], { cwd });
  const given = (options: Readonly<Record<string, string>>) =>
    Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const issue = (over: Readonly<Record<string, string>> = {}) =>
    caxton(
      'issue',
      ...given({
        'issuer-key': 'issuer.key',
        subject: 'default/planner',
        action: 'request agent:default/*,inform agent:default/*',
        delegations: '2',
        holder: '@planner.pub',
        ...over,
      }),
    );
  const attenuate = (over: Readonly<Record<string, string>> = {}) =>
    caxton(
      'attenuate',
      ...given({ 'token-file': 'p.token', 'holder-key': 'planner.key', subject: 'default/worker', ...over }),
    );
  const verify = (file: string, ...argv: string[]) => caxton('verify', file, '--issuer', 'issuer.pub', ...argv);
  const text = (file: string) => readFileSync(join(cwd, file), 'utf8').trim();
  return { cwd, put, caxton, issue, attenuate, verify, text };
}

describe('caxton capability', () => {
  it('issues a token, narrows it offline, and judges both as a node would', async () => {
    const { cwd, issue, attenuate, verify, text, caxton } = desk();
    expect(await issue({ out: 'p.token' })).toMatchObject({ code: 0, out: '' });
    expect(statSync(join(cwd, 'p.token')).mode & 0o777).toBe(0o600);
    expect(await attenuate({ out: 'w.token', action: 'request agent:default/echo', validity: '1h' })).toMatchObject({
      code: 0,
    });
    expect(text('w.token').split('~')).toHaveLength(2);
    expect(await verify('w.token', '--action', 'request agent:default/echo')).toMatchObject({
      code: 0,
      out: expect.stringContaining('valid: default/worker'),
      err: expect.stringContaining('Revocations were not looked at'),
    });
    expect(
      await verify('w.token', '--action', 'inform agent:default/echo', '--subject', 'default/other'),
    ).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^UNAUTHORIZED\n.*not to default\/other.*\n.*does not grant/s),
    });
    const seen = JSON.parse((await caxton('inspect', 'w.token', '--output', 'json')).out);
    expect(seen.items).toMatchObject([
      { subject: 'default/planner', depth: 2, holder: planner.text },
      { subject: 'default/worker', depth: 0, parent: documentId(text('p.token')), issuer: keyIdOf(planner.key) },
    ]);
    expect((await caxton('inspect', 'w.token')).out).toContain('request agent:default/echo');
  });

  it('takes a token from standard input', async () => {
    const { cwd, issue } = desk();
    const { out } = await issue();
    expect(await run(['capability', 'verify', '-', '--issuer', 'issuer.pub'], { cwd, input: out })).toMatchObject({
      code: 0,
    });
  });

  it('goes by the cluster’s trust and revocations where it is given them', async () => {
    const { put, issue, attenuate, caxton, text } = desk();
    await issue({ out: 'p.token' });
    await attenuate({ out: 'w.token' });
    const notice = (kind: 'trust' | 'revocations', body: object) =>
      signDocument(
        'notice',
        authority.key,
        Buffer.from(noticePayload({ v: 1, kind, generation: 1, clusterId: 'c', issuedAt: 1, body } as never)),
      );
    put('trust.notice', notice('trust', { deployers: [], issuers: [issuer.text], authorities: [authority.text] }));
    const revoked = { kind: 'token', id: documentId(text('p.token')), reason: 'unspecified', at: 1 };
    put('revoked.notice', notice('revocations', { revocations: [revoked] }));
    const trusting = ['verify', 'w.token', '--trust', 'trust.notice', '--authority', 'authority.pub'];
    expect(await caxton(...trusting)).toMatchObject({ code: 0 });
    expect(await caxton(...trusting, '--revocations', 'revoked.notice')).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^REVOKED\n/),
      err: '',
    });
    expect(await caxton('verify', 'w.token', '--trust', 'trust.notice', '--authority', 'issuer.pub')).toMatchObject({
      code: 1,
      err: expect.stringContaining('SIGNATURE_INVALID'),
    });
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['an action that is not held', { action: 'call tool:files/read' }, 'call tool:files/read'],
    ['another tenant', { subject: 'other/worker' }, 'stays there'],
    ['a longer life', { validity: '365d' }, 'expires after'],
    ['a key that is not the holder’s', { 'holder-key': 'worker.key' }, 'with this key'],
    ['an issuer’s key', { 'holder-key': 'issuer.key' }, 'with this key'],
  ])('makes no narrower token with %s', async (_, over, words) => {
    const { issue, attenuate } = desk();
    await issue({ out: 'p.token' });
    const ran = await attenuate(over);
    expect([ran.code, ran.out, ran.err]).toEqual([1, '', expect.stringContaining(words)]);
  });

  it.each<[string, Readonly<Record<string, string>>, number, string]>([
    ['no agent', { subject: 'planner' }, 2, 'tenant/name'],
    ['an action that is none', { action: 'echo' }, 2, '--action'],
    ['an audience that is none', { audience: 'all' }, 2, '--audience'],
    ['a depth without an end', { delegations: '99' }, 2, '0 to 8'],
    ['a holder that is no key', { holder: 'ed25519:AAAA' }, 2, '--holder'],
    ['a key file that is not there', { 'issuer-key': 'other.key' }, 1, 'other.key'],
    ['a validity that is none', { validity: 'long' }, 2, '--validity'],
  ])('issues nothing with %s', async (_, over, code, words) => {
    const ran = await desk().issue(over);
    expect([ran.code, ran.out, ran.err]).toEqual([code, '', expect.stringContaining(words)]);
  });

  it('asks for a holder where the token may be handed on', async () => {
    const { caxton } = desk();
    const words = ['issue', '--issuer-key', 'issuer.key', '--subject', 'default/a', '--delegations', '1'];
    expect(await caxton(...words)).toMatchObject({ code: 2, err: expect.stringContaining('--holder') });
  });

  it('writes over no file, and reads no key that others may read', async () => {
    const { cwd, issue, put } = desk();
    put('p.token', 'something');
    expect(await issue({ out: 'p.token' })).toMatchObject({ code: 1, err: expect.stringContaining('ALREADY_EXISTS') });
    expect(readFileSync(join(cwd, 'p.token'), 'utf8')).toBe('something');
    rmSync(join(cwd, 'issuer.key'));
    put('issuer.key', privateKeyToPem(issuer.key), 0o644);
    expect(await issue()).toMatchObject({ code: 1, out: '' });
  });

  it('says what is wrong with what is no token', async () => {
    const { put, verify, caxton } = desk();
    put('t', 'cxcap1.e30.AAAA.AAAA');
    expect(await verify('t')).toMatchObject({ code: 1, out: expect.stringMatching(/^MALFORMED\n/) });
    expect(await caxton('inspect', 't')).toMatchObject({ code: 1, err: expect.stringContaining('MALFORMED') });
    put('long', 'a'.repeat(20_000));
    expect(await caxton('inspect', 'long')).toMatchObject({ code: 1, err: expect.stringContaining('LIMIT_EXCEEDED') });
    expect(await caxton('verify', 't')).toMatchObject({ code: 2, err: expect.stringContaining('--issuer') });
  });
});
