import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { nodeDisk } from '../../../src/actors/operations/node-disk.ts';

const folder = (): string => {
  const path = mkdtempSync(join(tmpdir(), 'caxton-disk-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
};
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe('an atomic write', () => {
  it('replaces the file, sets the mode and leaves nothing beside it', async () => {
    const dir = folder();
    const path = join(dir, 'node.key');
    writeFileSync(path, 'old', { mode: 0o644 });
    await nodeDisk.writeFileAtomic(path, bytes('new'), 0o600);
    expect(readFileSync(path, 'utf8')).toBe('new');
    expect(modeOf(path)).toBe(0o600);
    expect(readdirSync(dir)).toEqual(['node.key']);
  });

  it('sets a mode wider than the umask too', async () => {
    const path = join(folder(), 'node.crt');
    await nodeDisk.writeFileAtomic(path, bytes('x'), 0o666);
    expect(modeOf(path)).toBe(0o666);
  });

  it('shows a reader the old or the new, never half', async () => {
    const path = join(folder(), 'state');
    const texts = ['a', 'b'].map((letter) => letter.repeat(200_000));
    await nodeDisk.writeFileAtomic(path, bytes(texts[0]!), 0o600);
    const writing = (async () => {
      for (let i = 0; i < 20; i++) await nodeDisk.writeFileAtomic(path, bytes(texts[i % 2]!), 0o600);
    })();
    for (let i = 0; i < 100; i++) {
      expect(texts.includes(readFileSync(path, 'utf8'))).toBe(true);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writing;
  });

  it('by two at once leaves one of the two whole', async () => {
    const dir = folder();
    const path = join(dir, 'state');
    const texts = Array.from({ length: 8 }, (_, i) => String(i).repeat(50_000));
    await Promise.all(texts.map((text) => nodeDisk.writeFileAtomic(path, bytes(text), 0o600)));
    expect(texts).toContain(readFileSync(path, 'utf8'));
    expect(readdirSync(dir)).toEqual(['state']);
  });

  it('that fails leaves the old file, and nothing beside it', async () => {
    const dir = folder();
    await nodeDisk.makeFolder(join(dir, 'state', 'inner'), 0o700);
    await expect(nodeDisk.writeFileAtomic(join(dir, 'state'), bytes('x'), 0o600)).rejects.toThrow();
    expect(readdirSync(dir)).toEqual(['state']);
  });
});

describe('what a killed process left of an atomic write', () => {
  it('goes with the first write of another in that folder; what is under way stays', async () => {
    const dir = folder();
    const gone = spawnSync('true').pid;
    for (const name of [
      `.vault.key.${gone}-1.tmp`,
      `.a.seg.${process.pid}-999999.tmp`,
      `.b.${process.ppid}-1.tmp`,
      '.tmp',
    ])
      writeFileSync(join(dir, name), 'secret');
    await Promise.all(['x', 'y', 'z'].map((name) => nodeDisk.writeFileAtomic(join(dir, name), bytes('new'), 0o600)));
    expect(readdirSync(dir).sort()).toEqual([`.b.${process.ppid}-1.tmp`, '.tmp', 'x', 'y', 'z'].sort());
  });
});

describe('a file to append to', () => {
  it('grows, is cut and grows again', async () => {
    const path = join(folder(), 'log');
    const file = await nodeDisk.openAppend(path, 0o600);
    await file.append(bytes('one\n'));
    await file.append(bytes('tw'));
    expect(file.bytes).toBe(6);
    await file.truncate(4);
    await file.append(bytes('two\n'));
    await file.sync();
    await file.close();
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
    const again = await nodeDisk.openAppend(path, 0o600);
    expect(again.bytes).toBe(8);
    await again.append(bytes('three\n'));
    await again.close();
    expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthree\n');
  });

  it('keeps the order of appends that nobody waited for', async () => {
    const path = join(folder(), 'log');
    const file = await nodeDisk.openAppend(path, 0o600);
    const parts = Array.from({ length: 50 }, (_, i) => `${i}:${'x'.repeat(i * 100)}\n`);
    await Promise.all([...parts.map((part) => file.append(bytes(part))), file.close()]);
    expect(readFileSync(path, 'utf8')).toBe(parts.join(''));
  });

  it('is for its owner alone, also when it was not before', async () => {
    const path = join(folder(), 'log');
    writeFileSync(path, '');
    chmodSync(path, 0o664);
    await (await nodeDisk.openAppend(path, 0o600)).close();
    expect(modeOf(path)).toBe(0o600);
  });

  it('is not reached through a link', async () => {
    const dir = folder();
    writeFileSync(join(dir, 'target'), '');
    symlinkSync(join(dir, 'target'), join(dir, 'log'));
    await expect(nodeDisk.openAppend(join(dir, 'log'), 0o600)).rejects.toThrow();
  });
});

describe('what is no file', () => {
  it.each(['nobody', 'somebody'])('is refused at once, as a named pipe whose other end %s has open', async (who) => {
    const path = join(folder(), 'pipe');
    execFileSync('mkfifo', [path]);
    // Both ends, so that neither opening it waits for the other.
    const end = who === 'somebody' ? openSync(path, constants.O_RDWR) : undefined;
    onTestFinished(() => {
      if (end !== undefined) closeSync(end);
    });
    await expect(nodeDisk.readFile(path)).rejects.toThrow(path);
    await expect(nodeDisk.readPart(path, 0, 10)).rejects.toThrow(path);
    await expect(nodeDisk.openAppend(path, 0o600)).rejects.toThrow(path);
  });

  it('is refused as a folder or a device too', async () => {
    const dir = folder();
    await expect(nodeDisk.readPart(dir, 0, 10)).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(nodeDisk.readFile(dir)).rejects.toMatchObject({ code: 'EISDIR' });
    await expect(nodeDisk.readFile('/dev/zero')).rejects.toThrow('/dev/zero');
    await expect(nodeDisk.openAppend('/dev/null', 0o666)).rejects.toThrow('/dev/null');
  });
});

describe('what is not there', () => {
  it('is no file, no names, no size, and can be removed', async () => {
    const path = join(folder(), 'gone');
    expect(await nodeDisk.readFile(path)).toBeUndefined();
    expect(await nodeDisk.list(path)).toEqual([]);
    expect(await nodeDisk.stat(path)).toBeUndefined();
    await nodeDisk.remove(path);
    await nodeDisk.remove(join(path, 'deeper'));
  });

  it('becomes a folder, with those above it, of the mode', async () => {
    const top = folder();
    await nodeDisk.makeFolder(join(top, 'a', 'b'), 0o700);
    await nodeDisk.makeFolder(join(top, 'a', 'b'), 0o700);
    expect([join(top, 'a'), join(top, 'a', 'b')].map(modeOf)).toEqual([0o700, 0o700]);
    writeFileSync(join(top, 'z'), 'zz');
    expect(await nodeDisk.list(top)).toEqual(['a', 'z']);
    expect(await nodeDisk.stat(join(top, 'z'))).toMatchObject({ bytes: 2 });
    await nodeDisk.remove(join(top, 'z'));
    expect(existsSync(join(top, 'z'))).toBe(false);
  });
});
