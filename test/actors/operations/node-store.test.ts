import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openNodeStore } from '../../../src/actors/operations/node-store.ts';
import { limits } from '../../../src/limits.ts';

const run = promisify(execFile);

const database = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-store-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'state.db');
};

const open = async (path: string) => {
  const store = await openNodeStore(path);
  onTestFinished(() => store.close());
  return store;
};

const source = new URL('../../../src/actors/operations/node-store.ts', import.meta.url).href;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('the store', () => {
  it('keeps what was put, apart by collection, across openings', async () => {
    const path = database();
    const store = await open(path);
    await store.put('node', 'boot', bytes('1'));
    await store.put('node', 'boot', bytes('2'));
    await store.put('other', 'boot', bytes('x'));
    await store.put('node', 'a', new Uint8Array(0));
    await store.delete('other', 'boot');
    await store.close();
    const again = await open(path);
    expect(await again.get('node', 'boot')).toEqual(bytes('2'));
    expect(await again.get('other', 'boot')).toBeUndefined();
    expect(await again.entries('node')).toEqual([
      ['a', new Uint8Array(0)],
      ['boot', bytes('2')],
    ]);
  });

  it('does all that is asked at once in the order in which it was asked', async () => {
    const store = await open(database());
    const seen = await Promise.all(
      Array.from({ length: 100 }, async (_, i) => {
        void store.put('c', 'k', bytes(String(i)));
        return store.get('c', 'k');
      }),
    );
    expect(seen).toEqual(seen.map((_, i) => bytes(String(i))));
  });

  it('takes the bytes as they are now, not as their owner changes them', async () => {
    const store = await open(database());
    const value = bytes('before!');
    const put = store.put('c', 'k', value.subarray(0, 6));
    value.fill(0);
    await put;
    expect(await store.get('c', 'k')).toEqual(bytes('before'));
  });

  it('is for its owner alone, with the files beside it', async () => {
    const path = database();
    writeFileSync(path, '', { mode: 0o644 });
    const store = await open(path);
    await store.put('c', 'k', bytes('v'));
    const folder = join(path, '..');
    const names = readdirSync(folder);
    expect(names).toContain('state.db-wal');
    expect(names.map((name) => statSync(join(folder, name)).mode & 0o777)).toEqual(names.map(() => 0o600));
  });

  it('refuses what is too long', async () => {
    const store = await open(database());
    const long = new Uint8Array(limits.storeValueBytesMax + 1);
    await expect(store.put('c', 'k', long)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await expect(store.get('c', 'k'.repeat(2_000))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('answers what was asked before it closes, and refuses what comes after', async () => {
    const store = await open(database());
    const put = store.put('c', 'k', bytes('v'));
    const closed = store.close();
    await expect(store.get('c', 'k')).rejects.toMatchObject({ code: 'STOPPED' });
    await Promise.all([put, closed, store.close()]);
  });
});

describe('a disk that is full', () => {
  it('answers everybody: who is refused finds nothing there, and who is not finds it after a restart too', async () => {
    const path = database();
    const script = `
      const { openNodeStore } = await import(${JSON.stringify(source)});
      const store = await openNodeStore(${JSON.stringify(path)});
      await store.put('c', 'before', new Uint8Array([1]));
      const keys = ['small', 'large0', 'large1', 'large2', 'last'];
      const batch = keys.map((key) => store.put('c', key, new Uint8Array(key.startsWith('large') ? 400_000 : 1)));
      const answers = (await Promise.allSettled(batch)).map(({ status, reason }) => reason?.code ?? status);
      const left = (await store.entries('c')).map(([key]) => key);
      console.log(JSON.stringify({ answers: Object.fromEntries(keys.map((key, i) => [key, answers[i]])), left }));
      await store.close().catch(() => {});`;
    // A limit on the size of files stands for a full disk: the write fails in the same place.
    const { stdout } = await run('/bin/bash', [
      '-c',
      'ulimit -f 256; exec "$0" --input-type=module -e "$1"',
      process.execPath,
      script,
    ]);
    const { answers, left } = JSON.parse(stdout) as { answers: Record<string, string>; left: string[] };
    expect(answers).toMatchObject({ large0: 'FILE_UNREADABLE', large1: 'FILE_UNREADABLE', large2: 'FILE_UNREADABLE' });
    const confirmed = Object.keys(answers).filter((key) => answers[key] === 'fulfilled');
    expect(left).toEqual(['before', ...confirmed].sort());
    const again = await open(path);
    expect((await again.entries('c')).map(([key]) => key)).toEqual(left);
  });

  it('refuses all that came in one batch with the one that it could not write', async () => {
    const store = await open(database());
    await store.put('c', 'before', bytes('v'));
    // A key that SQLite cannot bind fails in the middle of the transaction.
    const wrong = { length: 1 } as unknown as string;
    const batch = [store.put('c', 'a', bytes('v')), store.delete('c', wrong), store.put('c', 'b', bytes('v'))];
    const answers = (await Promise.allSettled(batch)).map(({ status }) => status);
    const left = (await store.entries('c')).map(([key]) => key);
    expect(answers[1]).toBe('rejected');
    expect(left).toEqual(['before', ...['a', 'b'].filter((_, i) => answers[i * 2] === 'fulfilled')].sort());
    await store.put('c', 'after', bytes('v'));
  });
});

describe('a database', () => {
  it('that another opening holds is refused', async () => {
    const path = database();
    await open(path);
    await expect(openNodeStore(path)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('whose process was killed opens again with everything that it had confirmed', async () => {
    const path = database();
    const script = `
      const { openNodeStore } = await import(${JSON.stringify(source)});
      const store = await openNodeStore(${JSON.stringify(path)});
      await store.put('c', 'k', new Uint8Array([7]));
      process.kill(process.pid, 'SIGKILL');`;
    await expect(run(process.execPath, ['--input-type=module', '-e', script])).rejects.toMatchObject({
      signal: 'SIGKILL',
    });
    expect(await (await open(path)).get('c', 'k')).toEqual(Uint8Array.of(7));
  });

  it.each<[string, (path: string) => void, string]>([
    ['that is something else', (path) => writeFileSync(path, 'not a database at all '.repeat(100)), 'MALFORMED'],
    ['that was cut', (path) => truncateSync(path, 4_096), 'MALFORMED'],
    ['of a later version', setVersion2, 'NOT_SUPPORTED'],
  ])('%s is refused with its path', async (_, spoil, code) => {
    const path = database();
    const store = await openNodeStore(path);
    await Promise.all(Array.from({ length: 50 }, (_, i) => store.put('c', `k${i}`, new Uint8Array(2_000))));
    await store.close();
    spoil(path);
    const error = await openNodeStore(path).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(path);
  });

  it('that was closed can be opened again at once, by this process or another', async () => {
    const path = database();
    for (let life = 0; life < 5; life++) {
      const store = await openNodeStore(path);
      await store.put('c', `k${life}`, bytes('v'));
      await store.close();
    }
    expect((await (await open(path)).entries('c')).length).toBe(5);
  });

  it('that another process holds is refused with its path and what to do', async () => {
    const path = database();
    await open(path);
    const script = `
      const { openNodeStore } = await import(${JSON.stringify(source)});
      await openNodeStore(${JSON.stringify(path)}).catch(({ name, code, message, mend }) =>
        console.log(JSON.stringify({ name, code, message, mend })));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    const error = JSON.parse(stdout) as { name: string; code: string; message: string; mend: string };
    expect(error).toMatchObject({ name: 'CaxtonError', code: 'ALREADY_EXISTS' });
    expect(error.message).toContain(path);
    expect(error.message).toMatch(/running already/);
  });

  it('is refused where a folder has its name, and where nobody may write', async () => {
    const path = database();
    mkdirSync(path);
    await expect(openNodeStore(path)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    await expect(openNodeStore('/proc/caxton.db')).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });

  it('is not reached through a link that somebody put there', async () => {
    const path = database();
    writeFileSync(`${path}.target`, '', { mode: 0o644 });
    symlinkSync(`${path}.target`, path);
    await expect(openNodeStore(path)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
    expect(statSync(`${path}.target`).mode & 0o777).toBe(0o644);
  });

  it('in a folder that is not there is refused', async () => {
    await expect(openNodeStore('/nonexistent/state.db')).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});

describe('the built package', () => {
  it('finds the thread of its store beside itself', async () => {
    const folder = join(database(), '..');
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.build.json'),
        compilerOptions: {
          outDir: join(folder, 'dist'),
          rootDir: join(root, 'src'),
          typeRoots: [join(root, 'node_modules/@types')],
        },
        include: [],
        files: ['node-store.ts', 'store-worker.ts'].map((name) => join(root, 'src/actors/operations', name)),
      }),
    );
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    const built = pathToFileURL(join(folder, 'dist/actors/operations/node-store.js')).href;
    const script = `
      const { openNodeStore } = await import(${JSON.stringify(built)});
      const store = await openNodeStore(${JSON.stringify(join(folder, 'state.db'))});
      await store.put('c', 'k', new Uint8Array([7]));
      console.log(...(await store.get('c', 'k')));
      await store.close();`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout).toBe('7\n');
  });
});

function setVersion2(path: string): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 2');
  db.close();
}
