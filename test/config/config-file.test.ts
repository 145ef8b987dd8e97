import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readConfigFile } from '../../src/config/config-file.ts';
import { limits } from '../../src/limits.ts';

const folder = mkdtempSync(join(tmpdir(), 'caxton-config-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const written = (name: string, bytes: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};
const pipe = (name: string): string => {
  const path = join(folder, name);
  execFileSync('mkfifo', [path]);
  return path;
};

describe('a configuration file', () => {
  it('is read as text, an empty one too', async () => {
    expect(await readConfigFile(written('good', 'a: ü\n'))).toEqual({ ok: true, value: 'a: ü\n' });
    expect(await readConfigFile(written('empty', ''))).toEqual({ ok: true, value: '' });
  });

  it('may be a pipe of the shell, whose writer may come later', async () => {
    const path = pipe('pipe');
    const read = readConfigFile(path);
    const writer = spawn('sh', ['-c', `printf 'a: 1\\n' > "$0"`, path]);
    expect(await read).toEqual({ ok: true, value: 'a: 1\n' });
    writer.kill();
  });

  it.each<[string, () => string, string, RegExp]>([
    ['that is not there', () => join(folder, 'gone'), 'FILE_UNREADABLE', /gone is not there\.$/],
    ['that is a folder', () => folder, 'FILE_UNREADABLE', /is neither a file nor a pipe\.$/],
    ['that is a device', () => '/dev/zero', 'FILE_UNREADABLE', /is neither a file nor a pipe\.$/],
    ['of bytes', () => written('bytes', new Uint8Array([0xff])), 'CONFIG_INVALID', /is not UTF-8 text\.$/],
    [
      'over the limit',
      () => written('long', new Uint8Array(limits.configBytesMax + 1)),
      'CONFIG_INVALID',
      /is over 1048576 bytes/,
    ],
  ])('%s is refused', async (_, path, code, text) => {
    const read = await readConfigFile(path());
    expect(read).toMatchObject({ ok: false, refusal: { code, reasons: [expect.stringMatching(text)] } });
  });

  it('that is a pipe without an end in bytes is refused at the limit', async () => {
    const path = pipe('endless');
    const read = readConfigFile(path);
    const writer = spawn('sh', ['-c', 'exec yes > "$0"', path]);
    expect(await read).toMatchObject({ ok: false, refusal: { code: 'CONFIG_INVALID' } });
    writer.kill();
  });
});
