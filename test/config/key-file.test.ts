import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readKeyFile } from '../../src/config/key-file.ts';
import { limits } from '../../src/limits.ts';

const keyFile = (mode: number, bytes = 'secret'): string => {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-key-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'node.key');
  writeFileSync(path, bytes);
  chmodSync(path, mode);
  return path;
};

describe('a key file', () => {
  it.each([0o600, 0o400, 0o700])('of mode %o is read', async (mode) => {
    expect(await readKeyFile(keyFile(mode))).toEqual({ ok: true, value: new TextEncoder().encode('secret') });
  });

  it.each([0o640, 0o604, 0o660, 0o644, 0o620, 0o601])('of mode %o is refused with the mend', async (mode) => {
    const path = keyFile(mode);
    const result = await readKeyFile(path);
    expect(result).toMatchObject({ ok: false, refusal: { code: 'FILE_UNREADABLE' } });
    expect(!result.ok && result.refusal.reasons[0]).toMatch(/chmod 600/);
    expect(!result.ok && result.refusal.reasons[0]).toContain(path);
  });

  it.each([
    ['is not there', () => '/nonexistent/node.key'],
    ['is a folder', () => tmpdir()],
    ['is too long', () => keyFile(0o600, 'x'.repeat(limits.pemBytesMax + 1))],
  ])('that %s is refused', async (_, path) => {
    expect(await readKeyFile(path())).toMatchObject({ ok: false, refusal: { code: 'FILE_UNREADABLE' } });
  });

  it('that is a folder of its owner alone is refused, not thrown', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'caxton-key-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    expect(await readKeyFile(folder)).toMatchObject({ ok: false, refusal: { code: 'FILE_UNREADABLE' } });
  });
});
