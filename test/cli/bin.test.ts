import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const bin = join(root, 'bin', 'caxton.js');
const pretendOld = `data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '18.20.0' } })`;
const alone = mkdtempSync(join(tmpdir(), 'caxton-bin-'));
afterAll(() => rmSync(alone, { recursive: true, force: true }));

const node = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { status, stdout, stderr };
};

it('runs the command line of a clone', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(node(bin, 'version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  expect(node(bin, 'versoin')).toMatchObject({ status: 2, stderr: expect.stringContaining('caxton version') });
});

it('goes on with the clone’s own Node when it is run by an older one', () => {
  expect(node('--import', pretendOld, bin, 'version')).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^\d/),
  });
  expect(node('--import', pretendOld, bin, 'versoin').status).toBe(2);
});

it('tells an older Node outside a clone what to do', () => {
  cpSync(join(root, 'bin'), join(alone, 'bin'), { recursive: true });
  writeFileSync(join(alone, 'package.json'), '{"type":"module"}');
  const { status, stdout, stderr } = node('--import', pretendOld, join(alone, 'bin', 'caxton.js'), 'version');
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^caxton needs Node\.js 24\.11 or newer; this is .*\nInstall it from .*\n$/);
});

it('has no syntax that Node 12 does not know', () => {
  const code = readFileSync(bin, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*|`[^`]*`|'[^'\n]*'/g, '');
  expect(code).not.toMatch(/\?\.|\?\?|\bawait\b|[|&?]=|#[a-z]/);
});
