import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { NodeVault } from '../../src/actors/vault.ts';
import { osCrypto } from '../../src/crypto/port.ts';
import { createVaultRing } from '../../src/crypto/vault.ts';
import { unwrap } from '../../src/errors.ts';

const ring = createVaultRing(osCrypto);
const never = async (): Promise<string> => {
  throw new Error('no file is read');
};

function setting(name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  onTestFinished(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}

describe('the vault of a node', () => {
  it('comes from a file, and follows it when it is rotated', async () => {
    let text = ring.toText();
    const vault = await NodeVault.open({ kind: 'file', path: '/v' }, async () => text);
    expect(vault.ring.currentId).toBe(ring.currentId);
    await vault.reload();
    expect(vault.ring.currentId).toBe(ring.currentId);
    const rotated = unwrap(ring.rotated(osCrypto));
    text = rotated.toText();
    await vault.reload();
    expect(vault.ring.currentId).toBe(rotated.currentId);
    text = 'torn';
    await expect(vault.reload()).rejects.toMatchObject({ code: 'MALFORMED' });
    expect(vault.ring.currentId).toBe(rotated.currentId);
  });

  it('follows no ring that lacks the key in force, and says what to do', async () => {
    let text = ring.toText();
    const vault = await NodeVault.open({ kind: 'file', path: '/v' }, async () => text);
    text = createVaultRing(osCrypto).toText();
    const error = await vault.reload().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'MALFORMED' });
    expect(String(error)).toContain(ring.currentId);
    expect(vault.ring.currentId).toBe(ring.currentId);
  });

  it('comes from the environment, and says what is missing there', async () => {
    setting('CAXTON_TEST_VAULT', ring.toText());
    const vault = await NodeVault.open({ kind: 'env', name: 'CAXTON_TEST_VAULT' }, never);
    expect(vault.ring.currentId).toBe(ring.currentId);
    // What this process starts must not find it, and a second reading must.
    expect(process.env.CAXTON_TEST_VAULT).toBeUndefined();
    const program = 'process.stdout.write(String(process.env.CAXTON_TEST_VAULT))';
    expect(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' })).toBe('undefined');
    await vault.reload();
    const again = await NodeVault.open({ kind: 'env', name: 'CAXTON_TEST_VAULT' }, never);
    expect(again.ring.currentId).toBe(ring.currentId);
    const rotated = unwrap(ring.rotated(osCrypto));
    process.env.CAXTON_TEST_VAULT = rotated.toText();
    await vault.reload();
    expect(vault.ring.currentId).toBe(rotated.currentId);
    await expect(NodeVault.open({ kind: 'env', name: 'CAXTON_TEST_NONE' }, never)).rejects.toThrow('create-vault-key');
  });

  it('comes from a credential of systemd', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'caxton-credentials-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'caxton-vault'), ring.toText(), { mode: 0o440 });
    setting('CREDENTIALS_DIRECTORY', folder);
    const vault = await NodeVault.open({ kind: 'credential', name: 'caxton-vault' }, never);
    expect(vault.ring.currentId).toBe(ring.currentId);
    await expect(NodeVault.open({ kind: 'credential', name: 'other' }, never)).rejects.toThrow('other');
    setting('CREDENTIALS_DIRECTORY', '');
    await expect(NodeVault.open({ kind: 'credential', name: 'other' }, never)).rejects.toThrow('systemd');
  });
});
