import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { lockFolder } from '../../../../src/actors/operations/audit/folder-lock.ts';

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'caxton-lock-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
};
const refusal = (path: string): unknown => {
  try {
    lockFolder(path)();
    return undefined;
  } catch (error) {
    return error;
  }
};

it('a folder has one writer at a time, and another once that has let go', () => {
  const path = folder();
  const release = lockFolder(path);
  const refused = refusal(path);
  expect(refused).toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(String(refused)).toContain('security.audit.log_path');
  expect(statSync(join(path, 'writer.lock')).mode & 0o777).toBe(0o600);
  expect(statSync(join(path, 'writer.lock')).size).toBe(0);
  expect(readdirSync(path)).toEqual(['writer.lock']);
  release();
  expect(refusal(path)).toBeUndefined();
});

/** Another process that locks the folder, and stays when it could. */
async function other(path: string): Promise<{ readonly child: ChildProcess; readonly said: string }> {
  const module = join(
    import.meta.dirname,
    '..',
    '..',
    '..',
    '..',
    'src',
    'actors',
    'operations',
    'audit',
    'folder-lock.ts',
  );
  const program = `import { lockFolder } from ${JSON.stringify(module)};
    try { lockFolder(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1e6); }
    catch (error) { console.log(error.code); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said] = await once(child.stdout, 'data');
  return { child, said: String(said).trim() };
}

it('a second writer in this process, refused under whatever name, leaves the folder locked for others', async () => {
  const path = folder();
  const release = lockFolder(path);
  const alias = join(folder(), 'alias');
  symlinkSync(path, alias);
  expect(refusal(path)).toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(refusal(alias)).toMatchObject({ code: 'ALREADY_EXISTS' });
  expect((await other(path)).said).toBe('ALREADY_EXISTS');
  release();
});

it('a lock file that others may read is closed to them', () => {
  const path = folder();
  writeFileSync(join(path, 'writer.lock'), '', { mode: 0o644 });
  lockFolder(path)();
  expect(statSync(join(path, 'writer.lock')).mode & 0o777).toBe(0o600);
});

it('a process that was killed holds it no longer', async () => {
  const path = folder();
  const { child } = await other(path);
  expect(refusal(path)).toMatchObject({ code: 'ALREADY_EXISTS' });
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(refusal(path)).toBeUndefined();
});

it('what is no file in its place is refused with its name', () => {
  const path = folder();
  mkdirSync(join(path, 'writer.lock'));
  const refused = refusal(path);
  expect(refused).toMatchObject({ code: 'FILE_UNREADABLE' });
  expect(String(refused)).toContain(path);
  const linked = folder();
  symlinkSync('/dev/null', join(linked, 'writer.lock'));
  expect(refusal(linked)).toMatchObject({ code: 'FILE_UNREADABLE' });
});
