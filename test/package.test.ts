import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** What a user gets from the registry: packed from a copy of the tree, installed in an empty project, used from there. */
const root = join(import.meta.dirname, '..');
const home = mkdtempSync(join(tmpdir(), 'caxton-package-'));
const copy = join(home, 'copy');
const project = join(home, 'project');
const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

const run = (cwd: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '' } });
const node = (...args: string[]): string => run(project, process.execPath, ...args);
const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');

const strictly = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node'];
const compile = (...files: string[]): string => node(tsc, ...strictly, '--skipLibCheck', ...files);

let packed: Packed;
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, unknown>>;
};

beforeAll(() => {
  const files = run(root, 'git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0');
  for (const file of files.filter((name) => name !== '' && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(copy, file)), { recursive: true });
    cpSync(join(root, file), join(copy, file));
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  // A leftover of a file that was deleted since must not be published.
  mkdirSync(join(copy, 'dist'));
  writeFileSync(join(copy, 'dist', 'stale.js'), 'export {};\n');
  const output = run(copy, 'npm', 'pack', '--json', '--loglevel=error');
  [packed] = JSON.parse(output.slice(output.indexOf('['))) as [Packed];
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "name": "host", "private": true, "type": "module" }\n');
  run(project, 'npm', 'install', ...quiet, '--prefer-offline', '--ignore-scripts', join(copy, packed.filename));
  mkdirSync(join(project, 'node_modules', '@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(project, 'node_modules', '@types', 'node'));
}, 180_000);

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe('the package', () => {
  it('holds what runs and what explains it, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path);
    const known =
      /^(?:bin\/caxton\.js|config\/[a-z]+\.yaml|docs\/[a-z/-]+\.md|(?:ARCHITECTURE|CHANGELOG|README|SECURITY)\.md|LICENSE|package\.json)$/;
    const compiled = /^dist\/(.*)\.(?:d\.ts|js)$/;
    const strange = paths.filter((path) => {
      const source = compiled.exec(path)?.[1];
      return source === undefined ? !known.test(path) : !existsSync(join(root, 'src', `${source}.ts`));
    });
    expect(strange).toEqual([]);
    for (const needed of [
      'bin/caxton.js',
      'config/node.yaml',
      'LICENSE',
      'README.md',
      'dist/index.d.ts',
      'dist/cli.js',
    ])
      expect(paths).toContain(needed);
  });

  it('holds every page that its README links to', () => {
    const links = [...readFileSync(join(copy, 'README.md'), 'utf8').matchAll(/\]\(([^):#]+)(?:#[^)]*)?\)/g)];
    expect(links.length).toBeGreaterThan(3);
    expect(packed.files.map(({ path }) => path)).toEqual(expect.arrayContaining(links.map(([, path]) => path)));
  });

  it('offers its subpaths and nothing behind them', () => {
    const subpaths = Object.keys(manifest.exports).filter((path) => path !== './package.json');
    expect(subpaths).toEqual(['.', './client', './crypto', './protocols', './testing']);
    writeFileSync(
      join(project, 'subpaths.js'),
      `for (const path of ${JSON.stringify(subpaths)}) {
        const name = '${manifest.name}' + path.slice(1);
        console.log(name, Object.keys(await import(name)).length > 0);
      }
      await import('${manifest.name}/dist/index.js').catch((error) => console.log(error.code));`,
    );
    expect(node('subpaths.js').trim().split('\n')).toEqual([
      ...subpaths.map((path) => `${manifest.name}${path.slice(1)} true`),
      'ERR_PACKAGE_PATH_NOT_EXPORTED',
    ]);
  });

  it('is required from CommonJS as well', () => {
    writeFileSync(
      join(project, 'common.cjs'),
      `console.log(typeof require('${manifest.name}').createNode, typeof require('${manifest.name}/client').createClient);
      import('${manifest.name}').then((whole) => console.log(whole.createNode === require('${manifest.name}').createNode));`,
    );
    expect(node('common.cjs')).toBe('function function\ntrue\n');
  });

  it('has declarations that need no types of what it is made of', () => {
    const names = Object.keys(manifest.exports).filter((path) => path !== './package.json');
    const lines = names.map((path, at) => `export * as part${at} from '${manifest.name}${path.slice(1)}';`);
    writeFileSync(join(project, 'declarations.ts'), `${lines.join('\n')}\n`);
    expect(node(tsc, ...strictly, 'declarations.ts')).toBe('');
  });

  it('type-checks and runs the examples in a project of its own', () => {
    const examples = ['embed.ts', 'agent-host.ts'];
    for (const example of examples) cpSync(join(root, 'examples', example), join(project, example));
    compile(...examples);
    expect(node('embed.ts')).toContain('19 + 23 = 42; the notebook holds 1 note');
    expect(node('agent-host.ts')).toMatch(/clerk pays: +inform[\s\S]*apprentice → bank\/cashier: UNAUTHORIZED/);
  }, 60_000);

  it('runs the program of the README as it stands there', () => {
    const [, program] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))!;
    expect(program!.split('\n').filter((line) => line !== '').length).toBeLessThanOrEqual(20);
    writeFileSync(join(project, 'readme.ts'), program!);
    compile('readme.ts');
    expect(node('readme.ts')).toBe('Hello, world!\n');
  });

  it('runs the tests of the page on testing as they stand there', () => {
    const page = readFileSync(join(root, 'docs', 'testing.md'), 'utf8');
    const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block);
    writeFileSync(join(project, 'page.test.ts'), blocks.join('\n'));
    compile('page.test.ts');
    expect(node('--test', '--test-reporter=tap', 'page.test.ts')).toMatch(/# pass 4\n# fail 0/);
  }, 60_000);

  it('runs the program of the page on debugging as it stands there', () => {
    const page = readFileSync(join(root, 'docs', 'debugging.md'), 'utf8');
    writeFileSync(join(project, 'debugging.ts'), /```ts\n([\s\S]*?)```/.exec(page)![1]!);
    compile('debugging.ts');
    expect(node('debugging.ts')).toMatch(/\/node\/audit-writer[\s\S]*\/node\/program\/nobody[\s\S]*unknown/);
  }, 60_000);

  it('lets the compiler find a wrong message', () => {
    const text = readFileSync(join(root, 'examples', 'embed.ts'), 'utf8');
    const wrong = text.replace('content: [19, 23]', "content: 'nineteen'");
    expect(wrong).not.toBe(text);
    writeFileSync(join(project, 'wrong.ts'), wrong);
    expect(() => compile('wrong.ts')).toThrow(
      expect.objectContaining({ stdout: expect.stringMatching(/^wrong\.ts\(\d+,\d+\): error TS2322: .*number\[\]/m) }),
    );
  });

  it('has the command line', () => {
    expect(run(project, join(project, 'node_modules', '.bin', 'caxton'), 'version').trim()).toBe(manifest.version);
  });
});
