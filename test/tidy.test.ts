import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** The house rules that a compiler does not see. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));

const sources = files.filter((file) => file.startsWith('src/') && file.endsWith('.ts'));
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Text without comments and string contents, so that a word in a sentence is not a call. */
const codeOf = (text: string): string => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`])\/\/.*$/gm, '$1');

const importsOf = (text: string): string[] =>
  [
    ...text.matchAll(
      /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
    ),
  ].map((match) => (match[1] ?? match[2] ?? match[3])!);

const violations = (check: (file: string, text: string) => string[]): string[] =>
  sources.flatMap((file) => check(file, read(file)).map((what) => `${file}: ${what}`));

const room = (file: string): string => {
  const path = file.slice('src/'.length);
  const top = path.includes('/') ? path.slice(0, path.indexOf('/')) : path.replace(/\.ts$/, '');
  return top;
};

const ground = ['errors', 'limits', 'names', 'unverified', 'version'];
/** Who may import whom, by room. `cli` reaches nodes through `client`; only `server start` starts one in-process. */
const mayImport: Record<string, readonly string[]> = {
  errors: [],
  limits: [],
  names: [],
  unverified: [],
  version: [],
  crypto: [...ground, 'crypto'],
  protocols: [...ground, 'protocols'],
  config: [...ground, 'protocols', 'config'],
  actors: [...ground, 'crypto', 'protocols', 'config', 'actors'],
  client: [...ground, 'protocols', 'actors', 'client'],
  development: [...ground, 'crypto', 'protocols', 'config', 'actors', 'development'],
  testing: [...ground, 'crypto', 'protocols', 'config', 'actors', 'development', 'testing'],
  cli: [...ground, 'crypto', 'protocols', 'config', 'actors', 'client', 'development', 'cli'],
  index: [...ground, 'crypto', 'protocols', 'config', 'actors', 'client', 'development'],
};

/** Rules that are whole and tested, and whose shell comes with a later step. This list only shrinks. */
const awaited = new Set(['decodeClaim', 'ownAlive']);

/** The words of a text, and those that it has more than once. */
function wordsOf(text: string): { readonly all: ReadonlySet<string>; readonly repeated: ReadonlySet<string> } {
  const all = new Set<string>();
  const repeated = new Set<string>();
  for (const [word] of codeOf(text).matchAll(/\w+/g)) (all.has(word) ? repeated : all).add(word);
  return { all, repeated };
}

describe('the house rules', () => {
  it('imports point one way', () => {
    expect(
      violations((file, text) =>
        importsOf(text)
          .filter((name) => name.startsWith('.'))
          .map((name) => normalize(join(dirname(file), name)))
          .filter((target) => target.startsWith('src/') && !(mayImport[room(file)] ?? []).includes(room(target)))
          .map((target) => `imports ${target}`),
      ),
    ).toEqual([]);
  });

  it('protocols import nothing but the house’s own rules', () => {
    expect(
      violations((file, text) =>
        file.startsWith('src/protocols/') ? importsOf(text).filter((name) => !name.startsWith('.')) : [],
      ),
    ).toEqual([]);
  });

  it('crypto imports only node:crypto, node-forge and libsodium-wrappers', () => {
    const allowed = new Set(['node:crypto', 'node-forge', 'libsodium-wrappers']);
    expect(
      violations((file, text) =>
        file.startsWith('src/crypto/')
          ? importsOf(text).filter((name) => !name.startsWith('.') && !allowed.has(name))
          : [],
      ),
    ).toEqual([]);
  });

  it('only the bridge touches the inside of XState', () => {
    expect(
      violations((file, text) =>
        ['bridge', 'scope', 'system'].some((part) => file === `src/actors/kernel/xstate-${part}.ts`)
          ? []
          : (codeOf(text).match(/\._(send|parent|relay|process)\b/g) ?? []),
      ),
    ).toEqual([]);
  });

  it('time, chance and output come through ports', () => {
    const clock = 'src/actors/kernel/node-clock.ts';
    const banned: [RegExp, (file: string) => boolean][] = [
      [/\bDate\.now\(/g, (file) => file !== clock],
      [/\bnew Date\(\)/g, () => true],
      [/\bMath\.random\(/g, () => true],
      [/\bconsole\.\w+\(/g, () => true],
    ];
    expect(
      violations((file, text) =>
        banned.flatMap(([call, applies]) => (applies(file) ? (codeOf(text).match(call) ?? []) : [])),
      ),
    ).toEqual([]);
  });

  it('nothing is switched off or left for later', () => {
    expect(
      violations(
        (_, text) => text.match(/biome-ignore|@ts-ignore|@ts-expect-error|\bas any\b|: any\b|TODO|FIXME|XXX/g) ?? [],
      ),
    ).toEqual([]);
  });

  it('no file is named for what it is not', () => {
    expect(sources.filter((file) => /(^|[/-])(utils?|helpers?|managers?|common|misc)(\.|-|\/)/.test(file))).toEqual([]);
  });

  it('no file is longer than 300 lines', () => {
    // All limits stand in one place.
    const allowed = new Set(['src/limits.ts']);
    expect(sources.filter((file) => !allowed.has(file) && read(file).split('\n').length > 301)).toEqual([]);
  });

  it('every file is reached from where somebody comes in', () => {
    const entries = [
      'src/cli.ts',
      'src/index.ts',
      'src/client.ts',
      'src/crypto/index.ts',
      'src/protocols/index.ts',
      'src/testing/index.ts',
      'src/actors/operations/store-worker.ts',
      'src/actors/operations/audit/audit-check-worker.ts',
      ...sources.filter((file) => file.startsWith('src/cli/dev/agents/')),
    ];
    const reached = new Set<string>();
    const visit = (file: string): void => {
      if (reached.has(file) || !sources.includes(file)) return;
      reached.add(file);
      for (const name of importsOf(read(file)).filter((target) => target.startsWith('.')))
        visit(normalize(join(dirname(file), name)));
    };
    for (const entry of entries) visit(entry);
    expect(sources.filter((file) => !reached.has(file))).toEqual([]);
  });

  it('what is exported is used by somebody, and what only tests use is not in the product', () => {
    const words = new Map(files.filter((file) => /\.[jt]s$/.test(file)).map((file) => [file, wordsOf(read(file))]));
    const users = (word: string, but: string) =>
      [...words].filter(([file, { all }]) => file !== but && all.has(word)).map(([file]) => file);
    expect(
      violations((file, text) =>
        [...text.matchAll(/^export (?:async )?(?:const|function\*?|class) (\w+)/gm)]
          .map(([, name]) => name!)
          .filter((name) => !awaited.has(name))
          .filter((name) => {
            const others = users(name, file);
            const here = words.get(file)!.repeated.has(name);
            return others.length === 0 || !(here || others.some((user) => !user.startsWith('test/')));
          }),
      ),
    ).toEqual([]);
  });

  it('every path that the documents name exists', () => {
    const documents = files.filter((file) => file.endsWith('.md'));
    const missing = documents.flatMap((document) =>
      [...read(document).matchAll(/`((?:src|test|config|bench|bin|examples|docs|\.ci)\/[\w./*-]*)`/g)]
        .map((match) => match[1]!.replace(/\/?\*.*$/, ''))
        .filter((path) => !existsSync(join(root, path)))
        .map((path) => `${document}: ${path}`),
    );
    expect(missing).toEqual([]);
  });

  it('every line of the page on semantics names a test that exists', () => {
    const page = 'src/actors/README.md';
    const testIn = (file: string | undefined, title: string): boolean => {
      const calls = file === undefined ? '' : read(file).replace(/\(\s+/g, '(');
      return ["'", '"', '`'].some((quote) => calls.includes(`(${quote}${title}${quote}`));
    };
    /** What is wrong with a line that should name tests: `kernel/asks` “title”, “title”. */
    const faultsOf = (line: string): string[] => {
      const named = [...line.matchAll(/`([\w/-]+)` ((?:“[^”]+”(?:, )?)+)/g)].flatMap(([, name, titles]) =>
        [...titles!.matchAll(/“([^”]+)”/g)].map(([, title]) => ({ name: name!, title: title! })),
      );
      if (named.length === 0) return [`names no test: ${line}`];
      return named
        .filter(({ name, title }) => {
          const places = [`test/actors/${name}.test.ts`, `test/${name}.test.ts`];
          return !testIn(
            places.find((file) => files.includes(file)),
            title,
          );
        })
        .map(({ name, title }) => `no such test: ${name} “${title}”`);
    };
    const blocks = read(page).split(/\n\n+/);
    const lines = blocks.flatMap((block, at) => {
      const rows = block.startsWith('|') ? block.split('\n').filter((row) => row.startsWith('|')) : [];
      const [, , ...body] = rows;
      const next = blocks[at + 1] ?? '';
      return next.startsWith('All of this table:') && body.length > 0 ? [next] : body;
    });
    expect(lines.length).toBeGreaterThan(50);
    expect(lines.flatMap(faultsOf)).toEqual([]);
  });

  it('nothing committed names this machine or a registry', () => {
    const words = [/\/(?:home|root|work|Users)\/[a-z]/, /registry\.npm/];
    expect(
      files
        .filter((file) => file !== relative(root, fileURLToPath(import.meta.url)) && !file.endsWith('.png'))
        .filter((file) => words.some((word) => word.test(read(file)))),
    ).toEqual([]);
  });
});
