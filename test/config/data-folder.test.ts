import { chmodSync, existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { checkDataFolder } from '../../src/config/data-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'caxton-data-folder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a folder for data', () => {
  it('is there, or could be made, and is not made', async () => {
    expect((await checkDataFolder(folder)).ok).toBe(true);
    expect((await checkDataFolder(join(folder, 'a', 'b'))).ok).toBe(true);
    expect(existsSync(join(folder, 'a'))).toBe(false);
  });

  it('is refused when it or something above it is a file, or a link to itself', async () => {
    writeFileSync(join(folder, 'file'), '');
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    for (const name of ['file', 'file/below', 'file/far/below', 'loop', 'loop/below'])
      expect(await checkDataFolder(join(folder, name)), name).toMatchObject({
        ok: false,
        refusal: { code: 'FILE_UNREADABLE', reasons: [expect.stringContaining(join(folder, name))] },
      });
  });

  it.skipIf(process.getuid?.() === 0)('is refused when this process may not write it', async () => {
    chmodSync(folder, 0o500);
    expect((await checkDataFolder(join(folder, 'new'))).ok).toBe(false);
    chmodSync(folder, 0o700);
  });
});
