import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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

describe('a database', () => {
  it('that another opening holds is refused', async () => {
    const path = database();
    await open(path);
    await expect(openNodeStore(path)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  });

  it('whose process was killed opens again with everything that it had confirmed', async () => {
    const path = database();
    const url = new URL('../../../src/actors/operations/node-store.ts', import.meta.url).href;
    const script = `
      const { openNodeStore } = await import(${JSON.stringify(url)});
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

  it('in a folder that is not there is refused', async () => {
    await expect(openNodeStore('/nonexistent/state.db')).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});

function setVersion2(path: string): void {
  const db = new DatabaseSync(path);
  db.exec('PRAGMA user_version = 2');
  db.close();
}
