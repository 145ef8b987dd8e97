import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readTrustNotice } from '../../src/actors/messaging/trust.ts';
import { privateKeyToPem } from '../../src/crypto/keys.ts';
import { unwrap } from '../../src/errors.ts';
import { newKey } from '../actors/notice-lab.ts';
import { run } from './cli-lab.ts';

const authority = newKey();

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'caxton-notice-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  writeFileSync(join(made, 'authority.key'), privateKeyToPem(authority.key), { mode: 0o600 });
  const trust = { deployers: [authority.text], issuers: [authority.text], authorities: [authority.text] };
  writeFileSync(join(made, 'trust.json'), JSON.stringify(trust));
  return made;
}

const sign = (cwd: string, over: Readonly<Record<string, string>> = {}) => {
  const given = {
    kind: 'trust',
    body: 'trust.json',
    generation: '2',
    'cluster-id': 'cluster-1',
    'authority-key': 'authority.key',
    ...over,
  };
  return run(['notice', 'sign', ...Object.entries(given).flatMap(([name, value]) => [`--${name}`, value])], { cwd });
};

describe('caxton notice sign', () => {
  it('makes a document that a node takes, on a machine without one', async () => {
    const cwd = folder();
    const printed = await sign(cwd);
    expect(printed.code).toBe(0);
    const trust = unwrap(readTrustNotice(printed.out, [authority.text], 'cluster-1'));
    expect([trust.notice.generation, trust.notice.body.deployers]).toEqual([2, [authority.text]]);
    expect(await sign(cwd, { out: 'trust-2.notice' })).toMatchObject({
      code: 0,
      err: expect.stringContaining('caxton notice publish trust-2.notice'),
    });
    expect(readTrustNotice(readFileSync(join(cwd, 'trust-2.notice'), 'utf8'), [authority.text], 'cluster-1').ok).toBe(
      true,
    );
  });

  it.each<[string, Readonly<Record<string, string>>, number, string]>([
    ['a kind that there is not', { kind: 'weather' }, 2, 'trust or revocations'],
    ['no number', { generation: 'next' }, 2, 'whole number'],
    ['a body of another kind, with its place', { kind: 'policies' }, 1, 'trust.json: deployers: unknown key'],
    ['a body that is not there', { body: 'other.json' }, 1, 'is not there'],
    ['the body of another kind', { kind: 'revocations' }, 1, 'revocations'],
    ['a key that is not there', { 'authority-key': 'other.key' }, 1, 'other.key'],
  ])('refuses %s', async (_, over, code, words) => {
    const ran = await sign(folder(), over);
    expect([ran.code, ran.out, ran.err]).toEqual([code, '', expect.stringContaining(words)]);
  });
});

describe('caxton security revoke', () => {
  const revoke = (...argv: string[]) =>
    run(['security', 'revoke', '--authority-key', 'authority.key', ...argv], { cwd: folder() });

  it.each<[string, string[], string]>([
    ['nothing', [], '--node'],
    ['what is no node', ['--node', 'Node_1'], 'a node id'],
    ['what is no serial', ['--serial', 'xyz'], 'serial number'],
    ['a reason that can be taken back', ['--node', 'node-1', '--reason', 'certificateHold'], 'keyCompromise'],
  ])('says at once that %s cannot be revoked', async (_, argv, words) => {
    const ran = await revoke(...argv);
    expect([ran.code, ran.err]).toEqual([2, expect.stringContaining(words)]);
  });
});
