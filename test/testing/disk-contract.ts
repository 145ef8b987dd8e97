import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Disk } from '../../src/actors/kernel/ports.ts';

/** A Buffer, whose `slice` shares memory: what is promised to be a copy must be one all the same. */
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** What holds for every `Disk`; `make` gives one and an empty folder on it. */
export function diskContract(name: string, make: () => { readonly disk: Disk; readonly folder: string }): void {
  const textOf = async (disk: Disk, path: string): Promise<string | undefined> => {
    const found = await disk.readFile(path);
    return found && new TextDecoder().decode(found);
  };
  const modeOf = async (disk: Disk, path: string): Promise<number | undefined> => {
    const found = await disk.stat(path);
    return found && found.mode & 0o777;
  };

  describe(`${name}: an atomic write`, () => {
    it('replaces the file, sets the mode, wider than before or not, and leaves nothing beside it', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'node.key');
      for (const mode of [0o644, 0o600, 0o666]) {
        await disk.writeFileAtomic(path, bytes(`of mode ${mode}`), mode);
        expect([await textOf(disk, path), await modeOf(disk, path)]).toEqual([`of mode ${mode}`, mode]);
      }
      expect(await disk.list(folder)).toEqual(['node.key']);
    });

    it('takes the bytes as they are now and hands out bytes of their own', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'state');
      const content = bytes('before');
      const written = disk.writeFileAtomic(path, content, 0o600);
      await written;
      content.fill(0);
      (await disk.readFile(path))?.fill(0);
      expect(await textOf(disk, path)).toBe('before');
      const file = await disk.openAppend(path, 0o600);
      const more = bytes(' after');
      await file.append(more);
      more.fill(0);
      await file.close();
      expect(await textOf(disk, path)).toBe('before after');
    });

    it('shows a reader the old or the new, and of two at once leaves one whole', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'state');
      const texts = Array.from({ length: 6 }, (_, i) => String(i).repeat(50_000));
      await disk.writeFileAtomic(path, bytes(texts[0]!), 0o600);
      const writing = Promise.all(texts.map((text) => disk.writeFileAtomic(path, bytes(text), 0o600)));
      for (let i = 0; i < 10; i++) expect(texts).toContain(await textOf(disk, path));
      await writing;
      expect(texts).toContain(await textOf(disk, path));
      expect(await disk.list(folder)).toEqual(['state']);
    });

    it('that fails leaves what was there, and nothing beside it', async () => {
      const { disk, folder } = make();
      await disk.makeFolder(join(folder, 'state'), 0o700);
      await expect(disk.writeFileAtomic(join(folder, 'state'), bytes('x'), 0o600)).rejects.toThrow();
      await expect(disk.writeFileAtomic(join(folder, 'no', 'x'), bytes('x'), 0o600)).rejects.toThrow(/ENOENT/);
      expect(await disk.list(folder)).toEqual(['state']);
    });
  });

  describe(`${name}: a file to append to`, () => {
    it('grows, is cut and grows again, also when it is opened again', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'log');
      const file = await disk.openAppend(path, 0o600);
      await file.append(bytes('one\n'));
      await file.append(bytes('tw'));
      expect(file.bytes).toBe(6);
      await file.truncate(4);
      expect(file.bytes).toBe(4);
      await file.append(bytes('two\n'));
      await file.sync();
      await file.close();
      const again = await disk.openAppend(path, 0o600);
      expect(again.bytes).toBe(8);
      await again.append(bytes('three\n'));
      await again.close();
      expect(await textOf(disk, path)).toBe('one\ntwo\nthree\n');
      expect(await disk.stat(path)).toMatchObject({ bytes: 14 });
    });

    it('keeps the order of acts that nobody waited for', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'log');
      const file = await disk.openAppend(path, 0o600);
      const parts = Array.from({ length: 20 }, (_, i) => `${i}:${'x'.repeat(i * 100)}\n`);
      await Promise.all([...parts.map((part) => file.append(bytes(part))), file.sync(), file.close()]);
      expect(await textOf(disk, path)).toBe(parts.join(''));
    });

    it('is of no use once it is closed', async () => {
      const { disk, folder } = make();
      const file = await disk.openAppend(join(folder, 'log'), 0o600);
      await file.close();
      await expect(file.append(bytes('x'))).rejects.toThrow();
      await expect(file.sync()).rejects.toThrow();
      await expect(file.truncate(0)).rejects.toThrow();
    });

    it('is for its owner alone, also when it was not before', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'log');
      await disk.writeFileAtomic(path, bytes(''), 0o664);
      await (await disk.openAppend(path, 0o600)).close();
      expect(await modeOf(disk, path)).toBe(0o600);
      await disk.writeFileAtomic(path, bytes(''), 0o400);
    });

    it('is not made where there is no folder, or where a folder has its name', async () => {
      const { disk, folder } = make();
      await disk.makeFolder(join(folder, 'there'), 0o700);
      await expect(disk.openAppend(join(folder, 'not', 'log'), 0o600)).rejects.toThrow(/ENOENT/);
      await expect(disk.openAppend(join(folder, 'there'), 0o600)).rejects.toThrow(/EISDIR/);
    });
  });

  describe(`${name}: what is there and what is not`, () => {
    it('is no file, no names, no size, and can be removed', async () => {
      const { disk, folder } = make();
      const path = join(folder, 'gone');
      expect([await disk.readFile(path), await disk.list(path), await disk.stat(path)]).toEqual([
        undefined,
        [],
        undefined,
      ]);
      await disk.remove(path);
      await disk.remove(join(path, 'deeper'));
    });

    it('becomes a folder, with those above it, of the mode; again is fine', async () => {
      const { disk, folder } = make();
      await disk.makeFolder(join(folder, 'a', 'b'), 0o700);
      await disk.makeFolder(join(folder, 'a', 'b'), 0o755);
      expect([await modeOf(disk, join(folder, 'a')), await modeOf(disk, join(folder, 'a', 'b'))]).toEqual([
        0o700, 0o700,
      ]);
      await disk.writeFileAtomic(join(folder, 'z'), bytes('zz'), 0o600);
      await disk.writeFileAtomic(join(folder, 'B'), bytes('b'), 0o600);
      expect(await disk.list(folder)).toEqual(['B', 'a', 'z']);
      await disk.remove(join(folder, 'z'));
      expect(await disk.list(folder)).toEqual(['B', 'a']);
    });

    it('a file is no folder and a folder no file', async () => {
      const { disk, folder } = make();
      const [file, inner] = [join(folder, 'file'), join(folder, 'inner')];
      await disk.writeFileAtomic(file, bytes('x'), 0o600);
      await disk.makeFolder(inner, 0o700);
      await expect(disk.readFile(inner)).rejects.toMatchObject({ code: 'EISDIR' });
      await expect(disk.list(file)).rejects.toMatchObject({ code: 'ENOTDIR' });
      await expect(disk.makeFolder(file, 0o700)).rejects.toMatchObject({ code: 'EEXIST' });
      await expect(disk.readFile(join(file, 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
      await expect(disk.writeFileAtomic(join(file, 'x'), bytes('x'), 0o600)).rejects.toMatchObject({ code: 'ENOTDIR' });
      await expect(disk.remove(inner)).rejects.toThrow();
    });
  });
}
