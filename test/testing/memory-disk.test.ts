import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../../src/testing/memory-disk.ts';
import { seededRandom } from '../../src/testing/seeded-random.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (disk: MemoryDisk, path: string): string => new TextDecoder().decode(disk.peek(path));

describe('a power cut', () => {
  async function written(random = seededRandom(1)) {
    const disk = new MemoryDisk({ random });
    const file = await disk.openAppend('/log', 0o600);
    await file.append(bytes('synced,'));
    await file.sync();
    await file.append(bytes('not synced'));
    return { disk, file };
  }

  it.each<[number, string]>([
    [0, 'synced,'],
    [0.5, 'synced,not s'],
    [1, 'synced,not synced'],
  ])('leaves what was synced and, of the rest, the first part %d', async (kept, expected) => {
    const { disk } = await written();
    await disk.writeFileAtomic('/state', bytes('whole'), 0o640);
    const found = disk.crash(kept);
    expect([textOf(found, '/log'), textOf(found, '/state')]).toEqual([expected, 'whole']);
    expect(await found.stat('/state')).toEqual({ bytes: 5, mode: 0o640 });
  });

  it('tears the last write somewhere, by seeded chance', async () => {
    const lengths = async (seed: number) => {
      const random = seededRandom(seed);
      const found: number[] = [];
      for (let run = 0; run < 50; run++) found.push(textOf((await written(random)).disk.crash(), '/log').length);
      return found;
    };
    const first = await lengths(3);
    expect(new Set(first).size).toBeGreaterThan(5);
    expect(first.every((length) => length >= 7 && length <= 17)).toBe(true);
    expect(await lengths(3)).toEqual(first);
    expect(await lengths(4)).not.toEqual(first);
  });

  it('undoes a cut that was not synced, with what came after it, or nothing of it', async () => {
    const undone = await written();
    await undone.file.sync();
    await undone.file.truncate(7);
    await undone.file.append(bytes('again'));
    expect(textOf(undone.disk.crash(0), '/log')).toBe('synced,not synced');
    const { disk, file } = await written();
    await file.sync();
    await file.truncate(7);
    await file.append(bytes('again'));
    await file.sync();
    expect(textOf(disk, '/log')).toBe('synced,again');
    expect(textOf(disk.crash(0), '/log')).toBe('synced,again');
    const other = await written();
    await other.file.sync();
    await other.file.truncate(7);
    await other.file.append(bytes('again!'));
    expect(textOf(other.disk.crash(0.5), '/log')).toBe('synced,aga');
  });

  it('is the end for whoever still uses the disk, also when it comes in the middle of an act', async () => {
    const { disk, file } = await written();
    let found: MemoryDisk | undefined;
    disk.before = (act) => {
      if (act === 'write') found = disk.crash(0);
    };
    await expect(disk.writeFileAtomic('/log', bytes('new'), 0o600)).rejects.toMatchObject({ code: 'EIO' });
    expect(textOf(found!, '/log')).toBe('synced,');
    await expect(file.append(bytes('x'))).rejects.toMatchObject({ code: 'EIO' });
    await expect(disk.readFile('/log')).rejects.toMatchObject({ code: 'EIO' });
    expect(textOf(found!, '/log')).toBe('synced,');
  });
});

describe('a disk that is full', () => {
  it('takes as much of an append as fits, nothing of an atomic write, and goes on when there is room', async () => {
    const disk = new MemoryDisk({ capacityBytes: 10 });
    const file = await disk.openAppend('/log', 0o600);
    await file.append(bytes('1234567'));
    await expect(disk.writeFileAtomic('/state', bytes('12345'), 0o600)).rejects.toMatchObject({ code: 'ENOSPC' });
    await expect(file.append(bytes('89abc'))).rejects.toMatchObject({ code: 'ENOSPC', path: '/log' });
    expect([file.bytes, textOf(disk, '/log')]).toEqual([10, '123456789a']);
    expect(disk.paths()).toEqual(['/log']);
    disk.capacityBytes = 100;
    await file.append(bytes('!'));
    expect(textOf(disk, '/log')).toBe('123456789a!');
  });
});

describe('a disk that fails', () => {
  it('fails at the act and the path that it was told, with the system’s code, until it is mended', async () => {
    const disk = new MemoryDisk();
    disk.put('/a/key', 'secret');
    disk.put('/a/other', 'x', 0o644);
    disk.fail('read', 'EACCES', '/a/key');
    await expect(disk.readFile('/a/key')).rejects.toMatchObject({ code: 'EACCES', path: '/a/key' });
    expect(await disk.readFile('/a/other')).toEqual(bytes('x'));
    expect(await disk.list('/a')).toEqual(['key', 'other']);
    disk.fail('list', 'EIO');
    await expect(disk.list('/a')).rejects.toMatchObject({ code: 'EIO' });
    disk.mend();
    expect(await disk.readFile('/a/key')).toEqual(bytes('secret'));
    expect(await disk.stat('/a/key')).toEqual({ bytes: 6, mode: 0o600 });
  });

  it('lets an act wait, and those of the same file behind it', async () => {
    const disk = new MemoryDisk();
    const file = await disk.openAppend('log', 0o600);
    const held = Promise.withResolvers<void>();
    disk.before = (act) => (act === 'sync' ? held.promise : undefined);
    const order: string[] = [];
    const acts = [
      file.append(bytes('a')).then(() => order.push('append')),
      file.sync().then(() => order.push('sync')),
      file.append(bytes('b')).then(() => order.push('append')),
    ];
    await acts[0];
    await disk.list('.');
    expect([order, textOf(disk, 'log')]).toEqual([['append'], 'a']);
    held.resolve();
    await Promise.all(acts);
    expect([order, textOf(disk, 'log')]).toEqual([['append', 'sync', 'append'], 'ab']);
  });
});
