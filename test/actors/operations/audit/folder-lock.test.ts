import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
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

it('a process that was killed holds it no longer', async () => {
  const path = folder();
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
  const program = `import { lockFolder } from ${JSON.stringify(module)}; lockFolder(${JSON.stringify(path)}); console.log('held'); setInterval(() => {}, 1e6);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
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
